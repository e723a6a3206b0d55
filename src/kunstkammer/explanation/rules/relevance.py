"""How relevance passes what has no weights of its own: joins, pooling, normalisation, attention, activations.

What goes back through the network here is relevance itself, not a gradient: what stands at a value is that value's
share of the logit. Whatever only moves values is left to autograd, whose gradient moves relevance back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from kunstkammer.errors import ModelError
from kunstkammer.explanation.rules.engine import GATE, Call, Propagation
from kunstkammer.explanation.rules.graph import has_kernel_before, noted
from kunstkammer.explanation.rules.kernel import Kernel, batch_norm_map

EPSILON = 1e-12
"""Keeps shares finite at joins and sums whose parts cancel."""


class KernelRule(Protocol):
    """How relevance passes a kernel."""

    def keep(self, kernel: Kernel, x: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        """Return what the way back needs besides x, as new tensors (the network may overwrite its own)."""

    def back(self, kernel: Kernel, x: Tensor, relevance: Tensor, kept: tuple[Tensor, ...]) -> Tensor:
        """Return the relevance of x for the relevance of the outputs."""


def stabilised(values: Tensor, epsilon: float) -> Tensor:
    """Return values moved away from zero by epsilon, 0 counted as positive."""
    return values + epsilon * (2.0 * (values >= 0) - 1.0).to(values.dtype)


def divided(relevance: Tensor, values: Tensor) -> Tensor:
    """Return relevance / values, 0 where there is nothing to divide by.

    >>> divided(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 0.0]))
    tensor([0.5000, 0.0000])
    """
    empty = values == 0
    return torch.where(empty, 0.0, relevance / torch.where(empty, 1.0, values))


Box = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Pixels -> between what they lie."""

Shares = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""Two parts and their sum -> the share of each."""


class _Kernel(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Kernel, value: Callable[[], Tensor], rule: KernelRule) -> Tensor:
        result = value()
        ctx.kernel, ctx.rule = kernel, rule
        ctx.save_for_backward(x, *rule.keep(kernel, x, result))
        return result

    @staticmethod
    def backward(ctx: Any, *relevance: Any) -> Any:
        x, *kept = ctx.saved_tensors
        return ctx.rule.back(ctx.kernel, x, relevance[0], tuple(kept)), None, None, None


class _Passed(torch.autograd.Function):
    """Each value's relevance is that of what was made of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Callable[[], Tensor]) -> Tensor:
        ctx.shape = x.shape
        return value()

    @staticmethod
    def backward(ctx: Any, *relevance: Any) -> Any:
        return relevance[0].sum_to_size(ctx.shape), None


class _Shared(torch.autograd.Function):
    """Relevance split between two values in given shares."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, value: Callable[[], Tensor], share: Shares) -> Tensor:
        result = value()
        ctx.shapes = a.shape, b.shape
        ctx.save_for_backward(*share(a, b, result))
        return result

    @staticmethod
    def backward(ctx: Any, *relevance: Any) -> Any:
        parts = [
            (relevance[0] * share).sum_to_size(shape) if needed else None
            for share, shape, needed in zip(ctx.saved_tensors, ctx.shapes, ctx.needs_input_grad, strict=False)
        ]
        return (*parts, None, None)


class _Linear(torch.autograd.Function):
    """A sum with fixed weights: in proportion to each part of it (the z rule), or of its positive parts alone.

    `linear` is the sum; `value` is what the network gets where that is more (a constant added), or None.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, linear: Callable[[Tensor], Tensor], value: Callable[[], Tensor] | None, positive: bool
    ) -> Tensor:
        with torch.enable_grad():
            # A copy: the network may overwrite x, which its own backward pass may not need.
            parts = x.detach().clamp(min=0) if positive else x.detach().clone()
            parts.requires_grad_()
            sums = linear(parts)
        ctx.parts, ctx.sums = parts, sums
        result = value() if value else linear(x.detach()) if positive else sums.detach()
        ctx.denominator = stabilised(sums.detach() if positive else result, EPSILON)
        return result

    @staticmethod
    def backward(ctx: Any, *relevance: Any) -> Any:
        (back,) = torch.autograd.grad(ctx.sums, ctx.parts, divided(relevance[0], ctx.denominator))
        return back * ctx.parts.detach(), None, None, None


class _NotCovered(torch.autograd.Function):
    """A value that relevance must not reach, because no rule says how to go on."""

    @staticmethod
    def forward(ctx: Any, call: Call, *_tensors: Tensor) -> Tensor:
        ctx.function = call.name
        result: Tensor = call.run()
        return result

    @staticmethod
    def backward(ctx: Any, *_relevance: Any) -> Any:
        raise ModelError(
            f"No rule says how relevance passes {ctx.function} of two tensors that both depend on the pixels; "
            "choose a method that needs none, such as gradient."
        )


