"""How a page is divided into panels."""

from __future__ import annotations

import random
from itertools import pairwise

from kunstkammer.data.drawn.canvas import Box, Point

LAYOUTS: dict[str, tuple[tuple[float, ...], ...]] = {
    # rows from the top; in a row the relative widths of its panels
    "two": ((1,), (1,)),
    "columns": ((1, 1.15),),
    "three-top": ((1,), (1, 1)),
    "three-foot": ((1, 1), (1,)),
    "three-rows": ((1,), (1,), (1,)),
    "four": ((1, 1.2), (1.2, 1)),
}

Cut = tuple[float, float]
"""A line across the page by where it starts and ends: heights at the left and right edge, or x at the ends of a row."""


def divide(layout: str, within: Box, *, gutter: float, slanted: bool, rng: random.Random) -> list[list[Point]]:
    """Return the panels of a page as quadrangles, row by row from the upper left.

    Args:
        layout: one of `LAYOUTS`.
        within: the box that the panels fill, in pixels.
        gutter: white between the panels, in pixels.
        slanted: gutters lean by up to a tenth of the page; otherwise they follow its edges.
        rng: source of chance.
    """
    rows, half = LAYOUTS[layout], gutter / 2
    x0, y0, x1, y1 = within
    width, height = x1 - x0, y1 - y0

    def leaning(at: float, most: float) -> Cut:
        lean = rng.choice((-1, 1)) * rng.uniform(0.5, 1) * most if slanted else 0.0
        return at - lean, at + lean

    heights = [rng.uniform(0.85, 1.2) for _ in rows]
    levels = [(y0 - half, y0 - half)]
    for i in range(1, len(rows)):
        levels.append(leaning(y0 + height * sum(heights[:i]) / sum(heights), 0.1 * height))
    levels.append((y1 + half, y1 + half))
    panels = []
    for row, (upper, lower) in zip(rows, pairwise(levels), strict=True):
        edges = [(x0 - half, x0 - half)]
        for i in range(1, len(row)):
            x = x0 + width * sum(row[:i]) / sum(row) + rng.uniform(-0.04, 0.04) * width
            edges.append(leaning(x, 0.12 * width))
        edges.append((x1 + half, x1 + half))
        for left, right in pairwise(edges):
            panels.append(_inset((upper, lower), (left, right), (x0, x1), half))
    return panels


def _inset(levels: tuple[Cut, Cut], edges: tuple[Cut, Cut], across: tuple[float, float], half: float) -> list[Point]:
    """Return the quadrangle between two cuts of the page and two of its row, moved inward by half a gutter."""
    (upper, lower), (left, right) = levels, edges

    def level(cut: Cut, x: float) -> float:
        return cut[0] + (cut[1] - cut[0]) * (x - across[0]) / (across[1] - across[0])

    return [
        (left[0] + half, level(upper, left[0]) + half),
        (right[0] - half, level(upper, right[0]) + half),
        (right[1] - half, level(lower, right[1]) - half),
        (left[1] + half, level(lower, left[1]) - half),
    ]
