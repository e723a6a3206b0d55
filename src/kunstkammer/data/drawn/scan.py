"""From a clean drawing to a picture as collections have it: printed, aged, scanned, compressed."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from kunstkammer.data.drawn.canvas import Colour

MEAN, SPREAD = (150.0, 190.0), (58.0, 74.0)
"""Between which the mean and the standard deviation of a picture's grey values are drawn, whatever it shows."""


@dataclass(frozen=True)
class Scan:
    """How one page got into the collection.

    Attributes:
        mean, spread: grey values that the print is exposed to.
        rotation: in degrees.
        blur: radius of a Gaussian blur, pixels.
        grain: standard deviation of the paper's and the sensor's noise.
        lighting: how much darker one edge is than the opposite one, as a share.
        quality: of the JPEG file.
    """

    mean: float
    spread: float
    rotation: float
    blur: float
    grain: float
    lighting: float
    quality: int


def draw_scan(rng: random.Random) -> Scan:
    """Draw the conditions of a scan by lot; they do not depend on what the page shows."""
    return Scan(
        mean=rng.uniform(*MEAN),
        spread=rng.uniform(*SPREAD),
        rotation=rng.gauss(0, 0.8),
        blur=rng.uniform(0.2, 0.65),
        grain=rng.uniform(2.5, 7),
        lighting=rng.uniform(0, 0.16),
        quality=rng.randrange(68, 90),
    )


def scanned(page: Image.Image, scan: Scan, *, paper: Colour, seed: int) -> Image.Image:
    """Return the page as the scan shows it, of the same size; pure in its arguments."""
    noise = np.random.default_rng(seed)
    page = page.rotate(scan.rotation, Image.Resampling.BILINEAR, fillcolor=paper)
    page = page.filter(ImageFilter.GaussianBlur(scan.blur))
    pixels = np.asarray(page, dtype=np.float32)
    height, width = pixels.shape[:2]
    pixels = _exposed(pixels, scan)
    pixels += noise.standard_normal((height, width, 1), dtype=np.float32) * scan.grain
    pixels += _blotches(noise, width, height) * scan.grain
    angle = noise.uniform(0, 2 * np.pi)
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(np.cos(angle))
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None] * np.float32(np.sin(angle))
    pixels *= (1 + scan.lighting * (x + y))[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _exposed(pixels: np.ndarray, scan: Scan) -> np.ndarray:
    """Shift and stretch so that mean and spread of the grey values come near those that were drawn by lot."""
    grey = pixels[::3, ::3] @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    gain = np.clip(scan.spread / max(float(grey.std()), 1.0), 0.7, 1.4)
    return (pixels - grey.mean()) * np.float32(gain) + np.float32(scan.mean)


def _blotches(noise: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Slow unevenness of old paper, about -1..1."""
    knots = noise.uniform(-1, 1, (9, 7)).astype(np.float32)
    return np.asarray(Image.fromarray(knots).resize((width, height), Image.Resampling.BICUBIC))[..., None]
