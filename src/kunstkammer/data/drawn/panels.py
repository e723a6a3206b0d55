"""What one panel shows: the shots of a page, their backdrops, what is said in them and how things move."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from kunstkammer.data.drawn import balloons, scenery
from kunstkammer.data.drawn.canvas import Box, Canvas, Point, ellipse
from kunstkammer.data.drawn.figures import POSES, bust, figure, head_of_figure
from kunstkammer.data.drawn.heads import MOODS, Head, Look
from kunstkammer.data.drawn.palette import Palette
from kunstkammer.data.drawn.scenery import Scene
from kunstkammer.data.drawn.style import Artist, Manner
from kunstkammer.data.drawn.tones import Tones

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

    def draw_place(self, canvas: Canvas, subject: str | None = None) -> float:
        """Draw the subject of the page over a whole panel; return the height of the ground."""
        return scenery.PLACES[subject or self.subject](Scene(canvas, self.palette, self.tones))

    def head(self, look: Look, middle: Point, r: float, *, turn: float, mood: str | None = None) -> Head:
        """Return a head of one of the cast, in any mood if none is asked for."""
        return Head(*middle, r, look, mood or self.rng.choice(MOODS), turn, self.tones.light)


def draw_panel(page: Page, canvas: Canvas, shot: str) -> list[Found]:
    """Draw one of `SHOTS` on a panel's canvas; return the faces and balloons in it, in the panel's pixels."""
    return SHOTS[shot](page, canvas)


def _portrait(page: Page, canvas: Canvas) -> list[Found]:
    rng, w, h = page.rng, canvas.width, canvas.height
    look, side = rng.choice(page.cast), rng.choice((-1, 1))
    r = min(h / 3.3, w / 3.2) * rng.uniform(0.92, 1.1)
    middle = (w / 2 - side * max(0.0, w / 2 - 1.5 * r) * rng.uniform(0.4, 0.8), h * 0.98 - 1.72 * r)
    _backdrop(page, canvas, middle, r)
    face = bust(canvas, page.head(look, middle, r, turn=rng.uniform(-1, 1)))
    speaker = (middle[0] + side * 0.5 * r, middle[1] + 0.4 * r)
    return [Found("face", face), *_say(page, canvas, speaker, side)]


def _action(page: Page, canvas: Canvas) -> list[Found]:
    rng, w, h = page.rng, canvas.width, canvas.height
    r = min(h / 3.2, w / 3.0) * rng.uniform(0.92, 1.08)
    middle = (w * rng.uniform(0.4, 0.6), h * 0.45)
    _backdrop(page, canvas, middle, r, moving=True)
    mood = rng.choice(("shocked", "cross", "glad"))
    face = bust(canvas, page.head(rng.choice(page.cast), middle, r, turn=rng.uniform(-1, 1), mood=mood))
    if page.manners["sound"] != "neither":
        balloons.sound(canvas, page.manners["sound"], page.palette, tall=h * rng.uniform(0.18, 0.25))
    return [Found("face", face)]


def _pair(page: Page, canvas: Canvas) -> list[Found]:
    rng, w, h = page.rng, canvas.width, canvas.height
    _backdrop(page, canvas, (w / 2, h * 0.6), h * 0.3)
    r = min(h / 3.9, w / 5.0)
    found = []
    for side, look in zip((-1, 1), rng.sample(page.cast, 2), strict=True):
        middle = (w / 2 + side * w * rng.uniform(0.21, 0.25), h * 0.98 - r * rng.uniform(1.6, 2.0))
        found.append(Found("face", bust(canvas, page.head(look, middle, r, turn=-side * rng.uniform(0.2, 1)))))
    side = rng.choice((-1, 1))
    x0, y0, x1, _ = found[0 if side < 0 else 1].box
    return [*found, *_say(page, canvas, ((x0 + x1) / 2, y0), side)]


def _figure(page: Page, canvas: Canvas) -> list[Found]:
    rng, w, h = page.rng, canvas.width, canvas.height
    ground = page.draw_place(canvas)
    pose, side = rng.choice(tuple(POSES)), rng.choice((-1, 1))
    foot = min(h * 0.98, ground + h * 0.08)
    tall = min(h * 0.76, w)
    up, r = head_of_figure(tall)
    middle = (w * (0.5 - side * rng.uniform(0.08, 0.24)), foot - up)
    if pose == "run":
        _rush(page, canvas, (middle[0], foot - tall * 0.5), tall * 0.4)
    face = figure(canvas, page.head(rng.choice(page.cast), middle, r, turn=0.6 * side), foot, pose)
    return [Found("face", face), *_say(page, canvas, (middle[0], face[1]), side)]


def _place(page: Page, canvas: Canvas) -> list[Found]:
    page.draw_place(canvas)
    return _tell(page, canvas)


def _vehicle(page: Page, canvas: Canvas) -> list[Found]:
    rng, w, h = page.rng, canvas.width, canvas.height
    ground = page.draw_place(canvas, "city" if page.subject in ("room", "sea") else None)
    kind = rng.choice(("car", "tram", "balloon"))
    wide = min(w * 0.62, h * 0.95)
    x, foot = w * rng.uniform(0.4, 0.6), min(h * 0.95, ground + h * 0.1)
    if kind == "balloon":
        foot -= h * rng.uniform(0.12, 0.25)
    _rush(page, canvas, (x, foot - wide * 0.25), wide * 0.5)
    scenery.VEHICLES[kind](Scene(canvas, page.palette, page.tones), x, foot, wide)
    if page.manners["sound"] != "neither" and rng.random() < 0.5:
        balloons.sound(canvas, page.manners["sound"], page.palette, tall=h * 0.2)
    return _tell(page, canvas)


SHOTS: dict[str, Callable[[Page, Canvas], list[Found]]] = {
    "portrait": _portrait, "action": _action, "pair": _pair, "figure": _figure, "place": _place, "vehicle": _vehicle,
}  # fmt: skip


def _say(page: Page, canvas: Canvas, speaker: Point | None, side: int) -> list[Found]:
    """Let somebody speak in the upper corner on `side`."""
    box = balloons.balloon(
        canvas,
        page.manners["lettering"],
        size=page.artist["letter"],
        room=canvas.width * canvas.height * page.rng.uniform(0.12, 0.18),
        speaker=speaker,
        side=side,
        loud=page.rng.random() < 0.2,
    )
    return [Found("balloon", box)]


def _tell(page: Page, canvas: Canvas) -> list[Found]:
    """Let the storyteller speak: a caption box, or a balloon without a tail; sometimes nobody does."""
    if page.rng.random() < 0.3:
        return []
    if page.manners["lettering"] == "comic":
        return [Found("caption", balloons.caption(canvas, page.palette, size=page.artist["letter"]))]
    return _say(page, canvas, None, page.rng.choice((-1, 1)))


def _backdrop(page: Page, canvas: Canvas, middle: Point, r: float, *, moving: bool = False) -> None:
    """Draw what is behind a head: a tone, a place; where something happens, focus lines or a burst."""
    rng, w, h = page.rng, canvas.width, canvas.height
    canvas.fill(scenery.box(0, 0, w, h), rng.choice((page.palette.paper, page.palette.sky, page.palette.wall)))
    manner = page.manners["motion"]
    if manner != "neither" and (moving or rng.random() < 0.55):
        if manner == "manga":
            focus_lines(canvas, middle, r)
        else:
            burst(page, canvas, middle, r)
    elif rng.random() < 0.25:
        page.draw_place(canvas)
    elif rng.random() < 0.5:
        canvas.shade_all(page.tones.pick(rng))
    else:
        cut = rng.uniform(0.3, 0.7)
        canvas.shade([(0, 0), (w, 0), (w, h * cut), (0, h * (1 - cut))], page.tones.pick(rng))


def focus_lines(canvas: Canvas, middle: Point, r: float) -> None:
    """Draw wedges that run from the edge of the panel toward the middle and stop around it."""
    rng, far = canvas.rng, math.hypot(canvas.width, canvas.height)
    for i in range(44):
        angle = 2 * math.pi * (i + rng.uniform(-0.4, 0.4)) / 44
        near, wide = r * rng.uniform(1.5, 2.1), rng.uniform(0.01, 0.042)
        tip = (middle[0] + math.cos(angle) * near, middle[1] + math.sin(angle) * near)
        feet = [(middle[0] + math.cos(angle + t) * far, middle[1] + math.sin(angle + t) * far) for t in (-wide, wide)]
        canvas.fill([tip, *feet], canvas.ink)


def burst(page: Page, canvas: Canvas, middle: Point, r: float) -> None:
    """Draw a jagged star behind the head and arcs beside it, on a tone."""
    rng = canvas.rng
    canvas.shade_all(page.tones.light if rng.random() < 0.6 else page.tones.middle)
    star = []
    for i in range(26):
        angle, out = 2 * math.pi * i / 26, r * (rng.uniform(2.1, 2.6) if i % 2 else 1.6)
        star.append((middle[0] + math.cos(angle) * out, middle[1] + math.sin(angle) * out))
    canvas.shape(star, page.palette.paper, width=canvas.hand.pen * 1.3)
    for side in (-1, 1):
        for k in (1.28, 1.46):
            turns = (-0.7, -0.35, 0, 0.35)
            arc = [(middle[0] + side * k * r * math.cos(a), middle[1] + k * r * math.sin(a)) for a in turns]
            canvas.line(arc, taper=0)


def _rush(page: Page, canvas: Canvas, middle: Point, size: float) -> None:
    """Show that something moves: long parallel lines across the panel, or arcs and dust behind it."""
    rng, w, h = page.rng, canvas.width, canvas.height
    (x, y), way = middle, page.rng.choice((-1, 1))
    if page.manners["motion"] == "manga":
        for _ in range(20):
            level, start, long = h * rng.uniform(0.05, 0.98), w * rng.uniform(-0.2, 0.7), w * rng.uniform(0.3, 0.8)
            canvas.line([(start, level), (start + long, level)], taper=0.9, width=rng.uniform(0.9, 2.4))
    elif page.manners["motion"] == "comic":
        for k in (1.15, 1.4, 1.65):
            back = x + way * size * k
            arc = [(back - way * size * 0.15 * t * t, y + size * 0.5 * t) for t in (-1, -0.5, 0, 0.5, 1)]
            canvas.line(arc, width=canvas.hand.pen * 1.5, taper=0)
        for k in (1.1, 1.4, 1.62):
            puff = size * 0.16 * (2 - k)
            canvas.shape(ellipse(x + way * size * k, y + size * 0.5, puff * 1.6, puff, n=14), page.palette.paper)
