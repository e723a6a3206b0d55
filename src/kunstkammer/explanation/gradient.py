"""The gradient of the logit by the pixels, and the pixels weighted by it."""

from __future__ import annotations

import torch
from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.explanation.facts import ExplainerFacts
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


def gradient_at(task: Task, pixels: Tensor) -> Tensor:
    """Return the gradient of the score by `pixels` (M, C, H, W), which are versions of the batch as in `Task.score`."""
    pixels = pixels.detach().clone().requires_grad_()
    score = task.score(pixels)
    if not score.requires_grad:
        raise ModelError(f"The logits of {type(task.model).__name__} do not depend on the pixels by a gradient.")
    (result,) = torch.autograd.grad(score.sum(), pixels)
    return result


@register(
    "explainers",
    "gradient",
    "Saliency: the gradient of the logit by the pixels (Simonyan et al. 2014, section 3)",
    ExplainerFacts("gradients", claim="against"),
)
def gradient(task: Task) -> Tensor:
    """Return the gradient of the class's logit by the pixels, signed, (N, C, H, W).

    The seed of the backward pass is 1. (The paper shows the largest absolute value over the channels.)
    """
    return gradient_at(task, task.pixels)


@register(
    "explainers",
    "gradient-x-input",
    "The gradient times the pixels it belongs to (Shrikumar et al. 2017, section 2)",
    ExplainerFacts("gradients"),
)
def gradient_x_input(task: Task) -> Tensor:
    """Return gradient times pixels, signed, (N, C, H, W): what a linear model would add up to the logit, less its bias.

    The pixels are the model's input, so that the 0 of normalised pixels, not black, gets no relevance.
    """
    return gradient_at(task, task.pixels) * task.pixels
