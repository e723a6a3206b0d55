"""A face as a camera sees it: a relief in directional light, with skin, hair, eyes, and what lens and sensor add.

Everything is computed in linear light (float32, 0..1). Skin is lit by its surface normals (Lambert, wrapped, with a
gloss after Blinn and Phong), darker in hollows, and shadowed by what stands between it and the light.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from kunstkammer.data.drawn.canvas import SCALE, Colour, Point, ellipse
from kunstkammer.data.drawn.faces import contours
from kunstkammer.data.drawn.faces.camera import Camera, backdrop, exposed
from kunstkammer.data.drawn.faces.contours import SIDES
from kunstkammer.data.drawn.faces.hair import back_hair, front_hair
from kunstkammer.data.drawn.faces.person import CLOTHES, Person
from kunstkammer.data.drawn.faces.relief import LEFT, STEP, TOP, Pose, sample

GROOVE = 0.045
"""Depth of the deepest wrinkle, in units."""


def _linear(colour: Sequence[float]) -> np.ndarray:
    return (np.asarray(colour, dtype=np.float32) / 255) ** 2


@dataclass
class Film:
    """The picture while it is built up, layer upon layer.

    Attributes:
        light: (side, side, 3), linear.
    """

    pose: Pose
    person: Person
    camera: Camera
    noise: np.random.Generator
    light: np.ndarray

    def mask(self, *shapes: Sequence[Point], blur: float = 0.0) -> np.ndarray:
        """Return how far each pixel lies in the shapes, float32 (side, side), 0..1; `blur` in units."""
        side = self.pose.side
        image = Image.new("L", (side * SCALE, side * SCALE), 0)
        draw = ImageDraw.Draw(image)
        for shape in shapes:
            draw.polygon([(x * SCALE, y * SCALE) for x, y in shape], fill=255)
        return self._reduced(image, blur)

    def stroke(self, points: Sequence[Point], width: float, blur: float = 0.0) -> np.ndarray:
        """Return the mask of a line; `width` and `blur` in units."""
        side = self.pose.side
        image = Image.new("L", (side * SCALE, side * SCALE), 0)
        thick = max(1, round(width * self.pose.unit * SCALE))
        ImageDraw.Draw(image).line([(x * SCALE, y * SCALE) for x, y in points], fill=255, width=thick, joint="curve")
        return self._reduced(image, blur)

    def _reduced(self, image: Image.Image, blur: float) -> np.ndarray:
        image = image.reduce(SCALE)
        if blur:
            image = image.filter(ImageFilter.GaussianBlur(blur * self.pose.unit))
        return np.asarray(image, dtype=np.float32) / 255

    def over(self, mask: np.ndarray, light: np.ndarray) -> None:
        """Lay light, (3,) or (side, side, 3), over the picture where the mask is."""
        self.light += mask[..., None] * (light - self.light)

    def darken(self, mask: np.ndarray, share: float) -> None:
        """Take away a share of the light where the mask is."""
        self.light *= (1 - share * mask)[..., None]


def photograph(pose: Pose, person: Person, camera: Camera, rng: random.Random) -> Image.Image:
    """Return the photograph of a posed face: mode "RGB", (side, side)."""
    noise = np.random.default_rng(rng.getrandbits(63))
    film = Film(pose, person, camera, noise, backdrop(pose.side, noise).astype(np.float32))
    _behind(film)
    skin, lamp = _lit_skin(film)
    _face(film, skin, lamp)
    _hair(film, front_hair(pose, person), front=True)
    _glasses(film, lamp)
    return exposed(film.light, camera, noise)


def _colour_of_light(camera: Camera) -> np.ndarray:
    return np.array([1 + 0.12 * camera.warmth, 1.0, 1 - 0.16 * camera.warmth], dtype=np.float32)


def _rounded(film: Film, mask: np.ndarray, radius: float) -> np.ndarray:
    """Return the light on a soft round body of which only the outline is known, float32 (side, side)."""
    image = Image.fromarray((mask * 255).astype(np.uint8)).filter(ImageFilter.BoxBlur(radius * film.pose.unit))
    swell = np.asarray(image.filter(ImageFilter.BoxBlur(radius * 0.6 * film.pose.unit)), dtype=np.float32) / 255
    down, across = np.gradient(swell)
    k = 2.2 * radius * film.pose.unit
    normal = np.stack([-across * k, -down * k, np.full_like(swell, 0.8)])
    normal /= np.sqrt((normal**2).sum(axis=0))
    return _diffuse(film.camera, np.tensordot(film.camera.light, normal, 1), -normal[1])


def _diffuse(camera: Camera, facing: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Wrapped Lambert light plus light from around, more from above."""
    direct = np.clip((facing + 0.18) / 1.18, 0, 1)
    return camera.key * 1.25 * direct + (1 - camera.key) * (0.75 + 0.25 * up)


