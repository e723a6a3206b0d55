"""People: heads with faces and hair, shoulders, whole figures."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Any

from PIL import Image

from kunstkammer.data.drawn.canvas import Box, Canvas, Colour, Point, blend, bounds, ellipse, smooth
from kunstkammer.data.drawn.style import Manner

WHITE: Colour = (255, 255, 255)
MOODS = ("calm", "glad", "shocked", "cross", "sad")
EYES: dict[Manner, tuple[float, float]] = {"manga": (0.27, 0.36), "neither": (0.19, 0.20), "comic": (0.15, 0.10)}
"""Half width and half height of an eye, in half head widths."""


@dataclass(frozen=True)
class Look:
    """One person: what stays the same from panel to panel, and how this page draws it.

    `eyes`, `jaw` and `hair` are the manners of the page; `eye` and `pointed` the artist's numbers.
    """

    skin: Colour
    hair_colour: Colour
    cloth: Colour
    long_hair: bool
    extra: str
    eyes: Manner
    jaw: Manner
    hair: Manner
    eye: float
    pointed: float


def make_look(rng: random.Random, palette: Any, manners: dict[str, Manner], eye: float, jaw: float) -> Look:
    """Invent a person."""
    extra = rng.choice(("none", "none", "none", "glasses", "moustache", "hat", "freckles", "scarf"))
    return Look(
        rng.choice(palette.skins), rng.choice(palette.hairs), rng.choice(palette.clothes), rng.random() < 0.5,
        extra, manners["eyes"], manners["jaw"], manners["hair"], eye, jaw,
    )  # fmt: skip


def bust(canvas: Canvas, x: float, y: float, r: float, look: Look, *, mood: str, turn: float, tone: Image.Image) -> Box:
    """Draw a person from the chest up; (x, y) is the middle of the head, r half its width. Return the face's box."""
    if look.long_hair or look.hair == "manga":
        _back_hair(canvas, x, y, r, look)
    _shoulders(canvas, x, y, r, look, tone)
    return head(canvas, x, y, r, look, mood=mood, turn=turn, tone=tone)


def head(canvas: Canvas, x: float, y: float, r: float, look: Look, *, mood: str, turn: float, tone: Image.Image) -> Box:
    """Draw a head with its face and hair; `turn` runs from -1 (to the left) to 1. Return the face's box."""
    outline = _face_line(look, x, y, r, turn)
    for side in (-1, 1):
        ear = ellipse(x + side * 0.95 * r - 0.1 * turn * r, y + 0.15 * r, 0.14 * r, 0.24 * r, n=12)
        canvas.shape(ear, look.skin)
    canvas.shape(outline, look.skin, width=canvas.hand.pen * (1.15 if r > 14 else 0.9))
    cheek = [p for p in outline if (p[0] - x) * (1 if turn <= 0 else -1) > 0.45 * r and p[1] > y - 0.3 * r]
    if len(cheek) > 3 and r > 12:
        middle = (x + (0.6 if turn <= 0 else -0.6) * r, y + 0.55 * r)
        canvas.shade([*sorted(cheek, key=lambda p: p[1]), middle], tone)
    fx = x + 0.22 * turn * r
    _eyes(canvas, fx, y, r, look, mood, turn)
    _nose(canvas, fx, y, r, look, turn, tone)
    _mouth(canvas, fx, y, r, look, mood)
    _front_hair(canvas, x, y, r, look, turn)
    _extras(canvas, fx, x, y, r, look)
    x0, y0, x1, y1 = bounds(outline)
    return x0, y0, x1, y1


