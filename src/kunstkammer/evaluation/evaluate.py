"""How good predictions are: every metric with its interval, ZeroR beside it, and what else must be known."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kunstkammer.errors import DataError
from kunstkammer.evaluation.collapse import Collapse, find_collapse
from kunstkammer.evaluation.notes import Note
from kunstkammer.evaluation.predictions import Predictions
from kunstkammer.evaluation.tallies import Calibration, ClassRow, calibrate, class_rows, confusion_matrix
from kunstkammer.metrics.classification import Metric, class_roc_auc
from kunstkammer.metrics.decisions import one_hot
from kunstkammer.metrics.intervals import (
    Interval,
    bootstrap,
    bootstrap_interval,
    class_carriers,
    effective_count,
    group_numbers,
    share_interval,
    widen_if_perfect,
)
from kunstkammer.registry import entries

_RANKED_BUDGET = 400_000_000
"""Pictures x labels x resamples that a metric which sorts may cost (about 6 s on two cores)."""


@dataclass(frozen=True)
class Evaluation:
    """How good predictions are on one part.

    Attributes:
        n: the pictures that were judged (those whose truth is known).
        groups: the groups that they form, None if none were given.
        multi_label: whether a picture can have several labels.
        label_names: the K labels.
        metrics: name -> value with its 95 % interval, those that are defined here.
        zero_r: name -> what ZeroR reaches on the same pictures: the model that looks at no picture and always answers
            with the shares of the training part.
        gains: name -> metric minus ZeroR, with the interval of the difference on the same resamples.
        classes: a row a class: pictures, precision, recall, F1, prior.
        confusion: int64 (K, K): truth (rows) against prediction; with many labels, pictures with label i true and j
            predicted.
        calibration: confidence against accuracy in bins; None with many labels.
        collapse: whether the predictions hardly move.
        notes: what a reader must know: metrics left out, few pictures, absent classes ...
    """

    n: int
    groups: int | None
    multi_label: bool
    label_names: tuple[str, ...]
    metrics: dict[str, Interval]
    zero_r: dict[str, float]
    gains: dict[str, Interval]
    classes: list[ClassRow]
    confusion: np.ndarray
    calibration: Calibration | None
    collapse: Collapse
    notes: list[Note] = field(default_factory=list)

    @property
    def headline(self) -> str:
        """The name of the metric that a report puts first."""
        return "samples_f1" if self.multi_label else "accuracy"

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values; `n`, `metrics` and `zero_r` as the command prints them."""
        return {
            "n": self.n,
            "groups": self.groups,
            "metrics": {name: interval.to_json() for name, interval in self.metrics.items()},
            "zero_r": dict(self.zero_r),
            "gains": {name: interval.to_json() for name, interval in self.gains.items()},
            "labels": list(self.label_names),
            "multi_label": self.multi_label,
            "classes": {row.label: row.to_json() for row in self.classes},
            "confusion": self.confusion.tolist(),
            "calibration": None if self.calibration is None else self.calibration.to_json(),
            "collapse": self.collapse.to_json(),
            "notes": [note.text for note in self.notes],
        }


