"""The lines of a posed face, in the picture's pixels: what a pen would follow and what a photograph shows as edges.

Both renderers take their contours from here, so both domains show the same face.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kunstkammer.data.drawn.canvas import Point, ellipse, smooth
from kunstkammer.data.drawn.faces.landmarks import Shape
from kunstkammer.data.drawn.faces.person import Person
from kunstkammer.data.drawn.faces.relief import Pose

SIDES = (-1, 1)


def eye_opening(pose: Pose, side: int) -> list[Point]:
    """The edge of the lids, closed; its first half is the upper lid, from the outer corner."""
    eye = pose.relief.shape.eye(side)
    upper, lower = smooth(eye[[0, 1, 2, 3]].tolist(), steps=5), smooth(eye[[3, 4, 5, 0]].tolist(), steps=5)
    return pose.at([*upper, *lower[1:-1]])


UPPER_LID = 16
"""How many points of an eye's opening belong to the upper lid."""


def lid_crease(pose: Pose, side: int) -> list[Point]:
    """The fold above the upper lid, from the outer corner."""
    eye = pose.relief.shape.eye(side)
    up = 0.045 - 0.02 * pose.relief.shape.on(side).get(5, 0.0)
    fold = eye[[0, 1, 2, 3]] + np.array([[0.0, -0.015], [0, -up], [0, -up], [0, -0.02]])
    return pose.at(smooth(fold.tolist(), steps=4))


def iris(pose: Pose, side: int) -> tuple[float, float, float]:
    """Middle and radius of an iris in pixels."""
    x, y = pose.landmarks[68 if side < 0 else 69]
    return float(x), float(y), pose.relief.shape.iris * pose.unit


def brow(pose: Pose, person: Person, side: int, thick: float = 1.0) -> list[Point]:
    """A brow as a closed shape, thicker towards its inner end."""
    line = np.array(smooth(pose.relief.shape.brow(side).tolist(), steps=4))
    t = np.linspace(0, 1, len(line))
    half = (
        0.034
        * person.brow_thick
        * thick
        * (0.25 + 0.75 * np.minimum(1, t / 0.55))
        * (1 - 0.35 * np.maximum(0, t - 0.8) / 0.2)
    )
    lift = np.column_stack([np.zeros_like(t), half])
    return pose.at(np.concatenate([line - lift, (line + lift)[::-1]]))


def lips(pose: Pose) -> tuple[list[Point], list[Point]]:
    """The closed outer and inner edges of the lips."""
    p = pose.relief.shape.points
    outer = smooth(p[48:55].tolist(), steps=4) + smooth([*p[54:60].tolist(), p[48].tolist()], steps=4)[1:-1]
    inner = smooth(p[60:65].tolist(), steps=4) + smooth([*p[64:68].tolist(), p[60].tolist()], steps=4)[1:-1]
    return pose.at(outer), pose.at(inner)


def mouth_line(pose: Pose) -> list[Point]:
    """The line between closed lips, from corner to corner."""
    p = pose.relief.shape.points
    between = (p[61:64] + p[[67, 66, 65]]) / 2
    return pose.at(smooth([p[48].tolist(), *between.tolist(), p[54].tolist()], steps=5))


def gape(shape: Shape) -> float:
    """How far the mouth stands open in its middle, in units."""
    return float(shape.points[66, 1] - shape.points[62, 1])


def teeth(pose: Pose) -> tuple[list[Point], list[Point]]:
    """The edges of the upper and of the lower teeth behind the lips: shapes to be cut to the mouth's opening."""
    p = pose.relief.shape.points
    open_by = gape(pose.relief.shape)
    width = abs(p[64, 0] - p[60, 0]) / 2 * 0.86
    middle, top, foot = float((p[60, 0] + p[64, 0]) / 2), float(p[62, 1]), float(p[66, 1])
    show = min(0.115, 0.05 + 0.35 * open_by)
    upper = [(middle - width, top - 0.2), (middle + width, top - 0.2)]
    upper += [(middle + width * q, top + show - 0.06 * q * q) for q in (1, 0.6, 0.2, -0.2, -0.6, -1)]
    rim = foot - 0.2 * show - 0.045 * pose.relief.shape.unit(16)
    lower = [(middle - width, foot + 0.2), (middle + width, foot + 0.2)]
    lower += [(middle + width * q, rim - 0.03 * q * q) for q in (1, 0.5, 0, -0.5, -1)]
    return pose.at(upper, 0.75), pose.at(lower, 0.75)


def nose_wing(pose: Pose, side: int) -> list[Point]:
    """The edge of a wing of the nose."""
    p = pose.relief.shape.points[31 if side < 0 else 35]
    x, y = abs(p[0]), p[1]
    wing = [(x * 0.86, y - 0.13), (x * 1.05, y - 0.075), (x * 1.04, y - 0.005), (x * 0.82, y + 0.015)]
    return pose.at(smooth([(side * a, b) for a, b in wing], steps=4))


