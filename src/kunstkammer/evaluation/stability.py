"""Stability: how a model's answers react to slight changes of a picture, such as a small turn or an erased stroke.

Each change of the registry kind "changes" is tried at each of its levels on the same pictures, and the answer is
compared with the answer to the unchanged picture. What is measured needs no truth: a model can be stable and wrong.
Where the truth is known, the accuracy under each change stands beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from kunstkammer.errors import DataError
from kunstkammer.evaluation.predictions import UNLABELLED
from kunstkammer.metrics.decisions import decide, one_hot
from kunstkammer.metrics.intervals import (
    Interval,
    bootstrap,
    bootstrap_interval,
    group_numbers,
    share_interval,
)
from kunstkammer.pictures.changes import Change
from kunstkammer.registry import entries, get

Predict = Callable[[torch.Tensor, np.ndarray], np.ndarray]
"""`predict(plates, rows)`: uint8 (B, C, H, W) and which of the pictures they show, int (B,), to float64 (B, K)."""


@dataclass(frozen=True)
class Reaction:
    """How a model reacts to one change at one level.

    Attributes:
        change: its name in the registry; level: its strength, in the change's own unit.
        n: pictures that it altered. One that it leaves as it is (no stroke to erase) tells nothing and is not counted.
        flipped: the share of them that get another label; with many labels, another set of labels.
        label_flips: with many labels, the share of all label decisions that turn; None for one label a picture.
        moved: the mean absolute change of the probability of what was predicted before, 0 to 1; with many labels the
            mean over the labels predicted before, or of the most probable one where none was.
        distance: the mean total variation distance between both answers, 0 to 1; with many labels the mean absolute
            change of a label's probability.
        accuracy: the share of right answers after the change (with many labels: of right sets), None where no truth
            is known. accuracy_before: the same of the same pictures unchanged.
    """

    change: str
    level: float
    n: int
    flipped: Interval
    label_flips: Interval | None
    moved: Interval
    distance: Interval
    accuracy: Interval | None
    accuracy_before: float | None

    def to_json(self) -> dict[str, Any]:
        """Return all attributes."""
        plain = asdict(self)
        return plain | {k: v.to_json() for k, v in vars(self).items() if isinstance(v, Interval)}


@dataclass(frozen=True)
class UnstablePrediction:
    """A picture whose answer a change moved far.

    Attributes:
        index: its place among the pictures tried. file: its name. truth: its labels, None where they are not known.
        change, level: what was done to it.
        before, after: the labels predicted. probability_before, probability_after: of the labels predicted before
            (as for `Reaction.moved`). distance: between both answers.
        plate, changed: uint8 (C, H, W), as the model saw them.
    """

    index: int
    file: str
    truth: tuple[str, ...] | None
    change: str
    level: float
    before: tuple[str, ...]
    after: tuple[str, ...]
    probability_before: float
    probability_after: float
    distance: float
    plate: np.ndarray
    changed: np.ndarray

    @property
    def flipped(self) -> bool:
        """Whether the picture gets other labels."""
        return set(self.before) != set(self.after)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pixels."""
        left_out = ("index", "plate", "changed")
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items() if k not in left_out}


