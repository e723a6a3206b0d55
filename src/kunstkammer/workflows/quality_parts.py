"""Which pictures of a collection `explain_quality` uses for what: nothing is measured on what it was fitted on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.errors import DataError
from kunstkammer.progress import say

if TYPE_CHECKING:
    from torch import Tensor

    from kunstkammer.data.collection import Collection
    from kunstkammer.data.plates import Plates
    from kunstkammer.data.survey import Survey
    from kunstkammer.models.run import Run
    from kunstkammer.pictures.detections import Detections

FEWEST = 3
"""Fewer pictures than this tell nothing of a mean."""
FEWEST_TO_FIT = 16
"""Patterns are not fitted on fewer pictures than this."""
FEWEST_FOR_SIGNALS = 48
"""rho needs three separate parts; of fewer pictures in all it is not measured."""
MOST_TO_FIT = 2000
"""So many pictures are enough to fit patterns."""


@dataclass(frozen=True)
class Parts:
    """Places in the collection, each int64 and sorted.

    Attributes:
        name: "test"; "new" for pictures that the model has not seen, where none is of a test part; or "all".
        measured: on these everything is measured; no two are copies of one picture.
        fitting: on these patterns are fitted: of the training part, or none of the measured ones.
        signals: three separate parts for rho (fit, optimise, evaluate), copies whole; empty where there are too few.
        unreadable: how many pictures cannot be read.
        notes: what a reader must know, sentences.
    """

    name: str
    measured: np.ndarray
    fitting: np.ndarray
    signals: tuple[np.ndarray, ...]
    unreadable: int
    notes: list[str] = field(default_factory=list)


def plan_parts(
    checkpoint: Run,
    collection: Collection,
    seen: Survey,
    *,
    pictures: int,
    signals: int,
    fits: bool,
    seed: int,
) -> Parts:
    """Choose the pictures for each experiment, at random.

    Args:
        pictures: measure on so many, at most; signals: use so many for rho, at most.
        fits: patterns are to be fitted here, so that some pictures must be kept for that.

    Raises `DataError` where fewer than three readable pictures remain.
    """
    from kunstkammer.data.copies import duplicate_groups
    from kunstkammer.evaluation.part import NEW, run_parts

    groups = duplicate_groups(seen)
    readable = np.flatnonzero(seen.readable)
    random = np.random.default_rng(seed)
    own = run_parts(checkpoint, collection, seen.sha256)
    told = [theirs if part is None else part for part, theirs in zip(own, collection.splits, strict=True)]
    parts = np.array([told[i] for i in readable])
    test, train = readable[parts == "test"], readable[parts == "train"]
    notes = []
    name, pool = "test", test
    if not len(test) and any(own):  # a collection that has grown since, or of which the run's test part is gone
        name, pool = NEW, np.array([i for i in readable if own[i] not in ("train", "validation")], dtype=np.int64)
    if len(pool):
        fitting = train if len(train) else readable[~np.isin(readable, pool)]
        fresh = pool[~np.isin(groups[pool], groups[fitting])]
        if len(fresh) < len(pool):
            notes.append(f"{len(pool) - len(fresh)} test pictures are copies of training pictures and are left out.")
        measured = _one_of_each(fresh, groups, pictures, random)
    else:
        name = "all"
        notes.append(
            "The model saw all of these pictures when it was made."
            if any(own)
            else "The collection has no test part: the model may have learned from the pictures it is measured on."
        )
        each = len(np.unique(groups[readable]))
        enough = each >= 2 * FEWEST_TO_FIT
        measured = _one_of_each(readable, groups, min(pictures, each // 2) if fits and enough else pictures, random)
        fitting = readable[~np.isin(groups[readable], groups[measured])]
    if len(measured) < FEWEST:
        raise DataError(
            f"{collection.name} has {len(measured)} pictures to measure on ({name}, readable, copies counted once); "
            f"at least {FEWEST} are needed to compare methods."
        )
    fitting = np.sort(random.permutation(fitting)[:MOST_TO_FIT])
    three = three_parts(readable, groups, signals, seed) if len(readable) >= FEWEST_FOR_SIGNALS else ()
    return Parts(name, measured, fitting, three, len(seen) - len(readable), notes)


def _one_of_each(pool: np.ndarray, groups: np.ndarray, most: int, random: np.random.Generator) -> np.ndarray:
    """Draw pictures, of copies one."""
    order = random.permutation(pool)
    _, first = np.unique(groups[order], return_index=True)
    chosen: np.ndarray = np.sort(order[np.sort(first)[:most]])
    return chosen


def three_parts(rows: np.ndarray, groups: np.ndarray, most: int, seed: int) -> tuple[np.ndarray, ...]:
    """Share pictures out: a half, a quarter, a quarter; copies of one picture stay in one part.

    >>> fit, optimise, evaluate = three_parts(np.arange(8), np.array([0, 0, 1, 2, 3, 4, 5, 6]), 100, seed=0)
    >>> len(fit) + len(optimise) + len(evaluate), bool(np.isin([0, 1], fit).all() or not np.isin([0, 1], fit).any())
    (8, True)
    """
    random = np.random.default_rng(seed)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    shares = (0.5, 0.25, 0.25)
    members: dict[int, list[int]] = {}
    for row in rows:
        members.setdefault(int(groups[row]), []).append(int(row))
    taken = 0
    for group in random.permutation(np.array(sorted(members))):
        if taken >= most:
            break
        place = min(range(3), key=lambda k: (len(parts[k]) + 1) / shares[k])
        parts[place].extend(members[int(group)])
        taken += len(members[int(group)])
    return tuple(np.array(sorted(part), dtype=np.int64) for part in parts)


class Loader:
    """Gives the model's input for places in a collection, from its plates."""

    def __init__(self, checkpoint: Run, plates: Plates) -> None:
        self._checkpoint, self._plates = checkpoint, plates

    def __call__(self, rows: np.ndarray) -> Tensor:
        return self._checkpoint.prepare(self._plates[rows])

    def batches(self, rows: np.ndarray, most: int = 32) -> Batches:
        """Return at least 16 batches, where there are so many pictures, of at most `most` each.

        With few batches rho would draw all its samples of all layers from one: memory.
        """
        return Batches(self, rows, max(1, min(most, len(rows) // 16)))


class Batches:
    """Batches (N, C, H, W) of the pictures at `rows`."""

    def __init__(self, load: Loader, rows: np.ndarray, size: int) -> None:
        self._load, self._rows, self._size = load, rows, size

    def __len__(self) -> int:
        return (len(self._rows) + self._size - 1) // self._size

    def __iter__(self) -> Iterator[Tensor]:
        for start in range(0, len(self._rows), self._size):
            yield self._load(self._rows[start : start + self._size])


def boxes_in_input(
    checkpoint: Run, collection: Collection, seen: Survey, rows: np.ndarray, targets: np.ndarray
) -> list[Detections] | None:
    """Return the boxes of each picture at `rows` in pixels of the model's input, None where there are none at all.

    Where the boxes' categories are labels of the model, those of the predicted label count; else all of them. What
    framing and the central crop leave out of a box is cut off.
    """
    if not collection.has_boxes:
        return None
    own = [collection.detections(int(row)) for row in rows]
    by_label = any(set(boxes.labels) & set(checkpoint.label_names) for boxes in own)
    geometry = checkpoint.geometry
    found = []
    for row, boxes, target in zip(rows, own, targets, strict=True):
        width, height = (int(side) for side in seen.sizes[row])
        move = geometry.plate.framing.affine((height, width), seen=geometry.input_size)
        wanted = boxes.filter([checkpoint.label_names[target]]) if by_label else boxes
        found.append(wanted.moved(move, geometry.input_size))
    return found if any(found) else None


def pictures_to_show(predicted: np.ndarray, truths: np.ndarray, most: int = 6) -> list[int]:
    """Choose pictures spread over the classes, a third of them wrong answers where there are so many: places.

    Args:
        predicted: int (N,); truths: int (N,), -1 where it is not known.

    >>> pictures_to_show(np.array([0, 0, 1, 1, 0]), np.array([0, 0, 1, 0, 1]), most=4)
    [0, 2, 1, 4]
    """
    known = truths >= 0
    wrong = np.flatnonzero(known & (predicted != truths))
    right = np.flatnonzero(~known | (predicted == truths))
    share = min(len(wrong), max(most // 3, most - len(right)))
    return _spread(right, predicted, most - share) + _spread(wrong, predicted, share)


def _spread(rows: np.ndarray, classes: np.ndarray, most: int) -> list[int]:
    """Take one of each class in turn."""
    queues: dict[int, list[int]] = {}
    for row in rows:
        queues.setdefault(int(classes[row]), []).append(int(row))
    found: list[int] = []
    while len(found) < most and any(queues.values()):
        for label in sorted(queues):
            if queues[label] and len(found) < most:
                found.append(queues[label].pop(0))
    return found


def say_unreadable(errors: Sequence[Any]) -> None:
    """Name on stderr what cannot be read."""
    for error in errors:
        say(f"Unreadable, left out: {error}")
