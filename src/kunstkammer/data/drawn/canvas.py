"""A sheet to draw on: supersampled, with a hand that trembles and a pen that may swell and taper.

All drawing tools of this folder work in final pixels (floats, x to the right, y down); a `Canvas` draws them
`SCALE` times larger, and `Canvas.finished` reduces the sheet, which makes every edge smooth.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw

SCALE = 2

Point = tuple[float, float]
Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]

WHITE: Colour = (255, 255, 255)


@dataclass(frozen=True)
class Hand:
    """How one artist holds the pen.

    Attributes:
        pen: width of a line in pixels.
        taper: 0 for an even line, 1 for one that starts and ends in a point and swells between.
        jitter: standard deviation of the trembling, in pixels.
    """

    pen: float
    taper: float
    jitter: float


@lru_cache(maxsize=64)
def _basis(steps: int) -> np.ndarray:
    """Catmull-Rom weights, shape (steps, 4), of the four control points around a segment."""
    t = np.arange(steps)[:, None] / steps
    powers = np.concatenate([np.ones_like(t), t, t**2, t**3], axis=1)
    return powers @ np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]]) / 2


def smooth(points: Sequence[Point], *, closed: bool = False, steps: int = 6) -> list[Point]:
    """Return a smooth curve through the points (Catmull-Rom spline).

    >>> smooth([(0, 0), (2, 0)], steps=2)
    [(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)]
    """
    p = np.asarray(points, dtype=float)
    around = np.concatenate([p[-1:], p, p[:2]]) if closed else np.concatenate([p[:1], p, p[-1:]])
    windows = np.stack([around[i : len(around) - 3 + i] for i in range(4)], axis=1)
    curve = (_basis(steps) @ windows).reshape(-1, 2)
    if not closed:
        curve = np.concatenate([curve, p[-1:]])
    return [(x, y) for x, y in curve.tolist()]


def ellipse(x: float, y: float, rx: float, ry: float, *, n: int = 20) -> list[Point]:
    """Return n points on an ellipse around (x, y)."""
    angles = [2 * math.pi * i / n for i in range(n)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def bounds(points: Sequence[Point]) -> Box:
    """Return the smallest box around the points as (x0, y0, x1, y1)."""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return min(xs), min(ys), max(xs), max(ys)


def blend(a: Colour, b: Colour, share: float) -> Colour:
    """Return the colour that lies `share` of the way from a to b.

    >>> blend((0, 0, 0), (200, 100, 50), 0.5)
    (100, 50, 25)
    """
    return tuple(round(p + (q - p) * share) for p, q in zip(a, b, strict=True))  # type: ignore[return-value]


class Canvas:
    """A sheet of `width` x `height` pixels with paper, ink, a hand and a source of chance.

    Attributes:
        image: the supersampled sheet, mode "RGB".
        ink: the colour of lines.
        hand: the width, swelling and trembling of lines.
    """

    def __init__(
        self, width: float, height: float, *, paper: Colour, ink: Colour, hand: Hand, rng: random.Random
    ) -> None:
        self.width, self.height = width, height
        self.paper, self.ink, self.hand, self.rng = paper, ink, hand, rng
        self.image = Image.new("RGB", (math.ceil(width * SCALE), math.ceil(height * SCALE)), paper)
        self.draw = ImageDraw.Draw(self.image)

    def fill(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon without an outline."""
        self.draw.polygon(_scaled(points), fill=colour)

    def mask(self, points: Sequence[Point]) -> Image.Image:
        """Return the inside of a polygon as a mask of the whole sheet, mode "L"."""
        mask = Image.new("L", self.image.size, 0)
        ImageDraw.Draw(mask).polygon(_scaled(points), fill=255)
        return mask

    def line(
        self,
        points: Sequence[Point],
        *,
        width: float | None = None,
        colour: Colour | None = None,
        taper: float | None = None,
    ) -> None:
        """Draw an open line through the points as this hand does: trembling, even or swelling."""
        width = self.hand.pen if width is None else width
        taper = self.hand.taper if taper is None else taper
        points = self._tremble(points)
        if taper < 0.2 or len(points) < 2:
            thick = max(1, round(width * SCALE))
            self.draw.line(_scaled(points), fill=colour or self.ink, width=thick, joint="curve")
        else:
            self.draw.polygon(_swelling(points, width, taper), fill=colour or self.ink)

    def shape(
        self,
        points: Sequence[Point],
        fill: Colour | None = None,
        *,
        outline: bool = True,
        width: float | None = None,
        tone: Image.Image | None = None,
    ) -> None:
        """Draw a closed shape: filled, shaded with a tone, outlined."""
        if fill is not None:
            self.fill(points, fill)
        if tone is not None:
            self.shade(points, tone)
        if outline:
            self.outline(points, width=width)

    def outline(self, points: Sequence[Point], *, width: float | None = None) -> None:
        """Draw the outline of a closed shape; a swelling pen sets off a few times on its way round."""
        closed = [*points, points[0]]
        if self.hand.taper < 0.2 or len(points) < 12:
            self.line(closed, width=width, taper=0)
            return
        third = len(closed) // 3
        for start, stop in ((0, third + 2), (third, 2 * third + 2), (2 * third, len(closed))):
            self.line(closed[start:stop], width=width, taper=0.6 * self.hand.taper)

    def limb(self, points: Sequence[Point], thick: float, fill: Colour, tone: Image.Image | None = None) -> None:
        """Draw a bent tube (an arm, a leg, a trunk) with an outline."""
        scaled = _scaled(points)
        outer = round((thick + 2 * self.hand.pen) * SCALE)
        inner = max(1, round(thick * SCALE))
        for width, colour in ((outer, self.ink), (inner, fill)):
            self.draw.line(scaled, fill=colour, width=width, joint="curve")
            for x, y in (scaled[0], scaled[-1]):
                r = width / 2
                self.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
        if tone is not None:
            half = thick * 0.28
            self.shade(tube([(x + half, y) for x, y in points], thick * 0.4), tone)

    def shade(self, points: Sequence[Point], tone: Image.Image) -> None:
        """Lay a tone (mode "L" mask of at least the sheet's size, 255 where ink goes) over a polygon."""
        x0, y0, x1, y1 = bounds(points)
        left, top = max(0, math.floor(x0 * SCALE)), max(0, math.floor(y0 * SCALE))
        right = min(self.image.width, math.ceil(x1 * SCALE) + 1)
        bottom = min(self.image.height, math.ceil(y1 * SCALE) + 1)
        if right <= left or bottom <= top:
            return
        mask = Image.new("L", (right - left, bottom - top), 0)
        ImageDraw.Draw(mask).polygon([(x * SCALE - left, y * SCALE - top) for x, y in points], fill=255)
        mask = ImageChops.darker(mask, tone.crop((left, top, right, bottom)))
        self.image.paste(self.ink, (left, top), mask)

    def shade_all(self, tone: Image.Image) -> None:
        """Lay a tone over the whole sheet."""
        self.image.paste(self.ink, (0, 0), tone.crop((0, 0, *self.image.size)))

    def paste(self, other: Canvas, x: float, y: float, within: Sequence[Point]) -> None:
        """Lay another canvas with its corner at (x, y) on this one, cut to the polygon `within`."""
        left, top = round(x * SCALE), round(y * SCALE)
        mask = Image.new("L", other.image.size, 0)
        ImageDraw.Draw(mask).polygon([(px * SCALE - left, py * SCALE - top) for px, py in within], fill=255)
        self.image.paste(other.image, (left, top), mask)

    def finished(self) -> Image.Image:
        """Return the sheet at its final size."""
        return self.image.reduce(SCALE)

    def _tremble(self, points: Sequence[Point]) -> list[Point]:
        jitter = self.hand.jitter
        if jitter <= 0:
            return list(points)
        gauss = self.rng.gauss
        return [(x + gauss(0, jitter), y + gauss(0, jitter)) for x, y in points]


