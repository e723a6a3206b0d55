"""Windows over a picture: where they stand, and how one number each becomes a map; of arrays and of tensors alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from kunstkammer.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

Values = TypeVar("Values", np.ndarray, "Tensor")


@dataclass(frozen=True)
class Windows:
    """Square windows over pictures of one size, row by row; they reach the right and the lower edge.

    Attributes:
        side: of a window, in pixels.
        tops, lefts: of the rows and columns of windows.
        size: (height, width) of the pictures.
    """

    side: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    size: tuple[int, int]

    @property
    def places(self) -> list[tuple[int, int]]:
        """(top, left) of every window."""
        return [(top, left) for top in self.tops for left in self.lefts]

    @property
    def where(self) -> list[tuple[Any, slice, slice]]:
        """What cuts each window out of pictures (..., H, W), arrays or tensors."""
        return [
            (..., slice(top, top + self.side), slice(left, left + self.side))
            for top in self.tops
            for left in self.lefts
        ]

    def mean(self, values: Values) -> Values:
        """Return maps (N, H, W) for one number a window, (windows, N): each pixel the mean of those that cover it.

        An array gives an array, a tensor a tensor of its type on its device.
        """
        maps = _zeros(values, (values.shape[1], *self.size))
        covered = _zeros(values, self.size)
        for value, where in zip(values, self.where, strict=True):
            maps[where] += value[:, None, None]
            covered[where] += 1
        return maps / covered.clip(min=1)

    def spread(self, values: Tensor) -> Tensor:
        """Return maps (N, 1, H, W) for one number a window, (windows, N): each pixel the mean of those that cover it.

        >>> import torch
        >>> windows = windows_over((2, 4), side=2, stride=2)
        >>> windows.spread(torch.tensor([[1.0], [3.0]]))[0, 0, 0].tolist()
        [1.0, 1.0, 3.0, 3.0]
        """
        return self.mean(values).unsqueeze(1)


def _zeros(like: Any, shape: tuple[int, ...]) -> Any:
    return np.zeros(shape, like.dtype) if isinstance(like, np.ndarray) else like.new_zeros(shape)


def windows_over(
    size: Sequence[int], side: int | None = None, stride: int | None = None, *, across: int = 8
) -> Windows:
    """Return windows of `side` pixels every `stride` pixels over pictures of `size` = (height, width).

    By default `across` windows make up the longer side, and the stride is half a window. The last window of a row or
    column is moved back to end at the edge, so that no pixel is left out. Raises `ModelError` where a window is larger
    than the picture, or where the stride would leave gaps.
    """
    height, width = int(size[0]), int(size[1])
    side = max(1, min(height, width, -(-max(height, width) // across))) if side is None else side
    stride = max(1, side // 2) if stride is None else stride
    if not 1 <= side <= min(height, width):
        raise ModelError(
            f"A window of {side} pixels does not fit into pictures of {height} x {width}; give 1 to "
            f"{min(height, width)}."
        )
    if not 1 <= stride <= side:
        raise ModelError(f"A stride of {stride} pixels leaves gaps between windows of {side}; give 1 to {side}.")
    return Windows(side, _starts(height, side, stride), _starts(width, side, stride), (height, width))


def _starts(pixels: int, side: int, stride: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys([*range(0, pixels - side, stride), pixels - side]))
