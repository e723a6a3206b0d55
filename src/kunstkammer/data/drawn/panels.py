"""Panels: how a page is divided, and what one panel shows."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from PIL import Image

from kunstkammer.data.drawn import balloons, figures, scenery
from kunstkammer.data.drawn.canvas import Box, Canvas, Point, ellipse
from kunstkammer.data.drawn.figures import MOODS, Look
from kunstkammer.data.drawn.palette import Palette
from kunstkammer.data.drawn.style import Artist, Manner
from kunstkammer.data.drawn.tones import Tones

LAYOUTS: dict[str, tuple[tuple[float, ...], ...]] = {
    # rows from the top; in a row the relative widths of its panels
    "two": ((1,), (1,)),
    "three-top": ((1,), (1, 1)),
    "three-foot": ((1, 1), (1,)),
    "three-rows": ((1,), (1,), (1,)),
    "four": ((1, 1.2), (1.2, 1)),
    "four-wide": ((1,), (1, 1), (1,)),
    "five": ((1, 1.2), (1,), (1.2, 1)),
}
SHOTS = ("portrait", "pair", "figure", "place", "vehicle", "action")
SUBJECTS = tuple(scenery.PLACES)


@dataclass(frozen=True)
class Found:
    """One thing whose place is known: "panel", "face", "balloon" or "caption", its box in pixels."""

    name: str
    box: Box


@dataclass
class Page:
    """All that the panels of one page share."""

    artist: Artist
    manners: dict[str, Manner]
    palette: Palette
    tones: Tones
    subject: str
    cast: list[Look]
    rng: random.Random


def divide(
    layout: str, width: float, height: float, *, margin: float, gutter: float, slanted: bool, rng: random.Random
) -> list[list[Point]]:
    """Return the panels of a page as quadrangles, row by row from the upper left.

    Slanted gutters lean by up to a tenth of the page; upright ones follow its edges.
    """
    rows = LAYOUTS[layout]
    heights = [rng.uniform(0.85, 1.2) for _ in rows]
    usable = height - 2 * margin
    cuts = [margin + usable * sum(heights[: i + 1]) / sum(heights) for i in range(len(rows) - 1)]

    def lean(most: float) -> float:
        return rng.choice((-1, 1)) * rng.uniform(0.45, 1) * most if slanted else 0.0

    half = gutter / 2
    levels = [(margin - half, margin - half)]
    levels += [(y - t, y + t) for y in cuts for t in [lean(0.07 * height)]]
    levels.append((height - margin + half, height - margin + half))
    panels = []
    for row, (upper, lower) in zip(rows, zip(levels, levels[1:], strict=False), strict=True):
        total, left = sum(row), margin - half
        edges = [(left, left)]
        for i in range(len(row) - 1):
            x = margin + (width - 2 * margin) * sum(row[: i + 1]) / total + rng.uniform(-0.04, 0.04) * width
            t = lean(0.09 * width)
            edges.append((x - t, x + t))
        edges.append((width - margin + half, width - margin + half))
        for a, b in zip(edges, edges[1:], strict=False):
            panels.append(_inset(upper, lower, a, b, width, half))
    return panels


def _inset(
    upper: tuple[float, float],
    lower: tuple[float, float],
    left: tuple[float, float],
    right: tuple[float, float],
    width: float,
    half: float,
) -> list[Point]:
    """Return the quadrangle between two row cuts and two column cuts, moved inward by half a gutter."""

    def level(cut: tuple[float, float], x: float) -> float:
        return cut[0] + (cut[1] - cut[0]) * x / width

    return [
        (left[0] + half, level(upper, left[0]) + half),
        (right[0] - half, level(upper, right[0]) + half),
        (right[1] - half, level(lower, right[1]) - half),
        (left[1] + half, level(lower, left[1]) - half),
    ]


def draw_panel(page: Page, canvas: Canvas, shot: str) -> list[Found]:
    """Draw one shot on a panel's canvas and return the faces and balloons in it, in the panel's pixels."""
    draw = {
        "portrait": _portrait,
        "action": _action,
        "pair": _pair,
        "figure": _figure,
        "place": _place,
        "vehicle": _vehicle,
    }[shot]
    return draw(page, canvas)


def _portrait(page: Page, canvas: Canvas) -> list[Found]:
    rng, w, h = page.rng, canvas.width, canvas.height
    look, side = rng.choice(page.cast), rng.choice((-1, 1))
    r = min(h / 3.5, w / 3.4) * rng.uniform(0.9, 1.1)
    x, y = w / 2 - side * max(0.0, w / 2 - 1.6 * r) * rng.uniform(0.4, 0.8), h * 0.98 - 1.75 * r
    _backdrop(page, canvas, (x, y), r)
    face = figures.bust(canvas, x, y, r, look, mood=rng.choice(MOODS), turn=rng.uniform(-1, 1), tone=page.tones.middle)
    return [Found("face", face), *_say(page, canvas, (x + side * r * 0.5, y + 0.4 * r), side)]


def _action(page: Page, canvas: Canvas) -> list[Found]:
    rng, w, h = page.rng, canvas.width, canvas.height
    r = min(h / 3.2, w / 3.2) * rng.uniform(0.9, 1.1)
    x, y = w * rng.uniform(0.38, 0.62), h * 0.47
    _backdrop(page, canvas, (x, y), r, moving=True)
    look = rng.choice(page.cast)
    mood = rng.choice(("shocked", "cross"))
    face = figures.bust(canvas, x, y, r, look, mood=mood, turn=rng.uniform(-1, 1), tone=page.tones.middle)
    if page.manners["sound"] != "neither":
        balloons.sound(canvas, page.manners["sound"], page.palette, tall=h * rng.uniform(0.2, 0.28))
    return [Found("face", face)]


def _pair(page: Page, canvas: Canvas) -> list[Found]:
    rng, w, h = page.rng, canvas.width, canvas.height
    _backdrop(page, canvas, (w / 2, h * 0.6), h * 0.3)
    found = []
    r = min(h / 4.2, w / 5.2)
    for side, look in zip((-1, 1), rng.sample(page.cast, 2), strict=True):
        x, y = w / 2 + side * w * rng.uniform(0.21, 0.25), h * 0.98 - r * rng.uniform(1.6, 2.0)
        face = figures.bust(
            canvas, x, y, r, look, mood=rng.choice(MOODS), turn=-side * rng.uniform(0.2, 1), tone=page.tones.middle
        )
        found.append(Found("face", face))
    side = rng.choice((-1, 1))
    speaker = found[0 if side < 0 else 1].box
    return [*found, *_say(page, canvas, ((speaker[0] + speaker[2]) / 2, speaker[1]), side)]


def _figure(page: Page, canvas: Canvas) -> list[Found]:
    rng, w, h = page.rng, canvas.width, canvas.height
    ground = scenery.PLACES[page.subject](canvas, page.palette, page.tones)
    pose = rng.choice(tuple(figures.POSES))
    side = rng.choice((-1, 1))
    x, foot = w * (0.5 - side * rng.uniform(0.08, 0.24)), min(h * 0.98, ground + h * 0.08)
    tall = min(h * 0.72, w * 1.0)
    if pose == "run":
        _rush(page, canvas, x, foot - tall * 0.5, tall * 0.4, side)
    face = figures.figure(
        canvas,
        x,
        foot,
        tall,
        rng.choice(page.cast),
        pose=pose,
        mood=rng.choice(MOODS),
        turn=0.6 * side,
        tone=page.tones.middle,
    )
    return [Found("face", face), *_say(page, canvas, ((face[0] + face[2]) / 2, face[1]), side)]


def _place(page: Page, canvas: Canvas) -> list[Found]:
    scenery.PLACES[page.subject](canvas, page.palette, page.tones)
    return _tell(page, canvas)


def _vehicle(page: Page, canvas: Canvas) -> list[Found]:
    rng, w, h = page.rng, canvas.width, canvas.height
    ground = scenery.PLACES["city" if page.subject in ("room", "sea") else page.subject](
        canvas, page.palette, page.tones
    )
    kind = rng.choice(("car", "tram", "balloon"))
    wide = min(w * 0.62, h * 0.95)
    x, foot = w * rng.uniform(0.4, 0.6), min(h * 0.95, ground + h * 0.1)
    if kind == "balloon":
        foot -= h * rng.uniform(0.12, 0.25)
    _rush(page, canvas, x, foot - wide * 0.25, wide * 0.5, rng.choice((-1, 1)))
    scenery.VEHICLES[kind](canvas, page.palette, page.tones, x, foot, wide)
    if page.manners["sound"] != "neither" and rng.random() < 0.5:
        balloons.sound(canvas, page.manners["sound"], page.palette, tall=h * 0.2)
    return _tell(page, canvas)


def _say(page: Page, canvas: Canvas, speaker: Point, side: int) -> list[Found]:
    """Let somebody speak in the upper corner on `side`."""
    rng = page.rng
    room = canvas.width * canvas.height * rng.uniform(0.10, 0.16)
    box = balloons.balloon(
        canvas,
        page.manners["lettering"],
        size=page.artist["letter"],
        room=room,
        speaker=speaker,
        side=side,
        loud=rng.random() < 0.2,
    )
    return [Found("balloon", box)]


def _tell(page: Page, canvas: Canvas) -> list[Found]:
    manner = page.manners["lettering"]
    if manner == "neither" or page.rng.random() > (0.75 if manner == "comic" else 0.6):
        return []
    if manner == "manga":
        room = canvas.width * canvas.height * page.rng.uniform(0.08, 0.14)
        box = balloons.balloon(canvas, manner, size=page.artist["letter"], room=room, speaker=None, side=1, loud=False)
        return [Found("balloon", box)]
    return [Found("caption", balloons.caption(canvas, manner, page.palette, size=page.artist["letter"]))]


def _backdrop(page: Page, canvas: Canvas, middle: Point, r: float, *, moving: bool = False) -> None:
    """Draw what is behind a head: a plain ground, a tone, a place; when it moves, lines or a burst."""
    rng, w, h = page.rng, canvas.width, canvas.height
    canvas.fill(scenery.box(0, 0, w, h), rng.choice((page.palette.paper, page.palette.sky, page.palette.wall)))
    manner = page.manners["motion"]
    if manner == "manga" and (moving or rng.random() < 0.35):
        focus_lines(canvas, middle, r)
    elif manner == "comic" and (moving or rng.random() < 0.35):
        burst(canvas, page, middle, r)
    elif rng.random() < 0.4:
        scenery.PLACES[page.subject](canvas, page.palette, page.tones)
    else:
        _toned(canvas, page.tones.pick(rng), rng)


def _toned(canvas: Canvas, tone: Image.Image, rng: random.Random) -> None:
    w, h = canvas.width, canvas.height
    if rng.random() < 0.5:
        canvas.shade_all(tone)
    else:
        cut = rng.uniform(0.3, 0.7)
        canvas.shade([(0, 0), (w, 0), (w, h * cut), (0, h * (1 - cut))], tone)


def focus_lines(canvas: Canvas, middle: Point, r: float) -> None:
    """Draw wedges that run from the edge of the panel toward the middle and stop around it."""
    rng, far = canvas.rng, math.hypot(canvas.width, canvas.height)
    for i in range(44):
        angle = 2 * math.pi * (i + rng.uniform(-0.4, 0.4)) / 44
        near, wide = r * rng.uniform(1.5, 2.1), rng.uniform(0.006, 0.034)
        tip = (middle[0] + math.cos(angle) * near, middle[1] + math.sin(angle) * near)
        feet = [(middle[0] + math.cos(angle + t) * far, middle[1] + math.sin(angle + t) * far) for t in (-wide, wide)]
        canvas.fill([tip, *feet], canvas.ink)


def burst(canvas: Canvas, page: Page, middle: Point, r: float) -> None:
    """Draw a jagged star behind the head and arcs beside it, on a tone."""
    rng = canvas.rng
    canvas.shade_all(page.tones.middle if rng.random() < 0.6 else page.tones.dark)
    star = []
    for i in range(26):
        angle, out = 2 * math.pi * i / 26, r * (rng.uniform(2.1, 2.6) if i % 2 else 1.6)
        star.append((middle[0] + math.cos(angle) * out, middle[1] + math.sin(angle) * out))
    canvas.shape(star, page.palette.paper, width=canvas.hand.pen * 1.3)
    for side in (-1, 1):
        for k in (1.28, 1.46):
            arc = [
                (middle[0] + side * k * r * math.cos(a), middle[1] + k * r * math.sin(a))
                for a in (-0.7, -0.35, 0, 0.35)
            ]
            canvas.line(arc, taper=0)


def _rush(page: Page, canvas: Canvas, x: float, y: float, size: float, way: int) -> None:
    """Show that something moves: long parallel lines across the panel, or arcs and dust behind it."""
    rng, w, h = page.rng, canvas.width, canvas.height
    if page.manners["motion"] == "manga":
        for _ in range(16):
            level, start, long = h * rng.uniform(0.05, 0.98), w * rng.uniform(-0.2, 0.7), w * rng.uniform(0.3, 0.8)
            canvas.line([(start, level), (start + long, level)], taper=0.9, width=rng.uniform(0.8, 2.2))
    elif page.manners["motion"] == "comic":
        for k in (1.15, 1.4, 1.65):
            back = x + way * size * k
            canvas.line(
                [(back - way * size * 0.12 * abs(t), y + size * 0.5 * t) for t in (-1, -0.5, 0, 0.5, 1)],
                width=canvas.hand.pen * 1.4,
                taper=0,
            )
        for k in (1.1, 1.4, 1.62):
            puff = size * 0.16 * (2 - k)
            canvas.shape(ellipse(x + way * size * k, y + size * 0.5, puff * 1.6, puff, n=14), page.palette.paper)
