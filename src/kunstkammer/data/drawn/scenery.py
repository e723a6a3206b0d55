"""Places: streets, houses, landscapes, the sea, rooms, and what drives, floats and flies through them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from kunstkammer.data.drawn.canvas import WHITE, Canvas, Point, blend, ellipse, smooth
from kunstkammer.data.drawn.palette import Palette
from kunstkammer.data.drawn.tones import Tones


class Scene(NamedTuple):
    """Where a place is drawn, in which colours, shaded with what."""

    canvas: Canvas
    palette: Palette
    tones: Tones


def box(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
    """Return the corners of an upright rectangle."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def sky(scene: Scene, horizon: float) -> None:
    """Fill the sky; sometimes a tone at its top, a sun or moon, clouds, birds."""
    canvas, palette, tones = scene
    rng, w = canvas.rng, canvas.width
    canvas.fill(box(0, 0, w, canvas.height), palette.sky)
    if rng.random() < 0.45:
        edge = smooth(
            [(0, horizon * rng.uniform(0.3, 0.6)), (w * 0.5, horizon * rng.uniform(0.25, 0.6)), (w, horizon * 0.4)]
        )
        canvas.shade([(0, 0), *edge, (w, 0)], tones.light)
    if rng.random() < 0.4:
        r = min(w, horizon) * rng.uniform(0.1, 0.18)
        canvas.shape(ellipse(w * rng.uniform(0.15, 0.85), horizon * 0.35, r, r), palette.paper)
    for _ in range(rng.choice((0, 1, 2))):
        cloud(scene, w * rng.uniform(0.1, 0.9), horizon * rng.uniform(0.15, 0.6), w * rng.uniform(0.08, 0.16))
    if rng.random() < 0.4:
        for _ in range(3):
            x, y, s = w * rng.uniform(0.2, 0.8), horizon * rng.uniform(0.1, 0.5), rng.uniform(2, 4)
            canvas.line(smooth([(x - s, y - s * 0.5), (x, y + s * 0.3), (x + s, y - s * 0.5)], steps=3))


def cloud(scene: Scene, x: float, y: float, r: float) -> None:
    """Draw a heap of round puffs with a flat foot."""
    canvas, palette = scene.canvas, scene.palette
    puffs = [(-1.5, 0.3), (-1.3, -0.25), (-0.7, -0.6), (-0.1, -0.75), (0.5, -0.55), (1.1, -0.35), (1.5, 0.3)]
    canvas.shape(smooth([(x + px * r, y + py * r) for px, py in puffs], steps=3), blend(palette.paper, WHITE, 0.5))


def tree(scene: Scene, x: float, foot: float, tall: float) -> None:
    """Draw a broad tree or a fir."""
    canvas, palette, tones = scene
    rng = canvas.rng
    canvas.shape(box(x - tall * 0.05, foot - tall * 0.4, x + tall * 0.05, foot), blend(palette.roof, canvas.ink, 0.4))
    if rng.random() < 0.4:
        for i in range(3):
            y, half = foot - tall * (0.25 + 0.22 * i), tall * (0.3 - 0.07 * i)
            outline = [(x - half, y), (x, y - tall * 0.36), (x + half, y)]
            canvas.shape(outline, palette.leaf)
            canvas.shade([(x, y - tall * 0.36), (x + half, y), (x + half * 0.1, y)], tones.middle)
        return
    crown = []
    for i in range(9):
        angle, out = 2 * math.pi * i / 9, tall * rng.uniform(0.28, 0.38)
        crown.append((x + math.cos(angle) * out, foot - tall * 0.65 + math.sin(angle) * out))
    crown = smooth(crown, closed=True, steps=3)
    canvas.shape(crown, palette.leaf)
    canvas.shade([p for p in crown if p[0] > x or p[1] > foot - tall * 0.6], tones.middle)


