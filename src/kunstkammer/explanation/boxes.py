"""Boxes around things, carried from the picture that they were drawn on to what the model sees of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from kunstkammer.errors import DataError
from kunstkammer.explanation.sanity import Box
from kunstkammer.pictures.scale import Fit

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
    boxes: Sequence[Box],
    picture_size: tuple[int, int],
    fit: Fit,
    plate_size: tuple[int, int],
    input_size: tuple[int, int],
) -> list[Box]:
    """Return boxes in pixels of the model's input: what `fit_picture` and the central crop do to a picture.

    Args:
        boxes: (left, top, right, bottom) in the original picture.
        picture_size: (height, width) of that picture as shown.
        fit: how it was fitted into its plate.
        plate_size, input_size: (height, width) of the plate, and of its centre that the model sees.

    Boxes are cut off at the edge of the input; those that lie outside it are left out.

    >>> to_input([(100, 0, 200, 50)], (100, 200), "crop", (50, 50), (40, 40))
    [(20.0, 0.0, 40.0, 20.0)]
    """
    (height, width), (rows, columns) = picture_size, plate_size
    if fit == "squash":
        scale_x, scale_y, left, top = columns / width, rows / height, 0.0, 0.0
    elif fit == "pad":
        scale = min(columns / width, rows / height)
        inner = (min(rows, max(1, round(height * scale))), min(columns, max(1, round(width * scale))))
        scale_y, scale_x = inner[0] / height, inner[1] / width
        top, left = float((rows - inner[0]) // 2), float((columns - inner[1]) // 2)
    elif fit == "crop":
        scale_x = scale_y = max(columns / width, rows / height)
        left, top = (columns - width * scale_x) / 2, (rows - height * scale_y) / 2
    else:
        raise ValueError(f"There is no fit '{fit}'. Known: squash, pad, crop.")
    left -= (columns - input_size[1]) // 2
    top -= (rows - input_size[0]) // 2
    found = []
    for x0, y0, x1, y1 in boxes:
        cut = (
            max(0.0, x0 * scale_x + left),
            max(0.0, y0 * scale_y + top),
            min(float(input_size[1]), x1 * scale_x + left),
            min(float(input_size[0]), y1 * scale_y + top),
        )
        if cut[0] < cut[2] and cut[1] < cut[3]:
            found.append(cut)
    return found


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
