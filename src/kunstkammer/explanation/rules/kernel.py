"""One layer with weights, as the rules see it: a convolution or linear map, batch norm folded in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_LINEAR = ("input", "weight", "bias")


@dataclass(frozen=True)
class Kernel:
    """An affine map with weights: y = w x + b.

    Attributes:
        name: "conv2d", "linear", "conv_transpose2d", ...
        weight: as torch stores it for this function, batch norm's scale multiplied in.
        bias: (outputs,) or None.
        settings: stride, padding, dilation, groups, ...
        index: the how manyth kernel it is of this run, from 0; batch norm after it does not count.
        first: no other kernel lies between it and the pixels.
        folded: whether batch norm is folded in.
        bounds: between what its inputs lie, two tensors that broadcast with them, where the method asked for that.
        original: the network's own weight tensor: the same object each time, and so what tells layers apart.
    """

    name: str
    func: Callable[..., Tensor]
    weight: Tensor
    bias: Tensor | None
    settings: dict[str, Any] = field(default_factory=dict)
    index: int = 0
    first: bool = False
    folded: bool = False
    bounds: tuple[Tensor, Tensor] | None = None
    original: Tensor | None = None

    @property
    def dense(self) -> bool:
        """Whether it is a linear layer, not a convolution."""
        return self.name == "linear"

    def apply(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """Return w x + b with other weights (its own where none are given) and the bias given, none where not."""
        return self.func(x, self.weight if weight is None else weight, bias, **self.settings)

    def transpose(self, output: Tensor, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Return what the transposed map gives at the inputs, of the shape of `x`, for values at the outputs.

        That is the gradient of `output . (w x)` by x; only the shape of x counts.
        """
        weight = self.weight if weight is None else weight
        if self.dense:
            return output @ weight
        padding = self.settings.get("padding", 0)
        if self.name.startswith("conv_transpose") or isinstance(padding, str):
            with torch.enable_grad():
                start = torch.zeros_like(x, requires_grad=True)
                return torch.autograd.grad(self.apply(start, weight), start, output)[0]
        spatial = weight.ndim - 2
        stride, padding, dilation = (
            _each(self.settings.get(name, default), spatial)
            for name, default in (("stride", 1), ("padding", 0), ("dilation", 1))
        )
        only_input = [True, False, False]
        groups = self.settings.get("groups", 1)
        rest = (None, stride, padding, dilation, False, [0] * spatial, groups, only_input)
        return torch.ops.aten.convolution_backward(output, x, weight, *rest)[0]

    def over_outputs(self, values: Tensor) -> Tensor:
        """Shape one value for each output channel, (outputs,), so that it broadcasts over the outputs."""
        return values if self.dense else values.view(-1, *[1] * (self.weight.ndim - 2))

    def scaled(self, scale: Tensor, shift: Tensor) -> Kernel:
        """Return the kernel followed by y -> scale y + shift, both (outputs,), as one kernel."""
        if self.name.startswith("conv_transpose"):
            groups = self.settings.get("groups", 1)
            inputs, outputs, *window = self.weight.shape
            by_group = self.weight.view(groups, inputs // groups, outputs, *window)
            weight = (by_group * scale.view(groups, 1, outputs, *[1] * len(window))).view_as(self.weight)
        else:
            weight = self.weight * scale.view(-1, *[1] * (self.weight.ndim - 1))
        bias = shift if self.bias is None else self.bias * scale + shift
        return replace(self, weight=weight, bias=bias, folded=True)


def read_kernel(
    func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Kernel, Tensor] | None:
    """Return a layer with weights and its input, or None where a call is no such layer but a product of two tensors."""
    linear = torch.nn.functional.linear
    if name in {"matmul", "mm", "rmatmul", "addmm"}:
        if name == "addmm" and (len(args) > 3 or kwargs):
            return None
        bias, x, weight = args if name == "addmm" else (None, args[0], kwargs.get("other", args[-1]))
        fixed = not weight.requires_grad and weight.ndim == 2 and x.requires_grad
        if name == "rmatmul" or not fixed or (bias is not None and (bias.requires_grad or bias.ndim != 1)):
            return None
        return Kernel("linear", linear, weight.t(), bias, original=weight), x
    order = _LINEAR if name == "linear" else _TRANSPOSED if name.startswith("conv_transpose") else _CONV
    given = {**dict(zip(order, args, strict=False)), **kwargs}
    x, weight, bias = given.pop("input"), given.pop("weight"), given.pop("bias", None)
    if weight.requires_grad or not x.requires_grad or (bias is not None and bias.requires_grad):
        return None
    return Kernel(name, func, weight, bias, given, original=weight), x


def fold_batch_norm(
    args: tuple[Any, ...], kwargs: dict[str, Any], made_by: tuple[Kernel, Tensor] | None
) -> tuple[Kernel, Tensor] | None:
    """Return kernel and batch norm as one kernel where the norm's input came straight out of one."""
    if made_by is None:
        return None
    kernel, x = made_by
    found = batch_norm_map(args, kwargs)
    if found is None or kernel.folded or (kernel.dense and args[0].ndim != 2):
        return None
    return kernel.scaled(*found), x


def batch_norm_map(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Tensor, Tensor] | None:
    """Return batch norm with fixed statistics as scale and shift, each (channels,); None where it takes the batch's."""
    names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    mean, variance = given.get("running_mean"), given.get("running_var")
    if mean is None or variance is None or given.get("training"):
        return None
    scale = (variance + given.get("eps", 1e-5)).rsqrt()
    if given.get("weight") is not None:
        scale = scale * given["weight"]
    shift = -mean * scale
    return scale, shift if given.get("bias") is None else shift + given["bias"]


def _each(value: Any, count: int) -> list[int]:
    return [int(value)] * count if isinstance(value, int) else [int(one) for one in value] * (count // len(value) or 1)
