"""Heat maps back onto the original picture: NumPy and Pillow alone, so that hosts without torch can show them too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from kunstkammer.errors import ModelError
from kunstkammer.pictures.scale import Fit

Floats = npt.NDArray[np.floating]


def to_picture(
    heat: Floats, picture_size: tuple[int, int], fit: Fit, *, plate_size: tuple[int, int] | None = None
) -> Floats:
    """Lay a map over the model's input back onto the original picture.

    Args:
        heat: (h, w), over the model's input and at its resolution, as `explain` gives it.
        picture_size: (height, width) of the original picture.
        fit: how the picture was fitted into its plate (`fit_picture`). With "pad" the border is cut off; with "crop"
            the map covers the central part and is 0 outside, where the model saw nothing.
        plate_size: (height, width) of the plate, where the model sees only its centre; outside that the map is 0.

    Returns:
        (H, W) of the picture's size, the type of `heat`, bilinear (antialiased where the picture is the smaller one).
    """
    heat = np.asarray(heat)
    if heat.ndim != 2:
        raise ModelError(f"Expected one map (h, w), not {heat.shape}.")
    if plate_size is not None:
        heat = _on_plate(heat, plate_size)
    if fit == "squash":
        return _resized(heat, picture_size)
    if fit == "pad":
        return _resized(_without_border(heat, picture_size, plate_size or heat.shape), picture_size)
    if fit == "crop":
        return _in_middle(heat, picture_size, plate_size or heat.shape)
    raise ValueError(f"There is no fit '{fit}'. Known: squash, pad, crop.")


def _resized(heat: Floats, size: tuple[int, int]) -> Floats:
    """Scale bilinearly, antialiased where the result is smaller; numbers of any size survive the 32 bits of Pillow."""
    peak = float(np.abs(heat).max()) if heat.size else 0.0
    unit = peak if np.isfinite(peak) and peak > 0 else 1.0
    small = Image.fromarray((np.asarray(heat, dtype=np.float64) / unit).astype(np.float32))
    large = small.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return (np.asarray(large, dtype=np.float64) * unit).astype(heat.dtype)


def _on_plate(heat: Floats, plate_size: tuple[int, int]) -> Floats:
    """Put a map over the plate's central part into a map over the whole plate, 0 outside."""
    (height, width), (h, w) = plate_size, heat.shape
    if h > height or w > width:
        raise ModelError(
            f"A map of {heat.shape} is larger than its plate {plate_size}; give it at the input's resolution."
        )
    plate = np.zeros(plate_size, dtype=heat.dtype)
    top, left = (height - h) // 2, (width - w) // 2
    plate[top : top + h, left : left + w] = heat
    return plate


def _without_border(heat: Floats, picture_size: tuple[int, int], plate_size: tuple[int, ...]) -> Floats:
    """Cut the white border off that "pad" laid around the picture (the same arithmetic as `fit_picture`)."""
    (height, width), (rows, columns) = picture_size, plate_size
    scale = min(columns / width, rows / height)
    inner_w = min(columns, max(1, round(width * scale)))
    inner_h = min(rows, max(1, round(height * scale)))
    top, left = (rows - inner_h) // 2, (columns - inner_w) // 2
    return heat[top : top + inner_h, left : left + inner_w]


def _in_middle(heat: Floats, picture_size: tuple[int, int], plate_size: tuple[int, ...]) -> Floats:
    """Put a map over the central part that "crop" kept into a map over the picture, 0 outside."""
    (height, width), (rows, columns) = picture_size, plate_size
    scale = max(columns / width, rows / height)
    inner_w, inner_h = min(width, round(columns / scale)), min(height, round(rows / scale))
    top, left = (height - inner_h) // 2, (width - inner_w) // 2
    picture = np.zeros(picture_size, dtype=heat.dtype)
    picture[top : top + inner_h, left : left + inner_w] = _resized(heat, (inner_h, inner_w))
    return picture
