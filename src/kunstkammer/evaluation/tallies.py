"""Counts behind the figures: the confusion matrix, a row a class, and confidence against accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kunstkammer.metrics.decisions import one_hot
from kunstkammer.metrics.intervals import Interval

CALIBRATION_BINS = 10


@dataclass(frozen=True)
class ClassRow:
    """How one class fares. A figure that is not defined (no picture, or never predicted) is None.

    Attributes:
        label: its name.
        n: pictures of the class in the part.
        predicted: pictures for which it is predicted.
        precision: right ones among the predicted; recall: found ones among the true; f1: their harmonic mean.
        prior: its share of the training part.
        roc_auc: with many labels, how well it is told from the rest, with its 95 % interval.
    """

    label: str
    n: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None
    prior: float
    roc_auc: Interval | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all attributes but the label."""
        found = {key: value for key, value in asdict(self).items() if key not in {"label", "roc_auc"}}
        return found if self.roc_auc is None else {**found, "roc_auc": self.roc_auc.to_json()}


@dataclass(frozen=True)
class Calibration:
    """Confidence against accuracy, in bins of equal width: `edges` (B + 1,), and for each bin the `count` of pictures,
    their mean `confidence` (largest probability) and `accuracy`, None where a bin is empty."""

    edges: list[float]
    count: list[int]
    confidence: list[float | None]
    accuracy: list[float | None]

    def to_json(self) -> dict[str, Any]:
        """Return all attributes."""
        return asdict(self)


def confusion_matrix(targets: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return int64 (K, K): how many pictures of class i (row) are taken for class j (column).

    With many labels: how many pictures with the true label i have the predicted label j.

    predicted: bool (N, K), the predicted labels.
    """
    truth = one_hot(targets, predicted.shape[1]).astype(np.int64)
    return truth.T @ predicted.astype(np.int64)


def class_rows(
    targets: np.ndarray,
    predicted: np.ndarray,
    label_names: tuple[str, ...],
    prior: np.ndarray,
    roc_aucs: Sequence[Interval | None] | None = None,
) -> list[ClassRow]:
    """Return a row for each of the K classes. predicted: bool (N, K), the predicted labels."""
    roc_aucs = roc_aucs or [None] * len(label_names)
    truth = one_hot(targets, predicted.shape[1])
    right = (truth & predicted).sum(axis=0)
    return [
        ClassRow(
            label,
            int(n),
            int(said),
            _share(hit, said),
            _share(hit, n),
            _share(2 * hit, n + said),
            float(share),
            auc,
        )
        for label, n, said, hit, share, auc in zip(
            label_names, truth.sum(axis=0), predicted.sum(axis=0), right, prior, roc_aucs, strict=True
        )
    ]


def calibrate(targets: np.ndarray, probabilities: np.ndarray, bins: int = CALIBRATION_BINS) -> Calibration:
    """Return confidence against accuracy for one label a picture, in `bins` bins ((b-1)/bins, b/bins]."""
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    sums = np.bincount(place, weights=sure, minlength=bins)
    hits = np.bincount(place, weights=right, minlength=bins)
    return Calibration(
        [b / bins for b in range(bins + 1)],
        count.tolist(),
        [_share(s, n) for s, n in zip(sums, count, strict=True)],
        [_share(h, n) for h, n in zip(hits, count, strict=True)],
    )


def _share(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None
