"""Bodies: people from the chest up, and whole figures."""

from __future__ import annotations

from kunstkammer.data.drawn.canvas import WHITE, Box, Canvas, Point, blend, ellipse
from kunstkammer.data.drawn.heads import Head, draw_back_hair, draw_head

Path = tuple[Point, ...]


def bust(canvas: Canvas, head: Head) -> Box:
    """Draw a person from the chest up and return the box of the face."""
    draw_back_hair(canvas, head)
    _shoulders(canvas, head)
    return draw_head(canvas, head)


def _shoulders(canvas: Canvas, head: Head) -> None:
    look = head.look
    broad = {"comic": 1.75, "manga": 1.5, "neither": 1.62}[look.jaw]
    neck = 0.42 if look.jaw == "comic" else 0.3
    left = [(-neck, 1.45), (-1.1, 1.72), (-broad, 2.15), (-broad - 0.15, 4.2)]
    body = head.at([*left, *((-px, py) for px, py in reversed(left))])
    canvas.shape(body, look.cloth, tone=head.tone if look.pattern == "toned" else None)
    if look.pattern == "striped":
        for i in range(5):
            y, half = 2.25 + 0.42 * i, broad + 0.1
            canvas.line(head.at([(-half, y), (0, y + 0.08), (half, y)]), width=0.16 * head.r, taper=0)
    canvas.shade(head.at([(0.5, 2.0), (broad, 2.1), (broad + 0.15, 4.2), (0.75, 4.2)]), head.tone)
    canvas.shape(head.at([(-neck, 0.9), (-neck, 1.55), (0, 2.0), (neck, 1.55), (neck, 0.9)]), look.skin)
    canvas.shade(head.at([(-neck, 1.15), (neck, 1.0), (neck, 1.5), (-neck, 1.4)]), head.tone)
    light = blend(look.cloth, WHITE, 0.6)
    if look.extra == "scarf":
        canvas.shape(head.at([(-0.75, 1.4), (0, 1.65), (0.75, 1.4), (0.8, 1.8), (0, 2.1), (-0.8, 1.8)]), light)
    else:
        for side in (-1, 1):
            canvas.shape(head.at([(side * neck, 1.4), (0, 2.05), (side * 0.4, 2.35), (side * 0.85, 1.68)]), light)
    for i in range(3):
        x, y = head.at([(0, 2.5 + 0.5 * i)])[0]
        canvas.line(ellipse(x, y, 0.07 * head.r, 0.07 * head.r, n=8), taper=0)


def _mirrored(*paths: Path) -> tuple[Path, ...]:
    """Each path on the left, then on the right."""
    return tuple(side for path in paths for side in (tuple((-x, y) for x, y in path), path))


_HANGING: Path = ((0.5, 0.9), (0.45, 1.7))
_STANDING: Path = ((0.25, 1.0), (0.25, 2.1))

POSES: dict[str, tuple[Path, ...]] = {
    "stand": _mirrored(_HANGING, _STANDING),
    "cheer": _mirrored(((0.7, -0.2), (0.9, -1.1)), ((0.3, 1.0), (0.4, 2.1))),
    "akimbo": _mirrored(((1.1, 0.7), (0.5, 1.3)), ((0.3, 1.0), (0.36, 2.1))),
    "point": (((-0.5, 0.9), (-0.45, 1.7)), ((0.8, 0.3), (1.5, -0.1)), ((-0.3, 1.0), (-0.35, 2.1)), _STANDING),
    "run": (((-0.7, 0.7), (-0.3, 1.2)), ((0.7, 0.6), (1.1, 0.1)), ((-0.6, 0.8), (-1.3, 1.3)), ((0.7, 0.7), (0.6, 1.9))),
}
"""Left arm, right arm, left leg, right leg: what follows the shoulder or the hip, in head heights from there."""


def figure(canvas: Canvas, head: Head, foot: float, pose: str) -> Box:
    """Draw a whole person below a head whose feet reach down to `foot`; return the box of the face."""
    look = head.look
    x, u = head.x, head.r / 0.62
    slim = 1.12 if look.jaw == "manga" else 1.0
    shoulder = head.y + 0.85 * u
    hip = foot - 2.15 * u
    arms, legs = POSES[pose][:2], POSES[pose][2:]
    draw_back_hair(canvas, head)
    for side, leg in zip((-1, 1), legs, strict=True):
        path = [(x + side * 0.22 * u, hip), *((x + px * u, hip + py * u) for px, py in leg)]
        canvas.limb(path, 0.36 * u / slim, blend(look.cloth, canvas.ink, 0.45))
        toe_x, toe_y = path[-1]
        canvas.fill(ellipse(toe_x + 0.14 * side * u, toe_y, 0.3 * u, 0.14 * u, n=10), canvas.ink)
    for side, arm in zip((-1, 1), arms, strict=True):
        path = [(x + side * 0.55 * u / slim, shoulder + 0.1 * u)]
        path += [(x + px * u, shoulder + py * u) for px, py in arm]
        canvas.limb(path, 0.3 * u / slim, look.cloth)
        canvas.shape(ellipse(*path[-1], 0.17 * u, 0.17 * u, n=10), look.skin)
    torso = [(-0.62 / slim, -0.05), (0.62 / slim, -0.05), (0.42, 0.9), (0.5, 1.75), (-0.5, 1.75), (-0.42, 0.9)]
    outline = [(x + px * u, shoulder + py * u) for px, py in torso]
    canvas.shape(outline, look.cloth, tone=head.tone if look.pattern == "toned" else None)
    canvas.shade([*outline[1:4], (x + 0.1 * u, hip + 0.1 * u), (x + 0.15 * u, shoulder)], head.tone)
    return draw_head(canvas, head)


def head_of_figure(tall: float) -> tuple[float, float]:
    """Return how far above the feet the head's middle lies, and half its width, for a figure `tall` pixels tall.

    >>> head_of_figure(54)
    (46.0, 6.2)
    """
    u = tall / 5.4
    return round(4.6 * u, 6), round(0.62 * u, 6)
