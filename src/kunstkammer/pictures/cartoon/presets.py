"""The presets: comic, manga, pencil, flat. A new one is a class with its defaults and `draw`, and one decorator."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from kunstkammer.pictures.cartoon.filters import gaussian
from kunstkammer.pictures.cartoon.settings import CartoonSettings, Scene
from kunstkammer.pictures.cartoon.tone import dots, grain, painted, palette, quantised, stretched, strokes
from kunstkammer.registry import register


def _steep(value: Tensor, at: float | Tensor, width: float) -> Tensor:
    """Return 0 well below `at` and 1 well above, straight over `width` between."""
    return ((value - at) / width + 0.5).clamp(0, 1)


def _coloured(luma: Tensor, planes: Tensor, saturation: float) -> Tensor:
    """Put the chroma of `planes` under a new luma; colours keep away from black and white by themselves."""
    return torch.cat([luma, planes[:, 1:] * saturation], 1)


@register("cartoons", "comic", "Ink lines over flat, strong colours, solid blacks.")
class Comic(CartoonSettings):
    """Coloured comic: smoothed surfaces in few tones, flowing ink lines, shadows filled with black."""

    smoothing: float = Field(1.2, ge=0, le=3)
    lines: float = Field(1.0, ge=0, le=2)
    blacks: float = Field(0.16, ge=0, le=1)
    levels: int = Field(7, ge=2, le=32)
    saturation: float = Field(1.45, ge=0, le=2)
    contrast: float = Field(1.25, ge=0.2, le=3)

    def draw(self, scene: Scene) -> Tensor:
        flat = scene.smoothed(self.smoothing)
        lit = scene.lit(flat[:, :1], 0.01, 0.97, 1.5)
        luma = quantised(stretched(lit, self.contrast), self.levels, 9)
        ink = torch.maximum(scene.lines(self.lines, self.line_width), scene.shadows(flat[:, :1], self.blacks))
        return _coloured(luma, flat, self.saturation) * (1 - ink)


@register("cartoons", "flat", "A vector drawing: a few flat colours, no lines.")
class Flat(CartoonSettings):
    """Flat colours from a palette of the picture's own, with hard, clean borders; no lines unless asked for."""

    smoothing: float = Field(0.7, ge=0, le=3)
    lines: float = Field(0.0, ge=0, le=2)
    levels: int = Field(16, ge=2, le=32, description="colours of the palette")
    saturation: float = Field(1.25, ge=0, le=2)
    contrast: float = Field(1.0, ge=0.2, le=3)

    def draw(self, scene: Scene) -> Tensor:
        flat = scene.smoothed(self.smoothing)
        weights = flat.new_tensor([1.0, 2.2, 2.2])[: flat.shape[1], None, None]
        seen = gaussian(flat, 0.3 * scene.unit) * weights  # clean contours, such as a cutter would follow
        drawn = painted(seen, palette(seen, self.levels), 0.03) / weights
        luma = stretched(scene.lit(drawn[:, :1], 0.01, 0.97, 1.5), self.contrast)
        return _coloured(luma, drawn, self.saturation) * (1 - scene.lines(self.lines, self.line_width))


@register("cartoons", "manga", "Black ink on white paper, shadows in screentone dots.")
class Manga(CartoonSettings):
    """Black and white: ink lines and solid blacks, two greys of round dots, the rest white paper."""

    smoothing: float = Field(1.2, ge=0, le=3)
    lines: float = Field(1.3, ge=0, le=2)
    blacks: float = Field(0.22, ge=0, le=1)
    levels: int = Field(5, ge=2, le=32, description="tones, with black and white")
    saturation: float = Field(0.0, ge=0, le=2)
    contrast: float = Field(1.2, ge=0.2, le=3)
    dots: float = Field(4.0, ge=1, le=16, description="from one dot to the next, in 1/256 of the picture's size")

    def draw(self, scene: Scene) -> Tensor:
        flat = scene.smoothed(self.smoothing)
        luma = stretched(scene.lit(flat[:, :1], 0.02, 0.62, 2.5), self.contrast)
        tone = quantised(luma.clamp(0, 1), self.levels, 20)
        dark = (1 - tone) * 0.9
        period = max(self.dots * scene.unit, 3 * scene.pixel)  # finer ones would be grey, or moiré
        height, width = luma.shape[-2:]
        screen = dots(height, width, period).to(luma.device)
        toned = _steep(dark, screen, min(1.0, 1.6 / period)) * _steep(dark, 0.08, 0.04)
        ink = torch.maximum(scene.lines(self.lines, self.line_width), scene.shadows(flat[:, :1], self.blacks))
        ink = torch.maximum(ink, toned)
        paper = torch.cat([torch.ones_like(luma), torch.zeros_like(flat[:, 1:])], 1)
        return _coloured(paper[:, :1], flat, self.saturation) * (1 - ink)


@register("cartoons", "pencil", "Graphite on paper: soft lines and hatching.")
class Pencil(CartoonSettings):
    """Graphite: soft lines, shadows hatched in two directions, broken by the tooth of the paper."""

    smoothing: float = Field(0.8, ge=0, le=3)
    lines: float = Field(1.3, ge=0, le=2)
    line_width: float = Field(0.8, ge=0.2, le=4)
    saturation: float = Field(0.0, ge=0, le=2)
    contrast: float = Field(1.15, ge=0.2, le=3)
    hatching: float = Field(1.0, ge=0, le=2, description="weight of the strokes in the shadows")

    def draw(self, scene: Scene) -> Tensor:
        flat = scene.smoothed(self.smoothing)
        luma = stretched(scene.lit(flat[:, :1], 0.02, 0.85, 2.0), self.contrast)
        height, width = luma.shape[-2:]
        tooth = grain(height, width, scene.unit, scene.seed).to(luma.device)
        first = strokes(height, width, scene.unit, -50.0, scene.seed).to(luma.device)
        second = strokes(height, width, scene.unit, -20.0, scene.seed + 1).to(luma.device)
        dark = (0.95 - luma).clamp(0, 1) * self.hatching
        laid = 0.55 * _steep(dark * 1.25, 0.7 * first + 0.3 * tooth, 0.5)
        laid = laid + 0.35 * _steep(dark * 1.5 - 0.55, 0.7 * second + 0.3 * tooth, 0.5)
        line = scene.lines(self.lines, self.line_width) * (0.75 + 0.25 * _steep(tooth, 0.25, 0.5))
        graphite = 1 - (1 - laid.clamp(0, 1)) * (1 - 0.8 * line)
        paper = 0.985 - 0.03 * tooth
        return _coloured(paper - graphite * (paper - 0.13), flat, self.saturation)
