"""Where a network still knows where things are: finding the map that Grad-CAM reads, in any network.

No list of supported models: the network is run once on one picture, every module's output is noted, and the last map is
taken through which all that the logits know of the pixels passes. A map inside one branch of a block is not such a map,
the block's output after the join is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from kunstkammer.errors import ModelError, UnknownNameError, guess
from kunstkammer.explanation.centres import Axis, cell_centres
from kunstkammer.explanation.target import shortened
from kunstkammer.explanation.task import borrowed, logits_of

MIN_CELLS = 4
"""A map that is found by itself has at least so many cells in height and in width, where the network has such a map."""

MOST_PREFIX_TOKENS = 8
"""At most so many tokens that stand for no place (class, distillation, registers) come before the others."""


@dataclass(frozen=True)
class Place:
    """A map inside a network: the output of one call of one module.

    Attributes:
        name: the module, as `named_modules()` calls it.
        call: which of its calls in one forward pass, from 0 (a module may be used more than once).
        grid: the map's height and width in cells.
        prefix: None for a map (N, C, h, w); for tokens (N, T, C) how many stand before those of the grid.
        centres: where in the picture its cells look, in rows and columns.
    """

    name: str
    call: int
    grid: tuple[int, int]
    prefix: int | None = None
    centres: tuple[Axis, Axis] = (Axis(0.0, 1.0), Axis(0.0, 1.0))

    def to_map(self, values: Tensor) -> Tensor:
        """Return the module's output (or its gradient) as (N, C, h, w)."""
        if self.prefix is None:
            return values
        return values[:, self.prefix :].transpose(1, 2).unflatten(2, self.grid)


@dataclass(frozen=True)
class _Seen:
    place: Place
    edge: GradientEdge


def find_layer(model: nn.Module, pixels: Tensor) -> str:
    """Return the name of the module whose output Grad-CAM reads for pixels (N, C, H, W) of this size.

    It is the last module whose output is a map of at least 4 x 4 cells through which every path from the logits back to
    the pixels leads, and whose cells reach the logits; of a convolution that is pooled before its nonlinearity, the map
    before it. (In a vision transformer that reads its answer from the class
    token the last block's other tokens reach nothing; the block before it is taken.)

    Raises `ModelError` where the network has no map at all.

    >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> find_layer(net, torch.zeros(1, 1, 16, 16))
    '1'
    """
    with borrowed(model):
        return find_place(model, pixels).name


def find_place(model: nn.Module, pixels: Tensor, layer: str | None = None) -> Place:
    """Return the map of a borrowed model to read, or the last one that the module `layer` gives.

    Only the first picture is run. Raises `ModelError` where there is no such map, `UnknownNameError` for a module that
    is not there.
    """
    if layer is not None and layer not in dict(model.named_modules()):
        known = [name for name, _ in model.named_modules() if name]
        raise UnknownNameError(f"There is no layer '{layer}'.{guess(layer, known)} Known: {shortened(known)}.")
    start = pixels[:1].detach().clone().requires_grad_()
    seen, shapes, logits = _run(model, start)
    if layer is not None:
        return _located(_last_of(layer, seen, shapes), start)
    for cells in (MIN_CELLS, 2, 1):
        large = [one for one in seen if min(one.place.grid) >= cells and max(one.place.grid) > 1]
        chosen = _choose(large, start, logits)
        if chosen is not None:
            return _located(chosen, start)
    raise ModelError(
        f"Grad-CAM finds no map (N, C, h, w) in {type(model).__name__}: nothing in it says where things are; "
        "choose another method, such as gradient."
    )


