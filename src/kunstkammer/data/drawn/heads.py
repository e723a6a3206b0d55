"""Heads: faces, eyes, hair and what people wear on them, in the manner of comics, of manga or of neither."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from kunstkammer.data.drawn.canvas import WHITE, Box, Canvas, Colour, Point, blend, bounds, ellipse, smooth
from kunstkammer.data.drawn.palette import Palette
from kunstkammer.data.drawn.style import Manner

MOODS = ("calm", "glad", "shocked", "cross", "sad")
EXTRAS = ("none", "none", "none", "glasses", "moustache", "hat", "freckles", "scarf", "bow")
CLOTHS = ("plain", "toned", "striped")

EYES: dict[Manner, tuple[float, float]] = {"manga": (0.28, 0.38), "neither": (0.19, 0.20), "comic": (0.15, 0.10)}
"""Half width and half height of an eye, in half head widths."""


@dataclass(frozen=True)
class Look:
    """One person: what stays the same from panel to panel, and how this page draws it.

    `eyes`, `jaw` and `hair` are the manners of the page; `eye` and `pointed` numbers of its artist.
    """

    skin: Colour
    hair_colour: Colour
    cloth: Colour
    long_hair: bool
    toned_hair: bool
    pattern: str
    extra: str
    eyes: Manner
    jaw: Manner
    hair: Manner
    eye: float
    pointed: float


def make_look(rng: random.Random, palette: Palette, manners: dict[str, Manner], eye: float, pointed: float) -> Look:
    """Invent a person."""
    return Look(
        rng.choice(palette.skins), rng.choice(palette.hairs), rng.choice(palette.clothes), rng.random() < 0.5,
        rng.random() < 0.3, rng.choice(CLOTHS), rng.choice(EXTRAS), manners["eyes"], manners["jaw"], manners["hair"],
        eye, pointed,
    )  # fmt: skip


@dataclass(frozen=True)
class Head:
    """One head in one panel.

    Attributes:
        x, y: its middle, in the panel's pixels.
        r: half its width.
        mood: one of `MOODS`.
        turn: where it looks, from -1 (left) to 1 (right).
        tone: what shadows are made of.
    """

    x: float
    y: float
    r: float
    look: Look
    mood: str
    turn: float
    tone: Image.Image

    def at(self, points: Sequence[Point], *, feature: bool = False) -> list[Point]:
        """Return points given in half head widths as pixels; features of the face move as the head turns."""
        x = self.x + (0.22 * self.turn * self.r if feature else 0.0)
        return [(x + px * self.r, self.y + py * self.r) for px, py in points]

    @property
    def eye_level(self) -> float:
        return 0.3 if self.look.eyes == "manga" else 0.1

    @property
    def has_back_hair(self) -> bool:
        return self.look.long_hair or self.look.hair == "manga"


def draw_head(canvas: Canvas, head: Head) -> Box:
    """Draw the head (not the hair behind it) and return the box of its face."""
    outline = _face_line(head)
    for side in (-1, 1):
        x, y = head.at([(side * 0.95 - 0.1 * head.turn, 0.15)])[0]
        canvas.shape(ellipse(x, y, 0.14 * head.r, 0.24 * head.r, n=12), head.look.skin)
    canvas.shape(outline, head.look.skin, width=canvas.hand.pen * (1.15 if head.r > 14 else 0.9))
    if head.r > 12:
        _cheek(canvas, head, outline)
    _eyes(canvas, head)
    _nose(canvas, head)
    _mouth(canvas, head)
    if head.look.hair == "manga":
        _spiky_hair(canvas, head)
    else:
        _round_hair(canvas, head)
    _extras(canvas, head)
    return bounds(outline)


def _face_line(head: Head) -> list[Point]:
    """The outline of the face: a pointed chin, an oval or a square jaw."""
    shift, pointed = 0.14 * head.turn, head.look.pointed
    if head.look.jaw == "manga":
        half = [(0.97, -0.25), (0.93, 0.3), (0.6 / pointed, 0.8 + 0.1 * pointed), (0.26, 1.16)]
        half.append((0.05, 1.28 + 0.06 * pointed))
    elif head.look.jaw == "comic":
        jaw = min(0.9, 0.74 * pointed)
        half = [(0.95, -0.25), (0.96, 0.4), (0.93 * jaw + 0.1, 0.85), (0.66 * jaw, 1.22), (0.28 * jaw, 1.32)]
    else:
        half = [(0.96, -0.25), (0.92, 0.4), (0.68, 0.92), (0.34, 1.2), (0.1, 1.26)]
    right = [(px + shift * max(0.0, py), py) for px, py in half]
    left = [(-px + shift * max(0.0, py), py) for px, py in reversed(half)]
    return smooth(head.at([*right, *left, (-0.6, -0.95), (0, -1.15), (0.6, -0.95)]), closed=True, steps=3)


def _cheek(canvas: Canvas, head: Head, outline: list[Point]) -> None:
    """Shade the side of the face that is turned away; a glad manga face blushes."""
    away = 1 if head.turn <= 0 else -1
    side = [p for p in outline if (p[0] - head.x) * away > 0.45 * head.r and p[1] > head.y - 0.3 * head.r]
    if len(side) > 3:
        canvas.shade([*sorted(side, key=lambda p: p[1]), *head.at([(0.6 * away, 0.55)])], head.tone)
    if head.look.eyes == "manga" and head.mood == "glad":
        for px in (-0.66, -0.56, -0.46, 0.46, 0.56, 0.66):
            canvas.line(head.at([(px + 0.03, 0.74), (px - 0.03, 0.86)], feature=True), width=canvas.hand.pen * 0.7)


def _eyes(canvas: Canvas, head: Head) -> None:
    a, b = (size * head.look.eye * head.r for size in EYES[head.look.eyes])
    manga = head.look.eyes == "manga"
    smiling = head.mood == "glad" and not manga and canvas.rng.random() < 0.3
    if head.mood == "shocked":
        b *= 1.2
    for side in (-1, 1):
        x, y = head.at([(side * (0.46 if manga else 0.4), head.eye_level)], feature=True)[0]
        narrow = a * (1 - 0.25 * max(0.0, side * head.turn))
        if smiling:
            canvas.line(smooth([(x - a, y), (x, y - 1.6 * b), (x + a, y)], steps=4), width=canvas.hand.pen * 1.2)
        elif manga:
            _large_eye(canvas, (x, y), narrow, b, head.look.hair_colour)
            canvas.line([(x + side * 1.05 * a, y - 0.3 * b), (x + side * 1.35 * a, y - 0.5 * b)], taper=0)
        else:
            _small_eye(canvas, (x, y), narrow, b, 0.62 if head.look.eyes == "comic" else 0.5)
        _brow(canvas, head, (x, y - b - 0.18 * head.r), side)


def _large_eye(canvas: Canvas, middle: Point, a: float, b: float, hair: Colour) -> None:
    """A tall eye: heavy upper lid, dark iris that lightens downward, white highlights."""
    x, y = middle
    almond = [(-1, -0.1), (-0.6, -0.85), (0.5, -0.9), (1, -0.1), (0.6, 0.85), (-0.5, 0.9)]
    canvas.fill(smooth([(x + px * a, y + py * b) for px, py in almond], closed=True, steps=3), WHITE)
    glow = blend(blend(hair, canvas.ink, 0.55), WHITE, 0.35)
    canvas.fill(ellipse(x, y + 0.05 * b, 0.72 * a, 0.86 * b), canvas.ink)
    canvas.fill(ellipse(x, y + 0.4 * b, 0.5 * a, 0.45 * b, n=14), glow)
    canvas.fill(ellipse(x, y, 0.3 * a, 0.4 * b, n=12), canvas.ink)
    canvas.fill(ellipse(x - 0.26 * a, y - 0.38 * b, 0.3 * a, 0.28 * b, n=12), WHITE)
    canvas.fill(ellipse(x + 0.3 * a, y + 0.42 * b, 0.16 * a, 0.15 * b, n=10), WHITE)
    lid = [(-1.1, -0.1), (-0.55, -0.92), (0.55, -0.92), (1.1, -0.1)]
    lid = smooth([(x + px * a, y + py * b) for px, py in lid], steps=4)
    canvas.line(lid, width=max(canvas.hand.pen * 1.3, 0.2 * b), taper=0.5)
    canvas.line([(x - 0.4 * a, y + 0.98 * b), (x + 0.4 * a, y + 0.98 * b)], width=canvas.hand.pen * 0.7, taper=0)


def _small_eye(canvas: Canvas, middle: Point, a: float, b: float, pupil: float) -> None:
    """An almond with a pupil under a lid."""
    x, y = middle
    rim = smooth([(x - a, y + 0.2 * b), (x, y - b), (x + a, y), (x, y + b)], closed=True, steps=4)
    canvas.shape(rim, WHITE, width=canvas.hand.pen * 0.8)
    canvas.fill(ellipse(x, y, pupil * min(a, 1.4 * b), pupil * 1.2 * b, n=12), canvas.ink)
    canvas.line([(x - 1.1 * a, y), (x - 0.1 * a, y - 1.05 * b), (x + 1.1 * a, y - 0.1 * b)], taper=0)


def _brow(canvas: Canvas, head: Head, middle: Point, side: int) -> None:
    """A brow; its inner end falls in anger and rises in sorrow."""
    x, y = middle
    a = 0.24 * head.r
    slope = {"cross": -0.5, "sad": 0.45, "shocked": 0.15}.get(head.mood, 0.1) * side * a
    if head.mood == "shocked":
        y -= 0.35 * a
    thick = canvas.hand.pen * (1.0 if head.look.eyes == "manga" else 1.9)
    canvas.line(smooth([(x - a, y - slope), (x, y - 0.25 * a), (x + a, y + slope)], steps=4), width=thick)


def _nose(canvas: Canvas, head: Head) -> None:
    way = 1 if head.turn >= 0 else -1
    pen = canvas.hand.pen
    if head.look.jaw == "manga":
        canvas.line(head.at([(0.03 * way, 0.62), (0.09 * way, 0.7)], feature=True), taper=0)
        return
    long = 0.3 if head.look.jaw == "comic" else 0.16
    profile = [(0.04 * way, 0.6 - 1.7 * long), (0.75 * way * long, 0.56), (-0.04 * way, 0.66)]
    bridge = head.at(profile, feature=True)
    if head.look.jaw == "neither":
        canvas.line(bridge, width=pen * 1.1)
        return
    canvas.line(smooth(bridge, steps=3), width=pen * 1.1)
    canvas.line(head.at([(-0.16 * way, 0.6), (-0.1 * way, 0.68)], feature=True), taper=0)
    if head.r > 14:
        under = head.at([(0.205 * way, 0.68), (-0.1 * way, 0.3)], feature=True)
        canvas.shade([bridge[0], bridge[1], under[0], bridge[2], under[1]], head.tone)


def _mouth(canvas: Canvas, head: Head) -> None:
    wide = 0.2 if head.look.jaw == "manga" else 0.36
    level = 0.93
    red = blend(canvas.ink, (200, 70, 70), 0.25)
    if head.mood == "shocked":
        x, y = head.at([(0, level + 0.04)], feature=True)[0]
        canvas.shape(ellipse(x, y, wide * 0.7 * head.r, 0.21 * head.r, n=14), red)
    elif head.mood == "glad" and canvas.rng.random() < 0.5:
        laugh = [(-wide, level - 0.06), (0, level), (wide, level - 0.06), (0, level + 0.22)]
        canvas.shape(smooth(head.at(laugh, feature=True), closed=True, steps=4), red)
    else:
        bend = {"glad": 0.14, "sad": -0.12, "cross": -0.08}.get(head.mood, 0.03)
        lips = [(-wide, level - bend), (0, level + 0.4 * bend), (wide, level - bend)]
        canvas.line(smooth(head.at(lips, feature=True), steps=5))
        if head.look.jaw == "comic" and head.r > 12:
            lower = head.at([(-0.4 * wide, level + 0.14), (0.4 * wide, level + 0.14)], feature=True)
            canvas.line(lower, width=canvas.hand.pen * 0.8, taper=0)


def draw_back_hair(canvas: Canvas, head: Head) -> None:
    """Draw the hair that hangs behind the neck; to be called before the body is drawn."""
    look = head.look
    if not head.has_back_hair:
        return
    if look.hair == "manga":
        reach = 1.7 if look.long_hair else 1.0
        points = []
        for i in range(27):
            angle = math.pi * (0.58 + 1.84 * i / 26)
            out = (1.28 if i % 2 else 1.08) * canvas.rng.uniform(0.95, 1.12)
            drop = max(0.0, math.sin(angle)) * (reach - 0.7)
            points.append((math.cos(angle) * out * 1.02, math.sin(angle) * out + drop - 0.1))
        outline = head.at(points)
    else:
        low = 1.7 if look.long_hair else 0.9
        points = [(-1, low), (-1.22, 0.6), (-1.16, -0.5), (-0.6, -1.25), (0.3, -1.3), (1.1, -0.7), (1.24, 0.5)]
        points += [(1, low), (0.5, low * 0.9), (-0.5, low * 0.9)]
        outline = smooth(head.at(points), closed=True, steps=4)
    canvas.shape(outline, look.hair_colour, tone=head.tone if look.toned_hair else None)


def _spiky_hair(canvas: Canvas, head: Head) -> None:
    """Locks that run to points over the forehead, spikes on the crown, and a band of gloss."""
    rng, look, pen = canvas.rng, head.look, canvas.hand.pen
    locks = rng.choice((4, 5, 6))
    low: list[Point] = [(1.04, rng.uniform(0.25, 0.7))]
    for i in range(locks):
        edge = 0.92 - 1.84 * (i + 0.5) / locks
        low.append((edge + 0.9 / locks, -rng.uniform(0.5, 0.62)))
        low.append((edge - 0.12 + 0.15 * head.turn, rng.uniform(-0.22, 0.08)))
    low += [(-0.86, -0.5), (-1.04, rng.uniform(0.25, 0.7))]
    crown: list[Point] = []
    for i in range(9):
        angle = math.pi * (1.02 + 0.96 * i / 8)
        out = (1.42 if i % 2 else 1.16) * rng.uniform(0.96, 1.08)
        crown.append((math.cos(angle) * min(out, 1.25), math.sin(angle) * out - 0.12))
    canvas.shape(head.at([*crown, *low]), look.hair_colour, tone=head.tone if look.toned_hair else None)
    gloss = blend(look.hair_colour, WHITE, 0.85)
    for i in range(7):
        px, py = -0.75 + 0.22 * i, -0.92 + 0.28 * (i / 3 - 1) ** 2
        streak = head.at([(px, py), (px + 0.08, py + rng.uniform(0.14, 0.26))])
        canvas.line(streak, width=0.11 * head.r, colour=gloss, taper=0)
    for px in (-0.5, 0.0, 0.5):
        canvas.line(head.at([(px, -1.1), (px + rng.uniform(-0.15, 0.15), -0.65)]), width=pen * 0.7)


def _round_hair(canvas: Canvas, head: Head) -> None:
    """A round cap with a parting and waves; in the manner of neither kind a plain cap."""
    look = head.look
    part = 0.35 if head.turn <= 0 else -0.35
    top = [(-1.06, 0.1), (-1.12, -0.55), (-0.72, -1.2), (0.0, -1.38), (0.72, -1.2), (1.12, -0.55), (1.06, 0.1)]
    fringe = [(0.9, -0.35), (0.62, -0.62), (part, -0.78), (-0.1 * part, -0.6), (-0.62, -0.58), (-0.9, -0.3)]
    cap = smooth(head.at([*top, *fringe]), closed=True, steps=4)
    canvas.shape(cap, look.hair_colour, tone=head.tone if look.toned_hair else None)
    if look.hair == "neither":
        return
    strand = blend(look.hair_colour, WHITE if sum(look.hair_colour) < 330 else canvas.ink, 0.6)
    for i in range(5):
        sx = part + 0.24 * (i + 1) * (-1 if part > 0 else 1)
        wave = [(part, -1.3 + 0.04 * i), (sx * 0.9, -1.12 + 0.1 * i), (sx * 1.3, -0.8 + 0.06 * i)]
        canvas.line(smooth(head.at(wave), steps=4), width=canvas.hand.pen * 0.8, colour=strand)


def _extras(canvas: Canvas, head: Head) -> None:
    """Glasses, moustache, hat, bow, freckles."""
    look, pen = head.look, canvas.hand.pen
    if look.extra == "glasses":
        size = 0.34 if look.eyes == "manga" else 0.28
        for side in (-1, 1):
            x, y = head.at([(side * 0.43, head.eye_level)], feature=True)[0]
            rim = ellipse(x, y, size * head.r, size * head.r)
            canvas.line([*rim, rim[0]], taper=0)
        canvas.line(head.at([(-0.13, head.eye_level), (0.13, head.eye_level)], feature=True), taper=0)
    elif look.extra == "moustache" and not look.long_hair:
        ends = [(-0.5, 0.86), (-0.2, 0.72), (0, 0.76), (0.2, 0.72), (0.5, 0.86), (0.2, 0.84), (-0.2, 0.84)]
        canvas.shape(head.at(ends, feature=True), look.hair_colour)
    elif look.extra == "hat":
        crown = [(-0.85, -0.8), (-0.75, -1.55), (-0.2, -1.68), (0.3, -1.6), (0.78, -1.55), (0.85, -0.8)]
        canvas.shape(head.at(crown), look.cloth)
        canvas.shape(head.at([(-1.35, -0.62), (1.35, -0.62), (1.25, -0.82), (-1.25, -0.82)]), look.cloth)
        canvas.line(head.at([(-0.82, -0.95), (0.82, -0.95)]), width=pen * 2, taper=0)
    elif look.extra == "bow":
        for side in (-1, 1):
            canvas.shape(head.at([(0.6, -1.1), (0.6 + side * 0.45, -1.4), (0.6 + side * 0.45, -0.85)]), look.cloth)
        canvas.shape(ellipse(*head.at([(0.6, -1.1)])[0], 0.12 * head.r, 0.12 * head.r, n=8), look.cloth)
    elif look.extra == "freckles" and head.r > 12:
        for px, py in ((-0.6, 0.55), (-0.5, 0.62), (-0.68, 0.66), (0.6, 0.55), (0.5, 0.62), (0.68, 0.66)):
            canvas.line(head.at([(px, py), (px + 0.04, py + 0.02)], feature=True), taper=0)
