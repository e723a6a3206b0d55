"""The metrics: each ONE pure function of (targets, probabilities), and vectorised over many weightings of the pictures.

`targets` are int64 (N,) for one label a picture, 0/1 (N, K) for many; `probabilities` float64 (N, K). Without
`weights` a metric returns a float. With `weights` (R, N), how often each picture counts in each of R resamples, it
returns float64 (R,): that is what makes a bootstrap of 1,000 resamples quick (see `intervals`). A metric that is not
defined, such as ROC-AUC where the part holds one class only, is nan; `evaluate` leaves it out and says so.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from kunstkammer.metrics import decisions
from kunstkammer.metrics.decisions import one_hot
from kunstkammer.registry import register

ECE_BINS = 15

Function = Callable[..., Any]


@dataclass(frozen=True)
class Metric:
    """A metric and what must be known to show it.

    Attributes:
        name: its name in the registry.
        function: `function(targets, probabilities, weights=None, thresholds=None)`.
        single, multi: whether it is for one label a picture, for many labels.
        low, high: its range; `high` is inf where there is no upper bound.
        higher_is_better: the direction.
        proportion: whether it is a share of pictures, which has an exact interval of its own.
        decides: whether it looks at the predicted labels alone, not at their probabilities.
        ranked: whether it sorts the pictures by probability (dearer to bootstrap).
        biased: whether its value on few pictures is systematically too high, so that the interval must correct it.
    """

    name: str
    function: Function
    single: bool
    multi: bool
    low: float = 0.0
    high: float = 1.0
    higher_is_better: bool = True
    proportion: bool = False
    decides: bool = False
    ranked: bool = False
    biased: bool = False


def metric(
    name: str, summary: str, *, single: bool = False, multi: bool = False, **facts: Any
) -> Callable[..., Function]:
    """Register a metric. The function below the decorator takes weights (R, N) and returns (R,).

    One that `decides` is given the predicted labels, (N, K) of 0 and 1, in the place of the probabilities.
    """

    def claim(function: Function) -> Function:
        @functools.wraps(function)
        def value(
            targets: np.ndarray,
            probabilities: np.ndarray,
            weights: np.ndarray | None = None,
            thresholds: np.ndarray | None = None,
        ) -> Any:
            targets, probabilities = np.asarray(targets), np.asarray(probabilities, dtype=np.float64)
            if facts.get("decides"):
                # Such a metric looks at the predicted labels alone: these take the place of the probabilities.
                probabilities = decide(targets, probabilities, thresholds).astype(np.float64)
            if weights is None:
                return float(function(targets, probabilities, np.ones((1, len(targets))))[0])
            return function(targets, probabilities, weights)

        register("metrics", name, summary)(Metric(name, value, single, multi, **facts))
        return value

    return claim


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted means (R,) of one value a picture (N,)."""
    return weights @ values.astype(weights.dtype) / weights.sum(axis=1)


def _nanmean(values: np.ndarray | Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean over the classes (R, K) -> (R,) of those where it is defined, nan where none is."""
    values = np.asarray(values)
    defined = np.isfinite(values)
    count = defined.sum(axis=1)
    total = np.where(defined, values, 0.0).sum(axis=1)
    return np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return above / below, nan where below is 0."""
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)


def decide(targets: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray | None = None) -> np.ndarray:
    """Return the predicted labels, bool (N, K), as `decisions.decide` does; `targets` (N, K) mean many labels."""
    return decisions.decide(probabilities, multi_label=targets.ndim == 2, thresholds=thresholds)


