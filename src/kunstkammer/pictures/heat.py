"""Heat maps as numbers of a picture's size and as a layer over it: NumPy and Pillow alone, for hosts without more."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

TOP_PERCENTILE = 99.0
"""What counts as full strength: the few extreme pixels of a grainy map must not make all others invisible."""

# Every 16th colour of the tables of `overlay`, which makes them with matplotlib; between them it is a straight line.
_UNSIGNED = (
    "390963420a684b0c6b530f6d5c126e65156e6d186e761b6e7f1f6c87216a902568992865a22b62aa2f5eb33359bb3755c33b4fca404ad14644"
    "d84b3fdd5239e35833e85f2dec6727ef6e21f3751bf57d15f8850ff98d09fb9506fb9e07fca60bfcae12"
)
_SIGNED = (
    "10457e154f8d1b5a9b2065aa2971b2327db83c89be4796c459a1cb6aacd07cb7d68dc2dca2cde2b6d7e8cbe2eee0ecf3f6f7f7fae7dbfcd7c2"
    "fac8aff7b99cf5aa88f09b7ae98c6fe37e64dc6f58d65f4dce4f45c53e3dbc2c34b1182b9f12288d0c25"
)


def scaled(heat: ArrayLike, size: tuple[int, int], signed: bool) -> NDArray[np.float32]:
    """Return (height, width) for `size` = (width, height), in 0..1, or in -1..1 where signed."""
    array = np.asarray(heat, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"A heat map has two dimensions (height, width), not the shape {array.shape}.")
    array = np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(np.abs(array).max())
    if peak == 0:
        return np.zeros((size[1], size[0]), dtype=np.float32)
    array = array / peak  # so that differences of the largest numbers there are do not overflow
    low = 0.0 if signed else float(array.min())
    span = float(np.percentile(np.abs(array - low), TOP_PERCENTILE)) or float(np.abs(array - low).max())
    if span <= 1e-9:
        return np.zeros((size[1], size[0]), dtype=np.float32)
    # Scaled before it is enlarged, so that values too large or small for 32 bits do no harm.
    small = Image.fromarray(np.clip((array - low) / span, -4, 4).astype(np.float32))
    large = np.asarray(small.resize(size, Image.Resampling.BICUBIC))
    return np.clip(large, -1 if signed else 0, 1)


def heat_layer(heat: ArrayLike, size: tuple[int, int], *, signed: bool = False) -> Image.Image:
    """Draw a heat map as a layer of its own, in the colours of `overlay`: the stronger, the less transparent.

    Args:
        heat: numbers (h, w) of any size and scale.
        size: (height, width) of the layer.
        signed: red where positive, blue where negative.

    Returns:
        An image of mode "P" whose palette carries the transparency: saved as PNG it is a third the size of RGBA.

    >>> heat_layer(np.eye(4), (8, 6)).convert("RGBA").getextrema()[3]
    (0, 255)
    """
    values = scaled(heat, (size[1], size[0]), signed)
    places = (values + 1) * 127 if signed else values * 255
    layer = Image.fromarray(np.rint(places).astype(np.uint8), "L")
    colours, strengths = _palette(signed)
    layer.putpalette(colours)
    layer.info["transparency"] = strengths
    return layer


@lru_cache
def _palette(signed: bool) -> tuple[bytes, bytes]:
    """Return the colours of a layer, and how opaque each is."""
    knots = np.frombuffer(bytes.fromhex(_SIGNED if signed else _UNSIGNED), np.uint8).reshape(-1, 3)
    steps = np.linspace(-1, 1, 255) if signed else np.linspace(0, 1, 256)
    places = (steps + 1) / 2 if signed else steps
    ends = np.linspace(0, 1, len(knots))
    colours = np.stack([np.interp(places, ends, channel) for channel in knots.T], axis=1)
    return np.rint(colours).astype(np.uint8).tobytes(), np.rint(np.abs(steps) * 255).astype(np.uint8).tobytes()
