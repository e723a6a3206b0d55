"""Where the parts of a face are: 70 landmarks from a person, an expression and, for drawings, a caricature.

The markup is the one of 68 points of 300-W (C. Sagonas, G. Tzimiropoulos, S. Zafeiriou and M. Pantic, *300 Faces
in-the-Wild Challenge*, ICCV workshops 2013), numbered from 0, and the two pupils.

Coordinates are those of the face seen from the front: x to the picture's right, y down, the unit is half the width of
an average face at the cheekbones, the origin lies between the eyes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from kunstkammer.data.drawn.canvas import smooth
from kunstkammer.data.drawn.faces.action_units import Expression
from kunstkammer.data.drawn.faces.person import Person


def _names() -> tuple[str, ...]:
    names = [f"jaw_{i}" for i in range(17)]
    names += [f"left_brow_{i}" for i in range(5)] + [f"right_brow_{i}" for i in range(5)]
    names += [f"nose_bridge_{i}" for i in range(4)] + [f"nose_base_{i}" for i in range(5)]
    names += [f"left_eye_{i}" for i in range(6)] + [f"right_eye_{i}" for i in range(6)]
    names += [f"outer_lip_{i}" for i in range(12)] + [f"inner_lip_{i}" for i in range(8)]
    return (*names, "left_pupil", "right_pupil")


LANDMARKS: tuple[str, ...] = _names()
"""Names of the landmarks, as they lie in the picture: "left" is the picture's left."""


def _skeleton() -> tuple[tuple[int, int], ...]:
    chains = [(0, 17), (17, 22), (22, 27), (27, 31), (31, 36)]
    rings = [(36, 42), (42, 48), (48, 60), (60, 68)]
    edges = [(i, i + 1) for start, stop in chains + rings for i in range(start, stop - 1)]
    return tuple(edges + [(stop - 1, start) for start, stop in rings])


SKELETON: tuple[tuple[int, int], ...] = _skeleton()
"""Which landmarks are neighbours, as pairs of numbers from 0."""


@dataclass(frozen=True)
class Caricature:
    """How an artist's faces differ from life: factors beside the true face."""

    eye_width: float = 1.0
    eye_height: float = 1.0
    iris: float = 1.0
    nose: float = 1.0
    mouth: float = 1.0
    jaw: float = 1.0
    brow_lift: float = 0.0  # in units
    exaggeration: float = 1.0  # of every action unit


FROM_LIFE = Caricature()

REACH = 1.15
"""How far muscles pull beside the distances in this module."""


@dataclass(frozen=True)
class Shape:
    """A face from the front.

    Attributes:
        outline: (N, 2), closed, clockwise from the top of the skull.
        points: (70, 2), the landmarks.
        iris: radius of an iris.
        units: intensity of each action unit on the picture's left and right side, exaggeration included.
        caricature: what it was drawn with.
    """

    outline: np.ndarray
    points: np.ndarray
    iris: float
    units: tuple[Mapping[int, float], Mapping[int, float]]
    caricature: Caricature

    def on(self, side: int) -> Mapping[int, float]:
        """Return the action units of the picture's left (-1) or right (1) side."""
        return self.units[0 if side < 0 else 1]

    def unit(self, number: int) -> float:
        """Return the mean intensity of an action unit."""
        return (self.units[0].get(number, 0.0) + self.units[1].get(number, 0.0)) / 2

    def eye(self, side: int) -> np.ndarray:
        """Return the six points of an eye from its outer corner over the upper lid: shape (6, 2)."""
        return self.points[36:42] if side < 0 else self.points[[45, 44, 43, 42, 47, 46]]

    def brow(self, side: int) -> np.ndarray:
        """Return the five points of a brow from its outer end: shape (5, 2)."""
        return self.points[17:22] if side < 0 else self.points[26:21:-1]