def label_counts(targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return (R, K) each: how often a label is rightly predicted, predicted, and true, with weights (R, N).

    predicted: the predicted labels, (N, K) of 0 and 1.
    """
    truth, said = one_hot(targets, predicted.shape[1]), predicted.astype(bool)
    return tuple(
        np.asarray((sparse.csr_array(table.astype(np.float64)).T @ weights.T).T)
        for table in (truth & said, said, truth)
    )


@metric("accuracy", "Share of pictures whose most probable label is right", single=True, proportion=True, decides=True)
def accuracy(targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Accuracy: (1/N) sum_i [argmax_k p_ik = t_i], from 0 to 1.

    >>> accuracy(np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]))
    0.6666666666666666
    """
    return _mean(predicted.argmax(axis=1) == targets, weights)


@metric("subset_accuracy", "Share of pictures whose labels are all right", multi=True, proportion=True, decides=True)
def subset_accuracy(targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Subset accuracy (exact match): (1/N) sum_i [{k: p_ik > threshold_k} = T_i], from 0 to 1."""
    return _mean((predicted.astype(bool) == targets.astype(bool)).all(axis=1), weights)


@metric("balanced_accuracy", "Mean over the classes of the share found", single=True, decides=True)
def balanced_accuracy(targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Balanced accuracy: the mean recall of the classes that occur in the truth, from 0 to 1.

    recall_k = |{i: t_i = k and argmax p_i = k}| / |{i: t_i = k}|, as in scikit-learn.
    """
    right, _, true = label_counts(targets, predicted, weights)
    return _nanmean(_ratio(right, true))


@metric("macro_f1", "Mean F1 of the classes that occur in truth or prediction", single=True, multi=True, decides=True)
def macro_f1(targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Macro F1: the mean over the classes of F1_k = 2 TP_k / (2 TP_k + FP_k + FN_k), from 0 to 1.

    A class that is neither true nor predicted for any picture has no F1 and is left out of the mean, as
    scikit-learn does for one label a picture (for many labels: with zero_division=nan).
    """
    right, said, true = label_counts(targets, predicted, weights)
    return _nanmean(_ratio(2 * right, said + true))


@metric("macro_f1_all", "Mean F1 of all labels; one that never occurs counts as 0", multi=True, decides=True)
def macro_f1_all(targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Macro F1 over all K labels, with 0 for a label that neither occurs nor is predicted, from 0 to 1.

    This is scikit-learn's default for many labels; beside `macro_f1` it shows what the absent labels do to the mean.
    """
    right, said, true = label_counts(targets, predicted, weights)
    return np.nan_to_num(_ratio(2 * right, said + true)).mean(axis=1)


@metric("micro_f1", "F1 over all decisions taken together", single=True, multi=True, decides=True)
def micro_f1(targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Micro F1: 2 TP / (2 TP + FP + FN) with the counts of all classes added up, from 0 to 1.

    With one label a picture it equals the accuracy. nan where no label is true or predicted anywhere.
    """
    right, said, true = label_counts(targets, predicted, weights)
    return _ratio(2 * right.sum(axis=1), (said + true).sum(axis=1))


@metric("samples_f1", "Mean over the pictures of the F1 of their labels", multi=True, decides=True)
def samples_f1(targets: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Samples F1: (1/N) sum_i 2 |T_i & P_i| / (|T_i| + |P_i|), from 0 to 1.

    A picture that has no label and for which none is predicted is right: 1 (scikit-learn's zero_division=1).
    """
    return _mean(picture_f1(targets, predicted), weights)


def picture_f1(targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return float64 (N,): the F1 of each picture's labels; 1 where none is true and none predicted.

    targets, predicted: (N, K) of 0 and 1.
    """
    truth, said = targets.astype(bool), predicted.astype(bool)
    return np.nan_to_num(_ratio(2.0 * (truth & said).sum(axis=1), truth.sum(axis=1) + said.sum(axis=1)), nan=1.0)


@metric(
    "log_loss",
    "Mean surprise at the truth; lower is better",
    single=True,
    multi=True,
    high=np.inf,
    higher_is_better=False,
)
def log_loss(targets: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Log loss (cross-entropy, natural logarithm), from 0 upward.

    One label: -(1/N) sum_i ln p_i,t_i. Many labels: the binary cross-entropy, mean over pictures and labels.
    Probabilities are kept 2.2e-16 away from 0 and 1, as in scikit-learn.
    """
    edge = np.finfo(np.float64).eps
    p = np.clip(probabilities, edge, 1 - edge)
    if targets.ndim == 1:
        return _mean(-np.log(p[np.arange(len(p)), targets]), weights)
    truth = targets.astype(bool)
    return _mean(-np.where(truth, np.log(p), np.log1p(-p)).mean(axis=1), weights)


@metric(
    "brier_score",
    "Mean squared error of the probabilities; lower is better",
    single=True,
    high=2.0,
    higher_is_better=False,
)
def brier_score(targets: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Brier score (Brier 1950): (1/N) sum_i sum_k (p_ik - [t_i = k])^2, from 0 to 2.

    With two classes half of that, (1/N) sum_i (p_i1 - t_i)^2, from 0 to 1: the usual form, and scikit-learn's default.
    """
    squares = ((probabilities - one_hot(targets, probabilities.shape[1])) ** 2).sum(axis=1)
    return _mean(squares / (2 if probabilities.shape[1] == 2 else 1), weights)


@metric(
    "expected_calibration_error",
    "How far confidence and accuracy lie apart; lower is better",
    single=True,
    higher_is_better=False,
    biased=True,
)
def expected_calibration_error(targets: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Expected calibration error (Guo et al. 2017, equation 3), from 0 to 1.

    sum_b (n_b / N) |accuracy_b - confidence_b| over 15 bins ((b-1)/15, b/15] of the confidence max_k p_ik.
    With few pictures it is too high even for a perfectly calibrated model; its interval corrects that.
    """
    sure = probabilities.max(axis=1)
    gap = (probabilities.argmax(axis=1) == targets) - sure
    member = one_hot(calibration_bin(sure), ECE_BINS)
    return np.abs(weights @ (member * gap[:, None])).sum(axis=1) / weights.sum(axis=1)


def calibration_bin(sure: np.ndarray, bins: int = ECE_BINS) -> np.ndarray:
    """Return int (N,): the bin ((b)/bins, (b+1)/bins] of each confidence; 0 belongs to the first."""
    return np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)


@metric("roc_auc", "Chance that a picture of a class ranks above one of another", single=True, multi=True, ranked=True)
def roc_auc(targets: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve, from 0 to 1 (0.5: chance).

    For a class it is P(p_ik > p_jk) + P(p_ik = p_jk) / 2 for a picture i of the class and j of none. Two classes: that
    of the second. More, or many labels: the mean over the classes against the rest (one-vs-rest, macro), of those
    that have pictures on both sides; nan where none has.
    """
    truth = one_hot(targets, probabilities.shape[1])
    columns = [1] if targets.ndim == 1 and truth.shape[1] == 2 else range(truth.shape[1])
    return _nanmean(np.stack([class_roc_auc(truth[:, k], probabilities[:, k], weights) for k in columns], axis=1))


def class_roc_auc(truth: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under one class's ROC curve, (R,), for truth bool (N,), scores (N,) and weights (R, N).

    nan where there is no picture on one of the two sides.
    """
    inside, outside = np.flatnonzero(truth), np.flatnonzero(~truth)
    if not len(inside) or not len(outside):
        return np.full(len(weights), np.nan)
    outside = outside[np.argsort(score[outside], kind="stable")]
    below = np.zeros((len(weights), len(outside) + 1))
    np.cumsum(weights[:, outside], axis=1, out=below[:, 1:])
    ordered = score[outside]
    lower, upper = (np.searchsorted(ordered, score[inside], side=side) for side in ("left", "right"))
    own = weights[:, inside]
    beaten = (own * (below[:, lower] + below[:, upper])).sum(axis=1) / 2
    return _ratio(beaten, own.sum(axis=1) * below[:, -1])


@metric("mean_average_precision", "Mean area under the precision-recall curves", single=True, multi=True, ranked=True)
def mean_average_precision(targets: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean average precision, from 0 to 1: the mean of AP_k over the classes that occur in the truth.

    AP_k = sum_n (recall_n - recall_n-1) precision_n over the thresholds, without interpolation, as in scikit-learn.
    """
    truth = one_hot(targets, probabilities.shape[1])
    return _nanmean(np.stack([_class_ap(t, p, weights) for t, p in zip(truth.T, probabilities.T, strict=True)], axis=1))


def _class_ap(truth: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    inside = np.flatnonzero(truth)
    if not len(inside):
        return np.full(len(weights), np.nan)
    inside = inside[np.argsort(-score[inside], kind="stable")]
    everyone = np.argsort(-score, kind="stable")
    own = weights[:, inside]
    found, retrieved = np.cumsum(own, axis=1), np.cumsum(weights[:, everyone], axis=1)
    # pictures with equal probability are retrieved together: count to the last of them
    last_found = np.searchsorted(-score[inside], -score[inside], side="right") - 1
    last_retrieved = np.searchsorted(-score[everyone], -score[inside], side="right") - 1
    precision = np.nan_to_num(_ratio(found[:, last_found], retrieved[:, last_retrieved]))
    return _ratio((own * precision).sum(axis=1), found[:, -1])


@metric("label_ranking_average_precision", "How high the true labels rank among all", multi=True)
def label_ranking_average_precision(targets: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Label ranking average precision (LRAP), above 0 to 1.

    The mean over the pictures of (1/|T_i|) sum_{k in T_i} |{l in T_i: p_il >= p_ik}| / |{l: p_il >= p_ik}|; a picture
    with none or all of the labels counts as 1, as in scikit-learn.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    ranked, truth = (np.take_along_axis(table, order, axis=1) for table in (probabilities, targets.astype(bool)))
    width = ranked.shape[1]
    ends = np.concatenate([ranked[:, 1:] != ranked[:, :-1], np.ones((len(ranked), 1), dtype=bool)], axis=1)
    # labels with equal probability share the rank of the last of them
    last = np.minimum.accumulate(np.where(ends, np.arange(width), width)[:, ::-1], axis=1)[:, ::-1]
    precision = np.take_along_axis(truth.cumsum(axis=1), last, axis=1) / (last + 1)
    score = _ratio((precision * truth).sum(axis=1), truth.sum(axis=1).astype(float))
    return _mean(np.nan_to_num(score, nan=1.0), weights)
