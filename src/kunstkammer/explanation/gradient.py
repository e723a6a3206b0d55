"""The gradient of the logit by the pixels: what would change the score if it changed a little."""

from __future__ import annotations

import torch
from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


@register(
    "explainers", "gradient", "Saliency: the gradient of the logit by the pixels (Simonyan et al. 2014, section 3)"
)
def gradient(task: Task) -> Tensor:
    """Return the gradient of the class's logit by the pixels, signed, (N, C, H, W).

    The seed of the backward pass is 1. (The paper shows the largest absolute value over the channels.)
    """
    pixels = task.pixels.clone().requires_grad_()
    score = task.score(pixels)
    if not score.requires_grad:
        raise ModelError(f"The logits of {type(task.model).__name__} do not depend on the pixels by a gradient.")
    (result,) = torch.autograd.grad(score.sum(), pixels)
    return result