class Relevance(Propagation):
    """Layer-wise relevance propagation, with a rule for each kernel.

    - A join (a residual sum) is split in proportion to its parts, and a sum or an average pooling likewise (z rule).
      A constant that is added, as position embeddings are, keeps its part; one that is added before the first kernel,
      as the mean of the pixels is taken off, does not: that only prepares them.
    - Activations pass relevance unchanged: ReLU, GELU, SiLU ...
    - Batch norm that follows no kernel, and layer norm: the z rule for the affine map that is left when mean and
      deviation count as constants (for layer norm only the deviation: Ali et al. 2022, section 4.2).
    - Attention weights count as constants, relevance goes through the values (Ali et al. 2022, section 4.1); it does
      not go through any softmax. The published AttnLRP, which goes through, is said to be patented and is not used.
    - Of a product with a gate (a sigmoid's output) all goes to what is gated (Arras et al. 2017, section 3.1); other
      products of two values are split evenly; a denominator gets nothing.
    """

    own_steps = frozenset(f"{step.__name__}Backward" for step in (_Kernel, _Passed, _Shared, _Linear, _NotCovered))
    constants_get_nothing = False

    def __init__(self, choose: Callable[[Kernel], KernelRule], box: Box | None = None) -> None:
        self.choose = choose
        self.box = box

    def seed(self, logits: Tensor, score: Tensor, chosen: Tensor) -> Tensor:
        """Return the logit itself; held against another class, that one's logit goes in with the sign turned."""
        return logits * chosen

    def kernel(self, kernel: Kernel, x: Tensor, value: Callable[[], Tensor]) -> Tensor:
        result: Tensor = _Kernel.apply(x, kernel, value, self.choose(kernel))
        return result

    def bounds(self, pixels: Tensor) -> tuple[Tensor, Tensor] | None:
        return self.box(pixels) if self.box else None

    def share(self, a: Tensor, b: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Return the shares of two parts in their sum."""
        denominator = stabilised(total, EPSILON)
        return divided(a, denominator), divided(b, denominator)

    def activation(self, call: Call) -> Tensor:
        return passed(call)

    def join(self, call: Call) -> Tensor:
        a, b = _as_tensors(call)
        alpha = call.kwargs.get("alpha", 1)
        sign_a = -1 if call.name == "rsub" else 1
        sign_b = -alpha if call.name in {"sub", "subtract"} else alpha
        share = self.share
        one = a if a.requires_grad else b
        constant = not (a.requires_grad and b.requires_grad)
        if constant and (self.constants_get_nothing or not has_kernel_before(one)):
            return passed(call)
        result: Tensor = _Shared.apply(a, b, call.run, lambda x, y, total: share(sign_a * x, sign_b * y, total))
        return result

    def scaling(self, call: Call) -> Tensor:
        moved = list(call.tensors())
        if len(moved) == 1:
            return passed(call)
        a, b = moved
        even = 0.5 if call.name in {"mul", "multiply"} else 1.0
        gates = [noted(one, GATE) is not None for one in (a, b)]
        of_a = {(True, False): 0.0, (False, True): 1.0}.get((gates[0], gates[1]), even)
        if call.name == "rdiv":
            a, b = b, a
        result: Tensor = _Shared.apply(a, b, call.run, lambda x, y, _: (x.new_tensor(of_a), y.new_tensor(1 - of_a)))
        return result

    def product(self, call: Call) -> Tensor:
        moved = list(call.tensors())
        if len(moved) > 1:
            result: Tensor = _NotCovered.apply(call, *moved)
            return result
        return self.linear(call)

    def average(self, call: Call) -> Tensor:
        return self.linear(call)

    def linear(self, call: Call) -> Tensor:
        return in_proportion(only_tensor(call), call)

    def normalisation(self, call: Call) -> Tensor:
        x = only_tensor(call)
        if call.name == "batch_norm":
            found = batch_norm_map(call.args, call.kwargs)
            if found is None:
                raise ModelError(
                    "A batch norm without running statistics mixes the pictures of a batch: no rule covers it."
                )
            scale = found[0].view(1, -1, *[1] * (x.ndim - 2))
            return self.affine(x, lambda part: part * scale, call)
        if call.name in {"layer_norm", "group_norm", "instance_norm"}:
            return self.affine(x, centred(call, x.detach()), call)
        return passed(call)

    def affine(self, x: Tensor, linear: Callable[[Tensor], Tensor], call: Call) -> Tensor:
        """Answer for a normalisation, given the linear map that is left when its statistics count as constants."""
        result: Tensor = _Linear.apply(x, linear, call.run, False)
        return result

    def weights(self, call: Call) -> Any:
        result = call.run()
        return result.detach() if isinstance(result, Tensor) else tuple(one.detach() for one in result)

    def attention(self, call: Call) -> Tensor:
        return attended(call)


class EvenRelevance(Relevance):
    """For rules that do not look at values, only at weights: two parts of a sum get half each, a constant nothing.

    Normalisation without kernel passes relevance unchanged. Average pooling and other sums stay in proportion.
    """

    constants_get_nothing = True

    def share(self, a: Tensor, b: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        return a.new_tensor(0.5), b.new_tensor(0.5)

    def affine(self, x: Tensor, linear: Callable[[Tensor], Tensor], call: Call) -> Tensor:
        return passed(call)


class PositiveRelevance(EvenRelevance):
    """For deep Taylor decomposition: what is not negative stays so.

    Joins go to the parts that have the sign of their sum, other sums to their positive parts, average pooling goes by
    its gradient, a constant that is added gets nothing.
    """

    own_steps = Relevance.own_steps | {
        f"{step}Backward" for step in ("Mean", "AvgPool2D", "AvgPool3D", "AdaptiveAvgPool2D", "AdaptiveAvgPool3D")
    }

    def seed(self, logits: Tensor, score: Tensor, chosen: Tensor) -> Tensor:
        """Return the logit where it is positive, 0 elsewhere."""
        return logits.relu() * chosen

    def share(self, a: Tensor, b: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        sign = torch.where(total < 0, -1.0, 1.0).to(total.dtype)
        of_a, of_b = (sign * a).relu(), (sign * b).relu()
        return divided(of_a, of_a + of_b), divided(of_b, of_a + of_b)

    def average(self, call: Call) -> Tensor:
        return call.run()

    def linear(self, call: Call) -> Tensor:
        return in_proportion(only_tensor(call), call, positive=True)

    def attention(self, call: Call) -> Tensor:
        return attended(call, positive=True)


def passed(call: Call) -> Tensor:
    """Return what the function gives; relevance passes unchanged to its one tensor on the way."""
    result: Tensor = _Passed.apply(only_tensor(call), call.run)
    return result


def attended(call: Call, positive: bool = False) -> Tensor:
    """Return what attention gives; relevance goes to the values, for the weights as they are."""
    query, key, value = (call.given(place, name) for place, name in enumerate(("query", "key", "value")))
    if not value.requires_grad:
        return call.run().detach()
    kwargs = {name: given for name, given in call.kwargs.items() if name not in {"query", "key", "value"}}
    query, key, rest = query.detach(), key.detach(), call.args[3:]
    return in_proportion(value, lambda part: call.func(query, key, part, *rest, **kwargs), positive)


def in_proportion(x: Tensor, linear: Call | Callable[[Tensor], Tensor], positive: bool = False) -> Tensor:
    """Return a sum with fixed weights; relevance goes to its parts in proportion, or to the positive ones alone."""
    evaluate = (lambda part: linear.swapped(x, part).run()) if isinstance(linear, Call) else linear
    result: Tensor = _Linear.apply(x, evaluate, None, positive)
    return result


def only_tensor(call: Call) -> Tensor:
    """Return the one tensor on the way from the pixels; `ModelError` where there are two different ones."""
    first, *others = call.tensors()
    if others:
        raise ModelError(f"No rule covers {call.name} of two tensors that both depend on the pixels.")
    return first


def centred(call: Call, x: Tensor) -> Callable[[Tensor], Tensor]:
    """Return layer, group or instance norm without bias, its deviation a constant: gain (x - mean) / deviation."""
    if call.name == "layer_norm":
        shape, gain = x.shape, call.given(2, "weight")
        dims = tuple(range(x.ndim - len(call.given(1, "normalized_shape")), x.ndim))
        eps = call.given(4, "eps", 1e-5)
    else:
        whole = call.name == "instance_norm"
        if whole and not call.given(5, "use_input_stats", True):
            raise ModelError("No rule covers an instance norm with running statistics.")
        groups = x.shape[1] if whole else call.given(1, "num_groups")
        gain = call.given(3 if whole else 2, "weight")
        gain = None if gain is None else gain.view(1, -1, *[1] * (x.ndim - 2))
        eps = call.given(7 if whole else 4, "eps", 1e-5)
        shape = torch.Size([x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]])
        dims = tuple(range(2, len(shape)))
    deviation = (x.view(shape).var(dims, correction=0, keepdim=True) + eps).sqrt()

    def linear(part: Tensor) -> Tensor:
        part = part.reshape(shape)
        result = ((part - part.mean(dims, keepdim=True)) / deviation).view_as(x)
        return result if gain is None else result * gain

    return linear


def _as_tensors(call: Call) -> tuple[Tensor, Tensor]:
    a, b = call.given(0, "input"), call.given(1, "other")
    like = a if isinstance(a, Tensor) else b
    a, b = (one if isinstance(one, Tensor) else like.new_tensor(one).detach() for one in (a, b))
    return a, b
