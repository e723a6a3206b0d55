"""The few figures that an epoch is judged by; the full evaluation comes after training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from kunstkammer.metrics.decisions import to_probabilities
from kunstkammer.registry import get

if TYPE_CHECKING:
    from kunstkammer.training.trainer import Lesson

CHOOSABLE = ("accuracy", "balanced_accuracy", "macro_f1", "roc_auc")
"""What `training.metric` may name beside the loss."""


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
    """Return the loss and the metrics of `validation_metrics` of the plates at `rows`."""
    logits = part_logits(model, lesson, rows, bf16=bf16)
    targets = torch.from_numpy(lesson.targets[rows])
    return {"loss": float(loss(logits, targets)), **validation_metrics(logits.numpy(), targets.numpy())}


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