def _face_line(look: Look, x: float, y: float, r: float, turn: float) -> list[Point]:
    """The outline of the face: a pointed chin, an oval or a square jaw."""
    shift = 0.14 * turn
    if look.jaw == "manga":
        chin, jaw, low = 0.05, 0.60 / look.pointed, 0.62 + 0.1 * look.pointed
        half = [(0.97, -0.25), (0.93, 0.3), (jaw, low + 0.18), (0.26, 1.16), (chin, 1.28 + 0.06 * look.pointed)]
    elif look.jaw == "comic":
        jaw = min(0.9, 0.74 * look.pointed)
        half = [(0.95, -0.25), (0.96, 0.4), (0.93 * jaw + 0.1, 0.85), (0.66 * jaw, 1.22), (0.28 * jaw, 1.32)]
    else:
        half = [(0.96, -0.25), (0.92, 0.4), (0.68, 0.92), (0.34, 1.2), (0.1, 1.26)]
    right = [(x + (px + shift * max(0.0, py)) * r, y + py * r) for px, py in half]
    left = [(x + (-px + shift * max(0.0, py)) * r, y + py * r) for px, py in half]
    top = [(x - 0.6 * r, y - 0.95 * r), (x, y - 1.15 * r), (x + 0.6 * r, y - 0.95 * r)]
    return smooth([*right, *reversed(left), *top], closed=True, steps=3)


def _eyes(canvas: Canvas, x: float, y: float, r: float, look: Look, mood: str, turn: float) -> None:
    half_width, half_height = (size * look.eye * r for size in EYES[look.eyes])
    height = y + (0.3 if look.eyes == "manga" else 0.1) * r
    if mood == "shocked":
        half_height *= 1.2
    for side in (-1, 1):
        ex = x + side * (0.46 if look.eyes == "manga" else 0.4) * r
        narrow = 1 - 0.25 * max(0.0, side * turn)
        if mood == "glad" and look.eyes != "manga" and canvas.rng.random() < 0.3:
            arc = [(ex - half_width, height), (ex, height - half_height * 1.6), (ex + half_width, height)]
            canvas.line(smooth(arc, steps=4), width=canvas.hand.pen * 1.2)
        elif look.eyes == "manga":
            _large_eye(canvas, ex, height, half_width * narrow, half_height, side, look)
        else:
            _small_eye(canvas, ex, height, half_width * narrow, half_height, look)
        _brow(canvas, ex, height - half_height - 0.2 * r, max(half_width, 0.17 * r), side, mood, look)


def _large_eye(canvas: Canvas, x: float, y: float, a: float, b: float, side: int, look: Look) -> None:
    """A tall eye: heavy upper lid, dark iris that lightens downward, white highlights."""
    white = smooth([(x - a, y - 0.1 * b), (x - 0.6 * a, y - 0.85 * b), (x + 0.5 * a, y - 0.9 * b), (x + a, y - 0.1 * b),
                    (x + 0.6 * a, y + 0.85 * b), (x - 0.5 * a, y + 0.9 * b)], closed=True, steps=3)  # fmt: skip
    canvas.fill(white, WHITE)
    iris = blend(look.hair_colour, canvas.ink, 0.55)
    canvas.fill(ellipse(x, y + 0.05 * b, 0.72 * a, 0.86 * b), canvas.ink)
    canvas.fill(ellipse(x, y + 0.4 * b, 0.5 * a, 0.45 * b, n=14), blend(iris, WHITE, 0.35))
    canvas.fill(ellipse(x, y, 0.3 * a, 0.4 * b, n=12), canvas.ink)
    canvas.fill(ellipse(x - 0.26 * a, y - 0.38 * b, 0.3 * a, 0.28 * b, n=12), WHITE)
    canvas.fill(ellipse(x + 0.3 * a, y + 0.42 * b, 0.16 * a, 0.15 * b, n=10), WHITE)
    lid = smooth([(x - 1.1 * a, y - 0.1 * b), (x - 0.55 * a, y - 0.92 * b), (x + 0.55 * a, y - 0.92 * b),
                  (x + 1.1 * a, y - 0.1 * b)], steps=4)  # fmt: skip
    canvas.line(lid, width=max(canvas.hand.pen * 1.3, 0.2 * b), taper=0.5)
    canvas.line([lid[-1 if side > 0 else 0], (x + side * 1.35 * a, y - 0.45 * b)], taper=0)
    canvas.line([(x - 0.4 * a, y + 0.98 * b), (x + 0.4 * a, y + 0.98 * b)], width=canvas.hand.pen * 0.7, taper=0)