def house(scene: Scene, x: float, foot: float, wide: float) -> None:
    """Draw a house with a pitched roof, a door, windows and a smoking chimney."""
    canvas, palette, tones = scene
    rng = canvas.rng
    tall = wide * rng.uniform(0.55, 0.8)
    top = foot - tall
    chimney = x + wide * 0.22
    canvas.shape(box(chimney, top - wide * 0.42, chimney + wide * 0.1, top), palette.wall)
    for i in range(3):
        puff = wide * (0.05 + 0.03 * i)
        canvas.shape(
            ellipse(chimney + wide * (0.05 + 0.09 * i), top - wide * (0.48 + 0.12 * i), puff, puff * 0.8, n=12),
            palette.paper,
        )
    canvas.shape(box(x - wide / 2, top, x + wide / 2, foot), palette.wall)
    canvas.shade(box(x + wide * 0.28, top, x + wide / 2, foot), tones.light)
    roof = [
        (x - wide * 0.6, top),
        (x - wide * 0.36, top - wide * 0.38),
        (x + wide * 0.36, top - wide * 0.38),
        (x + wide * 0.6, top),
    ]
    canvas.shape(roof, palette.roof)
    for i in range(1, 4):
        y = top - wide * 0.38 * i / 4
        canvas.line([(x - wide * (0.6 - 0.06 * i), y), (x + wide * (0.6 - 0.06 * i), y)], width=canvas.hand.pen * 0.6)
    canvas.shape(box(x - wide * 0.08, foot - tall * 0.6, x + wide * 0.1, foot), blend(palette.roof, canvas.ink, 0.5))
    for wx in (-0.38, 0.2):
        window(scene, x + wide * wx, top + tall * 0.2, wide * 0.2, tall * 0.36)


def window(scene: Scene, x: float, y: float, wide: float, tall: float) -> None:
    """Draw a window with a cross of bars; (x, y) is its upper left corner."""
    canvas, palette = scene.canvas, scene.palette
    canvas.shape(box(x, y, x + wide, y + tall), blend(palette.water, WHITE, 0.4))
    canvas.line([(x + wide / 2, y), (x + wide / 2, y + tall)], taper=0)
    canvas.line([(x, y + tall / 2), (x + wide, y + tall / 2)], taper=0)


def city(scene: Scene) -> float:
    """Draw towers along a street; return the height of the ground."""
    canvas, palette, tones = scene
    rng, w, h = canvas.rng, canvas.width, canvas.height
    ground = h * rng.uniform(0.82, 0.92)
    sky(scene, ground * 0.7)
    for row, share in ((0, 0.85), (1, 0.6)):
        x = -rng.uniform(0, w * 0.1)
        while x < w:
            wide = w * rng.uniform(0.14, 0.26)
            top = ground - ground * share * rng.uniform(0.5, 1.0)
            wall = blend(palette.wall, palette.clothes[rng.randrange(len(palette.clothes))], 0.35 * row + 0.1)
            canvas.shape(box(x, top, x + wide, ground), wall)
            canvas.shade(box(x + wide * 0.7, top, x + wide, ground), tones.light if row else tones.middle)
            if row or rng.random() < 0.4:
                _tower_windows(canvas, x, top, wide, ground)
            x += wide * rng.uniform(0.9, 1.25)
    canvas.fill(box(0, ground, w, h), palette.ground)
    canvas.line([(0, ground), (w, ground)])
    return ground


def _tower_windows(canvas: Canvas, x: float, top: float, wide: float, ground: float) -> None:
    lit = canvas.rng.random() < 0.5
    step_x, step_y = wide / 4, max(5.0, (ground - top) / 8)
    y = top + step_y * 0.5
    while y < ground - step_y:
        for i in range(3):
            wx = x + step_x * (i + 0.65)
            canvas.fill(box(wx, y, wx + step_x * 0.5, y + step_y * 0.5), WHITE if lit else canvas.ink)
        y += step_y


