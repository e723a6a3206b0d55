"""How light falls on skin: a relief lit by its surface normals, with hollows, shadows, wrinkles and gloss."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kunstkammer.data.drawn.canvas import Colour
from kunstkammer.data.drawn.faces import contours
from kunstkammer.data.drawn.faces.camera import Camera
from kunstkammer.data.drawn.faces.film import Film, linear
from kunstkammer.data.drawn.faces.relief import LEFT, STEP, TOP, sample

GROOVE = 0.055
"""Depth of the deepest wrinkle, in units."""


def colour_of_light(camera: Camera) -> np.ndarray:
    """Return the colour of the light, (3,)."""
    return np.array([1 + 0.12 * camera.warmth, 1.0, 1 - 0.16 * camera.warmth], dtype=np.float32)


def rounded(film: Film, mask: np.ndarray, radius: float) -> np.ndarray:
    """Return the light on a soft round body of which only the outline is known, float32 (side, side)."""
    image = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(radius * film.pose.unit))
    swell = np.asarray(image.filter(ImageFilter.BoxBlur(radius * 0.6 * film.pose.unit)), dtype=np.float32) / 255
    down, across = np.gradient(swell)
    k = 2.2 * radius * film.pose.unit
    normal = np.stack([-across * k, -down * k, np.full_like(swell, 0.8)])
    normal /= np.sqrt((normal**2).sum(axis=0))
    return diffuse(film.camera, np.tensordot(film.camera.light, normal, 1), -normal[1])


def diffuse(camera: Camera, facing: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Wrapped Lambert light plus light from around, more from above."""
    direct = np.clip((facing + 0.18) / 1.18, 0, 1)
    return camera.key * 1.25 * direct + (1 - camera.key) * (0.75 + 0.25 * up)


def skin_light(skin: Colour, shade: np.ndarray, tint: np.ndarray) -> np.ndarray:
    """Return skin in a light: shadows on skin are redder than the light's own."""
    red = np.stack([shade**0.9, shade**1.04, shade**1.12], axis=2)
    return red * linear(skin) * tint


def lit_skin(film: Film) -> tuple[np.ndarray, np.ndarray]:
    """Return the face's skin in its light, (side, side, 3), and the light alone, (side, side); 0 around the face."""
    skin = np.zeros((film.pose.side, film.pose.side, 3), dtype=np.float32)
    lamp = np.zeros(skin.shape[:2], dtype=np.float32)
    near = film.window(film.pose.silhouette, 0.1)
    near.of(skin)[:], near.of(lamp)[:] = _lit(near)
    return skin, lamp


def _lit(film: Film) -> tuple[np.ndarray, np.ndarray]:
    """Return skin and light of a window."""
    pose, person, camera = film.pose, film.person, film.camera
    grooves = _grooves(film)
    grid = pose.relief.grid - GROOVE * grooves
    grid = grid + film.noise.standard_normal(grid.shape, dtype=np.float32) * np.float32(0.0012 + 0.0012 * person.age)
    down, across = np.gradient(grid, STEP)
    long = np.sqrt(across**2 + down**2 + 1)
    hollow = _blurred(pose.relief.grid, 4) - grid
    maps = np.stack([-across / long, -down / long, 1 / long, hollow + 0.11 * grooves], axis=2).astype(np.float32)
    fx, fy = pose.where(film.left, film.top, *film.size)
    found = sample(maps, fx, fy)
    normal = found[..., :3] @ pose.turn.T.astype(np.float32)
    facing = normal @ camera.light
    shade = diffuse(camera, facing, -normal[..., 1])
    shade *= np.clip(1 - 4.2 * found[..., 3], 0.35, 1.12) * (1 - 0.5 * _shadow(film, fx, fy))
    shade = np.maximum(shade, 0.02)
    blotches = film.slow(24) * 0.03 + film.slow(70) * 0.02
    skin = skin_light(person.skin, shade * (1 + blotches), colour_of_light(camera))
    half = camera.light + np.array([0, 0, 1], dtype=np.float32)
    gloss = np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** 22 * (1 + 3 * blotches)
    skin += (0.13 * camera.key * gloss)[..., None]
    return skin, shade


def _blurred(grid: np.ndarray, radius: float) -> np.ndarray:
    low, high = float(grid.min()), float(grid.max())
    image = Image.fromarray(((grid - low) / (high - low) * 255).astype(np.uint8)).filter(
        ImageFilter.GaussianBlur(radius)
    )
    return np.asarray(image, dtype=np.float32) / 255 * (high - low) + low


def _grooves(film: Film) -> np.ndarray:
    """Return how deep wrinkles are on the grid of the relief, 0..1."""
    rows, columns = film.pose.relief.grid.shape
    image = Image.new("L", (columns * 2, rows * 2), 0)
    draw = ImageDraw.Draw(image)
    for fold in contours.wrinkles(film.pose.relief.shape, film.person):
        knots = [((x - LEFT) / STEP * 2, (y - TOP) / STEP * 2) for x, y in fold.line]
        width = max(1, round(1.4 * fold.width / STEP * 2))
        count = len(knots)
        for k in range(count - 1):  # fades towards its ends
            near = min(1.0, 0.35 + 1.3 * min(k + 1, count - k) / count)
            draw.line([knots[k], knots[k + 1]], fill=round(255 * fold.depth * near), width=width)
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1.5)).reduce(2), dtype=np.float32) / 255


def _shadow(film: Film, fx: np.ndarray, fy: np.ndarray) -> np.ndarray:
    """Return which pixels of the face something else on it hides from the light, 0..1, soft."""
    pose, light = film.pose, film.camera.light
    depth = pose.turn[2, 0] * fx + pose.turn[2, 1] * fy + pose.turn[2, 2] * sample(pose.relief.grid, fx, fy)
    hidden = np.zeros_like(depth)
    flat = float(np.hypot(light[0], light[1]))
    for reach in (0.07, 0.14, 0.22, 0.32):
        dx, dy = (round(float(light[k]) / flat * reach * pose.unit) for k in (0, 1))
        there = np.roll(depth, (-dy, -dx), axis=(0, 1))
        over = there - depth - reach * float(light[2]) / flat
        hidden = np.maximum(hidden, np.clip(over / 0.08, 0, 1))
    image = Image.fromarray((hidden * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.03 * pose.unit))
    return np.asarray(image, dtype=np.float32) / 255
