"""From logits to probabilities, from probabilities to labels: the one definition that every path asks. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

THRESHOLD = 0.5
"""With many labels, a label is predicted where its probability is above this, unless it has a threshold of its own."""


def to_probabilities(logits: np.ndarray, *, multi_label: bool) -> np.ndarray:
    """Return float64 (N, K) in 0..1 for logits (N, K): softmax over the labels, or with many labels a sigmoid each.

    >>> to_probabilities(np.array([[0.0, 0.0], [0.0, np.log(3)]]), multi_label=False).round(2).tolist()
    [[0.5, 0.5], [0.25, 0.75]]
    """
    values = np.asarray(logits, dtype=np.float64)
    if multi_label:
        return np.exp(-np.logaddexp(0.0, -values))
    if not values.shape[-1]:
        return values
    shifted = np.exp(values - values.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def one_hot(targets: np.ndarray, count: int) -> np.ndarray:
    """Return bool (N, K): the truth as many labels; targets that are so already are returned as bool."""
    return targets.astype(bool) if targets.ndim == 2 else targets[:, None] == np.arange(count)


def decide(
    probabilities: np.ndarray, *, multi_label: bool, thresholds: Sequence[float] | np.ndarray | None = None
) -> np.ndarray:
    """Return the predicted labels, bool (N, K).

    Args:
        probabilities: (N, K), 0 to 1.
        multi_label: False: the most probable label, of equal ones the first. True: every label above its threshold.
        thresholds: (K,), only with many labels; 0.5 each where not given.

    >>> decide(np.array([[0.4, 0.6], [0.3, 0.2]]), multi_label=True, thresholds=[0.35, 0.7]).tolist()
    [[True, False], [False, False]]
    """
    probabilities = np.asarray(probabilities)
    if multi_label:
        return probabilities > (THRESHOLD if thresholds is None else np.asarray(thresholds, dtype=np.float64))
    if not len(probabilities):
        return np.zeros(probabilities.shape, dtype=bool)
    return one_hot(probabilities.argmax(axis=1), probabilities.shape[1])
