"""Fitting patterns: one pass over pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sized

from torch import Tensor, nn

from kunstkammer.explanation.patterns.statistics import PatternStatistics
from kunstkammer.explanation.patterns.store import Patterns
from kunstkammer.progress import progress


def fit_patterns(
    model: nn.Module, batches: Iterable[Tensor], estimator: str = "two-component", *, show_progress: bool = True
) -> Patterns:
    """Find for every layer of a model the direction of its input that its output is about.

    One forward pass for each batch and the sums of `PatternStatistics`; no picture is kept, so memory depends on the
    model alone (twice its weights in float64). Convolutions of any stride, padding, dilation and groups and dense
    layers are covered, those of attention too, with batch normalisation behind them counted in.

    Args:
        model: any module that returns logits (N, K), or a `transformers` classifier; left as it was found.
        batches: yields tensors (N, C, H, W), the model's input, of (a part of) the training pictures. A few thousand
            are enough for most networks; dense layers with many inputs want more.
        estimator: "two-component" (S_a+, where a layer is active: for networks with rectifiers), "linear" (S_a) or
            "negative" (S_a-). Where a layer counts as active is said in `recorder`.
        show_progress: show a bar where the number of batches is known.

    Raises:
        UnknownNameError: no such estimator.
        ModelError: no batch, pixels that are no model input or not finite, a weight that is no parameter.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(72, 3))
    >>> patterns = fit_patterns(model, [torch.rand(16, 1, 8, 8)] * 4)
    >>> patterns.pictures, {name: tuple(a.shape) for name, a in patterns.tensors.items()}
    (64, {'0.weight': (2, 1, 3, 3), '2.weight': (3, 72)})
    """
    model = getattr(model, "_orig_mod", model)
    statistics = PatternStatistics.of(model, estimator)
    total = len(batches) if isinstance(batches, Sized) else 0
    bar = progress("fitting patterns", total) if show_progress and total else contextlib.nullcontext(_ignore)
    with bar as advance:
        for batch in batches:
            statistics.add(model, batch)
            advance(1)
    return statistics.patterns(model)


def _ignore(_: int) -> None:
    return None
