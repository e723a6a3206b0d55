"""A face as a camera sees it: a relief in directional light, with skin, hair, eyes, and what lens and sensor add.

Everything is computed in linear light (float32, 0..1). Skin is lit by its surface normals (Lambert, wrapped, with a
gloss after Blinn and Phong), darker in hollows, and shadowed by what stands between it and the light.
"""

from __future__ import annotations

import random

import numpy as np
from PIL import Image

from kunstkammer.data.drawn.canvas import Point, ellipse
from kunstkammer.data.drawn.faces import contours
from kunstkammer.data.drawn.faces.camera import Camera, backdrop, exposed
from kunstkammer.data.drawn.faces.contours import SIDES
from kunstkammer.data.drawn.faces.film import Film, linear
from kunstkammer.data.drawn.faces.hair import back_hair, front_hair
from kunstkammer.data.drawn.faces.person import CLOTHES, Person
from kunstkammer.data.drawn.faces.relief import Pose
from kunstkammer.data.drawn.faces.skin import colour_of_light, lit_skin, rounded, skin_light


def photograph(pose: Pose, person: Person, camera: Camera, rng: random.Random) -> Image.Image:
    """Return the photograph of a posed face: mode "RGB", (side, side)."""
    noise = np.random.default_rng(rng.getrandbits(63))
    film = Film(pose, person, camera, noise, backdrop(pose.side, noise).astype(np.float32))
    _behind(film)
    skin, lamp = lit_skin(film)
    _face(film, skin, lamp)
    _hair(film, front_hair(pose, person), front=True)
    _glasses(film, lamp)
    return exposed(film.light, camera, noise)


def _behind(film: Film) -> None:
    """Hair behind the head, neck, clothes, ears."""
    pose, person = film.pose, film.person
    tint = colour_of_light(film.camera)
    _hair(film, back_hair(pose, person), front=False)
    neck = film.mask(contours.neck(pose), blur=0.015)
    film.over(neck, skin_light(person.skin, rounded(film, neck, 0.35), tint))
    x = -0.25 * float(film.camera.light[0])
    under = [
        (px + x, py + 0.22)
        for px, py in [(-0.62, 0.9), (0.62, 0.9), (0.5, 1.42), (0.2, 1.62), (-0.2, 1.62), (-0.5, 1.42)]
    ]
    film.darken(film.mask(pose.body(under), blur=0.1) * neck, 0.72)
    cloth = film.mask(contours.shoulders(pose), blur=0.02)
    colour = linear(CLOTHES[int(film.noise.integers(len(CLOTHES)))])
    film.over(cloth, (rounded(film, cloth, 0.3) * 0.9)[..., None] * colour * tint)
    for side in SIDES:
        shape = contours.ear(pose, person, side)
        near = film.window(shape, 0.2)
        ear = near.mask(shape, blur=0.015)
        shade = rounded(near, ear, 0.08)
        hollow = near.mask(pose.at(ellipse(side * 1.06 * person.width, 0.02, 0.05, 0.14), -0.1), blur=0.03)
        near.over(ear, skin_light(person.skin, shade * (0.9 - 0.45 * hollow), tint))
        if person.ear_rings:
            x0, y0 = pose.at([(side * 1.04 * person.width, 0.46)], -0.1)[0]
            r = 0.045 * pose.unit
            near.over(near.mask(ellipse(x0, y0, r, r, n=10)), linear((236, 206, 120)) * 1.1)


def _face(film: Film, skin: np.ndarray, lamp: np.ndarray) -> None:
    """Lay the face on the film: skin with its colours, mouth, eyes, brows, beard."""
    pose, person = film.pose, film.person
    film = film.window(pose.silhouette, 0.1)
    width, height = film.size
    paint = np.ones((height, width, 3), dtype=np.float32)  # what the skin's colour is multiplied with
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
    film.over(outline, film.of(skin) * paint * (1 - 0.45 * edge)[..., None])
    _nostrils(film)
    if person.beard != "none":
        _beard(film, lamp)
    _mouth(film, skin, lamp)
    for side in SIDES:
        _eye(film, lamp, side)
    for side in SIDES:
        shape = contours.brow(pose, person, side, 1.3)
        near = film.window(shape, 0.1)
        fuzz = np.clip(0.9 + 0.2 * near.slow(90), 0.5, 1)
        hair = linear(person.hair_colour) * 0.22 + 0.002
        near.over(near.mask(shape, blur=0.012) * fuzz * 0.96, near.of(lamp)[..., None] * hair)


def _nostrils(film: Film) -> None:
    film = film.window(contours.nose_foot(film.pose), 0.35)
    for side in SIDES:
        film.darken(film.mask(contours.nostril(film.pose, side), blur=0.015), 0.75)
        film.darken(film.stroke(contours.nose_wing(film.pose, side), 0.03, blur=0.02), 0.3)
    film.darken(film.stroke(contours.nose_foot(film.pose), 0.03, blur=0.022), 0.35)


def _beard(film: Film, lamp: np.ndarray) -> None:
    person = film.person
    shapes = contours.beard(film.pose, person.beard)
    film = film.window([point for shape in shapes for point in shape], 0.2)
    lamp, shape = film.of(lamp), film.mask(*shapes, blur=0.05)
    fuzz = np.clip(0.8 + 0.25 * film.slow(96), 0.2, 1)
    share = 0.42 if person.beard == "stubble" else 0.93
    film.over(
        shape * fuzz * share, (lamp * (0.8 + 0.25 * fuzz))[..., None] * (linear(person.hair_colour) * 0.8 + 0.006)
    )


