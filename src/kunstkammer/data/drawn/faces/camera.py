"""How one photograph was taken: light, background, lens and sensor; drawn by lot, whatever the face shows."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter


@dataclass(frozen=True)
class Camera:
    """The conditions of one photograph.

    Attributes:
        azimuth, elevation: where the main light stands, degrees to the picture's right and up.
        key: strength of the main light; the rest of the light comes from all around.
        warmth: colour of the light, -1 cool to 1 warm.
        mean, spread: grey values that the picture is exposed to.
        vignette: how much darker the corners are, as a share.
        blur: radius of a Gaussian blur, in 1/192 of the picture's side.
        noise: standard deviation of the sensor's noise, grey values.
        quality: of the JPEG file.
    """

    azimuth: float
    elevation: float
    key: float
    warmth: float
    mean: float
    spread: float
    vignette: float
    blur: float
    noise: float
    quality: int

    @property
    def light(self) -> np.ndarray:
        """The direction towards the main light: x right, y down, z to the viewer."""
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        return np.array([math.sin(a) * math.cos(e), -math.sin(e), math.cos(a) * math.cos(e)], dtype=np.float32)


def make_camera(rng: random.Random) -> Camera:
    """Draw the conditions of a photograph by lot."""
    return Camera(
        azimuth=rng.choice((-1, 1)) * rng.uniform(5, 46),
        elevation=rng.uniform(12, 48),
        key=rng.uniform(0.5, 0.72),
        warmth=rng.uniform(-1, 1),
        mean=rng.uniform(104, 146),
        spread=rng.uniform(44, 60),
        vignette=rng.uniform(0.05, 0.35),
        blur=rng.uniform(0.25, 0.75),
        noise=rng.uniform(1.5, 5.5),
        quality=rng.randrange(72, 93),
    )


def backdrop(side: int, noise: np.random.Generator) -> np.ndarray:
    """What lies far behind a face, out of focus: float32 (side, side, 3), linear light 0..1."""
    base = noise.uniform(0.05, 0.45) + noise.uniform(-0.09, 0.09, 3) * noise.uniform(0.2, 1)
    kind = noise.integers(3)
    if kind == 0:
        knots = base + noise.normal(0, 0.06, (3, 3, 1)) + noise.normal(0, 0.015, (3, 3, 3))
    elif kind == 1:
        knots = base + noise.normal(0, 0.11, (7, 7, 1)) + noise.normal(0, 0.025, (7, 7, 3))
    else:
        knots = (
            np.repeat(base[None, None], 6, axis=1) + noise.normal(0, 0.13, (1, 6, 1)) + noise.normal(0, 0.03, (6, 6, 3))
        )
    cells = [
        Image.fromarray(knots[..., k].astype(np.float32)).resize((side, side), Image.Resampling.BICUBIC)
        for k in range(3)
    ]
    return np.clip(np.stack([np.asarray(c) for c in cells], axis=2), 0.01, 0.95)


def exposed(light: np.ndarray, camera: Camera, noise: np.random.Generator) -> Image.Image:
    """Return the photograph of a scene given in linear light, float32 (side, side, 3)."""
    side = light.shape[0]
    picture = np.sqrt(np.maximum(light, 0)) * 255  # a gamma of 2, close to sRGB's and cheap
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(camera.blur * side / 192))
    pixels = np.asarray(image, dtype=np.float32)
    grey = pixels[::3, ::3] @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    gain = np.clip(camera.spread / max(float(grey.std()), 1.0), 0.7, 1.45)
    pixels = (pixels - grey.mean()) * np.float32(gain) + np.float32(camera.mean)
    x = np.linspace(-1, 1, side, dtype=np.float32)
    fall = 1 - np.float32(camera.vignette) * 0.5 * (x[None] ** 2 + x[:, None] ** 2)
    pixels *= fall[..., None]
    grain = noise.standard_normal((side, side, 1), dtype=np.float32) * camera.noise
    coarse = noise.standard_normal((side // 2 + 1, side // 2 + 1, 3), dtype=np.float32) * (0.5 * camera.noise)
    pixels += grain + coarse.repeat(2, axis=0).repeat(2, axis=1)[:side, :side]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
