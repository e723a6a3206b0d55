"""Boxes drawn on a picture, a colour for each label; Pillow alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw

from kunstkammer.pictures.detections import Detections

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f3fbf", "#8c564b")
"""SceneWithText apart also by those who see few colours (Okabe and Ito 2008), and two more."""


def colours_of(labels: Sequence[str]) -> dict[str, str]:
    """Return a colour for each label, by its place; from the ninth on they repeat.

    >>> colours_of(["panel", "text"])["text"]
    '#d55e00'
    """
    return {name: COLOURS[k % len(COLOURS)] for k, name in enumerate(labels)}


def draw_boxes(image: Image.Image, found: Detections, colours: Mapping[str, str]) -> Image.Image:
    """Return an RGB copy of a picture with its boxes, which are in its pixels; a label without a colour is drawn black.

    Each line has a white edge, so that it is seen on ink too. What reaches outside is drawn up to the edge.
    """
    drawn = image.convert("RGB")
    pen = ImageDraw.Draw(drawn)
    wide = max(1, round(min(drawn.size) / 150))
    for box, label in zip(found.boxes.tolist(), found.labels, strict=True):
        left, top, right, bottom = box[0], box[1], box[2] - 1, box[3] - 1
        right, bottom = max(left, right), max(top, bottom)
        pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline="white", width=wide + 2)
        pen.rectangle((left, top, right, bottom), outline=colours.get(label, "black"), width=wide)
    return drawn