def village(scene: Scene) -> float:
    """Draw houses among trees; return the height of the ground."""
    canvas, palette = scene.canvas, scene.palette
    rng, w, h = canvas.rng, canvas.width, canvas.height
    ground = h * rng.uniform(0.74, 0.88)
    sky(scene, ground * 0.7)
    hills(scene, ground)
    canvas.fill(box(0, ground, w, h), palette.ground)
    canvas.line([(0, ground), (w, ground)])
    for i in range(rng.choice((1, 2, 3))):
        spot = w * (0.2 + 0.3 * i + rng.uniform(-0.06, 0.06))
        if rng.random() < 0.65 or i == 0:
            house(scene, spot, ground, min(w * 0.36, h * 0.42))
        else:
            tree(scene, spot, ground, h * rng.uniform(0.35, 0.55))
    for i in range(6):
        x = w * (i + 0.5) / 6
        canvas.line([(x, ground + 2), (x + 2, ground - 4), (x + 3, ground + 2)], taper=0)
    return ground


def hills(scene: Scene, ground: float) -> None:
    """Draw mountains or round hills behind the ground."""
    canvas, palette, tones = scene
    rng, w = canvas.rng, canvas.width
    if rng.random() < 0.5:
        peaks = sorted(rng.uniform(0, 1) for _ in range(3))
        for peak in peaks:
            x, top, half = w * peak, ground * rng.uniform(0.28, 0.55), w * rng.uniform(0.25, 0.4)
            canvas.shape([(x - half, ground), (x, top), (x + half, ground)], palette.wall)
            canvas.shade([(x, top), (x + half, ground), (x + half * 0.1, ground)], tones.middle)
        return
    ridge = smooth([(w * i / 4, ground * rng.uniform(0.5, 0.85)) for i in range(5)])
    canvas.shape([(-3, ground), *ridge, (w + 3, ground)], palette.leaf)
    canvas.shade([(w * 0.4, ground), *[p for p in ridge if p[0] > w * 0.5], (w, ground)], tones.light)


def nature(scene: Scene) -> float:
    """Draw hills or mountains with trees; return the height of the ground."""
    canvas, palette = scene.canvas, scene.palette
    rng, w, h = canvas.rng, canvas.width, canvas.height
    ground = h * rng.uniform(0.7, 0.86)
    sky(scene, ground * 0.7)
    hills(scene, ground)
    canvas.fill(box(0, ground, w, h), palette.ground)
    canvas.line(smooth([(0, ground), (w * 0.5, ground - 2), (w, ground)]))
    for _ in range(rng.choice((2, 3, 4))):
        tree(scene, w * rng.uniform(0.05, 0.95), ground + rng.uniform(0, 6), h * rng.uniform(0.3, 0.6))
    return ground


def sea(scene: Scene) -> float:
    """Draw water with waves and sailing boats; return the height of the shore."""
    canvas, palette, tones = scene
    rng, w, h = canvas.rng, canvas.width, canvas.height
    line = h * rng.uniform(0.45, 0.62)
    sky(scene, line)
    canvas.fill(box(0, line, w, h), palette.water)
    canvas.shade(box(0, line, w, line + (h - line) * 0.4), tones.light)
    canvas.line([(0, line), (w, line)])
    for i in range(10):
        x, y = w * rng.random(), line + (h - line) * (i + 0.7) / 11
        s = 3 + 5 * (i + 1) / 11
        canvas.line(
            smooth([(x - 2 * s, y), (x - s, y - s * 0.4), (x, y), (x + s, y - s * 0.4), (x + 2 * s, y)], steps=3)
        )
    boat(
        scene,
        w * rng.uniform(0.25, 0.75),
        line + (h - line) * 0.35,
        min(w, h) * rng.uniform(0.3, 0.45),
    )
    return h * 0.94


