"""Heat maps as pictures and over pictures; captions and sheets of pictures for figures."""

from __future__ import annotations

from functools import lru_cache

import contourpy
import matplotlib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from kunstkammer.pictures.sheet import caption, contact_sheet, side_by_side

__all__ = ["caption", "contact_sheet", "heat_image", "overlay", "side_by_side"]

TOP_PERCENTILE = 99.0
"""What counts as full strength: the few extreme pixels of a grainy map must not make all others invisible."""

# Both maps are perceptually even. Of inferno the nearly black and the pale yellow end are left out: the one hides ink,
# the other is lost on paper.
_UNSIGNED = ("inferno", 0.18, 0.82)
_SIGNED = ("RdBu_r", 0.04, 0.96)

MOST_LINES = 24
"""A contour of more pieces than this belongs to a grainy map, where it would only be clutter; it is then left out."""


def overlay(
    image: Image.Image,
    heat: ArrayLike,
    *,
    signed: bool = False,
    opacity: float = 0.5,
    contour: float = 0.2,
) -> Image.Image:
    """Lay a heat map over a picture: the stronger, the less transparent, so that the picture stays to be seen.

    Args:
        image: any mode and size.
        heat: numbers (h, w) of any size and scale; scaled smoothly to the picture. A constant map shows nothing.
        signed: red where positive, blue where negative, both on one scale around 0. Otherwise the smallest value shows
            nothing and the largest is drawn in full.
        opacity: of the strongest places, 0..1.
        contour: the share of the picture, 0..1, that a thin line encloses: its strongest part (by amount where signed).
            0 for no line.

    Returns:
        An RGB image of the size of `image`.
    """
    _within(opacity, "opacity")
    _within(contour, "contour")
    values = _scaled(heat, image.size, signed)
    strength = np.abs(values)
    base = np.asarray(image.convert("RGB"), dtype=np.float32)
    alpha = (opacity * strength)[:, :, None]
    mixed = base * (1 - alpha) + _colours(values, signed).astype(np.float32) * alpha
    result = Image.fromarray(np.rint(mixed).astype(np.uint8))
    return _outlined(result, strength, contour) if contour > 0 else result


def heat_image(heat: ArrayLike, size: tuple[int, int], *, signed: bool = False) -> Image.Image:
    """Draw a heat map alone, in the colours of `overlay`, as RGB of `size` = (height, width)."""
    values = _scaled(heat, (size[1], size[0]), signed)
    return Image.fromarray(_colours(values, signed))


def _within(value: float, what: str) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{what} must lie within 0 and 1, not {value}.")


def _scaled(heat: ArrayLike, size: tuple[int, int], signed: bool) -> NDArray[np.float32]:
    """Return (height, width) for `size` = (width, height), in 0..1, or in -1..1 where signed."""
    array = np.asarray(heat, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"A heat map has two dimensions (height, width), not the shape {array.shape}.")
    array = np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
    low = 0.0 if signed else float(array.min())
    span = float(np.percentile(np.abs(array - low), TOP_PERCENTILE)) or float(np.abs(array - low).max())
    if span <= 1e-9 * max(1e-30, float(np.abs(array).max())):
        return np.zeros((size[1], size[0]), dtype=np.float32)
    # Scaled before it is enlarged, so that values too large or small for 32 bits do no harm.
    small = Image.fromarray(np.clip((array - low) / span, -4, 4).astype(np.float32))
    large = np.asarray(small.resize(size, Image.Resampling.BICUBIC))
    return np.clip(large, -1 if signed else 0, 1)


@lru_cache
def _table(signed: bool) -> NDArray[np.uint8]:
    name, first, last = _SIGNED if signed else _UNSIGNED
    return matplotlib.colormaps[name](np.linspace(first, last, 511), bytes=True)[:, :3]


def _colours(values: NDArray[np.float32], signed: bool) -> NDArray[np.uint8]:
    places = (values + 1) * 255 if signed else values * 510
    return _table(signed)[np.rint(places).astype(np.int64)]


def _outlined(image: Image.Image, strength: NDArray[np.float32], share: float) -> Image.Image:
    """Draw a thin line around the strongest `share` of the picture, dark with a light rim: to be seen on any ground."""
    level = max(float(np.quantile(strength, 1 - share)), 0.05)
    if strength.max() <= level:
        return image
    # A border of zeros closes the lines that would run out of the picture.
    lines = contourpy.contour_generator(z=np.pad(strength, 1)).lines(level)
    if len(lines) > MOST_LINES:
        return image
    fine = 3  # drawn three times as large and scaled down: smooth lines
    width = max(1.0, min(image.size) / 320)
    points = [[(float(x - 0.5) * fine, float(y - 0.5) * fine) for x, y in np.asarray(line)] for line in lines]
    for colour, thickness in (("white", 2.2 * width), ("black", width)):
        mask = Image.new("L", (image.width * fine, image.height * fine))
        pen = ImageDraw.Draw(mask)
        for line in points:
            pen.line(line, fill=255, width=max(1, round(thickness * fine)), joint="curve")
        image.paste(colour, mask=mask.resize(image.size, Image.Resampling.BOX))
    return image