def make_shape(
    person: Person, expression: Expression, gaze: tuple[float, float] = (0, 0), caricature: Caricature = FROM_LIFE
) -> Shape:
    """Return the face of a person with an expression.

    >>> from kunstkammer.data.drawn.faces.action_units import CALM
    >>> import random
    >>> from kunstkammer.data.drawn.faces.person import make_person
    >>> make_shape(make_person("p", random.Random(0)), CALM).points.shape
    (70, 2)
    """
    more = REACH * caricature.exaggeration
    units = tuple({unit: value * more for unit, value in expression.side(side).items()} for side in (-1, 1))
    outline = _outline(person, (units[0].get(26, 0) + units[1].get(26, 0)) / 2, caricature)
    eyes = {side: _eye(person, units[(side + 1) // 2], side, gaze, caricature) for side in (-1, 1)}
    brows = {side: _brow(person, units[(side + 1) // 2], side, caricature) for side in (-1, 1)}
    points = np.concatenate([
        _jaw(outline), brows[-1], brows[1][::-1], _nose(person, units, caricature),
        eyes[-1][:6], eyes[1][[3, 2, 1, 0, 5, 4]], _mouth(person, units, caricature), eyes[-1][6:], eyes[1][6:],
    ])  # fmt: skip
    iris = 0.088 * person.eye_size**0.5 * caricature.iris
    return Shape(outline, points, iris, units, caricature)  # type: ignore[arg-type]


def _outline(person: Person, drop: float, caricature: Caricature) -> np.ndarray:
    """The outline of skull and jaw; a dropped jaw (AU 26) lengthens it."""
    w, jaw, top = person.width, person.jaw * caricature.jaw, person.forehead
    half = [
        (0.0, -1.5 * top), (0.42, -1.43 * top), (0.76 * w, -1.14 * top), (0.94 * w, -0.7), (1.0 * w, -0.2),
        (0.98 * w, 0.28), (0.90 * jaw * w, 0.74), (0.67 * jaw, 1.14), (0.35 * jaw * person.chin, 1.42),
        (0.0, 1.5 * (0.9 + 0.1 * person.chin)),
    ]  # fmt: skip
    half = [(x, y + _drop(y) * drop) for x, y in half]
    return np.array(smooth([*half, *((-x, y) for x, y in half[-2:0:-1])], closed=True, steps=5))


def _drop(y: float) -> float:
    """How far a point at height y sinks with a fully dropped jaw."""
    return 0.22 * min(1.0, max(0.0, (y - 0.25) / 1.0))


def _jaw(outline: np.ndarray) -> np.ndarray:
    """Seventeen points, evenly spaced, from the picture's left ear over the chin to the right one."""
    start = int(np.argmin(np.abs(outline[:, 1] + 0.1) + 10 * (outline[:, 0] > 0)))
    chin = int(np.argmax(outline[:, 1]))
    path = outline[chin : start + 1][::-1]  # clockwise from the top: right side, chin, left side
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    even = np.linspace(0, along[-1], 9)
    left = np.stack([np.interp(even, along, path[:, k]) for k in (0, 1)], axis=1)
    right = left[-2::-1] * [-1, 1]
    return np.concatenate([left, right])


def _brow(person: Person, units: Mapping[int, float], side: int, caricature: Caricature) -> np.ndarray:
    """Five points from the outer to the inner end. AU 1 lifts the inner, 2 the outer end, 4 lowers."""
    t = np.linspace(1, 0, 5)  # 0 is the inner end
    one, two, four, nine = (units.get(unit, 0.0) for unit in (1, 2, 4, 9))
    x = (0.17 + 0.56 * t) * person.eye_gap * caricature.eye_width**0.4
    y = -0.255 - 0.10 * np.sin(math.pi * np.minimum(1, 0.18 + 0.72 * t)) + 0.055 * t
    y = y - person.brow_height - person.brow_slope * (t - 0.3) - caricature.brow_lift
    y = (
        y
        - 0.17 * one * (1 - t) ** 1.2
        - 0.20 * two * np.sin(math.pi / 2 * np.clip((t - 0.15) / 0.6, 0, 1)) * (1 - 0.2 * t)
    )
    pulled = 1 - 0.85 * min(1.0, one / 0.6 if one else 0.0)  # with AU 1 the inner end rises in spite of AU 4
    y = y + four * (0.05 + 0.12 * (1 - t) * pulled) + 0.07 * nine * (1 - t)
    y = y + 0.03 * units.get(6, 0.0) * t - 0.02 * units.get(5, 0.0)
    x = x - (0.07 * four + 0.03 * nine) * (1 - t) * (1 - 0.4 * t)
    return np.stack([side * np.maximum(x, 0.07), y], axis=1)


def _eye(
    person: Person, units: Mapping[int, float], side: int, gaze: tuple[float, float], caricature: Caricature
) -> np.ndarray:
    """Six points from the outer corner over the upper lid, then the pupil. AU 5 opens; 6, 7 and 9 narrow."""
    five, six, seven, nine = (units.get(unit, 0.0) for unit in (5, 6, 7, 9))
    sad = min(units.get(1, 0.0), 1.0) * (1 - five)
    middle = 0.43 * person.eye_gap * (1 + 0.12 * (caricature.eye_width - 1))
    half = 0.195 * person.eye_size * caricature.eye_width
    tall = person.eye_size * caricature.eye_height
    up = (
        0.106
        * tall
        * (1 + 0.55 * five - 0.22 * seven - 0.2 * nine - 0.15 * six - 0.12 * units.get(4, 0.0) * (1 - five))
    )
    up = up - 0.02 * person.age * tall
    low = 0.07 * tall * (1 + 0.18 * five - 0.75 * six - 0.62 * seven - 0.5 * nine)
    outer, inner = (middle + half, -person.eye_tilt + 0.02 * sad), (middle - half, 0.02)
    lids = [
        outer, (middle + 0.45 * half, -up * (0.93 - 0.22 * sad)), (middle - 0.38 * half, -up),
        inner, (middle - 0.38 * half, 0.01 + low), (middle + 0.45 * half, 0.005 + low),
    ]  # fmt: skip
    pupil = (middle + side * gaze[0] * 0.3 * half, -0.02 * tall + gaze[1] * 0.03 - 0.01 * six)
    return np.array([(side * x, y) for x, y in [*lids, pupil]])


def _nose(person: Person, units: tuple[Mapping[int, float], ...], caricature: Caricature) -> np.ndarray:
    """Four points down the bridge and five along the base. AU 9 and, less, AU 10 draw the wings up."""
    tip = 0.50 * person.nose_length * (0.5 + 0.5 * caricature.nose)
    wide = 0.19 * person.nose_width * caricature.nose
    bridge = [(0.0, -0.06 + (tip + 0.06) * k / 3) for k in range(4)]
    base = []
    for k in (-2, -1, 0, 1, 2):
        own = units[0] if k < 0 else units[1]
        lift = 0.065 * own.get(9, 0.0) + 0.03 * own.get(10, 0.0) - 0.01 * own.get(12, 0.0)
        spread = 1 + 0.14 * own.get(9, 0.0) + 0.10 * own.get(12, 0.0)
        base.append((k / 2 * wide * spread, tip + 0.115 - 0.022 * abs(k) - lift * abs(k) / 2))
    return np.array(bridge + base)


MOUTH_LEVEL = 0.93


def _mouth(person: Person, units: tuple[Mapping[int, float], ...], caricature: Caricature) -> np.ndarray:
    """Twelve points of the outer and eight of the inner edge of the lips, each from the picture's left corner."""
    both = {unit: (units[0].get(unit, 0.0) + units[1].get(unit, 0.0)) / 2 for unit in {*units[0], *units[1]}}
    level = MOUTH_LEVEL + 0.05 * (person.nose_length - 1) - 0.05 * both.get(17, 0.0) + 0.03 * both.get(26, 0.0)
    level -= 0.03 * both.get(9, 0.0) + 0.02 * both.get(10, 0.0) - 0.015 * both.get(12, 0.0)
    corners = {side: _corner(person, units[(side + 1) // 2], caricature) for side in (-1, 1)}
    press = min(1.0, max(both.get(23, 0.0), both.get(24, 0.0)))
    lip = person.lip_thick * (0.35 + 0.65 * caricature.mouth) * (1 - 0.62 * press)

    def edge(q: float, *, upper: bool, outer: bool) -> tuple[float, float]:
        """A point of an edge of the lips; q runs from -1 at the left corner to 1 at the right one."""
        side = 1 if q >= 0 else -1
        across, rise = corners[side]
        own, a = units[(side + 1) // 2], abs(q)
        hill = 1 - a**2.2
        y = level - rise * a**1.7
        if upper:
            lift = 0.085 * own.get(10, 0.0) + 0.05 * own.get(9, 0.0)
            y -= hill * (0.022 * both.get(25, 0.0) + 0.03 * both.get(26, 0.0)) + lift * 0.9 * (1 - a**2) * (
                0.7 + 0.6 * a
            )
        else:
            y += hill * (0.065 * both.get(25, 0.0) * (1 + 0.6 * both.get(12, 0.0)) + 0.23 * both.get(26, 0.0))
            y += hill * (0.075 * both.get(16, 0.0) - 0.02 * both.get(17, 0.0))
        if outer:
            stretch = 1 - 0.25 * own.get(12, 0.0) - 0.2 * own.get(20, 0.0)
            if upper:
                bow = 0.018 * math.exp(-((a - 0.24) ** 2) / 0.02) - 0.008 * math.exp(-(a**2) / 0.01)
                y -= lip * stretch * (0.075 * (1 - a**1.6) + bow)
            else:
                y += lip * stretch * (0.1 + 0.035 * both.get(17, 0.0)) * (1 - a**2.4)
        return side * across * a, y

    upper = [edge(q, upper=True, outer=True) for q in (-1, -0.62, -0.25, 0, 0.25, 0.62, 1)]
    lower = [edge(q, upper=False, outer=True) for q in (0.66, 0.34, 0, -0.34, -0.66)]
    inner = [edge(q, upper=True, outer=False) for q in (-0.94, -0.42, 0, 0.42, 0.94)]
    inner += [edge(q, upper=False, outer=False) for q in (0.42, 0, -0.42)]
    return np.array(upper + lower + inner)


def _corner(person: Person, units: Mapping[int, float], caricature: Caricature) -> tuple[float, float]:
    """How far a corner of the mouth lies from the middle, and how far above its level."""
    get = units.get
    out = 0.36 * person.mouth_width * caricature.mouth
    grow = 0.4 + 0.6 * caricature.mouth
    out += grow * (0.13 * get(12, 0.0) + 0.14 * get(20, 0.0) + 0.05 * get(14, 0.0) + 0.015 * get(15, 0.0))
    out -= grow * (0.055 * get(23, 0.0) + 0.02 * get(24, 0.0) + 0.06 * get(26, 0.0) + 0.015 * get(17, 0.0))
    rise = person.mouth_bend + grow * (0.165 * get(12, 0.0) + 0.035 * get(14, 0.0))
    rise -= grow * (0.135 * get(15, 0.0) + 0.035 * get(20, 0.0) + 0.02 * get(17, 0.0) + 0.05 * get(26, 0.0))
    return out, rise