def room(scene: Scene) -> float:
    """Draw a cabinet room: panelled wall, framed pictures, a vase, a window, a cat; return the height of the floor."""
    canvas, palette, tones = scene
    rng, w, h = canvas.rng, canvas.width, canvas.height
    floor = h * rng.uniform(0.78, 0.88)
    canvas.fill(box(0, 0, w, floor), palette.wall)
    canvas.fill(box(0, floor, w, h), palette.ground)
    canvas.shade([(0, 0), (w * 0.3, 0), (0, floor * 0.9)], tones.light)
    canvas.line([(0, floor), (w, floor)])
    window(scene, w * 0.08, h * 0.16, w * 0.24, h * 0.4)
    for i in range(2):
        x, y, wide, tall = w * (0.42 + 0.28 * i), h * rng.uniform(0.12, 0.24), w * 0.2, h * rng.uniform(0.2, 0.3)
        canvas.shape(box(x, y, x + wide, y + tall), palette.roof)
        canvas.shape(box(x + 2, y + 2, x + wide - 2, y + tall - 2), palette.paper)
        canvas.fill(
            [(x + 3, y + tall - 3), (x + wide * 0.4, y + tall * 0.4), (x + wide - 3, y + tall - 3)], palette.leaf
        )
        canvas.fill(ellipse(x + wide * 0.7, y + tall * 0.3, wide * 0.1, wide * 0.1, n=10), canvas.ink)
    table = floor - h * 0.2
    canvas.shape(box(w * 0.55, table, w * 0.95, table + 3), palette.roof)
    for x in (0.6, 0.9):
        canvas.line([(w * x, table + 3), (w * x, floor + 3)], width=canvas.hand.pen * 1.6, taper=0)
    vase = [(-0.3, 0), (-0.5, -0.5), (-0.2, -0.9), (-0.3, -1.1), (0.3, -1.1), (0.2, -0.9), (0.5, -0.5), (0.3, 0)]
    u = h * 0.14
    outline = smooth([(w * 0.68 + px * u, table + py * u) for px, py in vase], closed=True, steps=3)
    canvas.shape(outline, palette.clothes[0], tone=tones.light)
    cat(scene, w * 0.84, table, h * 0.16)
    return floor + (h - floor) * 0.5


def cat(scene: Scene, x: float, foot: float, tall: float) -> None:
    """Draw a sitting cat seen from behind, its tail hanging."""
    canvas, palette = scene.canvas, scene.palette
    fur = palette.hairs[canvas.rng.randrange(len(palette.hairs))]
    body = [(-0.34, 0), (-0.3, -0.5), (-0.1, -0.72), (0.1, -0.72), (0.3, -0.5), (0.34, 0)]
    canvas.shape(smooth([(x + px * tall, foot + py * tall) for px, py in body], closed=True, steps=3), fur)
    skull = [(-0.22, -0.66), (-0.26, -1.08), (-0.1, -0.94), (0.1, -0.94), (0.26, -1.08), (0.22, -0.66), (0, -0.56)]
    canvas.shape([(x + px * tall, foot + py * tall) for px, py in skull], fur)
    tail = [(0.3, -0.1), (0.55, 0.05), (0.5, 0.35), (0.62, 0.5)]
    canvas.line(
        smooth([(x + px * tall, foot + py * tall) for px, py in tail], steps=3), width=canvas.hand.pen * 2, taper=0
    )


def boat(scene: Scene, x: float, y: float, wide: float) -> None:
    """Draw a sailing boat whose hull meets the water at y."""
    canvas, palette, tones = scene
    canvas.line([(x, y), (x, y - wide * 0.95)], width=canvas.hand.pen * 1.5, taper=0)
    main = [(x + 2, y - wide * 0.92), (x + wide * 0.42, y - wide * 0.2), (x + 2, y - wide * 0.2)]
    canvas.shape(main, palette.paper)
    canvas.shade([main[0], main[1], (x + wide * 0.2, y - wide * 0.2)], tones.light)
    canvas.shape(
        [(x - 2, y - wide * 0.85), (x - 2, y - wide * 0.2), (x - wide * 0.32, y - wide * 0.2)], palette.clothes[1]
    )
    hull = [
        (x - wide * 0.5, y - wide * 0.14),
        (x + wide * 0.55, y - wide * 0.14),
        (x + wide * 0.36, y + wide * 0.08),
        (x - wide * 0.38, y + wide * 0.08),
    ]
    canvas.shape(hull, palette.roof)
    canvas.shade(hull, tones.middle)


