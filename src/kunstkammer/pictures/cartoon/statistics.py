"""What tells drawings from photographs without any label: a few numbers a picture, and how far two sets of them are."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from kunstkammer.pictures.cartoon.filters import gaussian

SIDE = 144
"""Pictures are compared at this size (the root of height times width), so that their resolution plays no part."""

_LEVELS = np.linspace(0.05, 0.95, 19)


def at_size(picture: Tensor, side: int = SIDE) -> Tensor:
    """Scale uint8 (C, H, W) so that height times width is about `side` squared, as uint8 (3, h, w) in RGB."""
    height, width = picture.shape[-2:]
    factor = side / math.sqrt(height * width)
    size = (max(2, round(height * factor)), max(2, round(width * factor)))
    scaled = functional.interpolate(picture[None].float(), size=size, mode="bilinear", antialias=True)
    return scaled.round_().clamp_(0, 255).to(torch.uint8)[0].expand(3, -1, -1).contiguous()


def statistics(picture: Tensor) -> np.ndarray:
    """Return float64 (D,) of a picture, float32 (3, h, w) in 0..1, of the size that `at_size` gives.

    Quantiles of luma, saturation and gradient (at three scales), the shares of flat, white and black pixels, of thin
    dark and thin light lines, and the entropy of the colours.
    """
    red, green, blue = picture
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    saturation = picture.amax(0) - picture.amin(0)
    found = [
        _quantiles(luma, (0.05, 0.25, 0.5, 0.75, 0.95)),
        _quantiles(saturation, (0.25, 0.5, 0.75, 0.95)),
        [float((luma > 0.94).float().mean()), float((luma < 0.1).float().mean())],
    ]
    plane = luma[None, None]
    for scale in (1, 2, 4):
        small = functional.avg_pool2d(plane, scale) if min(luma.shape) >= 4 * scale else plane
        dx, dy = small[..., 1:, 1:] - small[..., 1:, :-1], small[..., 1:, 1:] - small[..., :-1, 1:]
        gradient = (dx * dx + dy * dy).sqrt()
        found.append([math.log(0.004 + value) for value in _quantiles(gradient, (0.3, 0.6, 0.8, 0.95))])
        found.append([float((gradient < 0.008).float().mean())])
    for sigma in (1.0, 2.0):
        thin = plane - gaussian(plane, sigma)
        found.append([float((thin < -0.06).float().mean()), float((thin > 0.06).float().mean())])
    found.append([_entropy(picture)])
    return np.concatenate([np.asarray(part, dtype=np.float64) for part in found])


def _quantiles(values: Tensor, shares: Sequence[float]) -> list[float]:
    ranked = values.flatten().sort().values
    return [float(ranked[round(share * (len(ranked) - 1))]) for share in shares]


def _entropy(picture: Tensor) -> float:
    """Return the entropy in bits of the colours on a grid of 8 x 8 x 8."""
    place = (picture * 7.999).long()
    counts = torch.bincount((place[0] * 64 + place[1] * 8 + place[2]).flatten(), minlength=512).double()
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * shares.log2()).sum())


class Ruler:
    """Measures how far sets of pictures are from the targets: the sliced Wasserstein distance of their statistics.

    Each statistic is divided by its deviation over sources and targets together, so that none outweighs the others;
    the distance is the mean over fixed random directions, and over the statistics themselves, of the one-dimensional
    Wasserstein distance (Bonneel et al. 2015, section 3), between 19 quantiles.

    Args:
        sources, targets: float64 (n, D), (m, D).
        seed: of the directions.
    """

    def __init__(self, sources: np.ndarray, targets: np.ndarray, seed: int) -> None:
        both = np.concatenate([sources, targets])
        self._middle = both.mean(0)
        self._spread = np.maximum(both.std(0), 1e-3)
        directions = np.random.default_rng(seed).normal(size=(both.shape[1], 64))
        directions /= np.linalg.norm(directions, axis=0)
        # A random direction mixes all statistics; the statistics themselves are directions too.
        self._directions = np.concatenate([directions, np.eye(both.shape[1])], axis=1)

    def scaled(self, found: np.ndarray) -> np.ndarray:
        """Return statistics in units of their deviation."""
        return (found - self._middle) / self._spread

    def distance(self, one: np.ndarray, other: np.ndarray) -> float:
        """Return how far two sets of statistics (n, D) and (m, D) are."""
        quantiles = [np.quantile(self.scaled(found) @ self._directions, _LEVELS, axis=0) for found in (one, other)]
        return float(np.abs(quantiles[0] - quantiles[1]).mean())