@dataclass(frozen=True)
class Stability:
    """How a model's answers react to slight changes.

    Attributes:
        n: the pictures tried. side: the shorter side of their plates in pixels. multi_label: whether they can have
            several labels.
        reactions: one for each change and level, changes by name, levels from the slightest on.
        worst: the pictures whose answer moved farthest, at most one entry a picture; flipped ones first.
        still: whether the unchanged pictures all get the same labels: the model is then stable for want of a choice.
    """

    n: int
    side: int
    multi_label: bool
    reactions: list[Reaction]
    worst: list[UnstablePrediction]
    still: bool

    def strongest(self) -> list[Reaction]:
        """Return the reaction to the strongest level of each change that altered a picture, the most flips first."""
        last = {r.change: r for r in self.reactions}
        return sorted(last.values(), key=lambda r: -r.flipped.value)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the pixels."""
        return {
            "n": self.n,
            "side": self.side,
            "still": self.still,
            "changes": [reaction.to_json() for reaction in self.reactions],
            "worst": [shaken.to_json() for shaken in self.worst],
        }


def measure_stability(
    predict: Predict,
    plates: torch.Tensor,
    *,
    label_names: Sequence[str],
    multi_label: bool = False,
    thresholds: np.ndarray | None = None,
    targets: np.ndarray | None = None,
    files: Sequence[str] | None = None,
    groups: Sequence[Hashable] | np.ndarray | None = None,
    changes: Sequence[str] | None = None,
    worst: int = 9,
    batch_size: int = 32,
    resamples: int = 1000,
    seed: int = 0,
) -> Stability:
    """Try slight changes on pictures and say how a model's answers react.

    predict: see `Predict`; it must give the same answer to the same plates. plates: uint8 (N, C, H, W).
    thresholds, targets: as in `Predictions`, None where no truth is known. files: names of the pictures.
    groups: what belongs together, as for `evaluate_predictions`. changes: names of the registry kind, all where not
    given. worst: how many of the most shaken pictures are kept. seed: a picture is changed in the same way by the same
    seed, whatever the batch size.

    Raises `DataError` where there is no picture.
    """
    if not len(plates):
        raise DataError("There is no picture to try changes on.")
    chosen = [entry.thing for entry in entries("changes")] if changes is None else [get("changes", c) for c in changes]
    names = list(files) if files is not None else [str(i) for i in range(len(plates))]
    trial = _Trial(predict, plates, tuple(label_names), multi_label, thresholds, batch_size, seed)
    truth = _Truth(targets, multi_label, len(plates))
    members = group_numbers(groups, len(plates))
    reactions: list[Reaction] = []
    shaken: list[_Moved] = []
    for change in chosen:
        for level in change.levels:
            answer = trial.under(change, level)
            if answer.rows.size:
                reactions.append(_reaction(trial, answer, truth, members, resamples=resamples, seed=seed))
                shaken += _moved(trial, answer)
    said = trial.said(trial.before)
    return Stability(
        len(plates),
        min(plates.shape[2:]),
        multi_label,
        reactions,
        [_show(trial, found, names, truth) for found in _farthest(shaken, worst)],
        bool((said == said[0]).all()),
    )


@dataclass(frozen=True)
class _Answer:
    """What the model says of the pictures that a change altered: `rows` (M,) and `probabilities` (M, K)."""

    change: Change
    level: float
    rows: np.ndarray
    probabilities: np.ndarray


class _Moved(NamedTuple):
    """How far one answer moved, ordered by what is shown first."""

    flipped: bool
    distance: float
    row: int
    change: Change
    level: float
    after: np.ndarray


class _Trial:
    """One model, the pictures, and its answers to them unchanged."""

    def __init__(
        self,
        predict: Predict,
        plates: torch.Tensor,
        label_names: tuple[str, ...],
        multi_label: bool,
        thresholds: np.ndarray | None,
        batch_size: int,
        seed: int,
    ) -> None:
        self.predict, self.plates, self.label_names, self.multi_label = predict, plates, label_names, multi_label
        self.thresholds, self.batch_size, self.seed = thresholds, batch_size, seed
        parts = [predict(plates[rows], rows) for rows in self._batches(np.arange(len(plates)))]
        self.before = np.concatenate(parts)

    def _batches(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(rows), self.batch_size):
            yield rows[start : start + self.batch_size]

    def changed(self, change: Change, level: float, row: int) -> np.ndarray:
        """Return one picture changed, uint8 (C, H, W); each change, level and picture has random numbers of its own."""
        place = change.levels.index(level)
        rng = np.random.default_rng([self.seed, row, place, *change.name.encode()])
        return change.apply(self.plates[row].numpy(), level, rng)

    def under(self, change: Change, level: float) -> _Answer:
        """Ask the model about all pictures that a change alters."""
        rows: list[np.ndarray] = []
        answers: list[np.ndarray] = []
        for batch in self._batches(np.arange(len(self.plates))):
            found = [self.changed(change, level, int(row)) for row in batch]
            own = self.plates[batch].numpy()
            altered = np.array([not np.array_equal(new, old) for new, old in zip(found, own, strict=True)])
            if altered.any():
                pixels = np.stack([new for new, ok in zip(found, altered, strict=True) if ok])
                rows.append(batch[altered])
                answers.append(self.predict(torch.from_numpy(pixels), batch[altered]))
        if not rows:
            return _Answer(change, level, np.zeros(0, dtype=int), self.before[:0])
        return _Answer(change, level, np.concatenate(rows), np.concatenate(answers))

    def said(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the predicted labels, bool (M, K)."""
        return decide(probabilities, multi_label=self.multi_label, thresholds=self.thresholds)

    def distances(self, answer: _Answer) -> np.ndarray:
        """Return (M,): total variation distances, or the mean change of a label's probability where there are many."""
        change = np.abs(answer.probabilities - self.before[answer.rows])
        return change.mean(axis=1) if self.multi_label else change.sum(axis=1) / 2

    def over_watched(self, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the means (M,) of values (M, K) over the labels predicted before, or the likeliest where none was."""
        before = self.before[rows]
        said = self.said(before)
        largest = one_hot(before.argmax(axis=1), before.shape[1])
        watched = said | (largest & ~said.any(axis=1, keepdims=True))
        return (values * watched).sum(axis=1) / watched.sum(axis=1)


class _Truth:
    """The truth of the pictures, where it is known."""

    def __init__(self, targets: np.ndarray | None, multi_label: bool, count: int) -> None:
        self.targets = np.full(count, UNLABELLED) if targets is None else np.asarray(targets)
        self.multi_label = multi_label and targets is not None
        self.known = np.asarray(np.reshape(self.targets >= 0, (count, -1)).all(axis=1))

    def right(self, rows: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return bool (M,): whether all of the predicted labels (M, K) of each picture are right."""
        alike = np.equal(predicted, one_hot(self.targets[rows], predicted.shape[1]))
        return alike.all(axis=1)

    def labels(self, row: int, names: tuple[str, ...]) -> tuple[str, ...] | None:
        if not self.known[row]:
            return None
        own = self.targets[row]
        return tuple(names[k] for k in np.flatnonzero(own)) if self.multi_label else (names[int(own)],)


def _reaction(
    trial: _Trial, answer: _Answer, truth: _Truth, members: np.ndarray, *, resamples: int, seed: int
) -> Reaction:
    rows, after = answer.rows, answer.probabilities
    turned = np.not_equal(trial.said(trial.before[rows]), trial.said(after))
    flips = turned.any(axis=1)
    own = np.unique(members[rows], return_inverse=True)[1]
    moved = trial.over_watched(rows, np.abs(after - trial.before[rows]))
    means = {"moved": moved, "distance": trial.distances(answer), "label_flips": turned.mean(axis=1)}
    draws = bootstrap({k: _mean_of(v) for k, v in means.items()}, own, resamples, seed)
    intervals = {k: bootstrap_interval(float(v.mean()), draws[k], 0.0, 1.0) for k, v in means.items()}
    judged = truth.known[rows]
    accuracy, before = None, None
    if judged.any():
        group = np.unique(own[judged], return_inverse=True)[1]
        accuracy = share_interval(truth.right(rows[judged], trial.said(after[judged])), group)
        before = float(truth.right(rows[judged], trial.said(trial.before[rows[judged]])).mean())
    return Reaction(
        answer.change.name,
        answer.level,
        len(rows),
        share_interval(flips, own),
        intervals["label_flips"] if trial.multi_label else None,
        intervals["moved"],
        intervals["distance"],
        accuracy,
        before,
    )


def _mean_of(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda weights: weights @ values / weights.sum(axis=1)


def _moved(trial: _Trial, answer: _Answer) -> list[_Moved]:
    flips = np.not_equal(trial.said(trial.before[answer.rows]), trial.said(answer.probabilities)).any(axis=1)
    return [
        _Moved(bool(flip), float(distance), int(row), answer.change, answer.level, after)
        for flip, distance, row, after in zip(
            flips, trial.distances(answer), answer.rows, answer.probabilities, strict=True
        )
    ]


def _farthest(shaken: list[_Moved], count: int) -> list[_Moved]:
    """Return the answers that moved farthest, one a picture; one kind of change fills at most half while others do."""
    ordered = sorted((m for m in shaken if m.distance > 0), key=lambda m: (not m.flipped, -m.distance, m.row))
    chosen: dict[int, _Moved] = {}
    for most in (max(1, count // 2), count):
        for found in ordered:
            alike = sum(other.change is found.change for other in chosen.values())
            if found.row not in chosen and alike < most and len(chosen) < count:
                chosen[found.row] = found
    return sorted(chosen.values(), key=lambda m: (not m.flipped, -m.distance, m.row))


def _show(trial: _Trial, found: _Moved, names: list[str], truth: _Truth) -> UnstablePrediction:
    before, after = trial.before[[found.row]], found.after[None]
    labels = [tuple(trial.label_names[k] for k in np.flatnonzero(trial.said(p)[0])) for p in (before, after)]
    return UnstablePrediction(
        found.row,
        names[found.row],
        truth.labels(found.row, trial.label_names),
        found.change.name,
        found.level,
        labels[0],
        labels[1],
        float(trial.over_watched(np.array([found.row]), before)[0]),
        float(trial.over_watched(np.array([found.row]), after)[0]),
        found.distance,
        trial.plates[found.row].numpy(),
        trial.changed(found.change, found.level, found.row),
    )
