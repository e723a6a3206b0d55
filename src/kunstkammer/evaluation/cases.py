"""Single pictures worth looking at: the best, the worst, the most doubtful, and examples of each class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from kunstkammer.evaluation.predictions import Predictions
from kunstkammer.metrics.classification import picture_f1
from kunstkammer.metrics.decisions import THRESHOLD

NOTHING = "–"


@dataclass(frozen=True)
class Case:
    """What the model says about one picture, and what is true.

    Attributes:
        index: its place in the predictions; file: its name.
        truth: the true labels, None where they are not known. predicted: the predicted ones.
        probability: of the predicted label; with many labels the mean over the predicted ones, or, where none is
            predicted, that of the most probable one.
        margin: one label: the distance between the two largest probabilities; many labels: the least distance of a
            probability from its threshold, as a share of what is possible on its side. From 0 (undecided) to 1.
        score: 1 for right and 0 for wrong; with many labels the F1 of the picture's labels. None without truth.
    """

    index: int
    file: str
    truth: tuple[str, ...] | None
    predicted: tuple[str, ...]
    probability: float
    margin: float
    score: float | None

    @property
    def correct(self) -> bool | None:
        """Whether all predicted labels are the true ones; None where those are not known."""
        return None if self.truth is None else set(self.truth) == set(self.predicted)

    @property
    def caption(self) -> str:
        """The caption of system A.

        >>> Case(0, "p.png", ("manga",), ("comic",), 0.8, 0.6, 0.0).caption
        'GT: manga; PRED: comic'
        """
        said = ", ".join(self.predicted) or NOTHING
        return f"PRED: {said}" if self.truth is None else f"GT: {', '.join(self.truth) or NOTHING}; PRED: {said}"


@dataclass(frozen=True)
class Cases:
    """The pictures of a part worth looking at, each list with the strongest case first.

    Attributes:
        best: sure and right, in turn from each class. worst: sure and wrong. doubtful: least margin, none of the above.
        per_class: label -> its surest right pictures, then its surest wrong one.
    """

    best: list[Case] = field(default_factory=list)
    worst: list[Case] = field(default_factory=list)
    doubtful: list[Case] = field(default_factory=list)
    per_class: dict[str, list[Case]] = field(default_factory=dict)

    def all(self) -> list[Case]:
        """Return every case once, in the order of the lists."""
        lists = [self.best, self.worst, self.doubtful, *self.per_class.values()]
        return list({case.index: case for cases in lists for case in cases}.values())


def find_cases(predictions: Predictions, count: int = 8, per_class: int = 3) -> Cases:
    """Choose the cases, at most `count` a list and `per_class` a class. Without truth only `doubtful` is filled.

    One label: best and worst are the right and the wrong pictures with the largest probability. Many labels: those
    with the highest and the lowest F1; of equal ones, the surest (largest margin).
    """
    if not len(predictions):
        return Cases()
    cases = _cases(predictions)
    judged = [case for case in cases if case.score is not None]
    if predictions.multi_label:
        best = sorted((c for c in judged if c.score), key=lambda c: (-(c.score or 0), -c.margin))
        worst = sorted((c for c in judged if not c.correct), key=lambda c: (c.score or 0, -c.margin))
    else:
        best = sorted((c for c in judged if c.correct), key=lambda c: -c.probability)
        worst = sorted((c for c in judged if not c.correct), key=lambda c: -c.probability)
    chosen_best, chosen_worst = _in_turn(best, predictions.label_names)[:count], worst[:count]
    shown = {case.index for case in chosen_best + chosen_worst}
    doubtful = sorted((c for c in cases if c.index not in shown), key=lambda c: c.margin)[:count]
    examples = {
        label: _of_class(label, best, max(per_class - 1, 1)) + _of_class(label, worst, 1)[: max(per_class - 1, 0)]
        for label in predictions.label_names
    }
    return Cases(chosen_best, chosen_worst, doubtful, {label: found for label, found in examples.items() if found})


def _cases(predictions: Predictions) -> list[Case]:
    p = predictions.probabilities
    known = predictions.known()
    if predictions.multi_label:
        chosen = predictions.decided()
        count = chosen.sum(axis=1)
        sure = np.where(count > 0, (p * chosen).sum(axis=1) / np.maximum(count, 1), p.max(axis=1))
        limits = np.full(p.shape[1], THRESHOLD) if predictions.thresholds is None else predictions.thresholds
        margin = (np.abs(p - limits) / np.where(p > limits, 1 - limits, limits).clip(1e-9)).min(axis=1)
        scores = np.full(len(p), np.nan) if predictions.targets is None else picture_f1(predictions.targets > 0, chosen)
    else:
        two = np.sort(p, axis=1)[:, -2:]
        sure, margin = two[:, -1], two[:, -1] - (two[:, 0] if p.shape[1] > 1 else 0.0)
        scores = np.full(len(p), np.nan) if predictions.targets is None else p.argmax(axis=1) == predictions.targets
    return [
        Case(
            i,
            predictions.files[i],
            predictions.truth(i),
            predictions.predicted(i),
            float(sure[i]),
            float(margin[i]),
            float(scores[i]) if known[i] else None,
        )
        for i in range(len(p))
    ]


def _in_turn(cases: list[Case], labels: Iterable[str]) -> list[Case]:
    """Order cases so that the first true labels take turns: else all of the best are of the easiest class."""
    queues = {label: [c for c in cases if c.truth and c.truth[0] == label] for label in labels}
    ranks = {case.index: rank for queue in queues.values() for rank, case in enumerate(queue)}
    place = {case.index: i for i, case in enumerate(cases)}
    return sorted(cases, key=lambda c: (ranks.get(c.index, len(cases)), place[c.index]))


def _of_class(label: str, cases: list[Case], count: int) -> list[Case]:
    return [case for case in cases if case.truth and label in case.truth][:count]
