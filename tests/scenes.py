"""Drawn scenes with known emotions: each shows in the picture, in the text, or in both, so that neither is enough."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

EMOTIONS = ("angry", "fear", "happy", "sad")
COLOURS = {"angry": (220, 40, 40), "fear": (110, 60, 170), "happy": (240, 200, 40), "sad": (50, 90, 200)}
WORDS = {
    "angry": ("Verdammt", "Schurke", "zornig", "怒"),
    "fear": ("Hilfe", "Gespenst", "zittern", "怖い"),
    "happy": ("Hurra", "lachen", "wunderbar", "嬉しい"),
    "sad": ("weinen", "verloren", "Abschied", "悲しい"),
}
FILLER = ("der", "Mann", "im", "Haus", "sagt", "und", "geht", "dann", "heute", "Tag", "wieder", "dort", "ein", "Weg")


def write_scenes(folder: Path, *, n: int = 240, seed: int = 0, shown: float = 0.5, told: float = 0.6) -> Path:
    """Write `n` panels and a table of them, one 0/1 column for each emotion; return the table.

    An emotion that is there is `shown` as a disc of its colour, and `told` by one of its words, each with that
    probability, and by one of the two in any case.
    """
    random = np.random.default_rng(seed)
    (folder / "panels").mkdir(parents=True)
    table = folder / "scenes.csv"
    with open(table, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["", "image_id", *EMOTIONS, "narration", "dialog"])
        for i in range(n):
            carried = random.random(len(EMOTIONS)) < 0.4
            colours, words = [], list(random.choice(FILLER, 6))
            for emotion in np.array(EMOTIONS)[carried]:
                show, tell = random.random() < shown, random.random() < told
                if show or not tell:
                    colours.append(COLOURS[emotion])
                if tell:
                    words.insert(int(random.integers(len(words))), str(random.choice(WORDS[emotion])))
            panel(random, colours).save(folder / "panels" / f"{i:04}.png")
            half = len(words) // 2
            writer.writerow([i, f"{i:04}", *carried.astype(int), " ".join(words[:half]), " ".join(words[half:])])
    return table


def panel(random: np.random.Generator, colours: list[tuple[int, int, int]], side: int = 48) -> Image.Image:
    """Return a panel of noise and grey strokes with a disc of each colour."""
    noise = np.clip(random.normal(205, 18, (side, side, 1)), 0, 255).astype(np.uint8)
    image = Image.fromarray(np.repeat(noise, 3, axis=2))
    pen = ImageDraw.Draw(image)
    for _ in range(4):
        pen.line([tuple(random.integers(0, side, 2).tolist()) for _ in range(2)], fill=(70, 70, 70), width=1)
    for colour in colours:
        x, y, r = (*random.integers(6, side - 6, 2).tolist(), int(random.integers(4, 7)))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline=(20, 20, 20))
    return image