def _behind(film: Film) -> None:
    """Hair behind the head, neck, clothes, ears."""
    pose, person = film.pose, film.person
    tint = _colour_of_light(film.camera)
    _hair(film, back_hair(pose, person), front=False)
    neck = film.mask(contours.neck(pose), blur=0.015)
    film.over(neck, _skin_light(person.skin, _rounded(film, neck, 0.35), tint))
    x = -0.25 * float(film.camera.light[0])
    under = [
        (px + x, py + 0.22)
        for px, py in [(-0.62, 0.9), (0.62, 0.9), (0.5, 1.42), (0.2, 1.62), (-0.2, 1.62), (-0.5, 1.42)]
    ]
    film.darken(film.mask(pose.body(under), blur=0.1) * neck, 0.72)
    cloth = film.mask(contours.shoulders(pose), blur=0.02)
    colour = _linear(CLOTHES[int(film.noise.integers(len(CLOTHES)))])
    film.over(cloth, (_rounded(film, cloth, 0.3) * 0.9)[..., None] * colour * tint)
    for side in SIDES:
        ear = film.mask(contours.ear(pose, person, side), blur=0.015)
        shade = _rounded(film, ear, 0.08)
        hollow = film.mask(pose.at(ellipse(side * 1.06 * person.width, 0.02, 0.05, 0.14), -0.1), blur=0.03)
        film.over(ear, _skin_light(person.skin, shade * (0.9 - 0.45 * hollow), tint))
        if person.ear_rings:
            x0, y0 = pose.at([(side * 1.04 * person.width, 0.46)], -0.1)[0]
            r = 0.045 * pose.unit
            film.over(film.mask(ellipse(x0, y0, r, r, n=10)), _linear((236, 206, 120)) * 1.1)


def _skin_light(skin: Colour, shade: np.ndarray, tint: np.ndarray) -> np.ndarray:
    """Return skin in a light: shadows on skin are redder than the light's own."""
    red = np.stack([shade**0.9, shade**1.04, shade**1.12], axis=2)
    return red * _linear(skin) * tint


def _lit_skin(film: Film) -> tuple[np.ndarray, np.ndarray]:
    """Return the face's skin in its light, (side, side, 3), and the light alone, (side, side)."""
    pose, person, camera = film.pose, film.person, film.camera
    side = pose.side
    grooves = _grooves(film)
    grid = pose.relief.grid - GROOVE * grooves
    grid = grid + film.noise.standard_normal(grid.shape, dtype=np.float32) * np.float32(0.0012 + 0.0012 * person.age)
    down, across = np.gradient(grid, STEP)
    long = np.sqrt(across**2 + down**2 + 1)
    hollow = _blurred(pose.relief.grid, 4) - grid
    maps = np.stack([-across / long, -down / long, 1 / long, hollow + 0.05 * grooves], axis=2).astype(np.float32)
    fx, fy = pose.where(side, side)
    found = sample(maps, fx, fy)
    normal = found[..., :3] @ pose.turn.T.astype(np.float32)
    facing = normal @ camera.light
    shade = _diffuse(camera, facing, -normal[..., 1])
    shade *= np.clip(1 - 4.2 * found[..., 3], 0.35, 1.12) * (1 - 0.6 * _shadow(film, fx, fy))
    shade = np.maximum(shade, 0.02)
    blotches = _slow(film.noise, side, 24) * 0.035 + _slow(film.noise, side, 70) * 0.03
    skin = _skin_light(person.skin, shade * (1 + blotches), _colour_of_light(camera))
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
        width = max(1, round(fold.width / STEP * 2))
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


