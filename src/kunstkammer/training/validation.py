"""The few figures that an epoch is judged by; the full evaluation comes after training."""

from __future__ import annotations

import numpy as np

from kunstkammer.metrics.decisions import to_probabilities
from kunstkammer.registry import get

CHOOSABLE = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc")
"""What `training.metric` may name beside the loss."""


def validation_metrics(logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Return the metrics that a recipe may choose an epoch by: those of the registry, as the evaluation has them.

    Args:
        logits: (n, K).
        targets: int (n,), or 0/1 (n, K) for many labels.

    Returns accuracy (with many labels that of whole pictures, `subset_accuracy`), balanced_accuracy, macro_f1 and
    roc_auc, each 0 to 1; nan where it is not defined, or where a logit is not a number.

    >>> validation_metrics(np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), np.array([0, 1, 1]))["accuracy"]
    0.6666666666666666
    """
    many = targets.ndim == 2
    if not np.isfinite(logits).all():
        return dict.fromkeys(CHOOSABLE, float("nan"))
    probabilities = to_probabilities(logits, multi_label=many)
    named = {name: "subset_accuracy" if many and name == "accuracy" else name for name in CHOOSABLE}
    return {name: get("metrics", own).function(targets, probabilities) for name, own in named.items()}
