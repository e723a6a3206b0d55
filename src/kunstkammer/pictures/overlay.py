"""Heat maps as pictures and over pictures; captions and sheets of pictures for figures."""

from __future__ import annotations

from functools import lru_cache

import contourpy
import matplotlib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from kunstkammer.pictures.heat import heat_layer, scaled
from kunstkammer.pictures.sheet import caption, contact_sheet, side_by_side

__all__ = ["caption", "contact_sheet", "heat_image", "heat_layer", "overlay", "side_by_side"]

# Both maps are even in lightness (`_evened`). Of inferno the nearly black and the pale yellow end are left out: the one
# hides ink, the other is lost on paper.
_UNSIGNED = ("inferno", 0.18, 0.82)
_SIGNED = ("RdBu_r", 0.04, 0.96)

MOST_LINES = 16
"""A contour of more pieces than this belongs to a grainy map, where it would only be clutter; it is then left out."""


def overlay(
    image: Image.Image,
    heat: ArrayLike,
    *,
    signed: bool = False,
    opacity: float = 0.5,
    contour: float = 0.2,
    fade: float = 0.0,
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
        fade: 0..1, how far the picture is first turned into a pale grey one, on which red and blue, and the grain of
            gradients, can be seen.

    Returns:
        An RGB image of the size of `image`.
    """
    _within(opacity, "opacity")
    _within(contour, "contour")
    _within(fade, "fade")
    values = scaled(heat, image.size, signed)
    strength = np.abs(values)
    base: NDArray[np.floating] = np.asarray(image.convert("RGB"), dtype=np.float32)
    if fade > 0:
        pale = 128 + np.asarray(image.convert("L"), dtype=np.float32)[:, :, None] / 2
        base = base * (1 - fade) + pale * fade
    alpha = (opacity * strength)[:, :, None]
    mixed = base * (1 - alpha) + _colours(values, signed).astype(np.float32) * alpha
    result = Image.fromarray(np.rint(mixed).astype(np.uint8))
    return _outlined(result, strength, contour) if contour > 0 else result


def heat_image(heat: ArrayLike, size: tuple[int, int], *, signed: bool = False) -> Image.Image:
    """Draw a heat map alone, in the colours of `overlay`, as RGB of `size` = (height, width)."""
    values = scaled(heat, (size[1], size[0]), signed)
    return Image.fromarray(_colours(values, signed))


def _within(value: float, what: str) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{what} must lie within 0 and 1, not {value}.")


@lru_cache
def _table(signed: bool) -> NDArray[np.uint8]:
    name, first, last = _SIGNED if signed else _UNSIGNED
    fine = matplotlib.colormaps[name](np.linspace(first, last, 2047))[:, :3]
    if not signed:
        return np.rint(255 * _evened(fine, 511)).astype(np.uint8)
    # Both halves reach the same lightness, so that neither sign looks stronger than the other.
    below, above = fine[: 2047 // 2 + 1], fine[2047 // 2 :]
    darkest = max(lightness(below[0]), lightness(above[-1]))
    halves = [half[lightness(half) >= darkest] for half in (below, above)]
    table = np.concatenate([_evened(halves[0], 256), _evened(halves[1], 256)[1:]])
    return np.rint(255 * table).astype(np.uint8)


def lightness(colours: ArrayLike) -> NDArray[np.float64]:
    """Return CIE L*, 0 to 100, of sRGB colours (..., 3) in 0..1.

    >>> lightness([[0, 0, 0], [1, 1, 1]]).round(2).tolist()
    [0.0, 100.0]
    """
    values = np.asarray(colours, dtype=np.float64)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, luminance * 24389 / 27)


def _evened(colours: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return `count` colours out of a run of them, (n, 3), whose lightness goes in equal steps from end to end."""
    light = lightness(colours)
    rising = light[-1] > light[0]
    steps = np.maximum.accumulate(light) if rising else np.minimum.accumulate(light)
    order = slice(None) if rising else slice(None, None, -1)
    places = np.interp(np.linspace(light[0], light[-1], count), steps[order], np.arange(len(colours))[order])
    return np.stack([np.interp(places, np.arange(len(colours)), channel) for channel in colours.T], axis=1)


def _colours(values: NDArray[np.float32], signed: bool) -> NDArray[np.uint8]:
    places = (values + 1) * 255 if signed else values * 510
    return _table(signed)[np.rint(places).astype(np.int64)]


def _outlined(image: Image.Image, strength: NDArray[np.float32], share: float) -> Image.Image:
    """Draw a thin line around the strongest `share` of the picture, dark with a light rim: to be seen on any ground."""
    # Smoothed, so that the line goes round places, not round single pixels.
    strength = gaussian_filter(strength, max(image.size) / 150, mode="nearest")
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
