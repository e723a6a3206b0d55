"""The linear maps inside a network: convolutions and dense layers, by the weight that they are called with."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kunstkammer.errors import ModelError

Geometry = tuple[tuple[int, int], tuple[int, int], tuple[int, int], int]
"""Stride, padding, dilation, groups."""


@dataclass(frozen=True)
class Layer:
    """One call of a convolution or a dense layer.

    Attributes:
        input: (N, C, H, W) for a convolution (asymmetric padding already around it), (..., features) for a dense layer.
        weight: (O, C / groups, kh, kw) or (O, features).
        bias: (O,) or None.
        geometry: stride, padding, dilation and groups of a convolution; None for a dense layer.
    """

    input: Tensor
    weight: Tensor
    bias: Tensor | None
    geometry: Geometry | None

    def output(self, bias: bool = True) -> Tensor:
        """Return what the network computes here, (N, O, h, w) or (..., O); on request without its bias."""
        added = self.bias if bias else None
        if self.geometry is None:
            return F.linear(self.input, self.weight, added)
        return F.conv2d(self.input, self.weight, added, *self.geometry)

    def with_bias(self, output: Tensor) -> Tensor:
        """Return an output without bias with it; the very tensor where there is none."""
        if self.bias is None:
            return output
        return output + (self.bias if self.geometry is None else self.bias[:, None, None])


def layer_of(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Layer | None:
    """Return the layer that a torch function is called as, None where it is neither a convolution nor dense."""
    if func is F.linear:
        bound = _LINEAR.bind(*args, **kwargs).arguments
        return Layer(bound["input"], bound["weight"], bound.get("bias"), None)
    if func is not torch.conv2d:
        return None
    bound = _CONVOLUTION.bind(*args, **kwargs).arguments
    pixels, weight, padding = bound["input"], bound["weight"], bound.get("padding", 0)
    dilation = _pair(bound.get("dilation", 1))
    if isinstance(padding, str):
        pixels, padding = _padded(pixels, weight, padding, dilation)
    geometry = (_pair(bound.get("stride", 1)), _pair(padding), dilation, int(bound.get("groups", 1)))
    return Layer(pixels, weight, bound.get("bias"), geometry)


def weight_names(model: nn.Module) -> dict[int, str]:
    """Return the name of every parameter and buffer by the identity of its tensor."""
    return {id(tensor): name for name, tensor in (*model.named_buffers(), *model.named_parameters())}


def name_of(layer: Layer, names: Mapping[int, str]) -> str:
    """Return the name of a layer's weight; raise `ModelError` where it is made on the way."""
    name = names.get(id(layer.weight))
    if name is None:
        raise ModelError(
            f"A {'dense layer' if layer.geometry is None else 'convolution'} with a weight of shape "
            f"{tuple(layer.weight.shape)} that is no parameter of the model (weight normalisation, standardisation?): "
            "patterns cannot be fitted for it; fold what makes the weight into it first."
        )
    return name


def tensors_in(values: Any) -> list[Tensor]:
    """Return the tensors among arguments, also inside lists, tuples and mappings."""
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, Mapping):
        values = values.values()
    elif not isinstance(values, list | tuple):
        return []
    return [tensor for value in values for tensor in tensors_in(value)]


def _signature(text: str) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature(
        [inspect.Parameter(name, kind, default=inspect.Parameter.empty) for name in text.split()[:2]]
        + [inspect.Parameter(name, kind, default=None) for name in text.split()[2:]]
    )


_LINEAR = _signature("input weight bias")
_CONVOLUTION = _signature("input weight bias stride padding dilation groups")


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    values = [int(one) for one in value]
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def _padded(pixels: Tensor, weight: Tensor, padding: str, dilation: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
    """Return input and padding in numbers for "same" and "valid"; what "same" adds on one side only goes around it."""
    if padding == "valid":
        return pixels, (0, 0)
    totals = [step * (size - 1) for step, size in zip(dilation, weight.shape[2:], strict=True)]
    if any(total % 2 for total in totals):
        rows, columns = totals
        sides = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        return F.pad(pixels, sides), (0, 0)
    return pixels, (totals[0] // 2, totals[1] // 2)
