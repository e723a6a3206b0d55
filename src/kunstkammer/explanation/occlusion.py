"""Occlusion: how far the logit falls when a window of the picture is covered."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from kunstkammer.explanation.baseline import baseline_for
from kunstkammer.explanation.facts import Budget, ExplainerFacts
from kunstkammer.explanation.task import Task
from kunstkammer.explanation.windows import windows_over
from kunstkammer.registry import register


def _apart(size: Sequence[int]) -> Budget:
    side = windows_over(size).side
    places = len(windows_over(size, side, side).places)
    return Budget({"window": side, "stride": side}, f"{places} windows that do not overlap")


@register(
    "explainers",
    "occlusion",
    "How far the logit falls when a window is covered (Zeiler and Fergus 2014, section 4.2)",
    ExplainerFacts("windows", cost="many", gradients=False, cheaper=_apart),
)
def occlusion(
    task: Task, *, window: int | None = None, stride: int | None = None, value: str | Tensor = "mean", seed: int = 0
) -> Tensor:
    """Return, for each pixel, the mean fall of the logit over the windows that cover it, signed, (N, 1, H, W).

    Args:
        task: the batch.
        window: side of the window in pixels; an 8th of the longer side by default (28 of 224).
        stride: from one window to the next, at most `window`; half a window by default.
        value: what covers: "mean" (the picture's mean colour), "blur", "zero", "uniform" or a tensor (`baseline_for`).
        seed: of the value "uniform".
    """
    windows = windows_over(task.pixels.shape[2:], window, stride)
    with torch.no_grad():
        cover = baseline_for(task.pixels, value, seed=seed)
        whole = task.score(task.pixels)
        falls = []
        for group in task.groups(len(windows.where)):
            covered = []
            for where in windows.where[group]:
                covered.append(task.pixels.clone())
                covered[-1][where] = cover[where]
            falls.append(whole - task.score(torch.cat(covered)).unflatten(0, (-1, len(whole))))
        return windows.spread(torch.cat(falls))
