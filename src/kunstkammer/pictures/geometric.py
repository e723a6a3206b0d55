"""Augmentations that move pixels, and the one sampling that carries out several of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor

from kunstkammer.pictures.augmentation import Draws, Fill, Finite, Geometric, Probability, Range
from kunstkammer.pictures.framing import Affine
from kunstkammer.registry import register


def sample(pixels: Tensor, matrices: Tensor, fill: Fill, *, whole: bool = False) -> Tensor:
    """Sample float32 (N, C, H, W) once, bilinearly, at the places that (N, 3, 3) name (see `Geometric.matrices`).

    `pixels` may be written over. `whole` says that all places are centres of pixels: they are then taken as they are.
    """
    count, _, height, width = pixels.shape
    x = (torch.arange(width, device=pixels.device) - (width - 1) / 2)[None, :]
    y = (torch.arange(height, device=pixels.device) - (height - 1) / 2)[None, :]
    # The two summands of each coordinate depend on x alone and y alone: six times as fast as F.affine_grid.
    grid = pixels.new_empty(count, height, width, 2)
    for axis, length in ((0, width), (1, height)):
        row = matrices[:, axis] * (2 / length)
        torch.add((row[:, :1] * x)[:, None, :], (row[:, 1:2] * y + row[:, 2:])[:, :, None], out=grid[..., axis])
    mode = "nearest" if whole else "bilinear"
    if fill == "white":  # what lies beyond is 0, so white is made 0, and back again
        return F.grid_sample(pixels.neg_().add_(1), grid, mode, "zeros", align_corners=False).neg_().add_(1)
    beyond = {"edge": "border", "reflect": "reflection", "black": "zeros"}[fill]
    return F.grid_sample(pixels, grid, mode, beyond, align_corners=False)


def compose(steps: Sequence[Geometric], draws: Draws, height: int, width: int) -> Tensor:
    """Multiply the matrices of steps that stand in a row into one (N, 3, 3)."""
    whole = torch.eye(3, device=draws.device).expand(draws.count, 3, 3)
    for step in steps:
        # The last step is the first to be asked where a new pixel comes from, so its matrix stands rightmost.
        whole = whole @ step.matrices(draws, height, width)
    return whole


def affines(matrices: Tensor, height: int, width: int) -> list[Affine]:
    """Return for each of (N, 3, 3) (see `Geometric.matrices`) the way from the old picture to the new one.

    It moves points and boxes (left, top, right, bottom) as `sample` moves the pixels.
    """
    centre = Affine.shift(-width / 2, -height / 2)
    return [
        centre.then(Affine.of(matrix)).then(centre.inverse()).inverse()
        for matrix in matrices.detach().cpu().double().numpy()
    ]


def _matrix(draws: Draws, rows: Sequence[Sequence[Tensor | float]]) -> Tensor:
    """Build (N, 3, 3) from two rows of three, each a number or (N,)."""
    result = torch.zeros(draws.count, 3, 3, device=draws.device)
    for i, row in enumerate([*rows, (0.0, 0.0, 1.0)]):
        for j, value in enumerate(row):
            result[:, i, j] = value
    return result


def _either_side(value: object) -> object:
    """A single number d stands for [-d, d]."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (-abs(value), abs(value))
    return value


