"""How much of a box can still be seen after moves and hidings: convex polygons, cut exactly. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from kunstkammer.pictures.framing import Affine, Box

Polygon = npt.NDArray[np.float64]
"""The corners (K, 2) of a convex polygon as points (x, y), in order; (0, 2) for nothing."""


class Trace:
    """One box, followed through a row of changes of its picture.

    A turned box is followed as what it is, so that turning twice does not make it grow twice, and so that its visible
    share is the share of the thing and not of an upright box around it.
    """

    def __init__(self, box: Sequence[float]) -> None:
        left, top, right, bottom = (float(value) for value in box)
        self.polygon: Polygon = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        self._hidden: list[Polygon] = []
        self._whole = (right - left) * (bottom - top)

    def move(self, affine: Affine, within: tuple[int, int] | None = None) -> None:
        """Move the box, and cut it off at the edges of a picture of `within` = (height, width) pixels."""
        self._whole *= abs(affine.a * affine.e - affine.b * affine.d)
        self.polygon, *self._hidden = (affine.points(one) for one in (self.polygon, *self._hidden))
        if within is not None:
            frame = (0.0, 0.0, float(within[1]), float(within[0]))
            self.polygon, *self._hidden = (cut_to(one, frame) for one in (self.polygon, *self._hidden))

    def hide(self, box: Box) -> None:
        """Hide an upright rectangle of the picture."""
        part = cut_to(self.polygon, box)
        if area(part) > 0:
            self._hidden.append(part)

    @property
    def share(self) -> float:
        """The share of the box's area that can still be seen, 0 to 1; 0 for a box without an area."""
        if self._whole <= 0:
            return 0.0
        return min(1.0, max(0.0, (area(self.polygon) - joint_area(self._hidden)) / self._whole))

    @property
    def box(self) -> Box:
        """The upright box around what lies in the picture, hidden or not."""
        (left, top), (right, bottom) = self.polygon.min(axis=0).tolist(), self.polygon.max(axis=0).tolist()
        return left, top, right, bottom


def area(polygon: Polygon) -> float:
    """Return the area of a polygon.

    >>> area(np.array([(0.0, 0.0), (4.0, 0.0), (0.0, 3.0)]))
    6.0
    """
    corners = polygon.tolist()  # for a handful of corners Python's own floats are five times as fast as NumPy
    if len(corners) < 3:
        return 0.0
    x0, y0 = corners[0]
    twice = 0.0
    for (x1, y1), (x2, y2) in pairwise(corners[1:]):
        twice += (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    return abs(twice) / 2


def cut_to(polygon: Polygon, box: Box) -> Polygon:
    """Return the part of a polygon that lies in an upright box; what is cut ends exactly at the box's edge."""
    if not len(polygon):
        return polygon
    (left, top), (right, bottom) = polygon.min(axis=0), polygon.max(axis=0)
    if left >= box[0] and top >= box[1] and right <= box[2] and bottom <= box[3]:
        return polygon
    for axis, bound, sign in ((0, box[0], 1.0), (1, box[1], 1.0), (0, box[2], -1.0), (1, box[3], -1.0)):
        beyond = sign * (polygon[:, axis] - bound)
        if (beyond < 0).any():
            polygon = _half(polygon, beyond, axis, bound)
    return polygon


def common(polygon: Polygon, other: Polygon) -> Polygon:
    """Return what two convex polygons share."""
    middle = other.mean(axis=0)
    for start, end in zip(other, np.roll(other, -1, axis=0), strict=True):
        normal = np.array([start[1] - end[1], end[0] - start[0]])
        if np.dot(normal, middle - start) < 0:
            normal = -normal
        polygon = _half(polygon, (polygon - start) @ normal)
    return polygon


def joint_area(polygons: Sequence[Polygon]) -> float:
    """Return the area that convex polygons cover together, counted once where they overlap.

    >>> square = np.array([(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)])
    >>> joint_area([square, square + [1, 0], square + [9, 0]])
    10.0
    """
    polygons = [one for one in polygons if area(one) > 0]
    if not polygons:
        return 0.0
    first, *rest = polygons
    return area(first) + joint_area(rest) - joint_area([common(one, first) for one in rest])


def _half(polygon: Polygon, inside: npt.NDArray[np.float64], axis: int = 0, bound: float | None = None) -> Polygon:
    """Return the part of a polygon where `inside`, a distance for each corner, is not negative."""
    found = []
    for here in range(len(polygon)):
        there = (here + 1) % len(polygon)
        if inside[here] >= 0:
            found.append(polygon[here])
        if inside[here] * inside[there] < 0:
            point = polygon[here] + inside[here] / (inside[here] - inside[there]) * (polygon[there] - polygon[here])
            if bound is not None:
                point[axis] = bound
            found.append(point)
    return np.array(found).reshape(-1, 2)