def nose_foot(pose: Pose) -> list[Point]:
    """The lower edge of the nose from wing to wing."""
    p = pose.relief.shape.points[31:36]
    return pose.at(smooth(p.tolist(), steps=4))


def nostril(pose: Pose, side: int) -> list[Point]:
    """One nostril as a closed shape."""
    p = pose.relief.shape.points[31 if side < 0 else 35]
    x, y = p[0] * 0.55, p[1] - 0.005
    return pose.at(ellipse(x, y, 0.3 * abs(p[0]), 0.028, n=10))


def nose_profile(pose: Pose, side: int) -> list[Point]:
    """The line of the nose on one side, from the inner end of the brow to beside the tip."""
    p = pose.relief.shape.points
    tip = p[30, 1]
    line = [(side * 0.11, p[27, 1] - 0.03), (side * 0.065, tip * 0.4), (side * 0.085, tip * 0.78), (side * 0.12, tip)]
    return pose.at(smooth(line, steps=4))


@dataclass(frozen=True)
class Wrinkle:
    """A fold of the skin: its name, its line from the front, how deep it is (0 to 1) and how wide in units."""

    name: str
    line: list[Point]
    depth: float
    width: float = 0.03


def wrinkles(shape: Shape, person: Person) -> list[Wrinkle]:
    """All folds of a face, from age and from contracted muscles; shallow ones are left out."""
    found = [
        *_brow_folds(shape, person.age),
        *(fold for side in SIDES for fold in _side_folds(shape, person.age, side)),
    ]
    if shape.unit(17) > 0:
        chin = float(shape.outline[:, 1].max())
        foot = float(shape.points[57, 1])
        arch = [(-0.17, foot + 0.12), (0.0, foot + 0.065), (0.17, foot + 0.12)]
        found.append(Wrinkle("chin", smooth(arch, steps=4), 0.85 * shape.unit(17), 0.035))
        found += [
            Wrinkle("chin", [(x, chin - 0.2 + d), (x + 0.04, chin - 0.17 + d)], 0.35 * shape.unit(17), 0.02)
            for x, d in ((-0.12, 0.0), (-0.02, 0.05), (0.07, -0.01))
        ]
    return [Wrinkle(fold.name, fold.line, min(1.0, fold.depth), fold.width) for fold in found if fold.depth > 0.08]


def _brow_folds(shape: Shape, age: float) -> Iterator[Wrinkle]:
    """Lines across the forehead (AU 1, 2), upright between the brows (AU 4), across the root of the nose (AU 9)."""
    one, two, four, nine = (shape.unit(unit) for unit in (1, 2, 4, 9))
    raised = max(0.75 * two, 0.55 * one * (1 - 0.4 * four))
    crown = float(shape.points[17:27, 1].min())
    reach = 0.3 + 0.25 * min(1.0, two)
    for k in range(3):
        y = crown - 0.14 - 0.13 * k
        arch = [(-reach, y + 0.03), (-0.5 * reach, y - 0.01), (0, y + 0.02), (0.5 * reach, y - 0.01), (reach, y + 0.03)]
        yield Wrinkle("forehead", smooth(arch, steps=4), max(0.0, 0.4 * age - 0.1) + raised * (1 - 0.15 * k), 0.026)
    root = float((shape.brow(-1)[4, 1] + shape.brow(1)[4, 1]) / 2)
    for side in SIDES:
        upright = [(side * 0.045, root - 0.12), (side * 0.055, root), (side * 0.04, root + 0.12)]
        yield Wrinkle("frown", smooth(upright, steps=4), 0.25 * age * 0.6 + 0.95 * four + 0.35 * nine, 0.026)
    for k in range(3):
        y = 0.02 + 0.085 * k
        across = [(-0.1 + 0.015 * k, y + 0.02), (0, y - 0.02), (0.1 - 0.015 * k, y + 0.02)]
        yield Wrinkle("nose root", smooth(across, steps=4), nine * (1 - 0.15 * k), 0.024)