def _around_one(value: object) -> object:
    """A single number a stands for [1 - a, 1 + a]."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (1 - abs(value), 1 + abs(value))
    return value


def _both(value: object) -> object:
    """A single number stands for both directions."""
    return (value, value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


Degrees = Annotated[Range, BeforeValidator(_either_side)]
Fraction = Annotated[Finite, Field(ge=0, le=1)]


@register("augmentations", "horizontal-flip", "Mirror left and right, with a probability.")
class HorizontalFlip(Geometric):
    """Mirror left and right. Not for pages whose reading direction or lettering tells the class."""

    always_inside: ClassVar[bool] = True
    whole_pixels: ClassVar[bool] = True
    probability: Probability = 0.5

    def matrices(self, draws: Draws, height: int, width: int) -> Tensor:
        sign = 1 - 2 * draws.chance(self.probability).float()
        return _matrix(draws, [(sign, 0.0, 0.0), (0.0, 1.0, 0.0)])


@register("augmentations", "vertical-flip", "Turn upside down (mirror top and bottom), with a probability.")
class VerticalFlip(Geometric):
    """Mirror top and bottom (system B uses it with probability 0.5)."""

    always_inside: ClassVar[bool] = True
    whole_pixels: ClassVar[bool] = True
    probability: Probability = 0.5

    def matrices(self, draws: Draws, height: int, width: int) -> Tensor:
        sign = 1 - 2 * draws.chance(self.probability).float()
        return _matrix(draws, [(1.0, 0.0, 0.0), (0.0, sign, 0.0)])


@register("augmentations", "rotation", "Turn about the centre by a random angle: degrees, or [low, high].")
class Rotation(Geometric):
    """Turn about the centre, counter-clockwise for positive angles. System C uses 20 degrees, system B 45."""

    degrees: Degrees = (-15.0, 15.0)
    fill: Fill = "edge"

    def matrices(self, draws: Draws, height: int, width: int) -> Tensor:
        angle = draws.uniform(*self.degrees) * (math.pi / 180)
        cosine, sine = angle.cos(), angle.sin()
        return _matrix(draws, [(cosine, -sine, 0.0), (sine, cosine, 0.0)])


@register(
    "augmentations", "zoom", "Enlarge or shrink: amount 0.15 is a factor of 0.85 to 1.15; or [low, high] factors."
)
class Zoom(Geometric):
    """Enlarge (factor above 1) or shrink about the centre.

    System C uses 0.15. Keras, which it was trained with, draws the two directions on their own:
    `keep_aspect: false` does that too.
    """

    amount: Annotated[Range, BeforeValidator(_around_one)] = (0.85, 1.15)
    keep_aspect: bool = True
    fill: Fill = "edge"

    @model_validator(mode="after")
    def _positive(self) -> Zoom:
        if self.amount[0] <= 0:
            raise ValueError("the factors of a zoom must be above 0")
        return self

    def matrices(self, draws: Draws, height: int, width: int) -> Tensor:
        across = draws.uniform(*self.amount)
        down = across if self.keep_aspect else draws.uniform(*self.amount)
        return _matrix(draws, [(1 / across, 0.0, 0.0), (0.0, 1 / down, 0.0)])


@register("augmentations", "shift", "Move by up to a fraction of the side: fraction, or [across, down].")
class Shift(Geometric):
    """Move by up to `fraction` of the width and of the height. System C uses 0.2 for both."""

    fraction: Annotated[tuple[Fraction, Fraction], BeforeValidator(_both)] = (0.1, 0.1)
    fill: Fill = "edge"

    def matrices(self, draws: Draws, height: int, width: int) -> Tensor:
        across = draws.uniform(-self.fraction[0], self.fraction[0]) * width
        down = draws.uniform(-self.fraction[1], self.fraction[1]) * height
        return _matrix(draws, [(1.0, 0.0, across), (0.0, 1.0, down)])


@register("augmentations", "shear", "Slant sideways by a random angle: degrees, or [low, high].")
class Shear(Geometric):
    """Slant sideways: upright lines lean by up to `degrees` (below 80 either way)."""

    degrees: Degrees = (-10.0, 10.0)
    fill: Fill = "edge"

    @model_validator(mode="after")
    def _upright(self) -> Shear:
        if max(map(abs, self.degrees)) > 80:
            raise ValueError("a shear must stay within -80 and 80 degrees")
        return self

    def matrices(self, draws: Draws, height: int, width: int) -> Tensor:
        lean = (draws.uniform(*self.degrees) * (math.pi / 180)).tan()
        return _matrix(draws, [(1.0, lean, 0.0), (0.0, 1.0, 0.0)])


@register("augmentations", "crop", "Pad every side by a fraction and cut the old size out of it at random.")
class Crop(Geometric):
    """Pad each side by `padding` of its length, then cut out the original size anywhere, by whole pixels.

    The default is that of He et al. 2016 ("Deep residual learning", section 4.2): 4 pixels for 32.
    """

    whole_pixels: ClassVar[bool] = True
    padding: Fraction = 0.125
    fill: Fill = "white"

    def matrices(self, draws: Draws, height: int, width: int) -> Tensor:
        across = draws.uniform(-self.padding, self.padding) * width
        down = draws.uniform(-self.padding, self.padding) * height
        return _matrix(draws, [(1.0, 0.0, across.round()), (0.0, 1.0, down.round())])


@register("augmentations", "resized-crop", "Cut out a part of random area and aspect, and scale it to the whole.")
class ResizedCrop(Geometric):
    """Cut out a part with `scale` of the area and an aspect of `ratio`, and scale it to the size of the whole.

    For photographs scale 0.08..1 and ratio 3/4..4/3 are usual (Szegedy et al. 2015, "Going deeper with convolutions",
    section 6). The default keeps at least half, for pages and coins that a small part does not show.
    """

    always_inside: ClassVar[bool] = True
    scale: Range = (0.5, 1.0)
    ratio: Range = (3 / 4, 4 / 3)

    @model_validator(mode="after")
    def _possible(self) -> ResizedCrop:
        if self.scale[0] <= 0 or self.scale[1] > 1:
            raise ValueError("the scale of a resized crop must lie in 0..1, above 0")
        if self.ratio[0] <= 0:
            raise ValueError("the ratio of a resized crop must be above 0")
        return self

    def matrices(self, draws: Draws, height: int, width: int) -> Tensor:
        area = draws.uniform(*self.scale) * (height * width)
        aspect = draws.log_uniform(*self.ratio)
        across = (area * aspect).sqrt().clamp(max=width)
        down = (area / aspect).sqrt().clamp(max=height)
        left = draws.uniform(-0.5, 0.5) * (width - across)
        top = draws.uniform(-0.5, 0.5) * (height - down)
        return _matrix(draws, [(across / width, 0.0, left), (0.0, down / height, top)])