def tube(points: Sequence[Point], thick: float) -> list[Point]:
    """Return the outline of an open line drawn `thick` pixels wide.

    >>> tube([(0, 0), (4, 0)], 2)
    [(0.0, 1.0), (4.0, 1.0), (4.0, -1.0), (0.0, -1.0)]
    """
    p, normal = _normals(points)
    half = normal * thick / 2
    return [(x, y) for x, y in np.concatenate([p + half, (p - half)[::-1]]).tolist()]


def _normals(points: Sequence[Point]) -> tuple[np.ndarray, np.ndarray]:
    p = np.asarray(points, dtype=float)
    along = np.empty_like(p)
    along[1:-1] = p[2:] - p[:-2]
    along[0], along[-1] = p[1] - p[0], p[-1] - p[-2]
    length = np.sqrt((along**2).sum(axis=1, keepdims=True))
    along /= np.maximum(length, 1e-9)
    return p, np.stack([-along[:, 1], along[:, 0]], axis=1)


def _swelling(points: Sequence[Point], width: float, taper: float) -> list[Point]:
    """Return the outline of a line that is thin at its ends and about 1.6 widths thick in between."""
    if len(points) == 2:
        (x0, y0), (x1, y1) = points
        points = [(x0, y0), (x0 + (x1 - x0) * 0.4, y0 + (y1 - y0) * 0.4), (x1, y1)]
    p, normal = _normals(points)
    swell = np.sin(np.linspace(0, math.pi, len(p))) ** 0.6
    thick = width * ((1 - taper) + taper * (0.15 + 1.5 * swell))
    half = normal * thick[:, None] / 2
    outline = np.concatenate([p + half, (p - half)[::-1]]) * SCALE
    return [(x, y) for x, y in outline.tolist()]


def _scaled(points: Sequence[Point]) -> list[Point]:
    return [(x * SCALE, y * SCALE) for x, y in points]
