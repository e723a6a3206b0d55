"""Hair: shapes behind the head and over the forehead, the same for both domains."""

from __future__ import annotations

import math
import random

import numpy as np

from kunstkammer.data.drawn.canvas import Point, ellipse, smooth
from kunstkammer.data.drawn.faces.person import Person
from kunstkammer.data.drawn.faces.relief import Pose

CURL_STEPS = 4
BEHIND, CROWN = -0.55, -0.3
"""Depth of hair that hangs behind the head, and of the outline of the hair on the skull."""


def back_hair(pose: Pose, person: Person) -> list[list[Point]]:
    """Closed shapes behind head and neck."""
    top = 1.5 * person.forehead
    if person.hair == "long":
        half = [(0.5, -top - 0.14), (1.0, -1.15), (1.2, -0.3), (1.24, 0.8), (1.2, 1.7), (1.28, 2.3), (0.6, 2.45)]
    elif person.hair == "bob":
        half = [(0.5, -top - 0.14), (1.0, -1.15), (1.22, -0.3), (1.3, 0.6), (1.22, 1.12), (0.8, 1.25)]
    elif person.hair == "curly":
        return [pose.at(_curls(person), CROWN)]
    elif person.hair == "bun":
        bun = ellipse(0.0, -top - 0.28, 0.42, 0.36)
        return [
            pose.at(bun, BEHIND),
            pose.at(_round([(0.5, -top - 0.08), (0.95, -1.1), (1.06, -0.3), (0.98, 0.25)]), CROWN),
        ]
    elif person.hair == "bald":
        return []
    else:
        half = [(0.5, -top - 0.12), (0.96, -1.15), (1.1, -0.4), (1.06, 0.1), (0.95, 0.42)]
    return [pose.at(_round(half), BEHIND if person.hair in {"long", "bob"} else CROWN)]


def _round(half: list[Point]) -> list[Point]:
    return smooth([*((-x, y) for x, y in half[::-1]), *half], closed=True, steps=4)


def _curls(person: Person) -> list[Point]:
    """A bumpy cloud; the same for one person."""
    rng = random.Random(f"curls/{person.name}")
    points = []
    for i in range(36):
        angle = math.pi * (0.9 + 1.2 * i / 35)
        out = (1.36 if i % 2 else 1.25) * rng.uniform(0.96, 1.04)
        points.append((math.cos(angle) * out * 0.98, math.sin(angle) * out * 1.2 * person.forehead - 0.1))
    return smooth([*points, (0.9, 0.1), (-0.9, 0.1)], closed=True, steps=CURL_STEPS)


def front_hair(pose: Pose, person: Person, *, spiky: bool = False) -> list[list[Point]]:
    """Closed shapes over the forehead: from the outline of the hair down to the hairline.

    Args:
        spiky: whether the hair runs to points, as in manga.
    """
    if person.hair == "bald":
        return []
    line = np.array(_hairline(person))
    low = float(line[-1, 1])
    volume = 0.1 if person.hair in {"short", "bun"} else 0.16
    wide, top = person.width + volume * 0.7, 1.5 * person.forehead + volume
    half = [
        (wide, low),
        (wide + 0.02, -0.4),
        (0.98 * wide, -0.85),
        (0.78, -1.22 * person.forehead),
        (0.42, -0.97 * top),
    ]
    crown = smooth([*((-x, y) for x, y in half), (0.0, -top), *half[::-1]], steps=3)
    if person.hair == "curly":
        crown = [p for p in _curls(person)[: 35 * CURL_STEPS + 1] if p[1] < low + 0.05]  # without the edge below
    outer = np.array(crown)
    if spiky and person.hair != "bun":
        outer, line = _spikes(outer, line, person)
    inner = pose.project(line, np.maximum(pose.relief.height(line), -0.1))
    return [[(x, y) for x, y in np.concatenate([_rim(pose, outer), inner[::-1]]).tolist()]]


def _rim(pose: Pose, outer: np.ndarray) -> np.ndarray:
    """Return where the rim of the hair is seen: of the hair from the crown to the temples, what stands out furthest."""
    there = np.stack([pose.project(outer * share, z) for share, z in ((1.0, CROWN), (0.99, 0.0), (0.96, 0.25))])
    way = there[0] - pose.project(np.zeros((1, 2)), CROWN)
    best = (there * way).sum(axis=2).argmax(axis=0)
    return there[best, np.arange(len(outer))]


def _spikes(outer: np.ndarray, line: np.ndarray, person: Person) -> tuple[np.ndarray, np.ndarray]:
    """Return outline and hairline with points: outwards on the crown, down over the forehead."""
    rng = random.Random(f"spikes/{person.name}")
    if person.hair != "curly":
        even = np.linspace(0, len(outer) - 1, 17).round().astype(int)
        outer = outer[even] * np.where(np.arange(17) % 2, rng.uniform(1.1, 1.16), 1.0)[:, None]
    if person.hair == "fringe":
        return outer, line
    over = np.flatnonzero(line[:, 1] < -0.7)
    if len(over) < 3:
        return outer, line
    x = np.linspace(line[over[0], 0], line[over[-1], 0], 11)
    y = np.interp(x, line[over, 0], line[over, 1])
    down = np.array([rng.uniform(0.22, 0.34) if k % 2 else 0.0 for k in range(11)])
    locks = np.column_stack([x + 0.3 * down * rng.choice((-1, 1)), y + down])
    return outer, np.concatenate([line[: over[0]], locks, line[over[-1] + 1 :]])


def _hairline(person: Person) -> list[Point]:
    """The edge of the hair over the face, from the picture's left to its right; ends beside the ears or lower."""
    high = -1.0 * person.forehead - 0.1 * person.age * (person.hair == "short")
    if person.hair == "side":
        line = [(-0.97, 0.05), (-0.93, -0.45), (-0.66, -0.92), (-0.42, high - 0.1), (0.05, high + 0.12),
                (0.55, high + 0.24), (0.86, -0.52), (0.97, 0.05)]  # fmt: skip
    elif person.hair == "fringe":
        rng = random.Random(f"fringe/{person.name}")
        line = [(-0.98, 0.1), (-0.9, -0.35)]
        for i in range(6):
            x = -0.75 + 0.3 * i
            line += [(x - 0.12, -0.62 + rng.uniform(-0.03, 0.03)), (x, -0.55 + rng.uniform(-0.04, 0.04))]
        return [*line, (0.9, -0.35), (0.98, 0.1)]
    elif person.hair in {"bob", "long"}:
        part = random.Random(f"part/{person.name}").uniform(-0.35, 0.35)
        half = [(0.99, 0.95), (0.95, 0.3), (0.88, -0.35), (0.62, -0.85)]
        line = [*((-x, y) for x, y in half), (part, high - 0.16), *half[::-1]]
    else:
        half = [(0.98, 0.05), (0.9, -0.42), (0.8, -0.72), (0.5, high + 0.1)]
        line = [*((-x, y) for x, y in half), (0.0, high), *half[::-1]]
    return smooth(line, steps=4)
