"""Grad-CAM and Grad-CAM++: the last map of a network, each channel weighted by how the score answers to it."""

from __future__ import annotations

import torch
from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.explanation.centres import lay_over
from kunstkammer.explanation.facts import ExplainerFacts
from kunstkammer.explanation.layers import Place, find_place, watched
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


@register(
    "explainers",
    "grad-cam",
    "Grad-CAM: the last map weighted by mean gradients (Selvaraju et al. 2017, section 3)",
    ExplainerFacts("cams", usual=True),
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
    return _weighted(task, place, weights * activation, positive_only, upsample)


@register(
    "explainers",
    "grad-cam-plus-plus",
    "Grad-CAM++: the last map weighted by the gradients that raise the score (Chattopadhyay et al. 2018, section 3)",
    ExplainerFacts("cams"),
)
def grad_cam_plus_plus(
    task: Task, *, layer: str | None = None, positive_only: bool = True, upsample: bool = True
) -> Tensor:
    """Return the Grad-CAM++ map of each picture, (N, 1, H, W).

    With the map A, the gradient g of the logit by it, and the score taken as exp(logit), whose higher derivatives are
    powers of g: alpha = g^2 / (2 g^2 + sum(A) g^3) for each cell (equation 19), the channel's weight is the sum of
    alpha max(0, g) over the cells, up to a factor exp(logit) a picture that is left out (it overflows, and a map has
    no scale). sum(A) counts only what is positive in A: the equation supposes a rectified map, and for the signed
    tokens of a transformer the denominator could be 0.

    Options as in `grad_cam`.
    """
    place = task.once("grad-cam place", lambda: find_place(task.model, task.pixels, layer))
    activation, gradient = map_and_gradient(task, place)
    # Only cells with g > 0 count, and for them g^2 / (2 g^2 + s g^3) is 1 / (2 + s g), which cannot be 0 / 0.
    raising = gradient.relu()
    total = activation.relu().sum(dim=(2, 3), keepdim=True)
    weights = (raising / (2 + total * raising)).sum(dim=(2, 3), keepdim=True)
    return _weighted(task, place, weights * activation, positive_only, upsample)


def _weighted(task: Task, place: Place, weighted: Tensor, positive_only: bool, upsample: bool) -> Tensor:
    relevance = weighted.sum(dim=1, keepdim=True)
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
