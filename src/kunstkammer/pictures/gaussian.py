"""Scaling as scikit-image does it: blurred by a Gaussian first, then interpolated. In NumPy alone.

OWLv2's image processor scales so (`scipy.ndimage.gaussian_filter`, then `zoom` of order 1, both mirroring at the edge).
Either step is linear along each axis, so both together are one set of weights an axis.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

_TRUNCATE = 4.0
"""The Gaussian ends at so many standard deviations, as SciPy's does."""


def gaussian(image: Image.Image, size: tuple[int, int], *, square: bool, ground: int = 0) -> Image.Image:
    """Return a picture of mode "RGB" or "L" at `size` = (height, width).

    square: fill it up to a square with `ground` at its right and lower edge first.
    """
    pixels = np.atleast_3d(np.asarray(image)).astype(np.float32) - ground
    height, width = pixels.shape[:2]
    full = (max(height, width),) * 2 if square else (height, width)
    rows = _along(pixels, full[0], size[0])
    found = _along(rows.transpose(1, 0, 2), full[1], size[1]).transpose(1, 0, 2) + ground
    bytes_ = np.rint(found).clip(0, 255).astype(np.uint8)
    return Image.fromarray(bytes_[:, :, 0] if image.mode == "L" else np.ascontiguousarray(bytes_))


def _along(pixels: np.ndarray, length: int, cells: int) -> np.ndarray:
    """Scale the first axis, filled up with 0 to `length`, to `cells`."""
    places, weights = _weights(length, cells)
    inside = places < len(pixels)  # beyond there is only the ground, which is 0 here
    places, weights = np.where(inside, places, 0), np.where(inside, weights, 0).astype(np.float32)
    found = np.zeros((cells, *pixels.shape[1:]), np.float32)
    for tap in range(places.shape[1]):
        found += pixels[places[:, tap]] * weights[:, tap, None, None]
    return found


def _weights(length: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each cell which pixels it is made of, and their weights, both (cells, taps)."""
    factor = length / cells
    deviation = max(0.0, (factor - 1) / 2)
    radius = int(_TRUNCATE * deviation + 0.5)
    steps = np.arange(-radius, radius + 1)
    bell = np.exp(-0.5 * (steps / deviation) ** 2) if radius else np.ones(1)
    bell /= bell.sum()
    middle = (np.arange(cells) + 0.5) * factor - 0.5
    first = np.floor(middle).astype(int)
    share = (middle - first)[:, None]
    taps = [(_mirrored(first[:, None] + side, length), weight) for side, weight in ((0, 1 - share), (1, share))]
    places = np.concatenate([_mirrored(place + steps, length) for place, _ in taps], axis=1)
    return places, np.concatenate([weight * bell for _, weight in taps], axis=1)


def _mirrored(places: np.ndarray, length: int) -> np.ndarray:
    """Return places within 0..length - 1, mirrored at the centres of the outermost pixels."""
    if length == 1:
        return np.zeros_like(places)
    period = 2 * (length - 1)
    turned = np.abs(places) % period
    return np.minimum(turned, period - turned)
