"""The relief of a face and its pose: depth at every point, the projection into the picture, and its inverse.

A face is a height field over the plane that it is seen in from the front: a dome within the outline, and bumps
(Gaussians) for nose, brow, sockets, cheeks, lips and chin. It is turned as a whole and projected in parallel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kunstkammer.data.drawn.canvas import Point
from kunstkammer.data.drawn.faces.landmarks import Shape
from kunstkammer.data.drawn.faces.person import View

DEPTH = 0.74
"""Depth of the dome, in units."""
STEP = 1 / 44
"""Distance of neighbouring knots of the height field, in units."""
LEFT, TOP, RIGHT, FOOT = -1.3, -1.75, 1.3, 2.0
PIVOT = np.array([0.0, 0.1, -0.2])
"""What the head turns about."""


class Relief:
    """The height of a face over its plane, towards the viewer, in units.

    Attributes:
        shape: the face.
        bumps: (K, 5): middle x and y, width and height (standard deviations), and height of each bump.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.bumps = _bumps(shape)
        around = shape.outline - [0, 0.05]
        angle = np.arctan2(around[:, 1], around[:, 0])
        order = np.argsort(angle)
        self._angles = angle[order]
        self._radii = np.hypot(around[:, 0], around[:, 1])[order]

    def rho(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return how far points lie from the middle, 1 on the outline."""
        y = y - 0.05
        out = np.interp(np.arctan2(y, x), self._angles, self._radii, period=2 * math.pi)
        return np.hypot(x, y) / out

    def dome(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the height without features; it falls steeply outside the outline."""
        rest = 1 - self.rho(x, y) ** 2.5
        return DEPTH * np.where(rest > 0, np.sqrt(np.maximum(rest, 0)), np.maximum(4 * rest, -1))

    def height(self, points: np.ndarray) -> np.ndarray:
        """Return the height at points (N, 2)."""
        x, y = points[:, :1], points[:, 1:]
        cx, cy, sx, sy, h = self.bumps.T
        bumps = (h * np.exp(-(((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2) / 2)).sum(axis=1)
        return self.dome(points[:, 0], points[:, 1]) + bumps

    @cached_property
    def grid(self) -> np.ndarray:
        """The height on a grid of knots from (LEFT, TOP) with distance STEP, float32 (rows, columns)."""
        x = np.arange(LEFT, RIGHT, STEP)
        y = np.arange(TOP, FOOT, STEP)
        cx, cy, sx, sy, h = self.bumps.T
        across = np.exp(-(((x[None] - cx[:, None]) / sx[:, None]) ** 2) / 2)
        down = np.exp(-(((y[None] - cy[:, None]) / sy[:, None]) ** 2) / 2) * h[:, None]
        return (self.dome(*np.meshgrid(x, y)) + down.T @ across).astype(np.float32)


def _bumps(shape: Shape) -> np.ndarray:
    """The features of a face as Gaussians; they move with its landmarks."""
    p = shape.points
    tip, base = p[30, 1], p[33, 1]
    wing = abs(p[35, 0])
    lip, low = p[51, 1], p[57, 1]
    inner_low = p[66, 1]
    chin = shape.outline[:, 1].max()
    flat: list[tuple[float, float, float, float, float]] = [
        (0, tip * 0.35, 0.075, 0.24, 0.16), (0, tip * 0.75, 0.08, 0.16, 0.14), (0, tip, 0.105, 0.10, 0.22),
        (0, -0.1, 0.13, 0.1, 0.03),
        (0, base + 0.06, 0.12, 0.05, -0.05), (0, 0.93, 0.38, 0.26, 0.10),
        (0, (lip + p[62, 1]) / 2, 0.2, 0.045, 0.05), (0, (inner_low + low) / 2, 0.19, 0.055, 0.07),
        (0, low + 0.09, 0.2, 0.05, -0.07), (0, chin - 0.16, 0.2, 0.13, 0.10 + 0.03 * shape.unit(17)),
    ]  # fmt: skip
    for side in (-1, 1):
        eye, units = shape.eye(side), shape.on(side)
        ex, ey = eye[:, 0].mean(), eye[:, 1].mean()
        bx, by = shape.brow(side)[2]
        corner = p[48] if side < 0 else p[54]
        smile, six, nine = units.get(12, 0.0), units.get(6, 0.0), units.get(9, 0.0)
        lift = 0.5 * smile + 0.5 * six + 0.25 * nine
        flat += [
            (side * wing * 0.86, base - 0.06, 0.075, 0.065, 0.11),
            (ex, ey - 0.03, 0.21, 0.13, -0.13),
            (side * 0.16, -0.01, 0.07, 0.1, -0.09),
            (ex, ey, 0.14, 0.085, 0.085),
            (bx, by + 0.03, 0.27, 0.075, 0.065 + 0.03 * units.get(4, 0.0)),
            (side * 0.1, shape.brow(side)[4, 1] + 0.04, 0.06, 0.07, 0.05 * units.get(4, 0.0) + 0.02),
            (side * 0.6, 0.32 - 0.06 * lift, 0.2, 0.15, 0.06 + 0.09 * lift),
            (side * (0.5 + 0.04 * smile), 0.45 - 0.08 * lift, 0.13, 0.12, 0.10 * lift),
            (side * 0.66, 0.72, 0.2, 0.22, -0.03),
            (corner[0] + side * 0.05, corner[1] + 0.01, 0.045, 0.06, -0.02 - 0.06 * units.get(14, 0.0) - 0.02 * smile),
        ]
    return np.array(flat)


def rotation(view: View) -> np.ndarray:
    """Return the matrix (3, 3) that turns the head: yaw, then pitch, then roll."""
    (cy, sy), (cp, sp), (cr, sr) = (
        (math.cos(math.radians(a)), math.sin(math.radians(a))) for a in (view.yaw, view.pitch, view.roll)
    )
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    roll = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return roll @ pitch @ yaw


@dataclass(frozen=True)
class Pose:
    """A face put into a picture of `side` x `side` pixels."""

    relief: Relief
    view: View
    side: int

    @property
    def unit(self) -> float:
        """Pixels a unit."""
        return self.view.scale * self.side

    @cached_property
    def turn(self) -> np.ndarray:
        """The rotation, (3, 3)."""
        return rotation(self.view)

    @cached_property
    def middle(self) -> np.ndarray:
        """Where the pivot lies in the picture, pixels (2,)."""
        return np.array([self.view.x * self.side, self.view.y * self.side + PIVOT[1] * self.unit])

    def project(self, points: np.ndarray, z: float | np.ndarray | None = None) -> np.ndarray:
        """Return where points (N, 2) of the face lie in the picture, pixels (N, 2).

        Args:
            z: their depth in units; None for points on the face.
        """
        points = np.asarray(points, dtype=float).reshape(-1, 2)
        depth = self.relief.height(points) if z is None else np.broadcast_to(z, len(points))
        solid = np.column_stack([points, depth]) - PIVOT
        return (solid @ self.turn.T)[:, :2] * self.unit + self.middle

    def at(self, points: np.ndarray | list[Point], z: float | np.ndarray | None = None) -> list[Point]:
        """Return `project` as a list of points, as a `Canvas` takes them."""
        return [(x, y) for x, y in self.project(np.asarray(points), z).tolist()]

    def body(self, points: list[Point]) -> list[Point]:
        """Return where points of the body lie, which does not turn with the head."""
        shift = -PIVOT[2] * np.array([math.sin(math.radians(self.view.yaw)) * 0.5, 0])
        found = (np.asarray(points) - PIVOT[:2] - shift) * self.unit + self.middle
        return [(x, y) for x, y in found.tolist()]

    @cached_property
    def landmarks(self) -> np.ndarray:
        """The landmarks in the picture, pixels (70, 2)."""
        return self.project(self.relief.shape.points)

    @cached_property
    def visible(self) -> np.ndarray:
        """Which landmarks face the viewer, bool (70,): the far side of a turned jaw does not."""
        points = self.relief.shape.points
        inside = points * 0.97  # just within the outline, where the surface has a slope
        e = 0.02
        slope = [
            (
                self.relief.dome(inside[:, 0] + a, inside[:, 1] + b)
                - self.relief.dome(inside[:, 0] - a, inside[:, 1] - b)
            )
            / (2 * e)
            for a, b in ((e, 0), (0, e))
        ]
        normal = np.column_stack([-slope[0], -slope[1], np.ones(len(points))])
        return (normal @ self.turn.T)[:, 2] > 0

    @cached_property
    def silhouette(self) -> list[Point]:
        """The outline of the turned head in the picture."""
        outline = self.relief.shape.outline
        share = np.linspace(0.55, 1.0, 12)[:, None, None]
        around = outline[None] * share + [0, 0.05 * (1 - share[0, 0, 0])]
        flat = around.reshape(-1, 2)
        there = self.project(flat, self.relief.dome(flat[:, 0], flat[:, 1])).reshape(*around.shape)
        angle = np.arctan2(outline[:, 1] - 0.05, outline[:, 0]) + math.radians(self.view.roll)
        way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        best = (there * way[None]).sum(axis=2).argmax(axis=0)
        return [(x, y) for x, y in there[best, np.arange(len(outline))].tolist()]

    def where(self, left: int, top: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which point (x, y) of the face each pixel of a window shows, float32 (height, width) each.

        Found by fixed-point steps; good where the face does not hide itself.
        """
        y, x = np.mgrid[top : top + height, left : left + width].astype(np.float32)
        x = (x + 0.5 - self.middle[0]) / self.unit
        y = (y + 0.5 - self.middle[1]) / self.unit
        r = self.turn.astype(np.float32)
        fx0, fy0 = (r[0, k] * x + r[1, k] * y + PIVOT[k] for k in (0, 1))
        fz0 = r[0, 2] * x + r[1, 2] * y + PIVOT[2]
        grid = self.relief.grid
        z = np.full_like(x, 0.6)
        for step in range(4):
            w = (z - fz0) / r[2, 2]
            fx, fy = fx0 + r[2, 0] * w, fy0 + r[2, 1] * w
            z = 0.3 * z + 0.7 * sample(grid, fx, fy) if step else sample(grid, fx, fy)
        w = (z - fz0) / r[2, 2]
        return fx0 + r[2, 0] * w, fy0 + r[2, 1] * w


def sample(grid: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return a grid over the face, (rows, columns) or (rows, columns, C), at points of the face, bilinearly."""
    rows, columns = grid.shape[:2]
    gx = np.clip((x - LEFT) / STEP, 0, columns - 1.001)
    gy = np.clip((y - TOP) / STEP, 0, rows - 1.001)
    ix, iy = gx.astype(np.int32), gy.astype(np.int32)
    ax, ay = gx - ix, gy - iy
    if grid.ndim == 3:
        ax, ay = ax[..., None], ay[..., None]
    flat = grid.reshape(rows * columns, *grid.shape[2:])
    first = iy * columns + ix
    above = flat[first] * (1 - ax) + flat[first + 1] * ax
    below = flat[first + columns] * (1 - ax) + flat[first + columns + 1] * ax
    return above * (1 - ay) + below * ay