def _mouth(film: Film, skin: np.ndarray, lamp: np.ndarray) -> None:
    """Lips; between them the dark of the mouth, a tongue, teeth; or the line of a closed mouth."""
    pose = film.pose
    outer, inner = contours.lips(pose)
    film = film.window(outer, 0.12)
    skin, lamp = film.of(skin), film.of(lamp)
    red = np.array([0.76, 0.40, 0.41], dtype=np.float32)
    film.over(film.mask(outer, blur=0.02) * 0.85, skin * red)
    shine = film.mask(pose.at(ellipse(-0.06 * film.camera.light[0], _lower_lip(pose), 0.1, 0.02)), blur=0.025)
    film.light += (0.10 * shine * lamp)[..., None]
    open_by = contours.gape(pose.relief.shape)
    if open_by < 0.035:
        film.darken(film.stroke(contours.mouth_line(pose), 0.03, blur=0.012), 0.85)
        return
    within = film.mask(inner, blur=0.01)
    film.over(within, linear((52, 18, 20)) * 0.8)
    deep = min(1.0, open_by / 0.25)
    shape = pose.relief.shape
    tongue = pose.at(ellipse(0.0, float(shape.points[66, 1]) + 0.01, 0.17, 0.3 * open_by + 0.01), 0.7)
    film.over(film.mask(tongue, blur=0.02) * within * 0.7, linear((150, 70, 72))[None, None] * lamp[..., None])
    upper, lower = contours.teeth(pose)
    white = linear((226, 216, 200))[None, None] * (0.25 + 0.6 * lamp[..., None])
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
    film = film.window(opening, 0.15)
    lamp = film.of(lamp)
    within = film.mask(opening, blur=0.008)
    lamp = 0.3 * float(lamp.mean()) + 0.75 * np.maximum(lamp, 0.25)
    film.over(within, linear((226, 216, 210)) * lamp[..., None])
    x, y, r = contours.iris(pose, side)

    def disc(share: float, blur: float = 0.008) -> np.ndarray:
        return film.mask(ellipse(x, y, r * share, r * share), blur=blur) * within

    film.over(disc(1.0), linear(person.iris) * 0.45 * lamp[..., None])
    film.over(disc(0.8, 0.02), linear(person.iris) * 1.15 * lamp[..., None])
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
    film = film.window([point for shape in shapes for point in shape], 0.15)
    mask = film.mask(*shapes, blur=0.022)
    shade = rounded(film, mask, 0.3)
    crown_x, crown_y = pose.project(np.array([[0.1, -1.55 * person.forehead]]), -0.1)[0]
    width, height = film.size
    y, x = np.mgrid[film.top : film.top + height, film.left : film.left + width].astype(np.float32)
    dx, dy = (x - crown_x) / pose.unit, (y - crown_y) / pose.unit
    far = np.hypot(dx, dy)
    wave = 0.05 * np.sin(far * 7) if person.hair != "curly" else 0.5 * film.slow(26)
    angle = np.arctan2(dx, np.abs(dy) + 0.35) + wave
    lines = film.noise.standard_normal(512, dtype=np.float32)
    lines = lines + np.roll(lines, 1) + 0.8 * np.repeat(film.noise.standard_normal(64, dtype=np.float32), 8)
    strands = lines[np.clip((angle / 3.6 + 0.5) * 511, 0, 511).astype(np.int32)] * 0.5
    gloss = np.exp(-(((far - 0.55) / 0.22) ** 2)) * np.clip(0.6 + 0.5 * strands, 0, 1.6)
    body = shade * (1 + 0.2 * strands) * (1.0 if front else 0.55)
    light = body[..., None] * linear(person.hair_colour) * colour_of_light(film.camera)
    light = light + (0.10 * gloss * shade * (1.0 if front else 0.2))[..., None] * (0.3 + linear(person.hair_colour))
    ragged = np.clip(mask * (1 + 0.16 * strands) - 0.04, 0, 1) if front else mask
    film.over(ragged, np.maximum(light, 0.002).astype(np.float32))


def _glasses(film: Film, lamp: np.ndarray) -> None:
    """Frames, their shadow on the skin, and a faint reflection in the lenses."""
    if film.person.glasses == "none":
        return
    first, second, *rest = contours.glasses(film.pose, film.person.glasses)
    film = film.window([point for line in (first, second, *rest) for point in line], 0.2)
    lamp = film.of(lamp)
    lines = [[*first, first[0]], [*second, second[0]], *rest]
    drop = 0.06 * film.pose.unit
    for line in lines[:3]:
        cast = [(x - drop * float(film.camera.light[0]), y + drop) for x, y in line]
        film.darken(film.stroke(cast, 0.04, blur=0.03), 0.28)
    frame = linear((44, 38, 42)) if sum(film.person.hair_colour) % 2 else linear((104, 72, 44))
    for line in lines:
        film.over(film.stroke(line, 0.042, blur=0.006), frame * (0.4 + 0.6 * lamp[..., None]))
    glass = film.mask(first, second)
    width, height = film.size
    y, x = np.mgrid[film.top : film.top + height, film.left : film.left + width].astype(np.float32)
    across = (x + y - sum(film.pose.middle)) / film.pose.side
    band = np.exp(-(((across + 0.1) / 0.06) ** 2))
    film.light += (glass * (0.015 + 0.05 * band))[..., None]