def _slow(noise: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """A random surface with `cells` knots across, standard deviation about 1."""
    knots = noise.standard_normal((cells, cells), dtype=np.float32)
    return np.asarray(Image.fromarray(knots).resize((side, side), Image.Resampling.BICUBIC)) * np.float32(1.2)


def _face(film: Film, skin: np.ndarray, lamp: np.ndarray) -> None:
    """Lay the face on the film: skin with its colours, mouth, eyes, brows, beard."""
    pose, person = film.pose, film.person
    paint = np.ones((pose.side, pose.side, 3), dtype=np.float32)  # what the skin's colour is multiplied with
    blush = film.mask(
        *(pose.at(ellipse(side * 0.55, 0.4, 0.2, 0.15)) for side in SIDES),
        pose.at(ellipse(0, 0.5, 0.12, 0.09)),
        blur=0.12,
    )
    paint *= 1 + blush[..., None] * np.array([0.04, -0.14, -0.12], dtype=np.float32)
    if person.freckles > 0.2:
        spots = random.Random(f"freckles/{person.name}")
        places = [(spots.choice(SIDES) * spots.uniform(0.15, 0.7), spots.uniform(0.15, 0.55)) for _ in range(40)]
        dots = [ellipse(x, y, 0.55, 0.55, n=6) for x, y in pose.at(places)]
        paint *= 1 - film.mask(*dots)[..., None] * np.array([0.2, 0.38, 0.45], dtype=np.float32) * person.freckles
    outline = film.mask(pose.silhouette, blur=0.012)
    edge = film.mask(front_hair(pose, person)[0], blur=0.08) if person.hair != "bald" else np.zeros_like(outline)
    film.over(outline, skin * paint * (1 - 0.45 * edge)[..., None])
    _nostrils(film)
    if person.beard != "none":
        _beard(film, lamp)
    _mouth(film, skin, lamp)
    for side in SIDES:
        _eye(film, lamp, side)
    for side in SIDES:
        shape = film.mask(contours.brow(pose, person, side, 1.2), blur=0.014)
        fuzz = np.clip(0.86 + 0.22 * _slow(film.noise, pose.side, 90), 0.4, 1)
        hair = _linear(person.hair_colour) * 0.4 + 0.003
        film.over(shape * fuzz * 0.96, lamp[..., None] * hair)


def _nostrils(film: Film) -> None:
    for side in SIDES:
        film.darken(film.mask(contours.nostril(film.pose, side), blur=0.015), 0.75)
        film.darken(film.stroke(contours.nose_wing(film.pose, side), 0.03, blur=0.02), 0.3)
    film.darken(film.stroke(contours.nose_foot(film.pose), 0.03, blur=0.022), 0.35)


def _beard(film: Film, lamp: np.ndarray) -> None:
    person = film.person
    shape = film.mask(*contours.beard(film.pose, person.beard), blur=0.05)
    fuzz = np.clip(0.8 + 0.25 * _slow(film.noise, film.pose.side, 96), 0.2, 1)
    share = 0.42 if person.beard == "stubble" else 0.93
    film.over(
        shape * fuzz * share, (lamp * (0.8 + 0.25 * fuzz))[..., None] * (_linear(person.hair_colour) * 0.8 + 0.006)
    )


def _mouth(film: Film, skin: np.ndarray, lamp: np.ndarray) -> None:
    """Lips; between them the dark of the mouth, a tongue, teeth; or the line of a closed mouth."""
    pose = film.pose
    outer, inner = contours.lips(pose)
    red = np.array([0.80, 0.46, 0.46], dtype=np.float32)
    film.over(film.mask(outer, blur=0.02) * 0.85, skin * red)
    shine = film.mask(pose.at(ellipse(-0.06 * film.camera.light[0], _lower_lip(pose), 0.1, 0.02)), blur=0.025)
    film.light += (0.10 * shine * lamp)[..., None]
    open_by = contours.gape(pose.relief.shape)
    if open_by < 0.035:
        film.darken(film.stroke(contours.mouth_line(pose), 0.022, blur=0.014), 0.72)
        return
    within = film.mask(inner, blur=0.01)
    film.over(within, _linear((52, 18, 20)) * 0.8)
    deep = min(1.0, open_by / 0.25)
    shape = pose.relief.shape
    tongue = pose.at(ellipse(0.0, float(shape.points[66, 1]) + 0.01, 0.17, 0.3 * open_by + 0.01), 0.7)
    film.over(film.mask(tongue, blur=0.02) * within * 0.7, _linear((150, 70, 72))[None, None] * lamp[..., None])
    upper, lower = contours.teeth(pose)
    white = _linear((226, 216, 200))[None, None] * (0.25 + 0.6 * lamp[..., None])
    rims = film.mask(upper, blur=0.01)
    if open_by > 0.16 or shape.unit(16) > 0.3:
        rims = np.maximum(rims, film.mask(lower, blur=0.01))
    film.over(rims * film.mask(inner, blur=0.02) ** 1.5, white * (1 - 0.12 * deep))


def _lower_lip(pose: Pose) -> float:
    points = pose.relief.shape.points
    return float(points[57, 1] * 0.55 + points[66, 1] * 0.45)


def _eye(film: Film, lamp: np.ndarray, side: int) -> None:
    """The eye between its lids: white, iris with a dark rim, pupil, glint, the shadow of the lid, lashes."""
    pose, person = film.pose, film.person
    opening = contours.eye_opening(pose, side)
    upper = opening[: contours.UPPER_LID]
    within = film.mask(opening, blur=0.008)
    lamp = 0.3 * float(lamp.mean()) + 0.75 * np.maximum(lamp, 0.25)
    film.over(within, _linear((226, 216, 210)) * lamp[..., None])
    x, y, r = contours.iris(pose, side)

    def disc(share: float, blur: float = 0.008) -> np.ndarray:
        return film.mask(ellipse(x, y, r * share, r * share), blur=blur) * within

    film.over(disc(1.0), _linear(person.iris) * 0.45 * lamp[..., None])
    film.over(disc(0.8, 0.02), _linear(person.iris) * 1.15 * lamp[..., None])
    film.over(disc(0.45), np.full(3, 0.004, dtype=np.float32))
    film.darken(film.stroke(upper, 0.05, blur=0.03) * within, 0.6)
    gx, gy = x + 0.4 * r * float(film.camera.light[0]), y - 0.35 * r
    film.over(
        film.mask(ellipse(gx, gy, 0.2 * r, 0.2 * r, n=8), blur=0.008) * within, np.full(3, 0.95, dtype=np.float32)
    )
    lashes = 0.034 if person.hair in {"long", "bob", "bun"} else 0.024
    film.darken(film.stroke(upper, lashes, blur=0.01), 0.85)
    film.darken(film.stroke(opening[contours.UPPER_LID - 1 :], 0.016, blur=0.014), 0.4)
    film.darken(film.stroke(contours.lid_crease(pose, side), 0.02, blur=0.02), 0.35)


def _hair(film: Film, shapes: list[list[Point]], *, front: bool) -> None:
    """Hair: round as a whole, with strands from the crown and a band of gloss across them."""
    if not shapes:
        return
    pose, person = film.pose, film.person
    mask = film.mask(*shapes, blur=0.022)
    shade = _rounded(film, mask, 0.3)
    crown_x, crown_y = pose.project(np.array([[0.1, -1.55 * person.forehead]]), -0.1)[0]
    y, x = np.mgrid[0 : pose.side, 0 : pose.side].astype(np.float32)
    dx, dy = (x - crown_x) / pose.unit, (y - crown_y) / pose.unit
    far = np.hypot(dx, dy)
    wave = 0.05 * np.sin(far * 7) if person.hair != "curly" else 0.5 * _slow(film.noise, pose.side, 26)
    angle = np.arctan2(dx, np.abs(dy) + 0.35) + wave
    lines = film.noise.standard_normal(512, dtype=np.float32)
    lines = lines + np.roll(lines, 1) + 0.8 * np.repeat(film.noise.standard_normal(64, dtype=np.float32), 8)
    strands = lines[np.clip((angle / 3.6 + 0.5) * 511, 0, 511).astype(np.int32)] * 0.5
    gloss = np.exp(-(((far - 0.55) / 0.22) ** 2)) * np.clip(0.6 + 0.5 * strands, 0, 1.6)
    body = shade * (1 + 0.2 * strands) * (1.0 if front else 0.55)
    light = body[..., None] * _linear(person.hair_colour) * _colour_of_light(film.camera)
    light = light + (0.10 * gloss * shade * (1.0 if front else 0.2))[..., None] * (0.3 + _linear(person.hair_colour))
    ragged = np.clip(mask * (1 + 0.16 * strands) - 0.04, 0, 1) if front else mask
    film.over(ragged, np.maximum(light, 0.002).astype(np.float32))


def _glasses(film: Film, lamp: np.ndarray) -> None:
    """Frames, their shadow on the skin, and a faint reflection in the lenses."""
    if film.person.glasses == "none":
        return
    first, second, *rest = contours.glasses(film.pose, film.person.glasses)
    lines = [[*first, first[0]], [*second, second[0]], *rest]
    drop = 0.06 * film.pose.unit
    for line in lines[:3]:
        cast = [(x - drop * float(film.camera.light[0]), y + drop) for x, y in line]
        film.darken(film.stroke(cast, 0.04, blur=0.03), 0.28)
    frame = _linear((44, 38, 42)) if sum(film.person.hair_colour) % 2 else _linear((104, 72, 44))
    for line in lines:
        film.over(film.stroke(line, 0.042, blur=0.006), frame * (0.4 + 0.6 * lamp[..., None]))
    glass = film.mask(first, second)
    y, x = np.mgrid[0 : film.pose.side, 0 : film.pose.side].astype(np.float32)
    band = np.exp(-(((x + y - sum(film.pose.middle) + 0.1 * film.pose.side) / (0.06 * film.pose.side)) ** 2))
    film.light += (glass * (0.015 + 0.05 * band))[..., None]
