"""Grad-CAM: the last map of a network, each channel weighted by how the score answers to it."""

from __future__ import annotations

import torch
from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.explanation.centres import lay_over
from kunstkammer.explanation.layers import Place, find_place, watched
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


@register(
    "explainers", "grad-cam", "Grad-CAM: the last map weighted by mean gradients (Selvaraju et al. 2017, section 3)"
)
def grad_cam(task: Task, *, layer: str | None = None, positive_only: bool = True, upsample: bool = True) -> Tensor:
    """Return the Grad-CAM map of each picture, (N, 1, H, W).

    With the map A (N, C, h, w) of one layer and the logit y of the class: alpha_c is the mean of dy/dA_c over the cells
    (equation 1), the result max(0, sum over c of alpha_c A_c) (equation 2). Raw values, not scaled.

    Args:
        task: the batch.
        layer: the module whose output is A; found by itself where not given (see `find_layer`).
        positive_only: as in the paper, what speaks against the class is set to 0; if False, the result is signed.
        upsample: to the size of the pixels, each cell laid where it looks (see `centres`); if False, (N, 1, h, w).
    """
    place = task.once("grad-cam place", lambda: find_place(task.model, task.pixels, layer))
    activation, gradient = map_and_gradient(task, place)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    relevance = (weights * activation).sum(dim=1, keepdim=True)
    if positive_only:
        relevance = relevance.relu()
    if upsample:
        relevance = lay_over(relevance, (task.pixels.shape[2], task.pixels.shape[3]), place.centres)
    return relevance


def map_and_gradient(task: Task, place: Place) -> tuple[Tensor, Tensor]:
    """Return the map at a place and the gradient of the score by it, each (N, C, h, w).

    One forward and one backward pass for the batch. What lies before the place is run without a graph, so that memory
    and time go only into what comes after it.
    """
    leaf: list[Tensor] = []

    def cut(name: str, call: int, output: Tensor) -> Tensor | None:
        if (name, call) != (place.name, place.call):
            return None
        leaf.append(output.detach().requires_grad_())
        # A copy goes on: an in-place ReLU after this layer may overwrite it, and must not overwrite the map itself.
        return leaf[0].clone()

    with watched(task.model, cut):
        score = task.score(task.pixels)
    (gradient,) = torch.autograd.grad(score.sum(), leaf, allow_unused=True) if score.requires_grad else (None,)
    if gradient is None:
        raise ModelError(f"The logits do not depend on the layer '{place.name}'; name another one.")
    return place.to_map(leaf[0].detach()), place.to_map(gradient)
