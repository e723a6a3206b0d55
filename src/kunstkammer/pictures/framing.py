"""How a picture is laid into a plate, and the one affine that moves pixels, heat maps and boxes alike.

`Framing` says how pictures become plates of one size, `Place` where one picture comes to lie in its plate, `Affine`
what that does to a point. NumPy and Pillow alone, so that hosts without torch answer the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from PIL import Image

from kunstkammer.errors import RecipeError, guess

Fit = Literal["squash", "pad", "crop"]
Resample = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming", "gaussian"]
"""Filters of Pillow by their names; "gaussian" is scikit-image's way, as OWLv2 has it (`pictures/gaussian.py`)."""

Box = tuple[float, float, float, float]
"""(left, top, right, bottom) in pixels."""

_MOST_PIXELS = 2**24
"""A scaled picture larger than this is not made as a whole: 64 MiB in Pillow."""


@dataclass(frozen=True)
class Affine:
    """From a point (x, y) to (a x + b y + c, d x + e y + f); x to the right, y down, (0, 0) is the upper left corner.

    A pixel is the square between two whole numbers, so its centre lies at a half.

    >>> Affine.scaling(2, 3).then(Affine.shift(1, 0)).points([(1, 1)]).tolist()
    [[3.0, 3.0]]
    """

    a: float = 1.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 1.0
    f: float = 0.0

    @classmethod
    def scaling(cls, across: float, down: float) -> Affine:
        """Return what multiplies x by `across` and y by `down`."""
        return cls(a=across, e=down)

    @classmethod
    def shift(cls, across: float, down: float) -> Affine:
        """Return what adds `across` to x and `down` to y."""
        return cls(c=across, f=down)

    @classmethod
    def of(cls, matrix: np.ndarray) -> Affine:
        """Return the affine of a matrix (2 or 3, 3)."""
        return cls(*(float(value) for value in np.asarray(matrix, dtype=np.float64)[:2].ravel()))

    @property
    def matrix(self) -> np.ndarray:
        """The same as float64 (3, 3), for columns (x, y, 1)."""
        return np.array([[self.a, self.b, self.c], [self.d, self.e, self.f], [0.0, 0.0, 1.0]])

    def then(self, following: Affine) -> Affine:
        """Return this one followed by another."""
        return Affine.of(following.matrix @ self.matrix)

    def inverse(self) -> Affine:
        """Return the way back; raise `ValueError` where there is none (a scale of 0)."""
        if self.a * self.e == self.b * self.d:
            raise ValueError("This affine has no inverse: it flattens the picture.")
        return Affine.of(np.linalg.inv(self.matrix))

    def points(self, points: Iterable[Sequence[float]]) -> np.ndarray:
        """Return float64 (N, 2) for points (x, y)."""
        given = np.asarray(list(points), dtype=np.float64).reshape(-1, 2)
        return given @ self.matrix[:2, :2].T + self.matrix[:2, 2]

    def boxes(self, boxes: Iterable[Box], within: tuple[int, int] | None = None) -> list[Box]:
        """Return the upright boxes around the moved ones.

        within: (height, width) that they are cut off at; those that lie outside it are left out.
        """
        found = []
        for left, top, right, bottom in boxes:
            moved = self.points([(left, top), (right, top), (left, bottom), (right, bottom)])
            (x0, y0), (x1, y1) = moved.min(axis=0).tolist(), moved.max(axis=0).tolist()
            if within is not None:
                x0, y0, x1, y1 = max(0.0, x0), max(0.0, y0), min(float(within[1]), x1), min(float(within[0]), y1)
                if x0 >= x1 or y0 >= y1:
                    continue
            found.append((x0, y0, x1, y1))
        return found


def central(whole: Sequence[int], part: Sequence[int]) -> tuple[int, int]:
    """Return (top, left) of the central `part` = (height, width) of a `whole`, rounded down; negative if it is larger.

    >>> central((256, 256), (224, 225)), central((3, 3), (6, 3))
    ((16, 15), (-2, 0))
    """
    return (whole[0] - part[0]) // 2, (whole[1] - part[1]) // 2


@dataclass(frozen=True)
class Place:
    """Where one picture lies in its plate.

    Attributes:
        source: (left, top, right, bottom) of the part of the picture that is used, whole pixels.
        scaled: (height, width) that this part is scaled to.
        top, left: of the scaled part in the plate; negative where it overhangs.
    """

    source: tuple[int, int, int, int]
    scaled: tuple[float, float]
    top: int
    left: int

    @property
    def affine(self) -> Affine:
        """From the picture to the plate."""
        left, top, right, bottom = self.source
        scale = Affine.scaling(self.scaled[1] / (right - left), self.scaled[0] / (bottom - top))
        return Affine.shift(-left, -top).then(scale).then(Affine.shift(self.left, self.top))