def car(scene: Scene, x: float, foot: float, wide: float) -> None:
    """Draw a car from the side, its wheels on `foot`."""
    canvas, palette, tones = scene
    u = wide / 10
    outline = [(-5, -1.2), (-4.8, -2.4), (-3, -2.8), (-1.8, -4.4), (1.6, -4.4), (2.9, -2.8), (4.7, -2.4), (5, -1.2)]
    body = smooth([(x + px * u, foot + py * u) for px, py in outline], closed=True, steps=3)
    canvas.shape(body, palette.clothes[0])
    canvas.shade(
        [(x + px * u, foot + py * u) for px, py in ((-4.9, -2), (4.9, -2), (5, -1.1), (-5, -1.1))], tones.middle
    )
    for pane in (
        ((-2.5, -2.9), (-1.6, -4.0), (-0.2, -4.0), (-0.2, -2.9)),
        ((0.1, -2.9), (0.1, -4.0), (1.4, -4.0), (2.3, -2.9)),
    ):
        canvas.shape([(x + px * u, foot + py * u) for px, py in pane], blend(palette.water, WHITE, 0.5))
    for px in (-2.9, 2.9):
        canvas.shape(ellipse(x + px * u, foot - 1.0 * u, 1.15 * u, 1.15 * u), canvas.ink)
        canvas.fill(ellipse(x + px * u, foot - 1.0 * u, 0.5 * u, 0.5 * u, n=12), WHITE)


def tram(scene: Scene, x: float, foot: float, wide: float) -> None:
    """Draw a tram from the side under its wire."""
    canvas, palette, tones = scene
    tall = wide * 0.45
    canvas.line([(0, foot - tall * 1.5), (canvas.width, foot - tall * 1.5)], taper=0)
    canvas.line([(x, foot - tall), (x + wide * 0.1, foot - tall * 1.5)], taper=0)
    canvas.shape(box(x - wide / 2, foot - tall, x + wide / 2, foot - tall * 0.1), palette.clothes[0])
    canvas.shade(box(x - wide / 2, foot - tall * 0.4, x + wide / 2, foot - tall * 0.1), tones.middle)
    for i in range(5):
        left = x - wide * (0.45 - 0.185 * i)
        canvas.shape(
            box(left, foot - tall * 0.88, left + wide * 0.14, foot - tall * 0.5), blend(palette.water, WHITE, 0.5)
        )
    for px in (-0.32, -0.2, 0.2, 0.32):
        canvas.shape(ellipse(x + px * wide, foot - tall * 0.06, tall * 0.12, tall * 0.12, n=12), canvas.ink)


def balloon_ship(scene: Scene, x: float, foot: float, wide: float) -> None:
    """Draw a hot-air balloon above `foot`."""
    canvas, palette, tones = scene
    r = wide * 0.38
    y = foot - r * 1.9
    canvas.shape(ellipse(x, y, r, r * 1.1, n=28), palette.clothes[0])
    for share in (0.35, 0.75):
        canvas.line(ellipse(x, y, r * share, r * 1.1, n=20), taper=0)
    canvas.shade([p for p in ellipse(x, y, r, r * 1.1, n=28) if p[0] > x + r * 0.2], tones.middle)
    for side in (-1, 1):
        canvas.line([(x + side * r * 0.7, y + r * 0.75), (x + side * r * 0.2, foot - r * 0.3)], taper=0)
    canvas.shape(box(x - r * 0.25, foot - r * 0.35, x + r * 0.25, foot), palette.roof)


PLACES: dict[str, Callable[[Scene], float]] = {
    "city": city, "village": village, "nature": nature, "sea": sea, "room": room,
}  # fmt: skip
VEHICLES: dict[str, Callable[[Scene, float, float, float], None]] = {
    "car": car, "tram": tram, "balloon": balloon_ship, "boat": boat,
}  # fmt: skip
