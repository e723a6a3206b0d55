"""Photographs become drawings: `cartoonify` and the canvas that a picture is drawn on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kunstkammer import registry
from kunstkammer.errors import RecipeError
from kunstkammer.pictures.cartoon.settings import MOST_STRENGTH, CartoonSettings, Scene
from kunstkammer.pictures.parameters import built

UNITS = 256
_LEAST_CANVAS, _MOST_CANVAS, _MOST_ENLARGED = 288, 2048, 4.0
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # JFIF, luma of BT.601


def cartoonify(
    pixels: Tensor,
    preset: str = "comic",
    *,
    strength: float = 1.0,
    settings: CartoonSettings | None = None,
    seed: int = 0,
) -> Tensor:
    """Turn photographs into drawings.

    Lines, dots and grains are measured in the picture's own size, so that a plate of 64 pixels and a photograph of
    2,000 look like the same drawing. What becomes of a picture depends on nothing but it and the arguments.

    Args:
        pixels: uint8 (N, 1 or 3, H, W), any size.
        preset: a name of `kunstkammer list cartoons`.
        strength: 0 (unchanged) to 1 (the drawing); up to 1.5 draws more lines and flattens more.
        settings: parameters in place of the preset's own, from `cartoon_settings`.
        seed: of paper and strokes, where the preset has any.

    Returns:
        uint8 of the same shape, on the same device.

    Raises:
        UnknownNameError: there is no such preset.
        RecipeError: the strength is out of range, or the settings are those of another preset.

    >>> cartoonify(torch.full((2, 3, 40, 60), 200, dtype=torch.uint8), "manga").shape
    torch.Size([2, 3, 40, 60])
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[1] not in (1, 3):
        raise ValueError(f"Expected uint8 (N, 1 or 3, H, W), not {pixels.dtype} {tuple(pixels.shape)}.")
    if not 0 <= strength <= MOST_STRENGTH:
        raise RecipeError(f"The strength of a cartoon is {strength}; give 0 (unchanged) to {MOST_STRENGTH}.")
    kind = registry.get("cartoons", preset)
    chosen: CartoonSettings = kind() if settings is None else settings
    if not isinstance(chosen, kind):
        raise RecipeError(f"The settings are those of {type(chosen).__name__}, not of the preset '{preset}'.")
    if strength == 0 or not pixels.numel():
        return pixels.clone()
    chosen = chosen.stronger(strength)
    with torch.inference_mode():
        drawn = [_drawn(picture[None], chosen, min(strength, 1.0), seed) for picture in pixels]
    return torch.cat(drawn)


def cartoon_settings(preset: str, values: Mapping[str, Any] | None = None) -> CartoonSettings:
    """Return the settings of a preset, changed by `values`; `RecipeError` names what is wrong and the nearest guess.

    >>> cartoon_settings("comic", {"levels": 4}).levels
    4
    """
    return built(registry.get("cartoons", preset), values or {}, f"Cartoon '{preset}'")


def canvas_size(height: int, width: int) -> tuple[int, int]:
    """Return the size (height, width) that a picture is drawn at.

    Small pictures are drawn larger and scaled down, which is what makes their lines smooth; only very large ones are
    drawn smaller.

    >>> canvas_size(144, 144), canvas_size(1000, 1500)
    ((288, 288), (1000, 1500))
    """
    size = math.sqrt(height * width)
    factor = min(max(size, _LEAST_CANVAS), _MOST_CANVAS) / size
    factor = min(factor, _MOST_ENLARGED)
    return max(1, round(height * factor)), max(1, round(width * factor))


def _drawn(picture: Tensor, settings: CartoonSettings, strength: float, seed: int) -> Tensor:
    """Draw one picture, uint8 (1, C, H, W)."""
    size = (picture.shape[-2], picture.shape[-1])
    canvas = canvas_size(*size)
    # A channel at a time, so that a sheet of a hundred million pixels needs no three planes of floats twice.
    channels = picture.split(1, dim=1)
    scaled = torch.cat([_scaled(channel.to(torch.float32) / 255, canvas) for channel in channels], 1)
    scene = Scene(_to_ycc(scaled), _unit(*canvas), canvas[0] / size[0], seed)
    drawing = _to_rgb(settings.draw(scene)).clamp_(0, 1)
    result = torch.empty_like(picture)
    for k, channel in enumerate(channels):
        mixed = torch.lerp(channel.to(torch.float32), _scaled(drawing[:, k : k + 1], size) * 255, strength)
        result[:, k : k + 1] = mixed.round_().clamp_(0, 255)
    return result


def _unit(height: int, width: int) -> float:
    """Return the pixels that are 1/256 of the picture's size; lines of larger canvases are a little finer for it."""
    size = math.sqrt(height * width) / UNITS
    return size**0.85 if size > 1 else size


def _scaled(colours: Tensor, size: tuple[int, int]) -> Tensor:
    if colours.shape[-2:] == size:
        return colours
    return functional.interpolate(colours, size=size, mode="bilinear", antialias=True)


def _to_ycc(colours: Tensor) -> Tensor:
    if colours.shape[1] == 1:
        return colours
    return torch.einsum("kc,nchw->nkhw", colours.new_tensor(_TO_YCC), colours).contiguous()


def _to_rgb(planes: Tensor) -> Tensor:
    if planes.shape[1] == 1:
        return planes
    back = torch.linalg.inv(torch.tensor(_TO_YCC, dtype=torch.float64)).to(planes)
    return torch.einsum("kc,nchw->nkhw", back, planes).contiguous()
