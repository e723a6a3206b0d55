"""PatternNet and PatternAttribution: the backward pass with patterns in the weights' place."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from kunstkammer.errors import ModelError, unknown_name
from kunstkammer.explanation.facts import ExplainerFacts
from kunstkammer.explanation.patterns.layers import weight_names
from kunstkammer.explanation.patterns.store import HOW_TO_FIT, Patterns
from kunstkammer.explanation.rules.engine import Call, Propagation, propagate
from kunstkammer.explanation.rules.kernel import Kernel, batch_norm_map
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register

NORMALISATIONS = ("layer", "picture")


@register(
    "explainers",
    "pattern-net",
    "PatternNet: the signal in the pixels (Kindermans et al. 2017, section 4)",
    ExplainerFacts("patterns", patterns=True, claim="claimed"),
)
def pattern_net(
    task: Task, *, patterns: Patterns | str | os.PathLike[str] | None = None, normalise: str | None = None
) -> Tensor:
    """Return what in the pixels the class's logit responds to, signed, (N, C, H, W): the signal, not the filter.

    An ordinary backward pass, seeded with the logit y, in which every weight W is replaced by its pattern A. ReLU masks
    and max-pool winners are the forward pass's. Average pooling, joins, attention, layer normalisation and smooth
    nonlinearities (GELU, SiLU) pass by their gradient, about which the paper says nothing. A batch normalisation is
    the scalar weight s a channel with the pattern 1 / s: the same as folding it into the layer before.

    Args:
        task: the batch.
        patterns: from `fit_patterns`, or the file or folder they were saved in. Those of another model are refused.
        normalise: None for raw values, which may grow with every layer. "layer": every layer hands back as much
            (largest absolute value a picture) as it receives, against overflow in deep networks; without residual
            joins this changes only the scale. "picture": raw / max |raw| a picture.

    Raises `ModelError` for a layer without a pattern, by name, and where raw values overflow.
    """
    return _explained(task, patterns, normalise, attribution=False)


@register(
    "explainers",
    "pattern-attribution",
    "PatternAttribution: how much the signal in each pixel adds to the logit (Kindermans et al. 2017, section 4)",
    ExplainerFacts("patterns", patterns=True, claim="claimed"),
)
def pattern_attribution(
    task: Task, *, patterns: Patterns | str | os.PathLike[str] | None = None, normalise: str | None = None
) -> Tensor:
    """Return how much the signal in each value adds to the class's logit, signed, (N, C, H, W).

    As `pattern_net` with W * A, elementwise, in the weights' place (the root point of a deep Taylor decomposition lies
    along the pattern). A batch normalisation hands its part on unchanged.
    """
    return _explained(task, patterns, normalise, attribution=True)


def _explained(
    task: Task, patterns: Patterns | str | os.PathLike[str] | None, normalise: str | None, attribution: bool
) -> Tensor:
    if normalise is not None and normalise not in NORMALISATIONS:
        raise unknown_name("normalisation", str(normalise), NORMALISATIONS)
    if patterns is None:
        raise ModelError(f"This method needs the patterns of the model. {HOW_TO_FIT}")
    found = task.once("patterns", lambda: patterns if isinstance(patterns, Patterns) else Patterns.load(patterns))
    kernels = task.once(f"kernels {attribution}", lambda: found.kernels(task.model, attribution))
    pictures = len(task.pixels) if normalise == "layer" else 0
    raw = propagate(task, _ByPatterns(weight_names(task.model), kernels, attribution, pictures))
    if not bool(raw.isfinite().all()):
        raise ModelError("The raw values overflow; use normalise='layer', or the model in float64.")
    return raw if normalise != "picture" else raw * _ratio(torch.ones(len(raw), 1), raw.flatten(1))[:, :, None, None]


class _ByPatterns(Propagation):
    """The gradient, but kernels hand back by their patterns; as much as they get, for `pictures` > 0."""

    def __init__(
        self, names: Mapping[int, str], kernels: Mapping[str, Tensor], attribution: bool, pictures: int
    ) -> None:
        self._names, self._kernels = names, kernels
        self._attribution, self._pictures = attribution, pictures

    def kernel(self, kernel: Kernel, x: Tensor, value: Callable[[], Tensor]) -> Tensor:
        """Answer for a convolution or linear layer at `x`, batch norm folded in."""
        name = self._names.get(id(kernel.original))
        if name is None:
            raise ModelError(
                f"{kernel.name} has weights of shape {tuple(kernel.weight.shape)} that are no parameter of the model: "
                "no pattern covers them; fold what makes them (weight normalisation ...) into a parameter first."
            )
        if name not in self._kernels:
            raise ModelError(
                f"No pattern covers '{name}' ({kernel.name}): patterns are fitted for conv2d and linear, where the "
                "network uses them on the pictures given."
            )
        back = self._kernels[name]
        if kernel.folded and not self._attribution:
            back = back * _reciprocal((back * kernel.weight).flatten(1).sum(1)).view(-1, *[1] * (back.ndim - 1))
        result: Tensor = _Back.apply(x, kernel, value, back, self._pictures)
        return result

    def product(self, call: Call) -> Tensor:
        """Answer for two tensors that meet, as in attention: by the gradient. Hidden weights are refused."""
        if call.name == "bilinear" or len(list(call.tensors())) < 2:
            raise ModelError(f"No pattern covers {call.name}, which multiplies with weights outside conv2d and linear.")
        return call.run()

    def normalisation(self, call: Call) -> Tensor:
        """Answer for a batch norm that follows no kernel, with the pattern 1 / s; for others by the gradient."""
        found = batch_norm_map(call.args, call.kwargs) if call.name == "batch_norm" else None
        if found is None:
            return call.run()
        (x,) = call.tensors()
        factor = torch.ones_like(found[0]) if self._attribution else _reciprocal(found[0])
        result: Tensor = _Scaled.apply(x, call.run, factor.view(1, -1, *[1] * (x.ndim - 2)))
        return result


class _Back(torch.autograd.Function):
    """A layer's value; backward with another weight, for `pictures` > 0 as large as what came in."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel: Kernel, value: Callable[[], Tensor], weight: Tensor, pictures: int
    ) -> Tensor:
        ctx.kernel, ctx.weight, ctx.shape, ctx.pictures = kernel, weight, x.shape, pictures
        return value()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        like = gradient.new_zeros(1).expand(ctx.shape)  # only its shape counts, so the input need not be held
        result = ctx.kernel.transpose(gradient, like, ctx.weight)
        if ctx.pictures:
            # The first axis holds N, or N times the windows of a picture; where neither, all count as one.
            rows = ctx.pictures if len(result) % ctx.pictures == 0 else 1
            flat = result.reshape(rows, -1)
            result = (flat * _ratio(gradient.reshape(rows, -1), flat)).reshape(ctx.shape)
        return result, None, None, None, None


class _Scaled(torch.autograd.Function):
    """A function's value; backward times a factor."""

    @staticmethod
    def forward(ctx: Any, _x: Tensor, value: Callable[[], Tensor], factor: Tensor) -> Tensor:
        ctx.factor = factor
        return value()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] * ctx.factor, None, None


def _reciprocal(values: Tensor) -> Tensor:
    """Return 1 / value, and 0 for 0."""
    return torch.where(values == 0, 0.0, 1 / torch.where(values == 0, 1.0, values))


def _ratio(wanted: Tensor, found: Tensor) -> Tensor:
    """Return for each row the largest |wanted| over the largest |found|, (N, 1); 0 where nothing is found."""
    return wanted.abs().amax(1, keepdim=True).to(found) * _reciprocal(found.abs().amax(1, keepdim=True))
