"""What a cartoon is told: one validated set of parameters a preset, and the scene that it draws from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from kunstkammer.pictures.cartoon.filters import along, flow, gaussian, smooth

MOST_STRENGTH = 1.5

Share = Annotated[float, Field(ge=0, le=1)]


class Scene:
    """A picture on the canvas that it is drawn on, and what several presets need of it, each made once.

    Attributes:
        planes: float32 (1, C, h, w): luma in 0..1 and, of a picture with colours, two chroma planes around 0.
        unit: pixels of the canvas that are 1/256 of the picture's size, the measure of lines, dots and grains.
        pixel: pixels of the canvas that are one of the picture.
        seed: of what is random in the drawing (paper, strokes).
    """

    def __init__(self, planes: Tensor, unit: float, pixel: float, seed: int) -> None:
        self.planes = planes
        self.pixel = pixel
        self.unit = unit
        self.seed = seed
        self._smoothed: dict[float, Tensor] = {}

    @cached_property
    def quiet(self) -> Tensor:
        """The planes without the finest grain: what lines are looked for in."""
        return gaussian(self.planes, 0.6 * self.unit)

    @cached_property
    def flow(self) -> Tensor:
        """Unit vectors along the edges, (1, 2, h, w)."""
        return flow(self.quiet, 2.5 * self.unit)

    def lit(self, luma: Tensor, dark: float, light: float, most: float) -> Tensor:
        """Return the luma exposed for drawing: the shares `dark` and `light` of the picture's own luma become 0 and 1.

        The factor is at most `most`, so that a foggy or an empty picture does not turn into its noise.
        """
        low, high = (_quantile(self.planes[:, :1], share) for share in (dark, light))
        factor = min(1 / max(high - low, 1e-3), most)
        middle = (low + high) / 2
        if factor < most:
            return (luma - low) * factor
        # What cannot fill the range keeps its middle where it is.
        return (luma - middle) * factor + middle

    def shadows(self, luma: Tensor, blacks: float) -> Tensor:
        """Return ink in 0..1 where the luma is below `blacks`, though not on more than about a quarter of a picture."""
        if blacks <= 0:
            return torch.zeros_like(luma)
        below = min(blacks, _quantile(luma, 0.25) + 0.02)
        return ((below - luma) / 0.04 + 0.5).clamp(0, 1)

    def smoothed(self, amount: float) -> Tensor:
        """Return the planes flattened between edges; 0 leaves them, 1 is what a comic needs, more merges more."""
        if amount <= 0:
            return self.planes
        if amount not in self._smoothed:
            reach = [1, 2, 4, 2, 1] if amount < 1.5 else [1, 2, 4, 6, 4, 2, 1]
            dilations = [max(1, round(step * self.unit)) for step in reach]
            fine = [step for step in (2**k for k in range(8)) if step < dilations[0]]
            self._smoothed[amount] = smooth(self.planes, fine + dilations, 0.09 * amount)
        return self._smoothed[amount]

    def lines(self, amount: float, width: float) -> Tensor:
        """Return ink in 0..1, (1, 1, h, w): flow-based difference-of-Gaussians lines.

        The difference of two Gaussians (sigma : 1.6 sigma) of the luma, smoothed along the flow and cut by a soft
        threshold (Kang et al. 2009; the threshold of Winnemoeller et al. 2012, equation 5). `width` is sigma in units;
        `amount` 1 draws contours, more draws fainter edges too.
        """
        if amount <= 0:
            return torch.zeros_like(self.planes[:, :1])
        fine = gaussian(self.planes[:, :1], max(width * self.unit, 0.5))
        strong = self._edges(fine, width)
        # Soft pictures have no fine edges: twice as wide ones, weighed less, so that sharp ones are not drawn doubly.
        soft = self._edges(gaussian(fine, 1.7 * width * self.unit), 2 * width)
        found = along(torch.maximum(strong, 0.8 * soft), self.flow, 3 * self.unit)
        # A soft or pale picture has its lines too: what counts as one follows the picture's own strongest edges.
        usual = min(max(_quantile(found, 0.96) / 0.03, 0.4), 1.25)
        threshold, slope = 0.013 * usual / amount, 0.016 * usual
        return torch.tanh((found - threshold).clamp_(min=0) / slope)

    def _edges(self, blurred: Tensor, width: float) -> Tensor:
        """Return how much darker a place is than what lies around it at 1.6 times the width."""
        return gaussian(blurred, 1.25 * width * self.unit) - blurred  # sqrt(1.6^2 - 1) = 1.25


def _quantile(plane: Tensor, share: float) -> float:
    """Return a quantile over an even sample of the pixels."""
    values = plane.flatten()
    values = values[:: max(1, values.numel() // 8192)]
    return float(values.kthvalue(1 + round(share * (len(values) - 1))).values)


class CartoonSettings(BaseModel, ABC):
    """Parameters of a drawing. A preset is a subclass with its own defaults (and parameters) and a `draw`.

    Attributes:
        smoothing: how much is flattened between edges; 0 nothing, 1 usual, 3 most.
        lines: how many ink lines; 0 none, 1 contours, 2 every faint edge.
        line_width: sigma of the lines in 1/256 of the picture's size.
        blacks: luma below which a surface is filled with ink; 0 for none.
        levels: tones between black and white.
        saturation: factor on the colours; 0 is grey, 1 leaves them.
        contrast: factor on the distance of the luma from its middle.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    smoothing: float = Field(1.0, ge=0, le=3)
    lines: float = Field(1.0, ge=0, le=2)
    line_width: float = Field(0.7, ge=0.2, le=4)
    blacks: Share = 0.0
    levels: int = Field(6, ge=2, le=32)
    saturation: float = Field(1.0, ge=0, le=2)
    contrast: float = Field(1.0, ge=0.2, le=3)

    @abstractmethod
    def draw(self, scene: Scene) -> Tensor:
        """Return the drawing as planes (1, C, h, w) like those of the scene."""

    def stronger(self, factor: float) -> CartoonSettings:
        """Return settings with so many times the smoothing and the lines, for a strength above 1."""
        if factor <= 1:
            return self
        more = {"smoothing": min(3.0, self.smoothing * factor), "lines": min(2.0, self.lines * factor)}
        return self.model_copy(update=more)
