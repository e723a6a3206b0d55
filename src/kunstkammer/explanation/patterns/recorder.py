"""A forward pass that shows every layer: what came in, what came out, and where the network lets it through.

Where it is active is read off what follows, not off a list of modules:

- A batch normalisation right behind a layer belongs to it: what counts is the sign behind it (as if folded in).
- A layer that feeds a residual join whose sum is rectified is active where that rectifier lets the sum through: that
  is the switch its output passes.
- Everywhere else (a rectifier right behind it, none at all, GELU, pooling first) it is active where its own output,
  bias and batch normalisation counted, is above 0. So are output layers, as in both published implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from kunstkammer.explanation.patterns.layers import Layer, layer_of, name_of, tensors_in, weight_names
from kunstkammer.explanation.task import logits_of


@dataclass
class Seen:
    """One layer in one forward pass.

    Attributes:
        name: of its weight.
        layer: input, weight, bias and geometry.
        y: w.x, without the bias: (N, O, h, w), or (..., O).
        value: what its sign is read off: w.x with the bias, behind its batch normalisation; the same shape.
        active: bool of the same shape, where it is active.
    """

    name: str
    layer: Layer
    y: Tensor
    value: Tensor
    active: Tensor


def show_layers(model: nn.Module, pixels: Tensor, see: Callable[[Seen], None]) -> None:
    """Run a model (borrowed) on pixels (N, C, H, W) and show every layer as soon as it is known where it is active.

    Raises `ModelError` where a layer's weight is no parameter of the model.
    """
    recorder = _Recorder(weight_names(model), see)
    with torch.no_grad(), recorder:
        logits_of(model, pixels)
    recorder.finish()


JOINS = frozenset(["add", "add_", "__add__", "__radd__", "__iadd__"])
RECTIFIERS = frozenset(
    ("relu", "relu_", "relu6", "hardtanh", "hardtanh_", "clamp", "clamp_", "clamp_min", "clamp_min_", "threshold")
)
_HANDED_ON = frozenset(["dropout", "dropout_", "dropout1d", "dropout2d", "feature_dropout", "contiguous"])


@dataclass
class _Waiting:
    """A layer whose switch is not known yet. `held` is its value, once what is carried on is a join."""

    name: str
    layer: Layer
    y: Tensor
    held: Tensor | None = None


class _Recorder(TorchFunctionMode):
    def __init__(self, names: Mapping[int, str], see: Callable[[Seen], None]) -> None:
        super().__init__()
        self._names = names
        self._see = see
        # By the identity of the tensor that carries the layers' output on; it is held, so that none is born again.
        self._waiting: dict[int, tuple[Tensor, list[_Waiting]]] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = tensors_in((args, kwargs))
        name = getattr(func, "__name__", "")
        in_place = _in_place(name, args, kwargs)
        if in_place and given:
            self._settle_readers_of(given[0])
        if not any(id(tensor) in self._waiting for tensor in given):
            return self._run(func, args, kwargs)
        if func is F.batch_norm or name in _HANDED_ON:
            return self._hand_on(func, args, kwargs, given)
        if name in JOINS:
            return self._join(func, args, kwargs, given, in_place)
        if name in RECTIFIERS:
            for tensor in given:
                self._settle(tensor, tensor > 0)
            return self._run(func, args, kwargs)
        if in_place:
            self._settle_all(given)
        result = self._run(func, args, kwargs)
        if tensors_in(result):  # asking for a shape is no use of it
            self._settle_all(given)
        return result

    def finish(self) -> None:
        """Show the layers that nothing followed."""
        for tensor, _ in list(self._waiting.values()):
            self._settle(tensor, None)

    def _run(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        layer = layer_of(func, args, kwargs)
        if layer is None:
            return func(*args, **kwargs)
        name = name_of(layer, self._names)
        # Not the output less the bias: of a y that is small beside it only rounding would be left.
        y = layer.output(bias=False)
        result = layer.with_bias(y)
        self._waiting[id(result)] = (result, [_Waiting(name, layer, y)])
        return result

    def _hand_on(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], given: list[Tensor]) -> Any:
        carrier = next(tensor for tensor in given if id(tensor) in self._waiting)
        if func is F.batch_norm and any(one.held is not None for one in self._waiting[id(carrier)][1]):
            self._settle(carrier, None)  # it normalises a join, not a layer
            return self._run(func, args, kwargs)
        result = func(*args, **kwargs)
        _, waiting = self._waiting.pop(id(carrier))
        self._waiting[id(result)] = (result, waiting)
        return result

    def _join(
        self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], given: list[Tensor], in_place: bool
    ) -> Any:
        joined: list[_Waiting] = []
        for tensor in given:
            carrier, waiting = self._waiting.pop(id(tensor), (tensor, []))
            kept = carrier.clone() if in_place and waiting else carrier
            for one in waiting:
                one.held = kept if one.held is None else one.held
                one.y = kept if one.y is carrier else one.y
            joined += waiting
        result = func(*args, **kwargs)
        self._waiting[id(result)] = (result, joined)
        return result

    def _settle_all(self, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            self._settle(tensor, None)

    def _settle(self, tensor: Tensor, switch: Tensor | None) -> None:
        carrier, waiting = self._waiting.pop(id(tensor), (tensor, []))
        for one in waiting:
            value = carrier if one.held is None else one.held
            active = value > 0 if switch is None or switch.shape != value.shape else switch
            self._see(Seen(one.name, one.layer, one.y, value, active))

    def _settle_readers_of(self, tensor: Tensor) -> None:
        """Show the layers whose input is about to be overwritten."""
        place = tensor.untyped_storage().data_ptr()
        for carrier, waiting in list(self._waiting.values()):
            if any(one.layer.input.untyped_storage().data_ptr() == place for one in waiting):
                self._settle(carrier, None)


def _in_place(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Say whether a function may write into its first argument (`F.silu(x, True)` as well as `x.silu_()`)."""
    ends = name.endswith("_") and not name.endswith("__")
    written = ends or name.startswith("__i") or name == "__setitem__"
    return written or bool(kwargs.get("inplace")) or any(value is True for value in args)
