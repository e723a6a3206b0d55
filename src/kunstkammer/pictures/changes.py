"""Slight changes of a picture, each in graded levels: what a good classifier should hardly notice.

A member of the registry kind "changes" is one function of (plate, level, rng), uint8 (C, H, W) to a new uint8
(C, H, W), under `@change(name, summary, levels)`. A plate that it has nothing to do on (no line to erase on blank
paper) it returns as it is. Sizes follow the side of the plate: a pixel at a side of 128 is two at 256.

Hendrycks and Dietterich 2019 ("Benchmarking neural network robustness to common corruptions and perturbations")
measure photographs so; line thickness and erased strokes are what happens to drawings.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from kunstkammer.pictures import strokes
from kunstkammer.registry import register

Function = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]

USUAL_SIDE = 128
"""Levels in pixels are meant for plates of this side."""


@dataclass(frozen=True)
class Change:
    """A kind of change.

    Attributes:
        name: its name in the registry.
        apply: `apply(plate, level, rng)`, uint8 (C, H, W) to uint8 (C, H, W).
        levels: its strengths, from the slightest on.
        unit: what a level is counted in: "degrees", "share", "pixels" (at a side of 128) or "quality" (of a JPEG).
    """

    name: str
    apply: Function
    levels: tuple[float, ...]
    unit: str = "share"


def change(name: str, summary: str, levels: tuple[float, ...], unit: str = "share") -> Callable[[Function], Function]:
    """Register a kind of change."""

    def claim(function: Function) -> Function:
        register("changes", name, summary)(Change(name, function, levels, unit))
        return function

    return claim


@change("turn", "turned about the centre by so many degrees, either way", (2, 5, 10), "degrees")
def turn(plate: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Turn by `level` degrees, clockwise or not; what comes in from outside repeats the border."""
    angle = math.radians(level) * rng.choice((-1, 1))
    cosine, sine = math.cos(angle), math.sin(angle)
    matrix = np.array([[cosine, -sine], [sine, cosine]])
    centre = (np.array(plate.shape[1:]) - 1) / 2
    return _each(
        plate, lambda c: ndimage.affine_transform(c, matrix, centre - matrix @ centre, order=1, mode="nearest")
    )


@change("shift", "moved by so much of its side, in any direction", (0.02, 0.05, 0.1))
def shift(plate: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Move by `level` of the side, at least a pixel, in a random direction; the border is repeated."""
    length, angle = max(1.0, level * _side(plate)), rng.uniform(0, 2 * math.pi)
    down, across = round(length * math.sin(angle)), round(length * math.cos(angle))
    rows = np.clip(np.arange(plate.shape[1]) - down, 0, plate.shape[1] - 1)
    columns = np.clip(np.arange(plate.shape[2]) - across, 0, plate.shape[2] - 1)
    return plate[:, rows][:, :, columns]


@change("brightness", "brighter or darker by so much", (0.1, 0.2, 0.3))
def brightness(plate: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Multiply all values by 1 + `level` or 1 - `level`."""
    return _bytes(plate * (1 + level * rng.choice((-1, 1))))


@change("contrast", "more or less contrast by so much", (0.2, 0.4))
def contrast(plate: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the values away from the picture's mean, or towards it, by a factor of 1 + `level` or 1 - `level`."""
    mean = plate.mean()
    return _bytes(mean + (plate - mean) * (1 + level * rng.choice((-1, 1))))


@change("blur", "blurred by a Gaussian of so many pixels (at a side of 128)", (0.5, 1, 1.5), "pixels")
def blur(plate: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Blur by a Gaussian whose standard deviation is `level` pixels at a side of 128, 0.4 at least: less is none."""
    sigma = max(0.4, _pixels(level, plate))
    return _each(plate, lambda c: ndimage.gaussian_filter(c, sigma, mode="nearest"))


@change("thicker-lines", "dark lines thicker by so many pixels on each side (at a side of 128)", (0.5, 1), "pixels")
def thicker_lines(plate: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Let what is dark grow: grey erosion by a disc. Half a pixel is half of the way to a whole one."""
    return _grown(plate, _pixels(level, plate), ndimage.grey_erosion)


@change("thinner-lines", "dark lines thinner by so many pixels on each side (at a side of 128)", (0.5, 1), "pixels")
def thinner_lines(plate: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Let what is light grow: grey dilation by a disc. Half a pixel is half of the way to a whole one."""
    return _grown(plate, _pixels(level, plate), ndimage.grey_dilation)


@change("jpeg", "saved as a JPEG of that quality and opened again", (60, 40, 20), "quality")
def jpeg(plate: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Encode as JPEG of quality `level` (of 100) with Pillow, and decode."""
    image = Image.fromarray(plate[0] if len(plate) == 1 else np.ascontiguousarray(plate.transpose(1, 2, 0)))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(level))
    again = np.asarray(Image.open(file))
    return again[None] if again.ndim == 2 else np.ascontiguousarray(again.transpose(2, 0, 1))


@change("erased-strokes", "so much of its dark lines erased, piece by piece", (0.05, 0.1, 0.2))
def erased_strokes(plate: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Erase pieces of dark lines until `level` of all line pixels are gone; the tone beside each takes its place."""
    return strokes.erase(plate, level, rng)


def _side(plate: np.ndarray) -> int:
    return min(plate.shape[1:])


def _pixels(level: float, plate: np.ndarray) -> float:
    return level * _side(plate) / USUAL_SIDE


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _each(plate: np.ndarray, work: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Do something to each channel, in float32."""
    return _bytes(np.stack([work(channel.astype(np.float32)) for channel in plate]))


def _grown(plate: np.ndarray, radius: float, work: Callable[..., np.ndarray]) -> np.ndarray:
    """Let dark or light grow by `radius` pixels; a broken number lies between the whole ones about it."""
    low = math.floor(radius)
    below, above = (_by_disc(plate, r, work) for r in (low, low + 1))
    return _bytes(below + (radius - low) * (above - below))


def _by_disc(plate: np.ndarray, radius: int, work: Callable[..., np.ndarray]) -> np.ndarray:
    if radius == 0:
        return plate.astype(np.float32)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = x * x + y * y <= (radius + 0.25) ** 2
    return np.stack([work(channel, footprint=disc, mode="nearest") for channel in plate]).astype(np.float32)
