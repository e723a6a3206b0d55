"""Which muscles move in which emotion: facial action units (AUs) and the prototypes of eight emotions.

The units and their numbers are those of the Facial Action Coding System (P. Ekman, W. V. Friesen and J. C. Hager,
*Facial Action Coding System: The Manual*, 2002). The prototypes follow the emotion predictions of EMFACS as that
manual's Investigator's Guide tabulates them; which further units join in for some people, and about how often, follows
S. Du, Y. Tao and A. M. Martinez, *Compound facial expressions of emotion*, PNAS 111(15), 2014, table 1. Contempt, which
they do not have, is the unilateral tightening of one lip corner (Ekman and Friesen, *A new pan-cultural facial
expression of emotion*, Motivation and Emotion 10, 1986).
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ACTION_UNITS: Mapping[int, str] = MappingProxyType({
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    16: "lower lip depressor",
    17: "chin raiser",
    20: "lip stretcher",
    23: "lip tightener",
    24: "lip pressor",
    25: "lips part",
    26: "jaw drop",
})  # fmt: skip
"""The action units that faces are drawn with, by number."""


@dataclass(frozen=True)
class Prototype:
    """The action units of one emotion.

    Attributes:
        always: units that every picture of the emotion shows.
        often: further units, each with the share of people who show it too.
        one_sided: whether the units move on one side of the face only.
    """

    always: tuple[int, ...]
    often: Mapping[int, float]
    one_sided: bool = False


PROTOTYPES: Mapping[str, Prototype] = MappingProxyType({
    "anger": Prototype((4, 7), {5: 0.6, 23: 0.7, 24: 0.4, 17: 0.5, 10: 0.15}),
    "contempt": Prototype((12, 14), {10: 0.15, 7: 0.15}, one_sided=True),
    "disgust": Prototype((9,), {10: 0.7, 15: 0.5, 16: 0.35, 17: 0.5, 4: 0.31, 25: 0.2}),
    "fear": Prototype((1, 4, 5, 20), {2: 0.75, 7: 0.4, 25: 0.8, 26: 0.4}),
    "happiness": Prototype((6, 12), {25: 0.65, 26: 0.15}),
    "neutrality": Prototype((), {}),
    "sadness": Prototype((1, 4, 15), {17: 0.6, 6: 0.15, 7: 0.15}),
    "surprise": Prototype((1, 2, 5, 26), {25: 1.0}),
})  # fmt: skip
"""The eight emotions, in alphabetical order, and what shows them."""

EMOTIONS: tuple[str, ...] = tuple(PROTOTYPES)

WEAKEST = 0.3
"""The least intensity of a unit that belongs to the emotion."""
STRAY = 0.22
"""The greatest intensity of a unit that does not."""


@dataclass(frozen=True)
class Expression:
    """How strongly each action unit is contracted, 0 (not at all) to 1 (FACS intensity E), on each side of the face.

    Sides are those of the person: `left` is seen on the right of the picture.
    """

    left: Mapping[int, float]
    right: Mapping[int, float]

    def __getitem__(self, unit: int) -> float:
        """Return the mean intensity of both sides."""
        return (self.left.get(unit, 0.0) + self.right.get(unit, 0.0)) / 2

    def side(self, side: int) -> Mapping[int, float]:
        """Return the intensities of the side that the picture shows to the left (-1) or to the right (1)."""
        return self.right if side < 0 else self.left


CALM = Expression({}, {})


def make_expression(emotion: str, rng: random.Random, *, vivid: float = 0.5) -> Expression:
    """Draw an expression of an emotion by lot.

    The picture has one overall strength; each unit deviates from it. Units of no emotion stray in weakly, and both
    sides of the face differ a little, as they do in life.

    Args:
        emotion: one of `EMOTIONS`.
        vivid: how expressive the person is, 0 to 1; it shifts the strength of all their pictures.

    >>> expression = make_expression("happiness", random.Random(0))
    >>> expression[12] > 0.25, expression[4] <= STRAY
    (True, True)
    """
    prototype = PROTOTYPES[emotion]
    units = [*prototype.always, *(unit for unit, share in prototype.often.items() if rng.random() < share)]
    strength = min(1.0, max(WEAKEST, rng.betavariate(2.6, 1.6) * (0.75 + 0.4 * vivid)))
    level = {unit: min(1.0, max(WEAKEST, strength * rng.uniform(0.75, 1.2))) for unit in units}
    for unit in rng.sample(sorted(set(ACTION_UNITS) - set(units)), rng.choice((0, 1, 2, 3))):
        level[unit] = rng.uniform(0.03, STRAY)
    leading = rng.choice((-1, 1))
    left, right = {}, {}
    for unit, value in level.items():
        weaker = value * rng.uniform(0.85, 1.0)
        if prototype.one_sided and unit in units:
            weaker = value * rng.uniform(0.0, 0.12)
        left[unit], right[unit] = (value, weaker) if leading > 0 else (weaker, value)
    return Expression(left, right)
