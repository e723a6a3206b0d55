"""Tones: soft quantisation, a palette, screentone dots, and the grain of paper under a pencil."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from kunstkammer.pictures.cartoon.filters import gaussian

_ALIKE = 0.08  # colours nearer than this are not told apart


def stretched(luma: Tensor, contrast: float) -> Tensor:
    """Return the luma with its distance from the middle multiplied, in 0..1; the ends are rounded off, not cut."""
    return torch.sigmoid((luma - 0.5) * (4 * contrast)) if contrast > 1 else (luma - 0.5) * contrast + 0.5


def quantised(luma: Tensor, levels: int, sharpness: float) -> Tensor:
    """Draw the luma towards the nearest of so many tones, 0 and 1 among them (Winnemoeller et al. 2006, section 3.3).

    `sharpness` is how steep the step between two tones is: 0 leaves the luma, 10 is a hard edge.
    """
    if sharpness <= 0:
        return luma
    step = 1 / (levels - 1)
    border = ((luma / step - 0.5).round() + 0.5) * step  # the nearest one between two tones
    away = (luma - border) / step  # -0.5..0.5
    return border + step / 2 * torch.tanh(away * sharpness) / math.tanh(sharpness / 2)


def palette(planes: Tensor, colours: int, *, rounds: int = 8, most: int = 3000) -> Tensor:
    """Return the colours (k, C) that stand best for the planes (1, C, h, w): k-means, begun far apart.

    The first colour is the mean, each further one the pixel farthest from those there are (Gonzalez 1985), so that
    small but strong colours get a place and nothing is random. There are fewer where no colour is far from one of them.
    """
    pixels = planes[0].flatten(1).T
    pixels = pixels[:: max(1, len(pixels) // most)]
    centres = pixels.mean(0, keepdim=True)
    distance = (pixels - centres).square().sum(1)
    for _ in range(colours - 1):
        if float(distance.max()) < _ALIKE**2:
            break
        centres = torch.cat([centres, pixels[distance.argmax()][None]])
        distance = torch.minimum(distance, (pixels - centres[-1]).square().sum(1))
    for _ in range(rounds):
        nearest = torch.cdist(pixels, centres).argmin(1)
        mine = functional.one_hot(nearest, len(centres)).to(pixels.dtype)
        counts = mine.sum(0)[:, None]
        centres = torch.where(counts > 0, mine.T @ pixels / counts.clamp(min=1), centres)
    return centres


def painted(planes: Tensor, centres: Tensor, softness: float) -> Tensor:
    """Give each pixel the nearest of the colours (k, C); `softness` blends over so wide a range of distances."""
    # |p - c|^2 without |p|^2, which is the same for all colours; a row a colour is the layout that vector units like.
    near = centres.square().sum(1, keepdim=True) - 2 * centres @ planes[0].flatten(1)
    share = torch.softmax(near.mul_(-1 / softness**2), 0)
    return (centres.T @ share).reshape(planes.shape)


@lru_cache(maxsize=8)
def dots(height: int, width: int, period: float) -> Tensor:
    """Return a screen at 45 degrees, float32 (1, 1, H, W), uniform in 0..1: what is below a tone is a dot.

    Highest in the middle of each dot. A surface of darkness d is inked where d > screen, so that a share d is covered.
    """
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    turn = math.tau / (period * math.sqrt(2))
    wave = torch.cos((x + y) * turn) + torch.cos((x - y) * turn)
    # The sum of two independent cosines, made uniform by its ranks on a fine table.
    phases = torch.cos(torch.linspace(0, math.pi, 257))
    ranks = (phases[:, None] + phases[None, :]).flatten().sort().values
    place = torch.searchsorted(ranks, wave.flatten()).reshape(wave.shape).float() / ranks.numel()
    return (1 - place)[None, None]


@lru_cache(maxsize=8)
def grain(height: int, width: int, unit: float, seed: int) -> Tensor:
    """Return the tooth of drawing paper, float32 (1, 1, H, W), uniform in 0..1."""
    noise = torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(seed))
    return _uniform(gaussian(noise, 0.45 * unit) + 0.35 * _spread(gaussian(noise.flip(-1), 1.2 * unit)))


@lru_cache(maxsize=8)
def strokes(height: int, width: int, unit: float, angle: float, seed: int) -> Tensor:
    """Return parallel strokes of uneven weight, float32 (1, 1, H, W), uniform in 0..1; `angle` in degrees from x."""
    side = math.ceil(math.hypot(height, width)) + 2
    noise = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(seed + 1))
    noise = gaussian(noise, 0.5 * unit)
    reach = max(1, round(9 * unit))
    long = functional.avg_pool2d(functional.pad(noise, (reach, reach, 0, 0), mode="circular"), (1, 2 * reach + 1), 1)
    turn = math.radians(angle)
    matrix = torch.tensor(
        [
            [math.cos(turn) * width / side, math.sin(turn) * height / side, 0.0],
            [-math.sin(turn) * width / side, math.cos(turn) * height / side, 0.0],
        ]
    )
    grid = functional.affine_grid(matrix[None], [1, 1, height, width], align_corners=False)
    return _uniform(functional.grid_sample(long, grid, padding_mode="reflection", align_corners=False))


def _spread(noise: Tensor) -> Tensor:
    return (noise - noise.mean()) / noise.std(correction=0).clamp(min=1e-6)


def _uniform(noise: Tensor) -> Tensor:
    """Turn Gaussian noise into uniform noise in 0..1 by its distribution."""
    return torch.special.ndtr(_spread(noise))
