"""The few figures that an epoch is judged by; the full evaluation comes after training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

if TYPE_CHECKING:
    from kunstkammer.training.trainer import Lesson


@torch.inference_mode()
def part_logits(model: Any, lesson: Lesson, rows: np.ndarray, *, bf16: bool, batch_size: int = 64) -> Tensor:
    """Return float32 logits (n, K) of the plates at `rows`, not augmented; the model's mode is put back after."""
    training = model.training
    device = next(model.parameters()).device
    model.eval()
    try:
        parts = []
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            pixels = lesson.geometry.prepare(lesson.plates[part].to(device))
            more = {name: values.to(device) for name, values in lesson.more(part).items()}
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                parts.append(model(pixel_values=pixels, **more).logits.float().cpu())
        return torch.cat(parts)
    finally:
        model.train(training)


def part_metrics(
    model: Any, lesson: Lesson, rows: np.ndarray, *, bf16: bool, loss: Callable[[Tensor, Tensor], Tensor]
) -> dict[str, float]:
    """Return loss, accuracy, balanced accuracy, macro F1 and mean ROC-AUC of the plates at `rows`."""
    logits = part_logits(model, lesson, rows, bf16=bf16)
    targets = torch.from_numpy(lesson.targets[rows])
    return {"loss": float(loss(logits, targets)), **quick_metrics(logits.numpy(), targets.numpy())}


def quick_metrics(logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Return accuracy, balanced accuracy, macro F1, ROC-AUC for logits (n, K), targets (n,) or multi-hot (n, K).

    Accuracy with several labels is subset accuracy. Balanced accuracy is the mean recall, macro F1 the mean F1, both
    over the classes that the targets hold; ROC-AUC the mean over the classes that some have and some have not, each
    against the rest, 0.5 where there is none.

    >>> quick_metrics(np.array([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]]), np.array([0, 1, 1]))["accuracy"]
    0.6666666666666666
    """
    classes = logits.shape[1]
    if targets.ndim == 2:
        predicted, true = logits > 0, targets > 0.5
    else:
        predicted = np.eye(classes, dtype=bool)[logits.argmax(axis=1)]
        true = np.eye(classes, dtype=bool)[targets]
    hits, asked, given = (predicted & true).sum(0), true.sum(0), predicted.sum(0)
    present = asked > 0
    recall = hits[present] / asked[present]
    f1 = 2 * hits[present] / (asked + given)[present]
    return {
        "accuracy": float((predicted == true).all(axis=1).mean()),
        "balanced_accuracy": float(recall.mean()),
        "macro_f1": float(f1.mean()),
        "roc_auc": mean_roc_auc(logits, true),
    }


def mean_roc_auc(scores: np.ndarray, true: np.ndarray) -> float:
    """Return the mean area under the ROC curves of scores (n, K) for truth bool (n, K): Mann-Whitney's U by n1 n0.

    >>> mean_roc_auc(np.array([[0.1], [0.9], [0.5]]), np.array([[False], [True], [True]]))
    1.0
    """
    inside = true.sum(axis=0)
    both = (inside > 0) & (inside < len(true))
    if not both.any():
        return 0.5
    n = inside[both]
    ranks = rankdata(scores[:, both], axis=0)
    u = (ranks * true[:, both]).sum(axis=0) - n * (n + 1) / 2
    return float((u / (n * (len(true) - n))).mean())
