"""One engine for all rules: while a network runs, each function keeps its value and gets another gradient.

`Engine` sees every function of torch that the network calls, as a module or by itself, and asks a `Propagation` what
shall come back through it. Autograd does the rest. The model is not changed, nor need it be known.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name

from kunstkammer.errors import ModelError
from kunstkammer.explanation.rules.functions import GATES, KINDS, OPENED
from kunstkammer.explanation.rules.graph import (
    check_rectifiers,
    check_steps,
    has_kernel_before,
    mark_kernel,
    mark_seen,
    note,
    noted,
)
from kunstkammer.explanation.rules.kernel import Kernel, fold_batch_norm, read_kernel
from kunstkammer.explanation.task import Task


def moving(value: Any) -> bool:
    """Say whether a value depends on the pixels: a tensor that asks for a gradient, or a list with one in it."""
    if isinstance(value, Tensor):
        return value.requires_grad
    if isinstance(value, dict):
        return any(map(moving, value.values()))
    return isinstance(value, list | tuple) and any(map(moving, value))


@dataclass(frozen=True)
class Call:
    """One call of a function of torch: its name without underscores, and what it was given."""

    func: Callable[..., Any]
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def run(self) -> Any:
        """Return what the function gives."""
        return self.func(*self.args, **self.kwargs)

    def given(self, place: int, name: str, default: Any = None) -> Any:
        """Return an argument by its place or its name."""
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, default)

    def tensors(self) -> Iterator[Tensor]:
        """Give each tensor on the way from the pixels, also those in lists."""
        for value in (*self.args, *self.kwargs.values()):
            several = value if isinstance(value, list | tuple) else [value]
            yield from (one for one in several if isinstance(one, Tensor) and one.requires_grad)

    def swapped(self, old: Tensor, new: Tensor) -> Call:
        """Return the same call with `new` in the place of `old`, wherever it stands."""

        def swap(value: Any) -> Any:
            if isinstance(value, list | tuple):
                return type(value)(swap(one) for one in value)
            return new if value is old else value

        return replace(self, args=swap(self.args), kwargs={name: swap(one) for name, one in self.kwargs.items()})


class Propagation:
    """What comes back through each kind of function; this one: the gradient.

    A method returns the function's own value (the very numbers) with a gradient of its choice.
    """

    own_steps: frozenset[str] | None = None
    """Names of the steps it puts into autograd's graph, where nothing else may be in it but routing; None: anything."""

    def seed(self, logits: Tensor, score: Tensor, chosen: Tensor) -> Tensor:
        """Return what goes in at the logits (N, K): here the score (N,), at the class in question.

        `chosen` (N, K) is 1 there, -1 at the class that it is held against, and 0 elsewhere.
        """
        return score.unsqueeze(1) * chosen

    def bounds(self, pixels: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return between what the pixels (N, C, H, W) lie, for the first kernel's `bounds`; None: it need not know."""
        return None

    def kernel(self, kernel: Kernel, x: Tensor, value: Callable[[], Tensor]) -> Tensor:
        """Answer for a convolution or linear layer at `x`, batch norm folded in; `value()` is what the network gets."""
        return value()

    def activation(self, call: Call) -> Tensor:
        """Answer for a function of one value each."""
        return call.run()

    def join(self, call: Call) -> Tensor:
        """Answer for a sum or difference of two."""
        return call.run()

    def scaling(self, call: Call) -> Tensor:
        """Answer for a product or quotient, element by element."""
        return call.run()

    def product(self, call: Call) -> Tensor:
        """Answer for a matrix product that is no layer's."""
        return call.run()

    def average(self, call: Call) -> Tensor:
        """Answer for average pooling."""
        return call.run()

    def linear(self, call: Call) -> Tensor:
        """Answer for other sums with fixed weights."""
        return call.run()

    def normalisation(self, call: Call) -> Tensor:
        """Answer for a normalisation that follows no kernel."""
        return call.run()

    def weights(self, call: Call) -> Any:
        """Answer for what weighs other values."""
        return call.run()

    def attention(self, call: Call) -> Tensor:
        """Answer for attention in one piece."""
        return call.run()


class Engine(TorchFunctionMode):
    """While it is entered, functions that depend on the pixels are answered for by a `Propagation`.

    Raises `ModelError` for a function that it does not know, with its name.
    """

    def __init__(self, propagation: Propagation, bounded: bool = False) -> None:
        super().__init__()
        self.propagation = propagation
        self.bounded = bounded
        self.kernels = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = self._value(func, args, kwargs)
        # What works in place has done so itself, before its input was overwritten.
        if self.bounded and not _is_in_place(func, kwargs):
            _carry_bounds(Call(func, _plain(func.__name__), tuple(args), kwargs), result)
        return result

    def _value(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if not (moving(args) or moving(kwargs)) or not torch.is_grad_enabled():
            return func(*args, **kwargs)
        call = Call(func, _plain(func.__name__), tuple(args), kwargs)
        if kwargs.get("out") is not None:
            raise ModelError(f"{_full(func)} writes into a given tensor (out=); no rule covers that.")
        if call.name in OPENED:
            with self:
                return _opened(func)(*args, **kwargs)
        kind = KINDS.get(call.name)
        if kind is None or kind == "routing":
            result = func(*args, **kwargs)
            if kind is None and moving(result):
                raise ModelError(
                    f"No rule covers {_full(func)}, which the network calls on the way from the pixels to the logits; "
                    "choose a method that needs none, such as gradient or occlusion."
                )
            return result
        if _is_in_place(func, kwargs):
            return self._in_place(kind, call)
        return self._answer(kind, call)

    def _answer(self, kind: str, call: Call) -> Any:
        if kind == "kernel":
            return self._kernel(call)
        if "dropout" in call.name and not call.given(2, "training", True):
            return call.args[0]
        if call.name == "batch_norm":
            folded = fold_batch_norm(call.args, call.kwargs, noted(call.args[0], _MADE_BY))
            if folded is not None:
                kernel, x = folded
                return mark_kernel(self.propagation.kernel(kernel, x, call.run))
        result = getattr(self.propagation, kind)(call)
        if isinstance(result, Tensor):
            mark_seen(result, call.tensors())
        if call.name in GATES:
            note(result, GATE, True)
        return result

    def _kernel(self, call: Call) -> Any:
        read = read_kernel(call.func, call.name, call.args, call.kwargs)
        if read is None:
            return self.propagation.product(call)
        kernel, x = read
        kernel = replace(kernel, index=self.kernels, first=not has_kernel_before(x), bounds=noted(x, _BOUNDS))
        self.kernels += 1
        result = mark_kernel(self.propagation.kernel(kernel, x, call.run))
        note(result, _MADE_BY, (kernel, x))
        return result

    def _in_place(self, kind: str, call: Call) -> Tensor:
        """Answer from a copy, and write the result into the tensor: whoever else holds it sees the change."""
        target: Tensor = call.args[0] if call.args else call.kwargs["input"]
        kwargs = {name: value for name, value in call.kwargs.items() if name != "inplace"}
        func = call.func if call.func.__name__ == call.name else _out_of_place(call)
        result = self._answer(kind, replace(call, func=func, kwargs=kwargs).swapped(target, target.clone()))
        if self.bounded:
            _carry_bounds(replace(call, func=func, kwargs=kwargs), result)
        target.copy_(result)
        if noted(result, _BOUNDS) is not None:
            note(target, _BOUNDS, noted(result, _BOUNDS))
        return target


GATE = "_kunstkammer_gate"
_BOUNDS = "_kunstkammer_bounds"
_MADE_BY = "_kunstkammer_made_by"
_OUT_OF_PLACE: dict[str, Any] = {
    "__iadd__": torch.add,
    "__isub__": torch.sub,
    "__imul__": torch.mul,
    "__itruediv__": torch.div,
    "__ipow__": torch.pow,
}


def propagate(task: Task, propagation: Propagation) -> Tensor:
    """Run the network under a propagation and return what comes back to the pixels, (N, C, H, W)."""
    for module in task.model.modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise ModelError(
                f"{type(task.model).__name__} is compiled by TorchScript; give the module it was made from."
            )
    start = task.pixels.clone().requires_grad_()
    # The network gets a copy, for it may overwrite what it is given.
    given, bounds = start.clone(), propagation.bounds(task.pixels)
    if bounds is not None:
        note(given, _BOUNDS, bounds)
    with Engine(propagation, bounded=bounds is not None):
        logits = task.logits(given)
    if not logits.requires_grad:
        raise ModelError(
            f"Nothing leads back from the logits of {type(task.model).__name__} to the pixels: they are cut off, or "
            "come out of a softmax; give the model that ends before it."
        )
    if propagation.own_steps is None:
        check_rectifiers(logits)
    else:
        check_steps(logits, propagation.own_steps)
    task.settle(logits)
    values = logits.detach().requires_grad_()
    score = task.choose(values)
    (chosen,) = torch.autograd.grad(score.sum(), values)
    (result,) = torch.autograd.grad(logits, start, propagation.seed(values.detach(), score.detach(), chosen))
    return result


def count_kernels(task: Task) -> int:
    """Return how many kernels the network calls for one picture."""
    engine = Engine(Propagation())
    with engine:
        task.logits(task.pixels[:1].clone().requires_grad_())
    return engine.kernels


def _plain(name: str) -> str:
    """Return a function's name without what says that it is an operator or works in place.

    >>> _plain("__iadd__"), _plain("relu_"), _plain("conv2d"), _plain("__rsub__")
    ('add', 'relu', 'conv2d', 'rsub')
    """
    bare = name.strip("_")
    if name.startswith("__") and bare in {"iadd", "isub", "imul", "itruediv", "ipow"}:
        bare = bare[1:]
    return {"truediv": "div", "rtruediv": "rdiv", "radd": "add", "rmul": "mul"}.get(bare, bare)


def _full(func: Any) -> str:
    return str(resolve_name(func) or getattr(func, "__name__", func))


def _out_of_place(call: Call) -> Callable[..., Any]:
    """Return the function that gives as a new tensor what this one writes into its first argument."""
    for home in (torch.Tensor, torch, torch.nn.functional):
        if call.func.__name__ in _OUT_OF_PLACE or hasattr(home, call.name):
            return _OUT_OF_PLACE.get(call.func.__name__) or getattr(home, call.name)
    raise ModelError(f"No rule covers {_full(call.func)}, which works in place; use the function without underscore.")


def _is_in_place(func: Any, kwargs: dict[str, Any]) -> bool:
    name: str = func.__name__
    marked = name.endswith("_") and not name.endswith("__")
    return marked or bool(kwargs.get("inplace")) or name in _OUT_OF_PLACE


def _opened(func: Any) -> Callable[..., Any]:
    """Return a function written in Python that does not hand itself over as a whole, so that what it calls is seen."""
    seen_inside = {**func.__globals__, "has_torch_function": lambda *_: False}
    same = types.FunctionType(func.__code__, seen_inside, func.__name__, func.__defaults__, func.__closure__)
    same.__kwdefaults__ = func.__kwdefaults__
    return same


def _carry_bounds(call: Call, result: Any) -> None:
    """Put the bounds of a function's input through it as well: padding, scaling and the like before a kernel."""
    known = [one for one in call.tensors() if noted(one, _BOUNDS) is not None]
    kinds = {"routing", "activation", "join", "scaling", "linear", "average"}
    if len(known) != 1 or KINDS.get(call.name) not in kinds or not moving(result) or len(list(call.tensors())) != 1:
        return
    ends = [call.swapped(known[0], bound.expand_as(known[0]).clone()).run() for bound in noted(known[0], _BOUNDS)]
    if isinstance(result, Tensor):
        note(result, _BOUNDS, (torch.minimum(*ends), torch.maximum(*ends)))
        return
    for one, low, high in zip(result, *ends, strict=True):
        note(one, _BOUNDS, (torch.minimum(low, high), torch.maximum(low, high)))