@dataclass(frozen=True)
class Framing:
    """How pictures of any size become plates of one size.

    Attributes:
        height, width: of the plate in pixels.
        fit: "squash" changes the aspect; "pad" keeps it and fills up, the picture in the middle; "crop" keeps it and
            cuts off what overhangs, half on each side.
        resample: the filter, antialiased (all but "nearest").
        edge: of "crop": the shorter side becomes so long, and the plate is the middle of that; 0: it just covers.
        centre: the share of the shorter side that the square has which alone is used; 0: the whole picture.
        ground: grey level (0 to 255) where the plate shows no picture.
        corner: of "pad": the picture lies in the upper left corner, its longer side as long as the plate's.
    """

    height: int
    width: int
    fit: Fit = "squash"
    resample: Resample = "bilinear"
    edge: int = 0
    centre: float = 0.0
    ground: int = 255
    corner: bool = False

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise RecipeError(
                f"A plate must be at least 1 x 1 pixels, not {self.height} x {self.width} (height x width)."
            )
        for kind, value, known in (("fit", self.fit, get_args(Fit)), ("filter", self.resample, get_args(Resample))):
            if value not in known:
                raise RecipeError(f"There is no {kind} '{value}'.{guess(str(value), known)} Known: {', '.join(known)}.")
        if self.resample == "gaussian" and (self.fit == "crop" or (self.fit == "pad" and not self.corner)):
            raise RecipeError("The filter 'gaussian' goes with fit 'squash', or with 'pad' into the corner.")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the plate."""
        return self.height, self.width

    @property
    def plain(self) -> bool:
        """Whether the whole picture is only squashed, bilinearly: what the quick kernels do."""
        return self.fit == "squash" and self.resample == "bilinear" and not self.centre

    def place(self, picture_size: Sequence[int]) -> Place:
        """Return where a picture of (height, width) lies in the plate."""
        source = self._source(int(picture_size[0]), int(picture_size[1]))
        height, width = source[3] - source[1], source[2] - source[0]
        if self.fit == "squash":
            return Place(source, self.size, 0, 0)
        if self.fit == "pad" and self.corner:
            side = max(height, width)
            return Place(source, (height * self.height / side, width * self.width / side), 0, 0)
        if self.fit == "pad":
            scale = min(self.width / width, self.height / height)
            inner = (min(self.height, max(1, round(height * scale))), min(self.width, max(1, round(width * scale))))
            return Place(source, inner, *central(self.size, inner))
        scaled = self._enlarged(height, width)
        top, left = central(scaled, self.size)
        return Place(source, scaled, -top, -left)

    def affine(self, picture_size: Sequence[int], seen: tuple[int, int] | None = None) -> Affine:
        """Return the way from a picture of (height, width) to its plate, or to the centre `seen` of that."""
        whole = self.place(picture_size).affine
        if seen is None:
            return whole
        top, left = central(self.size, seen)
        return whole.then(Affine.shift(-left, -top))

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the plate of a picture of mode "RGB" or "L"."""
        place = self.place((image.height, image.width))
        if place.source != (0, 0, image.width, image.height):
            image = image.crop(place.source)
        if self.resample == "gaussian":
            from kunstkammer.pictures.gaussian import gaussian

            return gaussian(image, self.size, square=self.fit == "pad", ground=self.ground)
        height, width = int(place.scaled[0]), int(place.scaled[1])
        top, left = max(0, -place.top), max(0, -place.left)  # what the plate shows of the scaled picture
        bottom, right = min(height, self.height - place.top), min(width, self.width - place.left)
        shown = _part(image, (width, height), (left, top, right, bottom), self.resample)
        if shown.size == (self.width, self.height):
            return shown
        plate = Image.new(image.mode, (self.width, self.height), (self.ground,) * len(image.mode))
        plate.paste(shown, (max(0, place.left), max(0, place.top)))
        return plate

    def _source(self, height: int, width: int) -> tuple[int, int, int, int]:
        if not self.centre:
            return 0, 0, width, height
        side = max(1, int(self.centre * min(height, width)))
        top, left = central((height, width), (side, side))
        return left, top, left + side, top + side

    def _enlarged(self, height: int, width: int) -> tuple[int, int]:
        """Return the (height, width) that "crop" scales to, rounded as image processors of `transformers` do."""
        if self.edge:
            if width <= height:
                return int(self.edge * height / width), self.edge
            return self.edge, int(self.edge * width / height)
        if self.height * width >= self.width * height:
            return self.height, max(self.width, int(self.height * width / height))
        return max(self.height, int(self.width * height / width)), self.width


def _part(
    image: Image.Image, size: tuple[int, int], part: tuple[int, int, int, int], resample: Resample
) -> Image.Image:
    """Return the `part` (left, top, right, bottom) of a picture scaled to `size` = (width, height).

    The whole is scaled, as image processors do, except where that is very long: a strip of 1 x 3000 pixels.
    """
    left, top, right, bottom = part
    if size == image.size:
        return image if part == (0, 0, *size) else image.crop(part)
    if part == (0, 0, *size):
        return image.resize(size, _filter(resample))
    if size[0] * size[1] <= _MOST_PIXELS:
        return image.resize(size, _filter(resample)).crop(part)
    if resample == "nearest":
        columns, rows = _nearest(image.width, size[0])[left:right], _nearest(image.height, size[1])[top:bottom]
        return Image.fromarray(np.asarray(image)[rows][:, columns])
    x, y = image.width / size[0], image.height / size[1]
    across = ((right - left, image.height), (left * x, 0, min(right * x, image.width), image.height))
    # One axis after the other, in the order in which Pillow would scale the whole: values are cut off in between.
    fallen = image.height - size[1]
    first_down = fallen > 0 and fallen > 2 * (image.width - size[0])
    if not first_down:
        image = image.resize(across[0], _filter(resample), box=across[1])
    image = image.resize(
        (image.width, bottom - top), _filter(resample), box=(0, top * y, image.width, min(bottom * y, image.height))
    )
    if first_down:
        box = (across[1][0], 0, across[1][2], image.height)
        image = image.resize((right - left, image.height), _filter(resample), box=box)
    return image


def _filter(resample: Resample) -> Image.Resampling:
    return Image.Resampling[resample.upper()]


def _nearest(pixels: int, cells: int) -> np.ndarray:
    """Return which of `pixels` each of `cells` shows, as Pillow chooses."""
    ruler = Image.fromarray(np.arange(pixels, dtype=np.int32)[None])
    return np.asarray(ruler.resize((cells, 1), Image.Resampling.NEAREST))[0]
