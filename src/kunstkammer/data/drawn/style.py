"""Who draws: artists with their own hand, and the marks by which the two kinds of comics are told apart.

A kind is never told by one mark. A page carries up to nine of them (`CUES`); each is drawn in the manner of its own
kind, in the manner of the other one, or in neither, so that only several together decide.

Every artist belongs to one part of the collection. The numbers that make up a hand (`RANGES`) lie in the middle of
their range for training artists, in a band outside it for validation artists and in the outermost bands for test
artists: no number of a test artist occurs among the training artists (`BANDS`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

Kind = Literal["comic", "manga"]
Manner = Literal["comic", "manga", "neither"]

KINDS: tuple[Kind, Kind] = ("comic", "manga")

CUES = ("tone", "eyes", "jaw", "hair", "lettering", "gutters", "motion", "line", "sound")
"""What differs, as a comic has it / as a manga has it.

tone: hatching / dot screen. eyes: small / large with highlights. jaw: square, with a marked nose / pointed, with a
small one. hair: round caps and waves / spikes with gloss. lettering: rows in wide balloons and caption boxes /
columns in tall balloons. gutters: upright / slanted. motion: arcs and bursts / focus and speed lines. line: even /
swelling. sound: bold capitals / katakana.
"""

CROSSED = dict.fromkeys(CUES, 0.18) | {"eyes": 0.07, "hair": 0.1}
ABSENT = 0.04
"""How often a mark is drawn in the manner of the other kind, and in neither's, before `MAJORITY` weeds out pages."""
MAJORITY = 6
"""A page carries at least so many more marks of its own kind than of the other one: it can always be decided."""

RANGES: dict[str, tuple[float, float]] = {
    "pen": (0.9, 1.8),  # width of a line, pixels
    "jitter": (0.05, 0.4),  # trembling of the hand, pixels
    "spacing": (7.4, 10.6),  # of dots and strokes, pixels
    "angle": (20.0, 70.0),  # of dots and strokes, degrees
    "eye": (0.88, 1.18),  # size of eyes beside what is usual in the kind
    "jaw": (0.8, 1.2),  # how pointed or how square chins are
    "letter": (7.0, 9.6),  # height of letters, pixels
    "swell": (0.55, 1.0),  # how much a swelling line swells
}

BANDS: dict[str, tuple[tuple[float, float], ...]] = {
    "train": ((0.2, 0.8),),
    "validation": ((0.1, 0.2), (0.8, 0.9)),
    "test": ((0.0, 0.1), (0.9, 1.0)),
}
"""Where, on each range (0 its low end, 1 its high end), the artists of each part lie."""

ARTISTS = {"train": 24, "validation": 6, "test": 12}
"""How many artists of each kind draw each part."""

_FIRST = (
    "Ada",
    "Bela",
    "Cleo",
    "Dario",
    "Edda",
    "Finn",
    "Gala",
    "Hugo",
    "Ines",
    "Jona",
    "Kaia",
    "Lino",
    "Mara",
    "Nilo",
)
_LAST = ("Amsel", "Birke", "Corvo", "Dachs", "Erle", "Fuchs", "Ginster", "Hasel", "Iltis", "Jasmin", "Kranich", "Luchs")


@dataclass(frozen=True)
class Artist:
    """One hand: its name, its kind, the part of the collection it draws, and a number for each of `RANGES`."""

    name: str
    kind: Kind
    part: str
    numbers: dict[str, float]

    def __getitem__(self, number: str) -> float:
        return self.numbers[number]


def artists(kind: Kind, part: str, seed: int) -> list[Artist]:
    """Return the artists of a kind who draw a part; the same seed gives the same people.

    >>> [a.name for a in artists("comic", "test", 0)] == [a.name for a in artists("comic", "test", 0)]
    True
    """
    rng = random.Random(f"artists/{seed}/{kind}/{part}")
    people = []
    for i, name in enumerate(_names(kind, part, seed)):
        numbers = {}
        for j, (number, (low, high)) in enumerate(RANGES.items()):
            bands = BANDS[part]
            # bands in turn, so that few artists cover both ends, in combinations that differ
            start, stop = bands[(i + (i >> (j % 3))) % len(bands)]
            numbers[number] = round(low + (high - low) * rng.uniform(start, stop), 3)
        people.append(Artist(name, kind, part, numbers))
    return people


def _names(kind: Kind, part: str, seed: int) -> list[str]:
    """Names that no artist of another kind or part bears."""
    everyone = [f"{first} {last}" for first in _FIRST for last in _LAST]
    random.Random(f"names/{seed}").shuffle(everyone)
    start = 0
    for a_part, number in ARTISTS.items():
        for a_kind in KINDS:
            if (a_kind, a_part) == (kind, part):
                return everyone[start : start + number]
            start += number
    raise ValueError(f"No artists draw the part '{part}' of kind '{kind}'.")


def manners(kind: Kind, rng: random.Random) -> dict[str, Manner]:
    """Draw by lot how each mark of a page is made: mostly as its kind does, some as the other, some as neither."""
    other: Kind = "manga" if kind == "comic" else "comic"
    while True:
        lots = {cue: rng.random() for cue in CUES}
        page: dict[str, Manner] = {
            cue: other if lot < CROSSED[cue] else "neither" if lot < CROSSED[cue] + ABSENT else kind
            for cue, lot in lots.items()
        }
        made = list(page.values())
        if made.count(kind) - made.count(other) >= MAJORITY:
            return page
