"""Fitting a calibration on the validation part, and what it does to the confidence on other pictures."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.metrics.classification import ECE_BINS, calibration_bin, expected_calibration_error
from kunstkammer.metrics.decisions import THRESHOLD, one_hot, to_probabilities
from kunstkammer.metrics.intervals import Interval, bootstrap, bootstrap_interval, group_numbers
from kunstkammer.models.calibration import Calibration

if TYPE_CHECKING:
    from kunstkammer.evaluation.predictions import Predictions

LEAST_PICTURES = 20
"""With fewer a temperature says more of these pictures than of the model."""

LEAST_OF_A_KIND = 10
"""A label gets a threshold of its own where so many pictures have it, and so many have not."""

_LOWEST, _HIGHEST = 0.05, 20.0


def fit_calibration(logits: np.ndarray, targets: np.ndarray) -> Calibration | None:
    """Find the temperature that makes the pictures of the validation part likeliest.

    Args:
        logits: float (N, K) of pictures that the model did not learn from.
        targets: int64 (N,) for one label a picture, 0/1 (N, K) for many; a row with -1 is left out.

    Returns:
        The calibration; None with fewer than 20 pictures.

    Guo et al. 2017, section 4.2, with one change: the targets are not 0 and 1 but as sure as N pictures allow,
    (N + 1) / (N + 2) and what is left, as Platt 1999 has them ("Probabilistic Outputs for Support Vector Machines",
    section 2.2). Else a model that is right on all of them would be made infinitely sure.

    With many labels the one temperature holds for all, and each label that 10 pictures have and 10 have not gets the
    threshold of the best F1 (Lipton et al. 2014), in the middle between two probabilities; the others keep 0.5.
    """
    from scipy.optimize import minimize_scalar

    logits, targets = np.asarray(logits, dtype=np.float64), np.asarray(targets)
    known = (targets >= 0).reshape(len(targets), -1).all(axis=1) & np.isfinite(logits).all(axis=1)
    logits, targets = logits[known], targets[known]
    if len(logits) < LEAST_PICTURES:
        return None
    many = targets.ndim == 2
    truth = one_hot(targets, logits.shape[1]).astype(np.float64)
    wanted = _softened(truth, many)

    def loss(log_temperature: float) -> float:
        return _loss(logits / np.exp(log_temperature), wanted, many)

    bounds = (np.log(_LOWEST), np.log(_HIGHEST))
    temperature = float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}).x))
    thresholds = None
    if many:
        found = to_probabilities(logits / temperature, multi_label=True)
        thresholds = tuple(best_threshold(truth[:, k], found[:, k]) for k in range(truth.shape[1]))
    before, after = (_loss(logits / t, truth, many) for t in (1.0, temperature))
    return Calibration(temperature, len(logits), before, after, thresholds)


def _softened(truth: np.ndarray, many: bool) -> np.ndarray:
    """Return targets as sure as N pictures allow."""
    count = len(truth)
    if not many:
        rest = 1 / (count + 2)
        return truth * (1 - rest) + (1 - truth) * rest / (truth.shape[1] - 1) if truth.shape[1] > 1 else truth
    having = truth.sum(axis=0)
    high, low = (having + 1) / (having + 2), 1 / (count - having + 2)
    return np.where(truth > 0, high, low)


def _loss(logits: np.ndarray, wanted: np.ndarray, many: bool) -> float:
    """Return the mean negative log-likelihood, of a picture or of a label of a picture."""
    if many:
        return float((np.logaddexp(0.0, logits) - wanted * logits).mean())
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(wanted * log_softmax).sum(axis=1).mean())


def best_threshold(truth: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the threshold of the best F1 of one label; 0.5 where too few pictures have it, or it is as good.

    >>> truth = np.array([0] * 30 + [1] * 10)
    >>> round(best_threshold(truth, np.linspace(0, 0.4, 40)), 3)
    0.303
    """
    having = int(truth.sum())
    if min(having, len(truth) - having) < LEAST_OF_A_KIND:
        return THRESHOLD
    order = np.argsort(-probabilities, kind="stable")
    sorted_ = probabilities[order]
    said = np.arange(1, len(truth) + 1)
    f1 = 2 * np.cumsum(truth[order]) / (said + having)
    possible = np.append(sorted_[:-1] > sorted_[1:], False)  # no threshold lies between two equal probabilities
    now = probabilities > THRESHOLD
    plain = 2 * (truth * now).sum() / max(now.sum() + having, 1)
    if not possible.any() or f1[possible].max() <= plain:
        return THRESHOLD
    best = int(np.flatnonzero(possible)[f1[possible].argmax()])
    return float((sorted_[best] + sorted_[best + 1]) / 2)


@dataclass(frozen=True)
class CalibrationEffect:
    """What a calibration does on pictures that it was not fitted on.

    Attributes:
        calibration: the calibration.
        before, after: the expected calibration error as it was before, and as it is, with intervals; with many labels
            that of all labels of all pictures.
        gain: before minus after, on the same resamples.
    """

    calibration: Calibration
    before: Interval
    after: Interval
    gain: Interval

    def to_json(self) -> dict[str, Any]:
        """Return the figures, and the temperature and its pictures."""
        return {
            "temperature": self.calibration.temperature,
            "pictures": self.calibration.pictures,
            "expected_calibration_error": {
                "before": self.before.to_json(),
                "after": self.after.to_json(),
                "gain": self.gain.to_json(),
            },
        }


def calibration_effect(
    predictions: Predictions,
    calibration: Calibration,
    *,
    groups: Sequence[Hashable] | np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> CalibrationEffect | None:
    """Return what a calibration did to the predictions of a calibrated model; None where no truth is known."""
    chosen = np.flatnonzero(predictions.known())
    if predictions.targets is None or not len(chosen):
        return None
    targets, now = predictions.targets[chosen], predictions.probabilities[chosen]
    members = group_numbers(None if groups is None else [groups[int(i)] for i in chosen], len(chosen))
    if groups is not None and int(members.max()) == 0:
        members = group_numbers(None, len(chosen))
    error = label_calibration_error if targets.ndim == 2 else expected_calibration_error
    both = {"before": calibration.undo(now), "after": now}
    values = {name: float(error(targets, table, np.ones((1, len(table))))[0]) for name, table in both.items()}
    functions = {name: lambda weights, table=table: error(targets, table, weights) for name, table in both.items()}
    draws = bootstrap(functions, members, resamples, seed)
    ranges = {name: bootstrap_interval(values[name], draws[name], 0.0, 1.0, biased=True) for name in both}
    gain = bootstrap_interval(values["before"] - values["after"], draws["before"] - draws["after"], -1.0, 1.0)
    return CalibrationEffect(calibration, ranges["before"], ranges["after"], gain)


def label_calibration_error(targets: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the expected calibration error over all labels of all pictures, for weights (R, N): (R,), 0 to 1.

    sum_b (n_b / NK) |share of true labels_b - mean probability_b| over 15 bins of the probability.
    """
    place = calibration_bin(probabilities)
    gap = targets - probabilities
    sums = np.stack([np.where(place == b, gap, 0.0).sum(axis=1) for b in range(ECE_BINS)], axis=1)
    return np.abs(weights @ sums).sum(axis=1) / (weights.sum(axis=1) * probabilities.shape[1])
