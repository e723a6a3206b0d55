"""What `check` says of the boxes of a collection: how many there are, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.data.health import Finding, cut
from kunstkammer.data.objects import OVERHANG
from kunstkammer.pictures.detections import Detections

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.data.survey import Survey

FEW_BOXES = 20
"""A label of fewer boxes than this is hardly learned, and what is measured of it says little."""

_OUTSIDE = (
    "outside their picture",
    "Look whether pictures were turned or scaled after the boxes were drawn; what lies outside is cut off in use.",
)
_EMPTY = ("without an area", "Draw them anew or take them out; they are left out in use.")
_REPEATED = ("there more than once", "Keep one of each; a box that is there twice counts twice.")


@dataclass(frozen=True)
class BoxHealth:
    """The boxes of a collection.

    Attributes:
        total: boxes in all; pictures: pictures with at least one.
        labels: how many boxes each label has, sorted by label; "" for boxes without one.
        outside: by picture, how many of its boxes reach outside it; of readable pictures alone.
        empty: how many have no area.
        repeated: how many are there already, with the same label and (within half a pixel) the same edges.
    """

    total: int
    pictures: int
    labels: dict[str, int]
    outside: dict[int, int]
    empty: dict[int, int]
    repeated: dict[int, int]

    def to_json(self, files: list[str]) -> dict[str, Any]:
        """Return the value of the key "boxes"."""
        trouble = {"outside": self.outside, "empty": self.empty, "repeated": self.repeated}
        return {
            "boxes": self.total,
            "pictures": self.pictures,
            "labels": dict(self.labels),
            **{name: [{"file": files[i], "boxes": n} for i, n in own.items()] for name, own in trouble.items()},
        }

    def sentence(self, pictures: int) -> str:
        """Say how many there are in a collection of so many pictures, and of what."""
        ranked = sorted(self.labels.items(), key=lambda item: -item[1])
        listed = ", ".join(f"{cut(name) or 'no label'} {n:,}" for name, n in ranked[:8])
        more = f" and {len(ranked) - 8} more labels" if len(ranked) > 8 else ""
        return f"{_boxes(self.total)} on {self.pictures:,} of {pictures:,} pictures: {listed}{more}."


def inspect_boxes(collection: Collection, survey: Survey) -> BoxHealth | None:
    """Look the boxes of a collection over; None where it has none."""
    if not collection.has_boxes:
        return None
    labels: Counter[str] = Counter()
    outside: dict[int, int] = {}
    empty: dict[int, int] = {}
    repeated: dict[int, int] = {}
    pictures = 0
    for i in range(len(collection)):
        found = collection.detections(i)
        if not len(found):
            continue
        pictures += 1
        labels.update(found.labels)
        width, height = survey.sizes[i].tolist()
        for own, n in (
            (outside, _outside(found, width, height) if survey.readable[i] else 0),
            (empty, int((found.area <= 0).sum())),
            (repeated, _repeated(found)),
        ):
            if n:
                own[i] = n
    return BoxHealth(sum(labels.values()), pictures, dict(sorted(labels.items())), outside, empty, repeated)


def box_findings(health: BoxHealth | None) -> Iterator[Finding]:
    """Tell what is wrong with the boxes."""
    if health is None:
        return
    for kind, own, verb, mend in (
        ("boxes-outside", health.outside, ("reaches", "reach"), _OUTSIDE),
        ("boxes-empty", health.empty, ("is", "are"), _EMPTY),
        ("boxes-repeated", health.repeated, ("is", "are"), _REPEATED),
    ):
        if own:
            n = sum(own.values())
            what, todo = mend
            where = "1 picture" if len(own) == 1 else f"{len(own):,} pictures"
            yield Finding(
                kind,
                "warning",
                f"{_boxes(n)} {verb[n > 1]} {what} ({where}).",
                todo,
                tuple((i,) for i in own),
                {i: _boxes(k) for i, k in own.items()},
            )
    rare = sorted((n, name) for name, n in health.labels.items() if name and n < FEW_BOXES)
    if rare:
        listed = ", ".join(f"'{cut(name)}' ({n})" for n, name in rare[:5])
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        have = "label has" if len(rare) == 1 else "labels have"
        yield Finding(
            "few-boxes",
            "note",
            f"{len(rare)} {have} fewer than {FEW_BOXES} boxes: {listed}{more}.",
            "Add some before a detector is to learn them; for classification nothing is to be done.",
        )


def _outside(found: Detections, width: int, height: int) -> int:
    start, end = found.boxes[:, :2], found.boxes[:, 2:]
    return int(((start < -OVERHANG).any(axis=1) | (end > np.array([width, height]) + OVERHANG).any(axis=1)).sum())


def _repeated(found: Detections) -> int:
    """Return how many boxes are like an earlier one of the same label."""
    again = 0
    for name in set(found.labels):
        own = found.boxes[[k for k, label in enumerate(found.labels) if label == name]]
        alike = (np.abs(own[:, None] - own[None]) <= OVERHANG).all(axis=2)
        again += int(np.tril(alike, -1).any(axis=1).sum())
    return again


def _boxes(n: int) -> str:
    return "1 box" if n == 1 else f"{n:,} boxes"
