"""Where the cells of a map look: the place in the picture that each cell stands for, read off the autograd graph.

Spreading the cells evenly over the picture is wrong where pooling drops a remainder (seven cells of 16 pixels cover 112
of SketchNet's 120) and where convolutions are not padded. The graph knows the strides, kernels and paddings of whatever
was computed, also outside modules.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.nn.functional import grid_sample

_UNKNOWN = ("Pool", "Upsample", "Slice", "Roll", "Index", "Unfold", "Col", "Pad")


@dataclass(frozen=True)
class Axis:
    """The centres of a map's cells along one axis of the picture: cell i looks at pixel `first + step * i`."""

    first: float
    step: float

    @classmethod
    def even(cls, pixels: int, cells: int) -> Axis:
        """Spread the cells evenly over the pixels.

        >>> Axis.even(224, 7)
        Axis(first=15.5, step=32.0)
        """
        step = pixels / cells
        return cls((step - 1) / 2, step)

    def behind(self, layer: Layer) -> Axis:
        """Return the axis on the input of a layer, given `self` on its output.

        A stride-2 layer padded by 1 on both sides has its kernel's middle at 0, 2, 4 ..., one padded only at the end
        (TensorFlow's "same") at 1, 3, 5 ...; but training shifts the weight inside the kernel until each cell stands
        for its own tile of pixels, 0.5, 2.5, ... (On photographs the receptive fields of a trained MobileNetV2 lie 2 to
        5 pixels from the middle of the tiles, 10 to 17 from that of the kernels.) So half a pixel is not counted.

        >>> Axis(0.0, 1.0).behind(Layer(kernel=3, stride=2, before=1))
        Axis(first=0.5, step=2.0)
        >>> Axis(0.0, 1.0).behind(Layer(kernel=5))
        Axis(first=2.0, step=1.0)
        """
        middle = layer.dilation * (layer.kernel - 1) / 2 - layer.before
        tile = (layer.stride - 1) / 2
        if abs(middle - tile) <= 0.5:
            middle = tile
        return Axis(layer.stride * self.first + middle, layer.stride * self.step)


@dataclass(frozen=True)
class Layer:
    """What a convolution, pooling or padding does along one axis; `before` is the padding before the first pixel."""

    kernel: int = 1
    stride: int = 1
    before: int = 0
    dilation: int = 1


def cell_centres(node: Node, start: Tensor, grid: tuple[int, int]) -> tuple[Axis, Axis]:
    """Return the centres of a map's cells in rows and columns of the picture.

    Args:
        node: the node of the graph that made the map (N, C, h, w).
        start: the pixels (N, C, H, W), the leaf of the graph.
        grid: (h, w).

    Where the graph holds something whose geometry is not known here, the cells are spread evenly.
    """
    even = (Axis.even(start.shape[2], grid[0]), Axis.even(start.shape[3], grid[1]))
    layers: list[tuple[Layer, Layer]] = []
    for step in _shortest_path(node, start):
        pair = _geometry(step)
        if pair is None:
            return even
        if step.name().startswith("ConstantPad") and layers:
            # The padding of the layer behind it, done as a step of its own.
            rows, columns = layers.pop()
            above, left = pair[0].before, pair[1].before
            pair = replace(rows, before=rows.before + above), replace(columns, before=columns.before + left)
        if pair != (Layer(), Layer()):
            layers.append(pair)
    axes = [Axis(0.0, 1.0), Axis(0.0, 1.0)]
    for pair in layers:
        axes = [axis.behind(layer) for axis, layer in zip(axes, pair, strict=True)]
    # A reshaping that moves cells about goes unseen here, but leaves the middle of the map beside that of the picture.
    believable = all(
        axis.step <= 1.25 * spread.step and abs(_middle(axis, n) - _middle(spread, n)) <= axis.step
        for axis, spread, n in zip(axes, even, grid, strict=True)
    )
    return (axes[0], axes[1]) if believable else even


def lay_over(values: Tensor, size: tuple[int, int], centres: tuple[Axis, Axis]) -> Tensor:
    """Lay maps (N, C, h, w) over pictures of `size` = (H, W): bilinear between the centres, constant beyond."""
    lines = []
    for pixels, cells, axis in zip(size, values.shape[2:], centres, strict=True):
        places = (torch.arange(pixels, dtype=values.dtype, device=values.device) - axis.first) / axis.step
        lines.append(places * (2 / max(cells - 1, 1)) - 1)  # grid_sample counts from -1 to 1
    rows, columns = torch.meshgrid(*lines, indexing="ij")
    where = torch.stack([columns, rows], dim=-1).expand(len(values), -1, -1, -1)
    return grid_sample(values, where, mode="bilinear", padding_mode="border", align_corners=True)


def _middle(axis: Axis, cells: int) -> float:
    return axis.first + axis.step * (cells - 1) / 2


def _shortest_path(node: Node, start: Tensor) -> list[Node]:
    """Return the nodes on the shortest way to the pixels: it takes shortcuts, no squeeze-and-excite detour."""
    came_from: dict[Node, Node | None] = {node: None}
    waiting = deque([node])
    while waiting:
        here = waiting.popleft()
        if getattr(here, "variable", None) is start:
            path, back = [], came_from[here]
            while back is not None:
                path.append(back)
                back = came_from[back]
            return path[::-1]
        for following, _ in here.next_functions:
            if following is not None and following not in came_from:
                came_from[following] = here
                waiting.append(following)
    return []


def _geometry(node: Any) -> tuple[Layer, Layer] | None:
    """Return what one step of the graph does in rows and columns, None where that is unknown."""
    name = node.name()
    if name.startswith("ConvolutionBackward"):
        if node._saved_transposed or node._saved_weight.ndim != 4:
            return None
        return _layers(node._saved_weight.shape[2:], node._saved_stride, node._saved_padding, node._saved_dilation)
    if name.startswith("MaxPool2DWithIndices"):
        return _layers(node._saved_kernel_size, node._saved_stride, node._saved_padding, node._saved_dilation)
    if name.startswith("AvgPool2D"):
        return _layers(node._saved_kernel_size, node._saved_stride, node._saved_padding, (1,))
    if name.startswith("ConstantPad"):
        pad = tuple(node._saved_pad)  # left, right, top, bottom
        return (Layer(before=_sign(pad[2])), Layer(before=_sign(pad[0]))) if len(pad) == 4 else None
    if any(word in name for word in _UNKNOWN):
        return None
    return Layer(), Layer()


def _layers(kernel: Any, stride: Any, before: Any, dilation: Any) -> tuple[Layer, Layer]:
    sizes = [_pair(size) for size in (kernel, stride or kernel, before, dilation)]
    return Layer(*(size[0] for size in sizes)), Layer(*(size[1] for size in sizes))


def _sign(number: int) -> int:
    """Return a saved number with its sign: a cut (negative padding) comes back as unsigned."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _pair(size: Any) -> tuple[int, int]:
    values = tuple(size)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])
