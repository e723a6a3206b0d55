"""Guided Grad-CAM: fine like guided backpropagation, and of one class like Grad-CAM."""

from __future__ import annotations

from torch import Tensor

from kunstkammer.explanation.facts import ExplainerFacts
from kunstkammer.explanation.grad_cam import grad_cam
from kunstkammer.explanation.rules.by_gradient import guided_backprop
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


@register(
    "explainers",
    "guided-grad-cam",
    "Guided backpropagation weighted by Grad-CAM (Selvaraju et al. 2017, section 3.2)",
    ExplainerFacts("cams", cost="several"),
)
def guided_grad_cam(task: Task, *, layer: str | None = None) -> Tensor:
    """Return guided backpropagation times Grad-CAM, signed, (N, C, H, W).

    Args:
        task: the batch.
        layer: the module that Grad-CAM reads; found by itself where not given (see `find_layer`).
    """
    return guided_backprop(task) * grad_cam(task, layer=layer)
