"""Boxes around things, carried from the picture that they were drawn on to what the model sees of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kunstkammer.errors import DataError
from kunstkammer.explanation.sanity import Box
from kunstkammer.pictures.framing import Framing

COLUMN = "objects"
"""The column that holds them, as in the Hugging Face ImageFolder and as the COCO reader keeps them."""


def boxes_of(cell: Any, file: str, labels: Sequence[str] | None = None) -> list[Box]:
    """Return the boxes (left, top, right, bottom) of one picture, in its pixels.

    Args:
        cell: of the column `objects`: {"bbox": [[x, y, width, height], ...], "category": [name, ...]}; "categories"
            is read too, None is a picture without boxes.
        file: the picture's name, for the error.
        labels: keep the boxes of these categories; all where not given.

    Raises `DataError` for what is no such cell. Boxes that are not there (NaN, no area) are passed over.

    >>> boxes_of({"bbox": [[10, 20, 30, 40], [0, 0, 5, 5]], "category": ["cat", "dog"]}, "a.png", ["cat"])
    [(10.0, 20.0, 40.0, 60.0)]
    """
    if cell is None:
        return []
    rows = cell.get("bbox") if isinstance(cell, dict) else None
    if rows is None or not all(isinstance(row, Sequence) and len(row) == 4 for row in rows):
        raise DataError(
            f"{file}: the column '{COLUMN}' is to hold {{'bbox': [[x, y, width, height], ...], 'category': [...]}}."
        )
    names = categories_of(cell, len(rows))
    found = []
    for (x, y, width, height), name in zip(rows, names, strict=True):
        sound = all(math.isfinite(value) for value in (x, y, width, height)) and width > 0 and height > 0
        if sound and (labels is None or name in labels):
            found.append((float(x), float(y), float(x + width), float(y + height)))
    return found


def categories_of(cell: Any, count: int) -> list[str]:
    """Return the category of each box as text, "" where there is none."""
    given: Sequence[Any] = next((cell[key] for key in ("category", "categories") if cell.get(key) is not None), [])
    names = ["" if name is None else str(name) for name in given]
    return names if len(names) == count else [""] * count


def to_input(
    boxes: Sequence[Box], picture_size: tuple[int, int], framing: Framing, input_size: tuple[int, int]
) -> list[Box]:
    """Return boxes in pixels of the model's input: what framing and the central crop do to a picture.

    Args:
        boxes: (left, top, right, bottom) in the original picture.
        picture_size: (height, width) of that picture as shown.
        framing: how it was laid into its plate.
        input_size: (height, width) of the plate's centre that the model sees.

    Boxes are cut off at the edge of the input; those that lie outside it are left out.

    >>> to_input([(100, 0, 200, 50)], (100, 200), Framing(50, 50, "crop"), (40, 40))
    [(20.0, 0.0, 40.0, 20.0)]
    """
    return framing.affine(picture_size, seen=input_size).boxes(boxes, within=input_size)


def share_covered(boxes: Sequence[Box], size: tuple[int, int]) -> float:
    """Return which share of a picture of `size` = (height, width) lies in its boxes: what a blind map would reach.

    >>> share_covered([(0, 0, 2, 4), (1, 0, 4, 4)], (4, 4))
    1.0
    """
    import numpy as np

    rows, columns = np.mgrid[: size[0], : size[1]] + 0.5
    inside = np.zeros(size, dtype=bool)
    for left, top, right, bottom in boxes:
        inside |= (columns >= left) & (columns <= right) & (rows >= top) & (rows <= bottom)
    return float(inside.mean())
