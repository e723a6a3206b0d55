"""Antialiased scaling in whole numbers: what torch's kernel for bytes does, bit for bit, in NumPy alone.

`torch.nn.functional.interpolate(..., mode="bilinear", antialias=True)` on uint8 goes first along the rows, then along
the columns, with weights rounded to 15 bits, and rounds to bytes after each. Doing the same here lets a process without
torch (a server on a small host, a process that only decodes) make the very plates that a model learnt from.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_MOST_PRECISION = 22
_WEIGHT_BITS = 15


def squash(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale uint8 (H, W, C) to `size` = (height, width), bilinear with antialiasing; return uint8 (C, height, width).

    >>> squash(np.full((4, 6, 3), 7, np.uint8), (2, 2)).tolist()
    [[[7, 7], [7, 7]], [[7, 7], [7, 7]], [[7, 7], [7, 7]]]
    """
    planes = np.ascontiguousarray(pixels.transpose(2, 1, 0))  # (C, W, H): the axis that is gathered lies in the middle
    if planes.shape[1] != size[1]:
        planes = _along(planes, size[1])
    planes = np.ascontiguousarray(planes.transpose(0, 2, 1))
    return planes if planes.shape[1] == size[0] else _along(planes, size[0])


def _along(planes: np.ndarray, cells: int) -> np.ndarray:
    """Scale the middle axis of uint8 (C, n, m) to `cells`."""
    first, weights, precision = _weights(planes.shape[1], cells)
    last = planes.shape[1] - 1
    sums = np.full((planes.shape[0], cells, planes.shape[2]), 1 << (precision - 1), np.int32)
    for tap in range(weights.shape[1]):  # the weights beyond a window's end are 0
        sums += planes[:, np.minimum(first + tap, last)] * weights[:, tap, None]
    return (sums >> precision).clip(0, 255).astype(np.uint8)


@lru_cache(maxsize=64)
def _weights(pixels: int, cells: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return each window's first pixel (cells,), its weights int32 (cells, taps), and how many bits they are up."""
    scale = pixels / cells
    support = max(scale, 1.0)
    centres = scale * (np.arange(cells) + 0.5)
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    counts = np.minimum((centres + support + 0.5).astype(np.int64), pixels) - first
    taps = np.arange(counts.max())
    distance = np.abs((taps + first[:, None] - centres[:, None] + 0.5) / support)
    weights = np.where(taps < counts[:, None], np.maximum(1 - distance, 0), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    precision = 0
    while precision < _MOST_PRECISION and int(0.5 + weights.max() * (1 << (precision + 1))) < 1 << _WEIGHT_BITS:
        precision += 1
    return first, (weights * (1 << precision) + 0.5).astype(np.int32), precision
