"""Grey without grey ink: dot screens, hatching and plain tints that cover the same share of the paper."""

from __future__ import annotations

import math
import random
from functools import cached_property

import numpy as np
from PIL import Image

from kunstkammer.data.drawn.canvas import SCALE

LIGHT, MIDDLE, DARK = 0.22, 0.38, 0.55
"""Shares of the paper that the three tones cover, whatever they are made of."""


class Tones:
    """The tones of one page, as masks of the whole page that drawings cut their part from.

    Args:
        kind: "dots" (a halftone screen), "hatch" (pen strokes, crossed in the dark tone) or "tint" (a plain grey).
        width, height: of the page in pixels.
        spacing: distance of neighbouring dots or strokes in pixels.
        angle: of the screen or of the strokes, in degrees.
    """

    def __init__(
        self, kind: str, width: float, height: float, *, spacing: float, angle: float, rng: random.Random
    ) -> None:
        self.size = (math.ceil(width * SCALE) + SCALE, math.ceil(height * SCALE) + SCALE)
        self.spacing, self.angle, self.rng = spacing * SCALE, math.radians(angle), rng
        self.kind = kind
        self.light, self.middle, self.dark = (self._mask(share) for share in (LIGHT, MIDDLE, DARK))

    def pick(self, rng: random.Random) -> Image.Image:
        """Return one of the three tones."""
        return rng.choice((self.light, self.middle, self.dark))

    def _mask(self, share: float) -> Image.Image:
        if self.kind == "tint":
            return Image.new("L", self.size, round(255 * share))
        if self.kind == "dots":
            return _covering(self._dots, share)
        if share < DARK:
            return _covering(self._strokes, share)
        # two layers of strokes that cover 1 - sqrt(1 - share) each cover `share` together
        each = 1 - math.sqrt(1 - share)
        one = _covering(self._strokes, each)
        one.paste(255, (0, 0), _covering(self._strokes_across, each))
        return one

    def _axes(self) -> tuple[np.ndarray, np.ndarray]:
        k = 2 * math.pi / self.spacing
        x = np.arange(self.size[0], dtype=np.float32) * k
        y = np.arange(self.size[1], dtype=np.float32)[:, None] * k
        return x, y

    @cached_property
    def _dots(self) -> np.ndarray:
        """cos u + cos v on turned axes, from products of one-dimensional cosines."""
        x, y = self._axes()
        c, s = math.cos(self.angle), math.sin(self.angle)
        u = np.cos(x * c) * np.cos(y * s) - np.sin(x * c) * np.sin(y * s)
        v = np.cos(-x * s) * np.cos(y * c) - np.sin(-x * s) * np.sin(y * c)
        return u + v

    @cached_property
    def _strokes(self) -> np.ndarray:
        return self._waves(self.angle)

    @cached_property
    def _strokes_across(self) -> np.ndarray:
        return self._waves(self.angle + 1.2)

    def _waves(self, angle: float) -> np.ndarray:
        """Waves across the strokes, bent a little and pressed unevenly as a hand does."""
        x, y = self._axes()
        phase = x * np.float32(math.cos(angle)) + y * np.float32(math.sin(angle)) + self._bend
        return np.cos(phase, out=phase) + self._pressure

    @cached_property
    def _bend(self) -> np.ndarray:
        return self._drift(9) * np.float32(1.6)

    @cached_property
    def _pressure(self) -> np.ndarray:
        return self._drift(40) * np.float32(0.5)

    def _drift(self, cells: int) -> np.ndarray:
        """A slow random surface of about -1..1, `cells` knots across the page."""
        rows = max(2, round(cells * self.size[1] / self.size[0]))
        knots = np.array([[self.rng.uniform(-1, 1) for _ in range(cells)] for _ in range(rows)], dtype=np.float32)
        return np.asarray(Image.fromarray(knots).resize(self.size, Image.Resampling.BILINEAR))


def _covering(field: np.ndarray, share: float) -> Image.Image:
    """Return the mask of the `share` of the page where the field is highest."""
    threshold = np.quantile(field[::7, ::5], 1 - share)
    return Image.fromarray(((field > threshold) * np.uint8(255)).astype(np.uint8))
