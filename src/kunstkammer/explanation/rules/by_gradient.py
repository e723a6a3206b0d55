"""The gradient, changed at rectifiers (DeConvNet, guided backpropagation) or at kernels (other weights back)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kunstkammer.explanation.facts import ExplainerFacts
from kunstkammer.explanation.rules.engine import Call, Propagation, propagate
from kunstkammer.explanation.rules.functions import LIMITS, RECTIFIERS
from kunstkammer.explanation.rules.kernel import Kernel
from kunstkammer.explanation.task import Task
from kunstkammer.registry import register


class _OtherWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Kernel, value: Callable[[], Tensor], weight: Tensor) -> Tensor:
        ctx.kernel, ctx.weight = kernel, weight
        ctx.like = x.detach() if kernel.name.startswith("conv") else None
        return value()

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return ctx.kernel.transpose(gradients[0], ctx.like, ctx.weight), None, None, None


def with_other_weight(kernel: Kernel, x: Tensor, value: Callable[[], Tensor], weight: Tensor) -> Tensor:
    """Return `value()`, (N, outputs, ...), with the gradient of a kernel of the same shape with weights `weight`."""
    result: Tensor = _OtherWeight.apply(x, kernel, value, weight)
    return result


class _PositiveOnly(torch.autograd.Function):
    """A rectifier that, going back, lets through what is positive there: it does not look at what it was given."""

    @staticmethod
    def forward(_ctx: Any, _x: Tensor, value: Callable[[], Tensor]) -> Tensor:
        return value()

    @staticmethod
    def backward(_ctx: Any, *gradients: Any) -> Any:
        return gradients[0].relu(), None


def is_rectifier(call: Call) -> bool:
    """Say whether a call holds negative values back: ReLU and its soft relatives, a clamp at zero or above."""
    if call.name in LIMITS:
        low = call.given(1, {"hardtanh": "min_val"}.get(call.name, "min"), -1 if call.name == "hardtanh" else None)
        return isinstance(low, int | float) and low >= 0
    return call.name in RECTIFIERS


class DeConvNet(Propagation):
    """The gradient, but a rectifier rectifies what comes back instead of looking at what went in."""

    def activation(self, call: Call) -> Tensor:
        if not is_rectifier(call):
            return call.run()
        (x,) = call.tensors()
        result: Tensor = _PositiveOnly.apply(x, call.run)
        return result


class Guided(Propagation):
    """The gradient, but a rectifier lets through only what is positive both ways."""

    def activation(self, call: Call) -> Tensor:
        result = call.run()
        if is_rectifier(call):
            result.register_hook(torch.relu)
        return result


@register(
    "explainers",
    "deconvnet",
    "DeConvNet: negative parts of the backward signal dropped (Zeiler and Fergus 2014)",
    ExplainerFacts("backprop", claim="against"),
)
def deconvnet(task: Task) -> Tensor:
    """Return the DeConvNet map of each picture, signed, (N, C, H, W).

    The backward pass starts with the logit y. At each rectifier the signal R becomes max(0, R), whatever went in;
    max pooling goes back to its winners, all else by its gradient (Zeiler and Fergus 2014, section 2.1; as
    Springenberg et al. 2015, figure 1, sum it up). Soft rectifiers (GELU, SiLU ...) are treated like ReLU.
    """
    return propagate(task, DeConvNet())


@register(
    "explainers",
    "guided-backprop",
    "Guided backpropagation: only what is positive both ways passes a ReLU (Springenberg et al. 2015, section 3.4)",
    ExplainerFacts("backprop", claim="against"),
)
def guided_backprop(task: Task) -> Tensor:
    """Return the guided backpropagation map of each picture, signed, (N, C, H, W).

    The backward pass starts with the logit y. At each rectifier the signal R becomes f'(x) max(0, R), which for ReLU is
    what is positive both ways; that holds for a ReLU called as a function too, and for ReLU6, GELU, SiLU ...
    """
    return propagate(task, Guided())