def _small_eye(canvas: Canvas, x: float, y: float, a: float, b: float, look: Look) -> None:
    """An almond with a pupil, or for the manner in between an oval with one."""
    rim = smooth([(x - a, y + 0.2 * b), (x, y - b), (x + a, y), (x, y + b)], closed=True, steps=4)
    canvas.shape(rim, WHITE, width=canvas.hand.pen * 0.8)
    pupil = 0.62 if look.eyes == "comic" else 0.5
    canvas.fill(ellipse(x, y, pupil * min(a, 1.4 * b), pupil * 1.2 * b, n=12), canvas.ink)
    canvas.line([(x - 1.1 * a, y), (x - 0.1 * a, y - 1.05 * b), (x + 1.1 * a, y - 0.1 * b)], taper=0)


def _brow(canvas: Canvas, x: float, y: float, a: float, side: int, mood: str, look: Look) -> None:
    slope = {"cross": -0.5, "sad": 0.45, "shocked": 0.15}.get(mood, 0.1) * side
    lift = -0.35 * a if mood == "shocked" else 0.0
    points = [(x - a, y - slope * a + lift), (x, y - 0.25 * a + lift), (x + a, y + slope * a + lift)]
    thick = canvas.hand.pen * (1.0 if look.eyes == "manga" else 1.9)
    canvas.line(smooth(points, steps=4), width=thick)


def _nose(canvas: Canvas, x: float, y: float, r: float, look: Look, turn: float, tone: Image.Image) -> None:
    way = 1 if turn >= 0 else -1
    if look.jaw == "manga":
        canvas.line([(x + 0.03 * way * r, y + 0.62 * r), (x + 0.09 * way * r, y + 0.7 * r)], taper=0)
        return
    long = 0.3 if look.jaw == "comic" else 0.16
    tip = (x + way * long * 0.75 * r, y + 0.56 * r)
    bridge = [(x + 0.04 * way * r, y + (0.6 - 1.7 * long) * r), tip, (x - 0.04 * way * r, y + 0.66 * r)]
    canvas.line(bridge if look.jaw == "neither" else smooth(bridge, steps=3), width=canvas.hand.pen * 1.1)
    if look.jaw == "comic":
        canvas.line([(x - 0.16 * way * r, y + 0.6 * r), (x - 0.1 * way * r, y + 0.68 * r)], taper=0)
        if r > 14:
            shadow = [
                bridge[0],
                tip,
                (tip[0] - way * 0.02 * r, tip[1] + 0.12 * r),
                bridge[2],
                (x - 0.1 * way * r, y + 0.3 * r),
            ]
            canvas.shade(shadow, tone)


def _mouth(canvas: Canvas, x: float, y: float, r: float, look: Look, mood: str) -> None:
    wide = (0.2 if look.jaw == "manga" else 0.36) * r
    my = y + (0.92 if look.jaw == "manga" else 0.93) * r
    if mood == "shocked" or (mood == "glad" and canvas.rng.random() < 0.5):
        deep = (0.3 if mood == "shocked" else 0.22) * r
        if mood == "glad":
            mouth = smooth(
                [(x - wide, my - 0.06 * r), (x, my), (x + wide, my - 0.06 * r), (x, my + deep)], closed=True, steps=4
            )
        else:
            mouth = ellipse(x, my + 0.04 * r, wide * 0.7, deep * 0.7, n=14)
        canvas.shape(mouth, blend(canvas.ink, (200, 70, 70), 0.25))
        return
    bend = {"glad": 0.14, "sad": -0.12, "cross": -0.08}.get(mood, 0.03) * r
    canvas.line(smooth([(x - wide, my - bend), (x, my + 0.4 * bend), (x + wide, my - bend)], steps=5))
    if look.jaw == "comic" and r > 12:
        canvas.line(
            [(x - 0.4 * wide, my + 0.14 * r), (x + 0.4 * wide, my + 0.14 * r)], width=canvas.hand.pen * 0.8, taper=0
        )


