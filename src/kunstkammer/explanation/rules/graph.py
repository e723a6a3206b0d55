"""What autograd's graph and the tensors on the way tell of how they were made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import Node

from kunstkammer.errors import ModelError
from kunstkammer.explanation.rules.functions import RECTIFIER_NODES, ROUTING_NODES

_KERNEL = "kunstkammer kernel"
_SEEN = "kunstkammer seen"


def note(tensor: Tensor, name: str, value: Any) -> None:
    """Write on a tensor what is known of the values that it has now."""
    setattr(tensor, name, (value, tensor._version))


def noted(tensor: Tensor, name: str) -> Any:
    """Return what was written on a tensor, or None if nothing was or its values have been overwritten since."""
    value, version = getattr(tensor, name, (None, None))
    return value if version == tensor._version else None


def mark_kernel(result: Tensor) -> Tensor:
    """Say of a result that a kernel made it, for `has_kernel_before`."""
    if result.grad_fn is not None:
        _facts(result.grad_fn)[_KERNEL] = True
    return result


def has_kernel_before(x: Tensor) -> bool:
    """Say whether a kernel lies between the pixels and `x`: the search ends at the nearest ones."""
    return any(_KERNEL in _facts(node) for node in _nodes(x.grad_fn, stop=_KERNEL))


def mark_seen(result: Tensor, inputs: Iterable[Tensor]) -> None:
    """Say of the steps between the inputs of a function and its result that the engine has seen them."""
    before = {one.grad_fn for one in inputs}
    for node in _nodes(result.grad_fn, before):
        _facts(node)[_SEEN] = True


def check_steps(logits: Tensor, own: frozenset[str]) -> None:
    """Raise `ModelError` where the graph has a step that is neither routing nor one of our own.

    The engine has not seen it then: an `autograd.Function`, or what TorchScript runs.
    """
    for node in _nodes(logits.grad_fn):
        name = _plain(node)
        if name not in own and name.removesuffix("Backward") not in ROUTING_NODES and name != "AccumulateGrad":
            raise _unseen(node)


def check_rectifiers(logits: Tensor) -> None:
    """Raise `ModelError` where the graph has a rectifier, or a step that is not torch's, and the engine saw it not."""
    for node in _nodes(logits.grad_fn):
        ours = getattr(getattr(node, "_forward_cls", None), "__module__", "").startswith("kunstkammer.")
        foreign = isinstance(node, BackwardCFunction) and not ours
        if foreign or (_plain(node).removesuffix("Backward") in RECTIFIER_NODES and _SEEN not in _facts(node)):
            raise _unseen(node)


def _unseen(node: Node) -> ModelError:
    return ModelError(
        f"No rule covers {node.name()}, a step of the network that is no function of torch called from Python; "
        "choose a method that needs none, such as occlusion."
    )


def _nodes(start: Node | None, without: Iterable[Node | None] = (), stop: str | None = None) -> Iterator[Node]:
    """Yield each node of the graph once, from `start` towards the pixels, and not beyond any with the fact `stop`."""
    waiting, visited = [start], {None, *without}
    while waiting:
        node = waiting.pop()
        if node is None or node in visited:
            continue
        visited.add(node)
        yield node
        if stop is None or stop not in _facts(node):
            waiting.extend(following for following, _ in node.next_functions)


def _facts(node: Node) -> dict[Any, Any]:
    return cast(dict[Any, Any], node.metadata)


def _plain(node: Node) -> str:
    return node.name().rsplit(":", 1)[-1].rstrip("0123456789")