def evaluate_predictions(
    predictions: Predictions,
    *,
    prior: np.ndarray | None = None,
    groups: Sequence[Hashable] | np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Judge predictions whose truth is known.

    prior: float (K,), the share of each class (with many labels: of the pictures with each label) in the TRAINING
        part; without it, that of the pictures judged stands in, and a note says so.
    groups: for each picture of `predictions`, what belongs together (a title, a set of copies): the bootstrap then
        draws groups.
    resamples: of the bootstrap. seed: of its random numbers.

    Raises `DataError` where no truth is known or the arguments do not fit together.
    """
    known = predictions.known()
    if not known.any():
        raise DataError(
            "None of these pictures has a label that the model knows, so nothing can be measured; add labels."
        )
    if groups is not None and len(groups) != len(predictions):
        raise DataError(f"There are {len(groups)} groups for {len(predictions)} pictures; give one a picture.")
    if not np.isfinite(predictions.probabilities).all():
        raise DataError("The model's probabilities are not all finite numbers, so nothing can be measured.")
    chosen = np.flatnonzero(known)
    judged = predictions.select(chosen)
    targets = _targets(judged)
    width = len(judged.label_names)
    notes = [] if len(judged) == len(predictions) else [Note("unlabelled", count=len(predictions) - len(judged))]
    if prior is None:
        prior = one_hot(targets, width).mean(axis=0)
        notes.append(Note("prior_from_part"))
    prior = _checked_prior(prior, width, judged.multi_label)
    members = group_numbers(None if groups is None else [groups[int(i)] for i in chosen], len(judged))
    grouped = None if groups is None else int(members.max()) + 1
    if grouped == 1:  # nothing can be drawn among one group; its pictures at least can be
        members = group_numbers(None, len(judged))
    scores = _Scores(judged, targets, prior, members, resamples=resamples, seed=seed)
    predicted = judged.decided()
    return Evaluation(
        n=len(judged),
        groups=grouped,
        multi_label=judged.multi_label,
        label_names=judged.label_names,
        metrics=scores.metrics,
        zero_r=scores.zero_r,
        gains=scores.gains,
        classes=class_rows(
            targets,
            predicted,
            judged.label_names,
            prior,
            scores.class_roc_aucs() if judged.multi_label else None,
        ),
        confusion=confusion_matrix(targets, predicted),
        calibration=None if judged.multi_label else calibrate(targets, judged.probabilities),
        collapse=find_collapse(
            judged.probabilities,
            prior,
            judged.label_names,
            targets=targets,
            multi_label=judged.multi_label,
            thresholds=judged.thresholds,
        ),
        notes=notes + scores.notes + _cautions(targets, judged, grouped),
    )


def _targets(judged: Predictions) -> np.ndarray:
    if judged.targets is None:
        raise DataError("These predictions have no targets.")
    return judged.targets if judged.multi_label else judged.targets.astype(np.int64)


def _checked_prior(prior: np.ndarray, width: int, multi_label: bool) -> np.ndarray:
    prior = np.asarray(prior, dtype=np.float64)
    if prior.shape != (width,) or not np.isfinite(prior).all() or (prior < 0).any() or (prior > 1 + 1e-6).any():
        raise DataError(f"The prior needs {width} shares from 0 to 1, one a label, not {np.round(prior, 3).tolist()}.")
    if not multi_label and abs(prior.sum() - 1) > 1e-3:
        raise DataError(f"The shares of the prior add up to {prior.sum():.3f}, not to 1.")
    return prior if multi_label else prior / prior.sum()


def affordable_resamples(resamples: int, cells: int) -> int:
    """Return the resamples for metrics that sort: fewer where there are very many pictures x labels."""
    return min(resamples, max(200, _RANKED_BUDGET // max(cells, 1)))


def zero_r_probabilities(prior: np.ndarray, count: int, *, multi_label: bool, decides: bool) -> np.ndarray:
    """Return what ZeroR answers (N, K): the prior for every picture.

    Where only decisions count (`decides`) and many labels are possible but none is in more than half of the pictures,
    it answers with the most frequent one: that is better than with none.
    """
    answer = prior.astype(np.float64)
    if multi_label and decides and not (prior > 0.5).any():
        answer = np.where(np.arange(len(prior)) == prior.argmax(), 1.0, answer)
    return np.tile(answer, (count, 1))


class _Scores:
    """The metrics of one evaluation, with their intervals, their ZeroR and the gain over it."""

    def __init__(
        self,
        judged: Predictions,
        targets: np.ndarray,
        prior: np.ndarray,
        members: np.ndarray,
        *,
        resamples: int,
        seed: int,
    ) -> None:
        self.targets, self.probabilities, self.prior = targets, judged.probabilities, prior
        self.thresholds, self.predicted = judged.thresholds, judged.decided()
        self.members, self.resamples, self.seed = members, resamples, seed
        self.multi_label = targets.ndim == 2
        self.metrics: dict[str, Interval] = {}
        self.zero_r: dict[str, float] = {}
        self.gains: dict[str, Interval] = {}
        self.notes: list[Note] = []
        suited = [entry.thing for entry in entries("metrics")]
        suited = [m for m in suited if (m.multi if self.multi_label else m.single)]
        values = {m.name: self._value(m) for m in suited}
        self.left_out = [m.name for m in suited if not np.isfinite(values[m.name])]
        if self.left_out:
            self.notes.append(Note("undefined", names=", ".join(self.left_out)))
        suited = [m for m in suited if m.name not in self.left_out]
        draws = self._draws([m for m in suited if not m.ranked], resamples)
        draws |= self._draws([m for m in suited if m.ranked], self._affordable(resamples))
        for m in suited:
            own, zero = draws[m.name], draws[f"{m.name} of ZeroR"]
            self.zero_r[m.name] = m.function(targets, self._zero(m))
            self.metrics[m.name] = self._interval(m, values[m.name], own)
            gain = values[m.name] - self.zero_r[m.name]
            self.gains[m.name] = bootstrap_interval(gain, own - zero, -m.high, m.high)

    def _value(self, m: Metric) -> float:
        return m.function(self.targets, self.probabilities, thresholds=self.thresholds)

    def class_roc_aucs(self) -> list[Interval | None]:
        """Return the ROC-AUC of each label, None for one that all of the pictures carry or none of them."""
        truth = one_hot(self.targets, self.probabilities.shape[1])
        columns = [k for k in range(truth.shape[1]) if truth[:, k].any() and not truth[:, k].all()]
        functions = {str(k): functools.partial(class_roc_auc, truth[:, k], self.probabilities[:, k]) for k in columns}
        draws = bootstrap(functions, self.members, affordable_resamples(self.resamples, truth.size), self.seed)
        whole = np.ones((1, len(truth)))
        independent = effective_count(np.ones(len(truth)), self.members)
        found: list[Interval | None] = [None] * truth.shape[1]
        for k in columns:
            interval = bootstrap_interval(float(functions[str(k)](whole)[0]), draws[str(k)], 0.0, 1.0)
            inside = int(truth[:, k].sum())
            found[k] = widen_if_perfect(interval, 1.0, min(independent, inside, len(truth) - inside))
        return found

    def _affordable(self, resamples: int) -> int:
        rows = affordable_resamples(resamples, self.probabilities.size)
        if rows < resamples:
            self.notes.append(Note("fewer_resamples", count=rows))
        return rows

    def _zero(self, m: Metric) -> np.ndarray:
        return zero_r_probabilities(self.prior, len(self.targets), multi_label=self.multi_label, decides=m.decides)

    def _draws(self, chosen: list[Metric], resamples: int) -> dict[str, np.ndarray]:
        functions = {
            m.name: functools.partial(m.function, self.targets, self.probabilities, thresholds=self.thresholds)
            for m in chosen
        }
        for m in chosen:
            functions[f"{m.name} of ZeroR"] = functools.partial(self._zero_draw, m)
        return bootstrap(functions, self.members, resamples, self.seed)

    def _zero_draw(self, m: Metric, weights: np.ndarray) -> np.ndarray:
        if m.name == "roc_auc":
            return np.full(len(weights), 0.5)  # a constant ranks nothing: no need to count it out
        return m.function(self.targets, self._zero(m), weights)

    def _interval(self, m: Metric, value: float, draws: np.ndarray) -> Interval:
        if m.proportion or (m.name == "micro_f1" and not self.multi_label):
            right = self.predicted == one_hot(self.targets, self.probabilities.shape[1])
            return share_interval(right.all(axis=1), self.members)
        interval = bootstrap_interval(value, draws, m.low, m.high, biased=m.biased)
        if not m.higher_is_better:
            return interval
        independent = effective_count(np.ones(len(self.targets)), self.members)
        support = one_hot(self.targets, self.probabilities.shape[1]).sum(axis=0)
        return widen_if_perfect(interval, m.high, class_carriers(support, independent))


def _cautions(targets: np.ndarray, judged: Predictions, groups: int | None) -> list[Note]:
    """Return what makes the figures less sure than they look."""
    notes = []
    support = one_hot(targets, len(judged.label_names)).sum(axis=0)
    absent = [name for name, count in zip(judged.label_names, support, strict=True) if count == 0]
    if absent:
        shown = ", ".join(absent[:5]) + (", ..." if len(absent) > 5 else "")
        notes.append(Note("absent_classes", count=len(absent), names=shown))
    everywhere = [name for name, count in zip(judged.label_names, support, strict=True) if count == len(judged)]
    if judged.multi_label and everywhere:
        notes.append(Note("everywhere", names=", ".join(everywhere)))
    if len(judged) < 100:
        notes.append(Note("few_pictures", count=len(judged)))
    if groups == 1:
        notes.append(Note("one_group"))
    elif groups is not None and groups < 10:
        notes.append(Note("few_groups", count=groups))
    if not judged.multi_label and len(judged) >= 10 and (support > 0).sum() > 1:
        said = np.unique(judged.probabilities.argmax(axis=1))
        if len(said) == 1:
            notes.append(Note("one_answer", label=judged.label_names[int(said[0])]))
    return notes