@contextlib.contextmanager
def watched(model: nn.Module, see: Callable[[str, int, Tensor], Tensor | None]) -> Iterator[None]:
    """Call `see(name, call, output)` after every call of a module inside `model`; what it returns replaces the output.

    Outputs that are a tuple or list are seen by their first tensor; others that are no tensor are not seen.
    """
    calls: dict[str, int] = {}

    def hook(name: str) -> Callable[[nn.Module, Any, Any], Any]:
        def after(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            calls[name] = calls.get(name, -1) + 1
            several = type(output) in {tuple, list} and len(output) > 0
            first = output[0] if several else output
            if not isinstance(first, Tensor):
                return None
            other = see(name, calls[name], first)
            if other is None:
                return None
            return type(output)([other, *output[1:]]) if several else other

        return after

    handles = []
    try:
        for name, module in model.named_modules():
            if name:
                handles.append(module.register_forward_hook(hook(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _run(model: nn.Module, start: Tensor) -> tuple[list[_Seen], dict[str, tuple[int, ...]], Tensor]:
    """Run the model; return the maps in the order they were made, the last shape of each module, and the logits."""
    seen: list[_Seen] = []
    shapes: dict[str, tuple[int, ...]] = {}
    grid: list[tuple[int, int]] = []

    def see(name: str, call: int, output: Tensor) -> None:
        shapes[name] = tuple(output.shape)
        place = _as_map(name, call, output, start, grid[-1] if grid else None)
        if place is None or not output.requires_grad:
            return
        if place.prefix is None:
            grid.append(place.grid)
        # The edge is taken now: an in-place operation after this module would move the tensor on.
        seen.append(_Seen(place, get_gradient_edge(output)))

    with watched(model, see):
        logits = logits_of(model, start)
    return seen, shapes, logits


def _as_map(name: str, call: int, output: Tensor, start: Tensor, grid: tuple[int, int] | None) -> Place | None:
    """Say how an output is a map: (N, C, h, w) of the picture's proportions, or tokens on a grid seen before."""
    if output.shape[:1] != start.shape[:1]:
        return None
    height, width = start.shape[2:]
    if output.ndim == 4:
        h, w = output.shape[2:]
        if not (0 < h <= height and 0 < w <= width):
            return None
        # The steps from cell to cell are alike in both directions (rounding aside), unless this is (N, h, w, C).
        rows, columns = height / h, width / w
        return Place(name, call, (h, w)) if max(rows, columns) <= 2 * min(rows, columns) else None
    # Pooled features (N, C, 1) are no tokens, however many they are.
    if output.ndim == 3 and output.shape[2] > 1 and grid is not None:
        tokens, (h, w) = output.shape[1], grid
        if 0 <= tokens - h * w <= MOST_PREFIX_TOKENS:
            return Place(name, call, grid, prefix=tokens - h * w)
        while max(h, w) > 1:
            # Token pyramids merge 2 x 2 neighbours into one, with padding where a side is odd.
            h, w = -(-h // 2), -(-w // 2)
            if tokens == h * w:
                return Place(name, call, (h, w), prefix=0)
    return None


def _last_of(layer: str, seen: list[_Seen], shapes: dict[str, tuple[int, ...]]) -> _Seen:
    for one in reversed(seen):
        if one.place.name == layer and max(one.place.grid) > 1:
            return one
    if layer in shapes:
        raise ModelError(f"The layer '{layer}' gives {shapes[layer]}, which is no map (N, C, h, w) of the picture.")
    raise ModelError(f"The layer '{layer}' gives no tensor when the model is run; name another one.")


def _choose(seen: list[_Seen], start: Tensor, logits: Tensor) -> _Seen | None:
    """Return the last map that all evidence passes and whose cells reach the logits; else the last that all passes."""
    if logits.grad_fn is None:
        return None
    passed = [one for one in reversed(seen) if not _reaches(logits.grad_fn, start, without=one.edge.node)]
    # Where parts are joined outside any module no map may hold all evidence: then the last one that holds some.
    some = passed or list(reversed(seen))
    # The predicted class's logit; the sum of all logits may be constant, as SketchNet's (-z/2, z/2) is.
    score = logits.max()
    for one in some:
        (gradient,) = torch.autograd.grad(score, one.edge, retain_graph=True, allow_unused=True)
        if gradient is not None and bool(one.place.to_map(gradient).any()):
            return _rectified(one, some)
    return passed[0] if passed else None


def _rectified(one: _Seen, maps: list[_Seen]) -> _Seen:
    """Return the map before `one` where that is a convolution's bare output: what it drops later is still in it.

    Such a map is found where the network pools before its nonlinearity. In SketchNet its peaks lay 10 pixels off the
    evidence (72 to 77 % inside the box), those of the ReLU before the convolution under 3 (98 to 99 %); on drawn manga
    pages 36 and 78 % of them lay on a face.
    """
    if not _is_bare(one):
        return one
    before = maps[maps.index(one) + 1 :]
    return next((other for other in before if other.place.grid == one.place.grid and not _is_bare(other)), one)


def _is_bare(one: _Seen) -> bool:
    return one.place.prefix is None and one.edge.node.name().startswith("ConvolutionBackward")


def _located(one: _Seen, start: Tensor) -> Place:
    """Return the place with the centres of its cells (tokens are spread evenly: patches tile the picture)."""
    place = one.place
    if place.prefix is None:
        return replace(place, centres=cell_centres(one.edge.node, start, place.grid))
    rows, columns = (Axis.even(pixels, cells) for pixels, cells in zip(start.shape[2:], place.grid, strict=True))
    return replace(place, centres=(rows, columns))


def _reaches(root: Node, start: Tensor, without: Node) -> bool:
    """Say whether a backward pass from `root` would still reach `start` if the node `without` let nothing through."""
    waiting, visited = [root], {without}
    while waiting:
        node = waiting.pop()
        if node in visited:
            continue
        visited.add(node)
        if getattr(node, "variable", None) is start:
            return True
        waiting.extend(following for following, _ in node.next_functions if following is not None)
    return False
