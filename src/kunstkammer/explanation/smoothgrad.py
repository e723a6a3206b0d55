"""SmoothGrad: the mean of the gradients of noisy copies, which quietens the grain of a single gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.explanation.facts import Budget, ExplainerFacts
from kunstkammer.explanation.gradient import gradient_at
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


def _fewer_copies(size: Sequence[int]) -> Budget:
    return Budget({"samples": 25}, "25 noisy copies instead of 50")


@register(
    "explainers",
    "smoothgrad",
    "The mean gradient of noisy copies of the picture (Smilkov et al. 2017, section 3)",
    ExplainerFacts("gradients", cost="many", cheaper=_fewer_copies),
)
def smoothgrad(task: Task, *, noise: float = 0.15, samples: int = 50, seed: int = 0) -> Tensor:
    """Return the mean over `samples` of the gradient at x + n, signed, (N, C, H, W).

    n is normal with standard deviation `noise` times the picture's range (largest less smallest value of its pixels);
    the paper finds 0.1 to 0.2 and 50 samples good. Every picture gets the same noise up to that scale, so that its map
    does not depend on the batch it came in.

    Raises `ModelError` for a negative `noise` or no samples.
    """
    if noise < 0 or samples < 1:
        raise ModelError(f"smoothgrad needs noise >= 0 and samples >= 1, not noise={noise} and samples={samples}.")
    pixels = task.pixels
    deviation = noise * (pixels.amax(dim=(1, 2, 3), keepdim=True) - pixels.amin(dim=(1, 2, 3), keepdim=True))
    # On the processor and in 32 bits, so that the noise is the same on every device and in every precision.
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros_like(pixels)
    for group in task.groups(samples, gradients=True):
        draws = [torch.randn(pixels.shape[1:], generator=generator) for _ in range(group.start, group.stop)]
        noisy = torch.cat([pixels + deviation * draw.to(pixels) for draw in draws])
        total += gradient_at(task, noisy).unflatten(0, (len(draws), len(pixels))).sum(dim=0)
    return total / samples