def _back_hair(canvas: Canvas, x: float, y: float, r: float, look: Look) -> None:
    if look.hair == "manga":
        reach = 1.7 if look.long_hair else 1.0
        points = []
        spikes = 13
        for i in range(2 * spikes + 1):
            angle = math.pi * (0.08 + 1.84 * i / (2 * spikes)) + math.pi / 2
            out = (1.28 if i % 2 else 1.08) * canvas.rng.uniform(0.95, 1.12)
            drop = max(0.0, math.sin(angle)) * (reach - 0.7)
            points.append((x + math.cos(angle) * out * r * 1.02, y - 0.1 * r + (math.sin(angle) * out + drop) * r))
        canvas.shape(points, look.hair_colour)
        return
    low = 1.7 if look.long_hair else 0.9
    points = [(-1.0, low), (-1.22, 0.6), (-1.16, -0.5), (-0.6, -1.25), (0.3, -1.3), (1.1, -0.7), (1.24, 0.5), (1.0, low),
              (0.5, low * 0.9), (-0.5, low * 0.9)]  # fmt: skip
    canvas.shape(smooth([(x + px * r, y + py * r) for px, py in points], closed=True, steps=4), look.hair_colour)


def _front_hair(canvas: Canvas, x: float, y: float, r: float, look: Look, turn: float) -> None:
    if look.hair == "manga":
        _spiky_fringe(canvas, x, y, r, look, turn)
    else:
        _round_hair(canvas, x, y, r, look, turn)


def _spiky_fringe(canvas: Canvas, x: float, y: float, r: float, look: Look, turn: float) -> None:
    """Locks that run to points over the forehead, spikes on the crown, and a band of gloss."""
    rng = canvas.rng
    locks = rng.choice((4, 5, 6))
    low: list[Point] = [(x + 1.04 * r, y + rng.uniform(0.25, 0.7) * r)]
    for i in range(locks):
        edge = 0.92 - 1.84 * (i + 0.5) / locks
        low.append((x + (edge + 0.9 / locks) * r, y - rng.uniform(0.5, 0.62) * r))
        low.append((x + (edge - 0.12 + 0.15 * turn) * r, y - rng.uniform(-0.08, 0.22) * r))
    low += [(x - 0.86 * r, y - 0.5 * r), (x - 1.04 * r, y + rng.uniform(0.25, 0.7) * r)]
    crown: list[Point] = []
    for i in range(9):
        angle = math.pi * (1.02 + 0.96 * i / 8)
        out = (1.42 if i % 2 else 1.16) * rng.uniform(0.96, 1.08)
        crown.append((x + math.cos(angle) * min(out, 1.25) * r, y - 0.12 * r + math.sin(angle) * out * r))
    canvas.shape([*crown, *low], look.hair_colour)
    gloss = blend(look.hair_colour, WHITE, 0.85)
    for i in range(7):
        px = x + (-0.75 + 0.22 * i) * r
        py = y - (0.92 - 0.28 * (i / 3 - 1) ** 2) * r
        canvas.line(
            [(px, py), (px + 0.08 * r, py + rng.uniform(0.14, 0.26) * r)], width=0.11 * r, colour=gloss, taper=0
        )
    for i in range(3):
        px = x + (-0.5 + 0.5 * i) * r
        canvas.line([(px, y - 1.1 * r), (px + rng.uniform(-0.15, 0.15) * r, y - 0.65 * r)], width=canvas.hand.pen * 0.7)


def _round_hair(canvas: Canvas, x: float, y: float, r: float, look: Look, turn: float) -> None:
    """A round cap with a parting and waves; in the manner of neither kind a plain cap."""
    part = 0.35 if turn <= 0 else -0.35
    top = [(-1.06, 0.1), (-1.12, -0.55), (-0.72, -1.2), (0.0, -1.38), (0.72, -1.2), (1.12, -0.55), (1.06, 0.1)]
    fringe = [(0.9, -0.35), (0.62, -0.62), (part, -0.78), (-0.1 * part, -0.6), (-0.62, -0.58), (-0.9, -0.3)]
    cap = smooth([(x + px * r, y + py * r) for px, py in [*top, *fringe]], closed=True, steps=4)
    canvas.shape(cap, look.hair_colour)
    if look.hair == "neither":
        return
    strand = blend(look.hair_colour, WHITE if sum(look.hair_colour) < 330 else canvas.ink, 0.6)
    for i in range(4):
        sx = part + (0.28 * (i + 1)) * (-1 if part > 0 else 1)
        wave = [(part, -1.3 + 0.04 * i), (sx * 0.9, -1.12 + 0.1 * i), (sx * 1.3, -0.8 + 0.06 * i)]
        canvas.line(
            smooth([(x + px * r, y + py * r) for px, py in wave], steps=4), width=canvas.hand.pen * 0.8, colour=strand
        )


