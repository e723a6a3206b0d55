"""Likeness: how alike two thumbnails are once they lie on each other, to tell copies from look-alikes.

A copy that was compressed, scaled, cropped a little or brightened differs from its original evenly; a look-alike (the
same drawn head with other glasses, another coin of the same type) differs strongly in a spot. So one thumbnail is laid
on the other (shift and scale along both axes, by Gauss-Newton steps on the grey values: Lucas and Kanade 1981, "An
iterative image registration technique"), its tones are fitted by a cubic curve, and what remains is measured.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter1d

_BORDER = 2  # pixels at the edge, which a crop may have taken away, do not count
_COARSE_TO_FINE = (2.0, 0.8)  # widths of the Gaussian under which the thumbnails are laid on each other
_STEPS = 4
_MOST_SHIFT, _MOST_SCALE = 2.5, 0.15
_SMOOTHED = 0.7  # evens out what resampling by parts of a pixel does
_FINE = 2.0  # structure finer than this counts for the correlation; the rest all pages and all faces share
_AT_ONCE = 256


def likeness(one: np.ndarray, other: np.ndarray, *, align: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Compare thumbnails pair by pair.

    Args:
        one, other: uint8 (M, S, S).
        align: lay the other on the one first; without it only recompressed or scaled copies are told well.

    Returns:
        The correlation of the fine structure, float32 (M,), 1 for equal pictures; and the spot: the largest difference
        that is left (the fourth largest, to be exact), in standard deviations of the picture, 0 for equal pictures.
    """
    correlation, spot = np.empty(len(one), np.float32), np.empty(len(one), np.float32)
    for start in range(0, len(one), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        a, b = one[part].astype(np.float32), other[part].astype(np.float32)
        correlation[part], spot[part] = _measure(a, b)
        if align:
            laid = _measure(a, b, _placed(a, b))
            better = laid[0] > correlation[part]
            correlation[part] = np.where(better, laid[0], correlation[part])
            spot[part] = np.where(better, laid[1], spot[part])
    return correlation, spot


def fine_structure(thumbnails: np.ndarray) -> np.ndarray:
    """Return unit vectors, float32 (N, S * S), whose dot products are the correlations of the fine structure."""
    fine = thumbnails.astype(np.float32)
    return _unit(_inner(fine - _smooth(fine, _FINE)))


Placing = Callable[[np.ndarray], np.ndarray]


def _placed(a: np.ndarray, b: np.ndarray) -> Placing:
    """Return the function that lays `b`, or a smoothed `b`, on `a`."""
    m, size = len(a), a.shape[-1]
    shift, scale = np.zeros((m, 2), np.float32), np.ones((m, 2), np.float32)
    axis = np.arange(size, dtype=np.float32) - (size - 1) / 2
    for width in _COARSE_TO_FINE:
        target, moving = _standardised(_smooth(a, width)), _standardised(_smooth(b, width))
        goal = _inner(target)
        for _ in range(_STEPS):
            now = _resampled(moving, scale, shift)
            down, right = np.gradient(now, axis=(1, 2))
            slopes = (down, right, down * axis[:, None], right * axis, now, np.ones_like(now))
            jacobian = np.stack([_inner(slope) for slope in slopes], axis=1)  # the last two: contrast and brightness
            normal = jacobian @ jacobian.transpose(0, 2, 1) + 0.01 * np.eye(len(slopes), dtype=np.float32)
            step = np.linalg.solve(normal, jacobian @ (goal - _inner(now))[..., None])[..., 0]
            shift = np.clip(shift + np.clip(step[:, :2], -1, 1), -_MOST_SHIFT, _MOST_SHIFT)
            scale = np.clip(scale + np.clip(step[:, 2:4], -0.05, 0.05), 1 - _MOST_SCALE, 1 + _MOST_SCALE)
    return lambda picture: _resampled(picture, scale, shift)


def _measure(a: np.ndarray, b: np.ndarray, place: Placing | None = None) -> tuple[np.ndarray, np.ndarray]:
    one, other = _smooth(a, _SMOOTHED), _smooth(b, _SMOOTHED)
    if place is not None:
        other = place(other)
    other = _toned(one, other)
    fine = [_unit(_inner(picture - _smooth(picture, _FINE))) for picture in (one, other)]
    flat = _inner(one)
    left = np.abs(flat - _inner(other))
    fourth = np.partition(left, -4, axis=1)[:, -4]
    return (fine[0] * fine[1]).sum(axis=1), fourth / np.maximum(flat.std(axis=1), 1.0)


def _toned(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Map the grey values of `other` by the cubic curve that brings them nearest to those of `one`."""
    grey = (other - 127.5) / 127.5
    powers = np.stack([np.ones_like(grey), grey, grey**2, grey**3], axis=1)
    inner = powers[:, :, _BORDER:-_BORDER, _BORDER:-_BORDER].reshape(*powers.shape[:2], -1)
    normal = inner @ inner.transpose(0, 2, 1) + 0.1 * np.eye(4, dtype=np.float32)
    curve = np.linalg.solve(normal, inner @ _inner(one)[..., None])
    return (powers * curve[..., None]).sum(axis=1)


def _resampled(pictures: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Sample bilinearly at scale * x + shift about the middle, along each axis; the edge goes on outside."""
    down = _interpolation(pictures.shape[1], scale[:, 0], shift[:, 0])
    right = _interpolation(pictures.shape[2], scale[:, 1], shift[:, 1])
    return down @ pictures @ right.transpose(0, 2, 1)


def _interpolation(size: int, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    middle = (size - 1) / 2
    places = np.clip(scale[:, None] * (np.arange(size) - middle) + shift[:, None] + middle, 0, size - 1)
    low = np.minimum(places.astype(np.int64), size - 2)
    share = (places - low).astype(np.float32)
    matrix = np.zeros((len(scale), size, size), np.float32)
    np.put_along_axis(matrix, low[..., None], (1 - share)[..., None], axis=2)
    np.put_along_axis(matrix, low[..., None] + 1, share[..., None], axis=2)
    return matrix


def _smooth(pictures: np.ndarray, width: float) -> np.ndarray:
    return gaussian_filter1d(
        gaussian_filter1d(pictures, width, axis=-1, mode="nearest"), width, axis=-2, mode="nearest"
    )


def _standardised(pictures: np.ndarray) -> np.ndarray:
    centred = pictures - pictures.mean(axis=(1, 2), keepdims=True)
    return centred / np.maximum(centred.std(axis=(1, 2), keepdims=True), 1e-3)


def _inner(pictures: np.ndarray) -> np.ndarray:
    inside = pictures[:, _BORDER:-_BORDER, _BORDER:-_BORDER]
    return inside.reshape(len(pictures), inside.shape[1] * inside.shape[2])


def _unit(vectors: np.ndarray) -> np.ndarray:
    centred = vectors - vectors.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
