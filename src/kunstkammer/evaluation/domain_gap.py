"""The domain gap: what a model loses (or gains) on one set of pictures beside another, figure by figure.

`compare` puts two sets of predictions of the same labels side by side: photographs and drawings, or what two models
say of the same drawings. Every difference has an interval of its own. Two independent sets are resampled on their own;
where the pictures of both belong together (the same face as photograph and as drawing, or the very same picture), the
pairs are resampled, which makes the interval of the difference narrower, and rightly so.

Where the sets hold the classes in other shares, part of a difference in accuracy is due to that alone. `LabelShift`
says how far the shares differ, and `Gap.adjusted` what the gap is with the class shares of the first set in both.
Where the features of the two sets lie is the matter of `domain_shift`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from kunstkammer.errors import DataError
from kunstkammer.evaluation.evaluate import Evaluation, affordable_resamples, evaluate_predictions
from kunstkammer.evaluation.predictions import Predictions
from kunstkammer.evaluation.two_sets import Draw, Side, TwoSets, ties
from kunstkammer.metrics.classification import Metric
from kunstkammer.metrics.intervals import LEVEL, Interval, bootstrap_interval, difference_of, wilson
from kunstkammer.registry import get

FEWEST_CONFUSED = 10
"""A class needs so many pictures in both sets for its confusions to be compared."""

MOST_CONFUSIONS = 8


@dataclass(frozen=True)
class MetricGap:
    """One metric on both sets: `a`, `b` with ZeroR beside each, and `gap` = b - a with its own interval."""

    name: str
    higher_is_better: bool
    a: Interval
    b: Interval
    zero_r_a: float
    zero_r_b: float
    gap: Interval

    @property
    def clear(self) -> bool:
        """Whether the interval of the gap leaves 0 out."""
        return self.gap.low > 0 or self.gap.high < 0

    def to_json(self) -> dict[str, Any]:
        """Return all attributes but the name."""
        return {
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "zero_r_a": self.zero_r_a,
            "zero_r_b": self.zero_r_b,
            "gap": self.gap.to_json(),
        }


@dataclass(frozen=True)
class ClassGap:
    """One class on both sets: its pictures, recall and F1, and the gaps b - a; None where a set has none of it."""

    label: str
    n_a: int
    n_b: int
    recall_a: Interval | None
    recall_b: Interval | None
    recall_gap: Interval | None
    f1_a: float | None
    f1_b: float | None
    f1_gap: Interval | None

    def to_json(self) -> dict[str, Any]:
        """Return all attributes but the label."""
        found = {k: v for k, v in vars(self).items() if k != "label"}
        return {k: v.to_json() if isinstance(v, Interval) else v for k, v in found.items()}


@dataclass(frozen=True)
class ConfusionGap:
    """A confusion that is clearly more, or less, frequent on one set: shares of the pictures of `truth`."""

    truth: str
    predicted: str
    share_a: float
    share_b: float


@dataclass(frozen=True)
class LabelShift:
    """How far the classes are shared out otherwise in the two sets.

    Attributes:
        shares_a, shares_b: float (K,), the share of the pictures with each label.
        distance: the total variation distance between them, 0 to 1; with many labels the mean absolute difference.
        chance: what 95 % of pairs of sets of these sizes with equal shares stay below.
    """

    shares_a: np.ndarray
    shares_b: np.ndarray
    distance: float
    chance: float

    @property
    def shifted(self) -> bool:
        """Whether the shares differ by more than chance explains."""
        return self.distance > self.chance

    def to_json(self) -> dict[str, Any]:
        """Return all attributes."""
        return {
            "shares_a": self.shares_a.tolist(),
            "shares_b": self.shares_b.tolist(),
            "distance": self.distance,
            "chance": self.chance,
            "shifted": self.shifted,
        }


@dataclass(frozen=True)
class Gap:
    """Two sets side by side, a the reference and b the other.

    Attributes:
        name_a, name_b: what they are called.
        a, b: the evaluation of each.
        pairs: how many pictures of both belong together; 0 where the sets are taken as independent.
        metrics: name -> the metric on both, those defined on both.
        classes: a row a class.
        confusions: the confusions whose shares clearly differ, the farthest first (corrected for comparing them all);
            none with many labels.
        labels: how far the classes are shared out otherwise.
        adjusted: the gap in accuracy with the class shares of `a` in both sets, over the classes that both have; None
            with many labels.
        only_a, only_b: labels that only one set has pictures of.
    """

    name_a: str
    name_b: str
    a: Evaluation
    b: Evaluation
    pairs: int
    metrics: dict[str, MetricGap]
    classes: list[ClassGap]
    confusions: list[ConfusionGap]
    labels: LabelShift
    adjusted: Interval | None
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()

    @property
    def headline(self) -> MetricGap:
        """The metric that a report puts first."""
        return self.metrics[self.a.headline]

    def to_json(self) -> dict[str, Any]:
        """Return the differences; what each set reaches is in its own evaluation."""
        return {
            "a": self.name_a,
            "b": self.name_b,
            "pairs": self.pairs,
            "metrics": {name: found.to_json() for name, found in self.metrics.items()},
            "classes": {row.label: row.to_json() for row in self.classes},
            "confusions": [vars(found) for found in self.confusions],
            "label_shift": self.labels.to_json(),
            "adjusted_accuracy_gap": None if self.adjusted is None else self.adjusted.to_json(),
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
        }


def compare(
    a: Predictions,
    b: Predictions,
    *,
    name_a: str = "A",
    name_b: str = "B",
    prior: np.ndarray | None = None,
    groups_a: Sequence[Hashable] | np.ndarray | None = None,
    groups_b: Sequence[Hashable] | np.ndarray | None = None,
    paired: bool | None = None,
    judged: tuple[Evaluation, Evaluation] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Gap:
    """Put two sets of predictions of the same labels side by side.

    a: the reference, b: the other. prior: as for `evaluate_predictions`, for both. groups_a, groups_b: what belongs
    together, a picture each; a group that both sets have is drawn with its pictures in both. paired: whether pictures
    of the same name (without the suffix) belong together; where not given, they do when 90 % of the names of the
    larger set stand in the other with the same labels. Not used where there are groups. judged: the evaluations of
    both, where they are known already.

    Raises `DataError` where the labels differ or a set has no truth.
    """
    if a.label_names != b.label_names or a.multi_label != b.multi_label:
        raise DataError(f"{name_a} and {name_b} are not predictions of the same labels, so they cannot be compared.")
    for found, name in ((a, name_a), (b, name_b)):
        if not found.known().any():
            raise DataError(f"No picture of {name} has a label that the model knows, so there is no gap to measure.")
    settings: dict[str, Any] = {"prior": prior, "resamples": resamples, "seed": seed}
    judged_a, judged_b = judged or (
        evaluate_predictions(a, groups=groups_a, **settings),
        evaluate_predictions(b, groups=groups_b, **settings),
    )
    side_a, side_b = Side.of(a, groups_a), Side.of(b, groups_b)
    both = TwoSets(side_a, side_b, ties(side_a, side_b, paired), resamples=resamples, seed=seed)
    draws = both.draws({"recall": Side.recalls, "f1": Side.f1s})
    classes = [_class_gap(both, draws, k, label) for k, label in enumerate(a.label_names)]
    shift = label_shift(side_a.truth, side_b.truth, multi_label=a.multi_label, seed=seed)
    return Gap(
        name_a,
        name_b,
        judged_a,
        judged_b,
        both.pairs,
        _metric_gaps(both, judged_a, judged_b),
        classes,
        [] if a.multi_label else _confusions(judged_a.confusion, judged_b.confusion, a.label_names),
        shift,
        None if a.multi_label else _adjusted(classes, draws["recall"], shift),
        tuple(row.label for row in classes if row.n_a and not row.n_b),
        tuple(row.label for row in classes if row.n_b and not row.n_a),
    )


def _metric_gaps(both: TwoSets, a: Evaluation, b: Evaluation) -> dict[str, MetricGap]:
    """Return the metrics that are defined on both sets, in their order in `a`."""
    chosen: list[Metric] = [get("metrics", name) for name in a.metrics if name in b.metrics]
    cells = both.a.probabilities.size + both.b.probabilities.size
    draws = both.draws({m.name: _draw(m) for m in chosen if not m.ranked})
    few = affordable_resamples(both.resamples, cells)
    draws |= both.draws({m.name: _draw(m) for m in chosen if m.ranked}, few)
    return {
        m.name: MetricGap(
            m.name,
            m.higher_is_better,
            a.metrics[m.name],
            b.metrics[m.name],
            a.zero_r[m.name],
            b.zero_r[m.name],
            both.difference(a.metrics[m.name], b.metrics[m.name], draws[m.name], m.high, biased=m.biased),
        )
        for m in chosen
    }


def _draw(m: Metric) -> Draw:
    # the predicted labels, as the thresholds of its model have them, are what a metric that decides looks at
    return lambda side, weights: m.function(side.targets, side.predicted if m.decides else side.probabilities, weights)


def _class_gap(both: TwoSets, draws: dict[str, np.ndarray], k: int, label: str) -> ClassGap:
    recall_a, recall_b = both.a.recall(k), both.b.recall(k)
    one = np.ones((1, 1))
    f1_a, f1_b = (
        None if np.isnan(value) else float(value)
        for value in (side.f1s(np.broadcast_to(one, (1, len(side.files))))[0, k] for side in (both.a, both.b))
    )
    recall_gap = f1_gap = None
    if recall_a is not None and recall_b is not None:
        recall_gap = both.difference(recall_a, recall_b, draws["recall"][:, :, k])
        if f1_a is not None and f1_b is not None:
            f1_gap = bootstrap_interval(f1_b - f1_a, draws["f1"][1, :, k] - draws["f1"][0, :, k], -1.0, 1.0)
    counts = [int(side.truth[:, k].sum()) for side in (both.a, both.b)]
    return ClassGap(label, counts[0], counts[1], recall_a, recall_b, recall_gap, f1_a, f1_b, f1_gap)


def _adjusted(classes: list[ClassGap], recalls: np.ndarray, shift: LabelShift) -> Interval | None:
    """Return the gap in accuracy with the class shares of a in both, over the classes that both have."""
    shared = np.array([row.recall_gap is not None for row in classes])
    if not shared.any():
        return None
    shares = shift.shares_a[shared] / shift.shares_a[shared].sum()
    value = float(sum(q * row.recall_gap.value for q, row in zip(shares, np.array(classes)[shared], strict=True)))
    gaps = recalls[1][:, shared] - recalls[0][:, shared]
    drawn = np.isfinite(gaps)  # a rare class may be missing from a resample; the others then stand for it
    weights = np.where(drawn, shares, 0.0)
    draws = (np.where(drawn, gaps, 0.0) * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-12)
    return bootstrap_interval(value, draws, -1.0, 1.0)


def label_shift(truth_a: np.ndarray, truth_b: np.ndarray, *, multi_label: bool = False, seed: int = 0) -> LabelShift:
    """Say how far the classes are shared out otherwise in two sets, from their true labels, bool (N, K) each.

    Chance is what 95 % of 2,000 pairs of sets of the same sizes stay below, drawn from the shares of both together
    (with many labels each label on its own).
    """
    rng = np.random.default_rng(seed)
    n_a, n_b = len(truth_a), len(truth_b)
    shares_a, shares_b = truth_a.mean(axis=0), truth_b.mean(axis=0)
    pooled = (truth_a.sum(axis=0) + truth_b.sum(axis=0)) / (n_a + n_b)
    if multi_label:
        drawn = [rng.binomial(n, pooled, size=(2000, len(pooled))) / n for n in (n_a, n_b)]
        unit = 1 / len(pooled)
    else:
        drawn = [rng.multinomial(n, pooled / pooled.sum(), size=2000) / n for n in (n_a, n_b)]
        unit = 0.5
    chance = float(np.quantile(np.abs(drawn[1] - drawn[0]).sum(axis=1) * unit, LEVEL))
    return LabelShift(shares_a, shares_b, float(np.abs(shares_b - shares_a).sum() * unit), chance)


def _confusions(a: np.ndarray, b: np.ndarray, names: tuple[str, ...]) -> list[ConfusionGap]:
    """Return the confusions whose shares differ, at a level that allows for comparing all of them (Bonferroni)."""
    totals_a, totals_b = a.sum(axis=1), b.sum(axis=1)
    judged = np.flatnonzero((totals_a >= FEWEST_CONFUSED) & (totals_b >= FEWEST_CONFUSED))
    pairs = [(int(i), j) for i in judged for j in range(len(names)) if i != j and a[i, j] + b[i, j]]
    z = float(norm.ppf(1 - (1 - LEVEL) / 2 / max(len(pairs), 1)))
    found = []
    for i, j in pairs:
        share_a, share_b = a[i, j] / totals_a[i], b[i, j] / totals_b[i]
        first = Interval(share_a, *wilson(share_a, totals_a[i], z))
        gap = difference_of(first, Interval(share_b, *wilson(share_b, totals_b[i], z)))
        if gap.low > 0 or gap.high < 0:
            found.append(ConfusionGap(names[i], names[j], float(share_a), float(share_b)))
    return sorted(found, key=lambda c: -abs(c.share_b - c.share_a))[:MOST_CONFUSIONS]
