"""A picture in the making: linear light, layer upon layer, each laid on through a soft mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kunstkammer.data.drawn.canvas import SCALE, Point, bounds
from kunstkammer.data.drawn.faces.camera import Camera
from kunstkammer.data.drawn.faces.person import Person
from kunstkammer.data.drawn.faces.relief import Pose


def linear(colour: Sequence[float]) -> np.ndarray:
    """Return a colour of 0..255 as linear light 0..1, float32 (3,), with a gamma of 2."""
    return (np.asarray(colour, dtype=np.float32) / 255) ** 2


@dataclass
class Film:
    """The picture, or a window of it: whoever works in a window pays for its pixels only.

    Attributes:
        light: (rows, columns, 3), linear; of a window, a view into the whole picture.
        left, top: where the window lies in the picture, pixels.
    """

    pose: Pose
    person: Person
    camera: Camera
    noise: np.random.Generator
    light: np.ndarray
    left: int = 0
    top: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.light.shape[1], self.light.shape[0]

    def window(self, points: Sequence[Point], margin: float) -> Film:
        """Return the window around points of the picture, `margin` units wider on each side."""
        x0, y0, x1, y1 = bounds(points)
        edge, (width, height) = margin * self.pose.unit, self.size
        left, right = (min(width - 1, max(0, math.floor(x) - self.left)) for x in (x0 - edge, x1 + edge + 1))
        top, foot = (min(height - 1, max(0, math.floor(y) - self.top)) for y in (y0 - edge, y1 + edge + 1))
        light = self.light[top : foot + 1, left : right + 1]
        return Film(self.pose, self.person, self.camera, self.noise, light, self.left + left, self.top + top)

    def of(self, whole: np.ndarray) -> np.ndarray:
        """Return this window's part of an array of the whole picture."""
        width, height = self.size
        return whole[self.top : self.top + height, self.left : self.left + width]

    def mask(self, *shapes: Sequence[Point], blur: float = 0.0) -> np.ndarray:
        """Return how far each pixel lies in the shapes, float32 (rows, columns), 0..1; `blur` in units."""
        image = self._sheet()
        draw = ImageDraw.Draw(image)
        for shape in shapes:
            draw.polygon(self._placed(shape), fill=255)
        return self._reduced(image, blur)

    def stroke(self, points: Sequence[Point], width: float, blur: float = 0.0) -> np.ndarray:
        """Return the mask of a line; `width` and `blur` in units."""
        image = self._sheet()
        thick = max(1, round(width * self.pose.unit * SCALE))
        ImageDraw.Draw(image).line(self._placed(points), fill=255, width=thick, joint="curve")
        return self._reduced(image, blur)

    def over(self, mask: np.ndarray, light: np.ndarray) -> None:
        """Lay light, (3,) or (rows, columns, 3), over the picture where the mask is."""
        self.light += mask[..., None] * (light - self.light)

    def darken(self, mask: np.ndarray, share: float) -> None:
        """Take away a share of the light where the mask is."""
        self.light *= (1 - share * mask)[..., None]

    def slow(self, cells: int) -> np.ndarray:
        """Return a random surface with `cells` knots across the whole picture, standard deviation about 1."""
        width, height = self.size
        shape = tuple(max(2, round(cells * length / self.pose.side)) for length in (height, width))
        knots = self.noise.standard_normal(shape, dtype=np.float32)
        return np.asarray(Image.fromarray(knots).resize((width, height), Image.Resampling.BICUBIC)) * np.float32(1.2)

    def _sheet(self) -> Image.Image:
        return Image.new("L", (self.size[0] * SCALE, self.size[1] * SCALE), 0)

    def _placed(self, points: Sequence[Point]) -> list[Point]:
        return [((x - self.left) * SCALE, (y - self.top) * SCALE) for x, y in points]

    def _reduced(self, image: Image.Image, blur: float) -> np.ndarray:
        image = image.reduce(SCALE)
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * self.pose.unit))
        return np.asarray(image, dtype=np.float32) / 255
