"""Makes faces.jpg: eight emotions of some persons, each as a photograph and below it as a drawing.

python docs/images/faces.py [OUT [SEED [PERSONS]]]
"""

import io
import sys
from pathlib import Path

from PIL import Image

from kunstkammer.data.drawn.album import Order
from kunstkammer.data.drawn.faces.action_units import EMOTIONS
from kunstkammer.data.drawn.faces.collection import DOMAINS, draw_pair


def make_sheet(seed: int, persons: int, size: int = 192, cell: int = 148, gap: int = 4) -> Image.Image:
    """Return the sheet: a column an emotion, two rows a person."""
    step = cell + gap
    sheet = Image.new("RGB", (len(EMOTIONS) * step + gap, persons * (2 * step + gap) + gap), "white")
    for row in range(persons):
        for column, emotion in enumerate(EMOTIONS):
            order = Order(f"train/{emotion}/{row + 1:04d}.jpg", emotion, "train", row + 1, seed)
            pair = draw_pair(order, size)
            for k, domain in enumerate(DOMAINS):
                picture = Image.open(io.BytesIO(pair[domain].data))
                if cell != size:
                    picture = picture.resize((cell, cell), Image.Resampling.LANCZOS)
                sheet.paste(picture, (gap + column * step, gap + row * (2 * step + gap) + k * step))
    return sheet


if __name__ == "__main__":
    out, seed, persons = [*sys.argv[1:], *[Path(__file__).with_suffix(".jpg"), 7, 4][len(sys.argv) - 1 :]]
    make_sheet(int(seed), int(persons)).save(out, quality=80, optimize=True)
