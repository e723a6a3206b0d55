"""Any Pillow mode -> 8-bit RGB or grey: transparency over white, 16 and 32 bits scaled, never clipped."""

from __future__ import annotations

import numpy as np
from PIL import Image

_ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
_GREY_MODES = ("1", "L", "LA", "La")


def to_eight_bits(image: Image.Image, *, grey: bool = False, bits: int = 16, inverted: bool = False) -> Image.Image:
    """Return a new image of mode "RGB", or "L" with the luma 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).

    Integers of 16 bits are scaled by 1/257. Integers of 32 bits and floats carry no range of their own: the smallest of
    0..1 (floats only), 0..255, 0..65535 that holds all values is taken, else the picture's own range is stretched.
    Of numbers with 16 bits, `bits` says how many are used, and `inverted` that 0 is white.
    """
    if image.mode.startswith("I") or image.mode == "F":
        image = _from_numbers(image, bits, inverted)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        image = _over_white(image)
    return image.convert("L" if grey else "RGB")


def _over_white(image: Image.Image) -> Image.Image:
    # Mode "LA" keeps grey pictures at half the work; a transparent colour or palette needs RGBA.
    layers = image.convert("LA" if image.mode in _GREY_MODES else "RGBA")
    alpha = layers.getchannel("A")
    colours = layers.convert("L" if layers.mode == "LA" else "RGB")
    ground = Image.new(colours.mode, colours.size, "white")
    ground.paste(colours, mask=alpha)
    return ground


def _from_numbers(image: Image.Image, bits: int, inverted: bool) -> Image.Image:
    values = np.asarray(image)
    if values.dtype == np.uint16:
        top = 2**bits - 1
        # Whole numbers only: v * 255 / top, rounded.
        scaled = ((values.clip(max=top).astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)
        return Image.fromarray(255 - scaled if inverted else scaled)
    # In 64 bits no difference of two 32-bit numbers overflows.
    numbers = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float64)
    low, high = float(numbers.min()), float(numbers.max())
    tops = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    limit = next((top for top in tops if low >= 0 and high <= top), None)
    if limit is not None:
        low, high = 0.0, limit
    stretched = (numbers - low) / max(high - low, 1e-300) * 255
    return Image.fromarray(np.rint(stretched).astype(np.uint8))
