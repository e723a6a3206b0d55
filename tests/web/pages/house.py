"""A store and a desk in memory with all that the pages show: several models, many labels, figures, heat maps."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from kunstkammer.pictures.read import read_picture
from kunstkammer.web.errors import Unfit
from kunstkammer.web.records import Answer, ModelCard, Neighbour, Score
from tests.web.fakes import BROKEN, CARD, FakeDesk, FakeStore

FIGURES = {
    "n": 40,
    "metrics": {
        "accuracy": {"value": 0.925, "low": 0.82, "high": 0.98},
        "log_loss": {"value": 0.31, "low": 0.2, "high": 0.5},
        "expected_calibration_error": {"value": 0.057, "low": 0.0, "high": 0.097},
    },
    "zero_r": {"accuracy": 0.5, "log_loss": 0.693, "expected_calibration_error": 0.0},
}
MARKDOWN = """---
tags: [x]
---

# comics

Says which of 2 labels a picture shows. <script>alert(1)</script>

## How good it is

| metric | value |
| --- | --- |
| accuracy | 0.925 |

[a link](https://example.org/) ![a picture](https://example.org/x.png) [bad](javascript:alert(1))
"""
ONE = replace(CARD, facts=FIGURES, card=MARKDOWN, version="a1b2c3d4")
FEELINGS = ("anger", "calm", "fear", "joy", "surprise", "<b>&\"'")
MANY = ModelCard(
    "feelings",
    "e5f6",
    FEELINGS,
    multi_label=True,
    zero_r=dict(zip(FEELINGS, (0.1, 0.5, 0.2, 0.4, 0.15, 0.01), strict=True)),
    explainers=("occlusion",),
    calibrated=False,
    has_neighbours=False,
    has_detector=False,
    has_report=False,
    facts={},
    card="",
)


def drawing(seed: int = 0, size: tuple[int, int] = (320, 240), form: str = "PNG") -> bytes:
    """A few ellipses on paper; even seeds are dark (the fake says "comic"), odd ones bright."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size, (250, 246, 236) if seed % 2 else (60, 50, 70))
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, w = random.integers(0, size[0]), random.integers(0, size[1]), random.integers(20, 90)
        pen.ellipse((x, y, x + w, y + w), fill=tuple(random.integers(0, 256, 3).tolist()), outline="black", width=3)
    found = io.BytesIO()
    image.save(found, form)
    return found.getvalue()


class Desk(FakeDesk):
    """As `FakeDesk`, with a model of many labels beside it, and heat maps of the picture's proportions,
    empty ones where `flat`."""

    def __init__(self) -> None:
        super().__init__((ONE, MANY, BROKEN))
        self.flat = False
        self.asked: list[tuple[str, str, str | None, str | None]] = []

    async def predict(self, model: str, data: bytes, name: str = "") -> Answer:
        if self.busy or model != MANY.name:
            return await super().predict(model, data, name)
        self._able(model)
        random = np.random.default_rng(int(hashlib.sha256(data).hexdigest()[:8], 16))
        scores = sorted(zip(random.random(len(FEELINGS)).tolist(), FEELINGS, strict=True), reverse=True)
        made = tuple(Score(label, share, MANY.zero_r[label], share > 0.6) for share, label in scores)
        return Answer(MANY.name, MANY.version, made, False, 0.97, None)

    async def explain(self, model, data, method, target=None, versus=None, name="") -> bytes:
        card = self._able(model)
        if method not in card.explainers:
            raise Unfit(f"{model} has no explainer {method}.")
        self.asked.append((model, method, target, versus))
        image = read_picture(data)
        y, x = np.mgrid[0:1:32j, 0:1:32j]
        heat = 0 * x if self.flat else np.exp(-8 * ((x - 0.4) ** 2 + (y - 0.5) ** 2))
        pixels = np.zeros((32, 32, 4), np.uint8)
        pixels[..., 0], pixels[..., 3] = 230, (255 * heat).astype(np.uint8)
        png = io.BytesIO()
        Image.fromarray(pixels).resize(image.size).save(png, "PNG")
        return png.getvalue()

    async def neighbours(self, model: str, data: bytes, k: int = 8, name: str = "") -> tuple[Neighbour, ...]:
        await super().neighbours(model, data, k, name)
        files = [(f"train/comic/{i:04}.jpg", ("comic",)) for i in range(k)]
        return tuple(
            Neighbour(file, labels, 0.98 - i / 50, drawing(i, (96, 96), "JPEG"))
            for i, (file, labels) in enumerate(files)
        )

    def examples(self, model: str, label: str, k: int) -> tuple[bytes, ...]:
        if model == MANY.name:
            return ()
        return tuple(drawing(2 * i + (label == "manga"), (96, 96), "JPEG") for i in range(min(k, 4)))

    def next_to_look_at(self, pictures, limit: int):
        reasons = ("doubtful", "disagreeing", "far")
        left = [picture for picture in pictures if not picture.corrections]
        return [(picture, reasons[i % 3]) for i, picture in enumerate(left[:limit])]


def fake_house() -> tuple[FakeStore, Desk]:
    """Return both."""
    return FakeStore(), Desk()