def _side_folds(shape: Shape, age: float, side: int) -> Iterator[Wrinkle]:
    """Folds beside nose, mouth and eye."""
    units = shape.on(side)
    six, nine, ten, twelve, fourteen, fifteen, twenty = (units.get(n, 0.0) for n in (6, 9, 10, 12, 14, 15, 20))
    corner = shape.points[48] if side < 0 else shape.points[54]
    wing = shape.points[31] if side < 0 else shape.points[35]
    x, y = abs(float(corner[0])), float(corner[1])
    wx, wy = abs(float(wing[0])), float(wing[1])

    def line(*points: Point) -> list[Point]:
        return smooth([(side * a, b) for a, b in points], steps=4)

    cheek = max(0.9 * twelve, 0.8 * nine, 0.75 * ten, 0.4 * twenty)
    fold = line(
        (wx + 0.06, wy - 0.13), (wx + 0.16 + 0.1 * twelve, wy + 0.06), (x + 0.13, y - 0.1), (x + 0.13, y + 0.05)
    )
    yield Wrinkle("nasolabial", fold, 0.1 + 0.5 * age + cheek, 0.045)
    eye = shape.eye(side)
    ox, oy = abs(float(eye[0, 0])), float(eye[0, 1])
    for dx, dy in ((0.14, -0.07), (0.17, 0.0), (0.14, 0.075)):
        yield Wrinkle(
            "crow's foot", line((ox + 0.04, oy + 0.3 * dy), (ox + dx, oy + dy)), 0.5 * age - 0.1 + 0.8 * six, 0.02
        )
    bag = line((0.27, 0.135), (0.42, 0.17 - 0.02 * six), (ox + 0.02, 0.11))
    yield Wrinkle("bag", bag, 0.08 + 0.4 * age + 0.5 * six + 0.3 * units.get(7, 0.0), 0.035)
    yield Wrinkle("dimple", line((x + 0.055, y - 0.06), (x + 0.08, y), (x + 0.055, y + 0.06)), 0.75 * fourteen, 0.04)
    yield Wrinkle(
        "mouth corner",
        line((x + 0.02, y + 0.02), (x + 0.055, y + 0.09), (x + 0.04, y + 0.17)),
        0.3 * age - 0.08 + 0.75 * fifteen,
        0.035,
    )


def glasses(pose: Pose, kind: str) -> list[list[Point]]:
    """Rims, bridge and temples of a pair of glasses; the first two are closed."""
    gap = float(np.mean([abs(pose.relief.shape.eye(side)[:, 0].mean()) for side in SIDES]))
    size = 0.3 * max(1.0, 0.55 + 0.45 * pose.relief.shape.caricature.eye_width)
    power = 2.0 if kind == "round" else 4.0
    angle = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    c, s = np.cos(angle), np.sin(angle)
    dx = np.sign(c) * np.abs(c) ** (2 / power) * size
    dy = np.sign(s) * np.abs(s) ** (2 / power) * size * (0.95 if kind == "round" else 0.72)
    lines = [pose.at(np.column_stack([side * gap + dx, 0.03 + dy]), 0.8) for side in SIDES]
    lines.append(pose.at([(-gap + size, 0.0), (0.0, -0.03), (gap - size, 0.0)], 0.83))
    for side in SIDES:
        lines.append(pose.at([(side * (gap + size), -0.02), (side * 1.0, -0.06)], np.array([0.8, 0.0])))
    return lines


def beard(pose: Pose, kind: str) -> list[list[Point]]:
    """Closed shapes that a beard covers; lips are to be painted after it."""
    p = pose.relief.shape.points
    lip, base, out = float(p[51, 1]), float(p[33, 1]), abs(float(p[54, 0]))
    left, right = float(p[48, 1]), float(p[54, 1])
    moustache = [(-out - 0.06, left + 0.03), (-0.22, base + 0.1), (0, base + 0.075), (0.22, base + 0.1),
                 (out + 0.06, right + 0.03), (0.2, lip + 0.02), (0, lip + 0.035), (-0.2, lip + 0.02)]  # fmt: skip
    shapes = [pose.at(smooth(moustache, closed=True, steps=3))]
    if kind == "moustache":
        return shapes
    outline = pose.relief.shape.outline
    jaw = outline[outline[:, 1] > 0.3] * [0.995, 1.0]  # clockwise: right side, chin, left side
    cheek = [(-0.72, 0.66), (-out - 0.12, left - 0.04), (-0.3, base + 0.11), (0, base + 0.09),
             (0.3, base + 0.11), (out + 0.12, right - 0.04), (0.72, 0.66)]  # fmt: skip
    return [pose.at([*jaw.tolist(), *smooth(cheek, steps=3)])]


def ear(pose: Pose, person: Person, side: int) -> list[Point]:
    """An ear as a closed shape."""
    middle = side * 1.0 * person.width
    points = [(middle - side * 0.04, -0.2), (middle + side * 0.1, -0.25), (middle + side * 0.16, -0.05),
              (middle + side * 0.1, 0.25), (middle, 0.42), (middle - side * 0.06, 0.3)]  # fmt: skip
    return pose.at(smooth(points, closed=True, steps=4), -0.12)


def neck(pose: Pose) -> list[Point]:
    """The neck as a closed shape."""
    return pose.body([(-0.6, 0.7), (0.6, 0.7), (0.58, 1.5), (0.72, 2.3), (-0.72, 2.3), (-0.58, 1.5)])


def shoulders(pose: Pose) -> list[Point]:
    """The shoulders as a closed shape."""
    half = [(0.0, 2.0), (0.42, 1.84), (0.66, 1.6), (1.1, 1.78), (1.75, 2.05), (2.2, 2.7), (2.35, 4.5)]
    return pose.body(smooth([*((-x, y) for x, y in half[:0:-1]), *half], steps=3))