def _extras(canvas: Canvas, fx: float, x: float, y: float, r: float, look: Look) -> None:
    pen = canvas.hand.pen
    if look.extra == "glasses":
        height = y + (0.3 if look.eyes == "manga" else 0.1) * r
        size = 0.34 if look.eyes == "manga" else 0.28
        for side in (-1, 1):
            canvas.line(
                [*ellipse(fx + side * 0.43 * r, height, size * r, size * r), (fx + (side * 0.43 + size) * r, height)],
                taper=0,
            )
        canvas.line([(fx - 0.13 * r, height), (fx + 0.13 * r, height)], taper=0)
    elif look.extra == "moustache" and not look.long_hair:
        ends = [(-0.5, 0.86), (-0.2, 0.72), (0, 0.76), (0.2, 0.72), (0.5, 0.86), (0.2, 0.84), (-0.2, 0.84)]
        canvas.shape([(fx + px * r, y + py * r) for px, py in ends], look.hair_colour)
    elif look.extra == "hat":
        brim = [(-1.35, -0.62), (1.35, -0.62), (1.25, -0.82), (-1.25, -0.82)]
        crown = [(-0.85, -0.8), (-0.75, -1.55), (-0.2, -1.68), (0.3, -1.6), (0.78, -1.55), (0.85, -0.8)]
        canvas.shape([(x + px * r, y + py * r) for px, py in crown], look.cloth)
        canvas.shape([(x + px * r, y + py * r) for px, py in brim], look.cloth)
        canvas.line([(x - 0.82 * r, y - 0.95 * r), (x + 0.82 * r, y - 0.95 * r)], width=pen * 2, taper=0)
    elif look.extra == "freckles" and r > 12:
        for px, py in ((-0.6, 0.55), (-0.5, 0.62), (-0.68, 0.66), (0.6, 0.55), (0.5, 0.62), (0.68, 0.66)):
            canvas.line([(fx + px * r, y + py * r), (fx + px * r + 0.8, y + py * r + 0.4)], taper=0)


def _shoulders(canvas: Canvas, x: float, y: float, r: float, look: Look, tone: Image.Image) -> None:
    broad = 1.75 if look.jaw == "comic" else 1.5 if look.jaw == "manga" else 1.62
    neck = 0.42 if look.jaw == "comic" else 0.3
    bottom = y + 4.2 * r
    body = [
        (-neck, 1.45),
        (-1.1, 1.72),
        (-broad, 2.15),
        (-broad - 0.15, 4.2),
        (broad + 0.15, 4.2),
        (broad, 2.15),
        (1.1, 1.72),
        (neck, 1.45),
    ]
    outline = [(x + px * r, min(bottom, y + py * r)) for px, py in body]
    canvas.shape(outline, look.cloth)
    canvas.shade(
        [(x + px * r, y + py * r) for px, py in ((0.5, 2.0), (broad, 2.1), (broad + 0.15, 4.2), (0.75, 4.2))], tone
    )
    throat = [(x + px * r, y + py * r) for px, py in ((-neck, 0.9), (-neck, 1.55), (0, 2.0), (neck, 1.55), (neck, 0.9))]
    canvas.shape(throat, look.skin)
    canvas.shade([(x + px * r, y + py * r) for px, py in ((-neck, 1.15), (neck, 1.0), (neck, 1.5), (-neck, 1.4))], tone)
    if look.extra == "scarf":
        scarf = [(-0.75, 1.4), (0, 1.65), (0.75, 1.4), (0.8, 1.8), (0, 2.1), (-0.8, 1.8)]
        canvas.shape([(x + px * r, y + py * r) for px, py in scarf], blend(look.cloth, WHITE, 0.6))
    else:
        for side in (-1, 1):
            collar = [(side * neck, 1.4), (0, 2.05), (side * 0.4, 2.35), (side * 0.85, 1.68)]
            canvas.shape([(x + px * r, y + py * r) for px, py in collar], blend(look.cloth, WHITE, 0.6))
    for i in range(3):
        canvas.line(ellipse(x, y + (2.5 + 0.5 * i) * r, 0.07 * r, 0.07 * r, n=8), taper=0)


