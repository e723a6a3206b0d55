"""Prediction difference: how the odds of the class change when a window shows what its surroundings make likely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.explanation.facts import Budget, ExplainerFacts
from kunstkammer.explanation.patch_normal import PatchNormal
from kunstkammer.explanation.task import Task
from kunstkammer.explanation.windows import Windows, windows_over
from kunstkammer.registry import register

ACROSS = 14
"""By default so many windows make up the longer side (16 pixels of 224)."""

SURROUNDING = 0.2
"""The surroundings reach this part of the window's side beyond it (2 pixels around 10, as in the paper)."""


def _apart_and_fewer(size: Sequence[int]) -> Budget:
    side = windows_over(size).side
    places = len(windows_over(size, side, side).places)
    note = f"{places} windows, each drawn twice instead of ten times"
    return Budget({"window": side, "stride": side, "samples": 2}, note)


@register(
    "explainers",
    "prediction-difference",
    "Change of the log-odds when a window is drawn anew from its surroundings (Zintgraf et al. 2017, section 3)",
    ExplainerFacts("windows", cost="many", gradients=False, cheaper=_apart_and_fewer),
)
def prediction_difference(
    task: Task,
    *,
    window: int | None = None,
    stride: int | None = None,
    samples: int = 10,
    pictures: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    """Return the weight of evidence of each pixel in bits, signed, (N, 1, H, W) (equations 2, 4 and 5).

    For each window w: log2 odds(c | x) - log2 odds(c | x without w), where p(c | x without w) is the mean over
    `samples` pictures in which w was drawn from a normal given the pixels around it; a pixel gets the mean over the
    windows that cover it. Odds are of the softmax, or of the sigmoid of a model with many labels. They are taken from
    the logits, so that no correction for p = 1 is needed. With `versus` it is the difference of the two classes'.

    Args:
        task: the batch.
        window: side of the window in pixels; a 14th of the longer side by default.
        stride: from one window to the next, at most `window`; the window's side by default.
        samples: how often each window is drawn; so many forward passes a window.
        pictures: (M, C, h, w) in the model's input space that the normal is fitted on; by default each picture
            itself, so that nothing else is needed.
        seed: of the draws; every picture gets the same.
    """
    if samples < 1:
        raise ModelError(f"prediction-difference needs at least one sample a window, not {samples}.")
    side = windows_over(task.pixels.shape[2:], window, across=ACROSS).side
    windows = windows_over(task.pixels.shape[2:], side, side if stride is None else stride)
    margin = max(1, round(SURROUNDING * windows.side))
    with torch.no_grad():
        if pictures is None:
            normals = [PatchNormal.fit(one[None], windows.side, margin) for one in task.pixels]
        else:
            _check_channels(pictures, task.pixels)
            normals = [task.once("patch normal", lambda: PatchNormal.fit(pictures, windows.side, margin))]
        rows = _drawn(task, windows, normals, samples, seed)
        present, absent = [], []
        for group in task.groups(len(windows.places) * samples):
            changed = torch.cat([next(rows) for _ in range(group.start, group.stop)])
            log_p, log_q = log_odds_parts(task, changed)
            present.append(log_p)
            absent.append(log_q)
        # The mean over the samples is one of probabilities; a factor 1 / samples cancels in the odds.
        without = _over_samples(present, samples) - _over_samples(absent, samples)
        log_p, log_q = log_odds_parts(task, task.pixels)
        evidence = (log_p - log_q - without) / torch.log(torch.tensor(2.0, dtype=log_p.dtype))
        bits = evidence[..., 0] - (evidence[..., 1] if task.versus is not None else 0)
        return windows.spread(bits)


def log_odds_parts(task: Task, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return log p and log (1 - p), each (M / N, N, 1): of the class in question; (M / N, N, 2) with the other one.

    Accurate where p is next to 0 or 1. Softmax, or the sigmoid for models with many labels or one output.
    """
    logits = task.logits(pixels)
    asked = [task.target] if task.versus is None else [task.target, task.versus]
    task.choose(logits)  # refuses a class that there is not
    versions = len(pixels) // len(task.pixels)
    which = torch.stack(asked, dim=1).repeat(versions, 1)
    chosen = logits.gather(1, which)
    config = getattr(task.model, "config", None)
    many = getattr(config, "problem_type", None) == "multi_label_classification" or logits.shape[1] == 1
    if many:
        log_p, log_q = torch.nn.functional.logsigmoid(chosen), torch.nn.functional.logsigmoid(-chosen)
    else:
        total = logits.logsumexp(dim=1, keepdim=True)
        others = [logits.scatter(1, one[:, None], -torch.inf).logsumexp(dim=1) for one in which.unbind(dim=1)]
        log_p, log_q = chosen - total, torch.stack(others, dim=1) - total
    return log_p.unflatten(0, (versions, -1)), log_q.unflatten(0, (versions, -1))


def _over_samples(parts: list[Tensor], samples: int) -> Tensor:
    values = torch.cat(parts)
    return values.unflatten(0, (-1, samples)).logsumexp(dim=1)


def _drawn(task: Task, windows: Windows, normals: list[PatchNormal], samples: int, seed: int) -> Iterator[Tensor]:
    """Yield the batch with one window drawn anew, for every window and sample."""
    pixels = task.pixels
    low, high = pixels.amin(dim=(2, 3), keepdim=True), pixels.amax(dim=(2, 3), keepdim=True)
    generator = torch.Generator().manual_seed(seed)
    side, channels = windows.side, pixels.shape[1]
    for top, left in windows.places:
        around = [normals[n if len(normals) > 1 else 0].given(pixels[n], top, left) for n in range(len(pixels))]
        for _ in range(samples):
            noise = torch.randn(channels, side * side, generator=generator, dtype=torch.float64).to(pixels.device)
            fill = torch.stack([mean + torch.einsum("cij,cj->ci", root, noise) for mean, root in around])
            changed = pixels.clone()
            # No pixel is brighter or darker than any of its picture, as in the paper's code.
            fill = fill.unflatten(2, (side, side)).to(pixels)
            changed[:, :, top : top + side, left : left + side] = torch.clamp(fill, low, high)
            yield changed


def _check_channels(pictures: Tensor, pixels: Tensor) -> None:
    if pictures.ndim != 4 or pictures.shape[1] != pixels.shape[1]:
        raise ModelError(
            f"The pictures to learn patches from are {tuple(pictures.shape)}; give (M, {pixels.shape[1]}, h, w)."
        )
