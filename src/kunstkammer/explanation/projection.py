"""Heat maps back onto the original picture: NumPy and Pillow alone, so that hosts without torch can show them too."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from kunstkammer.errors import ModelError
from kunstkammer.pictures.framing import Affine, Box, Framing

Floats = npt.NDArray[np.floating]

_EXACT = 1e-6
"""Two edges as close as this, in pixels, are one."""


def to_picture(heat: Floats, picture_size: tuple[int, int], framing: Framing) -> Floats:
    """Lay a map over the model's input back onto the original picture.

    Args:
        heat: (h, w), over the model's input and at its resolution, as `explain` gives it: the whole plate, or its
            centre where the model sees only that.
        picture_size: (height, width) of the original picture.
        framing: how the picture was laid into its plate.

    Returns:
        (H, W) of the picture's size, the type of `heat`, bilinear (antialiased where the picture is the smaller one);
        0 where the model saw nothing.

    Raises `ModelError` for what is no map, or one that is larger than the plate.
    """
    heat = np.asarray(heat)
    if heat.ndim != 2:
        raise ModelError(f"Expected one map (h, w), not {heat.shape}.")
    if heat.shape[0] > framing.height or heat.shape[1] > framing.width:
        raise ModelError(
            f"A map of {heat.shape} is larger than its plate {framing.size}; give it at the input's resolution."
        )
    height, width = picture_size
    affine = framing.affine(picture_size, seen=heat.shape)
    left, top, right, bottom = _seen(affine, picture_size, heat.shape)
    picture = np.zeros(picture_size, dtype=heat.dtype)
    if left >= right or top >= bottom:  # all of it lies outside
        return picture
    [(x0, y0, x1, y1)] = affine.boxes([(left, top, right, bottom)])
    # The outermost pixels may reach over the edge of the map by less than half their size.
    x0, y0, x1, y1 = max(x0, 0.0), max(y0, 0.0), min(x1, heat.shape[1]), min(y1, heat.shape[0])
    # What lies beyond, the border of "pad", must not be blended in.
    first, above = math.floor(x0 + _EXACT), math.floor(y0 + _EXACT)
    cut = heat[above : math.ceil(y1 - _EXACT), first : math.ceil(x1 - _EXACT)]
    box = (max(0.0, x0 - first), max(0.0, y0 - above), min(x1 - first, cut.shape[1]), min(y1 - above, cut.shape[0]))
    part = _resized(cut, (bottom - top, right - left), box)
    if part.shape == (height, width):
        return part
    picture[top:bottom, left:right] = part
    return picture


def _seen(affine: Affine, picture_size: tuple[int, int], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return (left, top, right, bottom) of the picture's pixels whose centres lie in the map."""
    [(x0, y0, x1, y1)] = affine.inverse().boxes([(0, 0, shape[1], shape[0])])
    left, top = max(0, round(x0)), max(0, round(y0))
    return left, top, min(picture_size[1], round(x1)), min(picture_size[0], round(y1))


def _resized(heat: Floats, size: tuple[int, int], box: Box) -> Floats:
    """Scale what is in `box` bilinearly, antialiased where the result is smaller; numbers of any size survive."""
    peak = float(np.abs(heat).max()) if heat.size else 0.0
    unit = peak if np.isfinite(peak) and peak > 0 else 1.0
    small = Image.fromarray((np.asarray(heat, dtype=np.float64) / unit).astype(np.float32))
    large = small.resize((size[1], size[0]), Image.Resampling.BILINEAR, box=box)
    return (np.asarray(large, dtype=np.float64) * unit).astype(heat.dtype)