POSES: dict[str, tuple[tuple[Point, ...], ...]] = {
    # arms and legs from shoulder or hip, in head heights: left arm, right arm, left leg, right leg
    "stand": (((-0.5, 0.9), (-0.45, 1.7)), ((0.5, 0.9), (0.45, 1.7)), ((-0.25, 1.0), (-0.25, 2.1)), ((0.25, 1.0), (0.25, 2.1))),
    "point": (((-0.5, 0.9), (-0.45, 1.7)), ((0.8, 0.3), (1.5, -0.1)), ((-0.3, 1.0), (-0.35, 2.1)), ((0.3, 1.0), (0.35, 2.1))),
    "run": (((-0.7, 0.7), (-0.3, 1.2)), ((0.7, 0.6), (1.1, 0.1)), ((-0.6, 0.8), (-1.3, 1.3)), ((0.7, 0.7), (0.6, 1.9))),
    "cheer": (((-0.7, -0.2), (-0.9, -1.1)), ((0.7, -0.2), (0.9, -1.1)), ((-0.3, 1.0), (-0.4, 2.1)), ((0.3, 1.0), (0.4, 2.1))),
}  # fmt: skip


def figure(
    canvas: Canvas,
    x: float,
    foot: float,
    tall: float,
    look: Look,
    *,
    pose: str,
    mood: str,
    turn: float,
    tone: Image.Image,
) -> Box:
    """Draw a whole person standing at (x, foot), `tall` pixels tall. Return the face's box."""
    slim = 1.12 if look.jaw == "manga" else 1.0
    u = tall / 5.4
    hip, shoulder = foot - 2.15 * u, foot - 3.75 * u
    arm_left, arm_right, leg_left, leg_right = POSES[pose]
    if look.long_hair or look.hair == "manga":
        _back_hair(canvas, x, shoulder - 0.85 * u, 0.62 * u, look)
    dark = blend(look.cloth, canvas.ink, 0.45)
    for side, leg in ((-1, leg_left), (1, leg_right)):
        path = [(x + side * 0.22 * u, hip), *((x + px * u, hip + py * u) for px, py in leg)]
        canvas.limb(path, 0.36 * u / slim, dark)
        end = path[-1]
        canvas.shape(ellipse(end[0] + 0.14 * side * u, end[1], 0.3 * u, 0.14 * u, n=10), canvas.ink, outline=False)
    for side, arm in ((-1, arm_left), (1, arm_right)):
        path = [(x + side * 0.55 * u / slim, shoulder + 0.1 * u), *((x + px * u, shoulder + py * u) for px, py in arm)]
        canvas.limb(path, 0.3 * u / slim, look.cloth)
        canvas.shape(ellipse(*path[-1], 0.17 * u, 0.17 * u, n=10), look.skin)
    torso = [(-0.62 / slim, -0.05), (0.62 / slim, -0.05), (0.42, 0.9), (0.5, 1.75), (-0.5, 1.75), (-0.42, 0.9)]
    outline = [(x + px * u, shoulder + py * u) for px, py in torso]
    canvas.shape(outline, look.cloth)
    canvas.shade([outline[1], outline[2], outline[3], (x + 0.1 * u, hip + 0.1 * u), (x + 0.15 * u, shoulder)], tone)
    return head(canvas, x, shoulder - 0.85 * u, 0.62 * u, look, mood=mood, turn=turn, tone=tone)
