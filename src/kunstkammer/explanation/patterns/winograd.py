"""The weight gradient of a 3 x 3 convolution with a quarter of the multiplications (Winograd's algorithm).

The sums behind a pattern are two weight gradients, so that in the plain way fitting costs three forward passes before
anything else is done. In one direction the gradient by 3 weights over 4 outputs, 12 products, can be had from 6, in
both from 36 in the place of 144 (Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks",
section 4, who take tiles of 2 x 2):

    dW = A^T [ (G g G^T) * (B^T d B) ] A

with the matrices that follow from six points, for a tile g of 4 x 4 outputs and the tile d of 6 x 6 inputs that it saw.
The sum over tiles is taken in the middle, so that it is 36 matrix products, and A is applied once.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from kunstkammer.explanation.patterns.layers import Layer

FEWEST_TILES, FEWEST_OUTPUTS, MIDDLING = 64, 32, range(8, 64)
"""With fewer tiles or outputs, or a middling number of channels, the plain gradient is faster."""

CHUNK = 1 << 20
"""So many values are transformed at a time: they stay in the processor's cache, and no large sum is rounded often."""

POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)
"""Where polynomials are evaluated, beside infinity. With the usual 0, 1, -1, 2, -2 the sums round three times worse."""


def suits(layer: Layer, y: Tensor) -> bool:
    """Say whether a layer with output `y` (N, O, h, w) is a convolution for which this is faster, on a processor."""
    stride, _, dilation, groups = layer.geometry or ((0, 0), (0, 0), (0, 0), 0)
    if not (stride == dilation == (1, 1) and groups == 1 and layer.weight.shape[2:] == (3, 3)):
        return False
    tiles = len(y) * -(-y.shape[2] // 4) * -(-y.shape[3] // 4)
    outputs, channels = layer.weight.shape[:2]
    enough = tiles >= FEWEST_TILES and outputs >= FEWEST_OUTPUTS and channels not in MIDDLING
    return enough and y.device.type == "cpu"


def masked_sums(layer: Layer, y: Tensor, mask: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums over all patches of m, (O,), of x m and of x m (y - shift), (O, C, 3, 3).

    Args:
        layer: a convolution that `suits`.
        y: its output, (N, O, h, w), float32 or float64; the sums are of its type, but for that of m, float64.
        mask: m, of the same shape, bool.
        shift: (O,).
    """
    assert layer.geometry is not None
    (vertical, horizontal), (high, wide) = layer.geometry[1], y.shape[2:]
    down, right = -(-high // 4), -(-wide // 4)
    outputs, channels = layer.weight.shape[:2]
    pixels = layer.input.to(y.dtype)
    rest = (4 * down + 2 - pixels.shape[2] - vertical, 4 * right + 2 - pixels.shape[3] - horizontal)
    around, beyond = (horizontal, rest[1], vertical, rest[0]), (0, 4 * right - wide, 0, 4 * down - high)
    to_inputs, to_outputs, to_weights = _matrices(y.dtype)
    found: Tensor | None = None
    count = y.new_zeros(outputs, dtype=torch.float64)
    last = y.is_contiguous(memory_format=torch.channels_last)
    shift = shift.to(y.dtype) if last else shift.to(y.dtype)[:, None]
    several, rows = _at_a_time(down, right, channels + 2 * outputs, channels)
    for start in range(0, len(y), several):
        part = slice(start, start + several)
        padded = [_padded(*one) for one in ((pixels[part], around), (mask[part], beyond), (y[part], beyond))]
        for top in range(0, 4 * down, 4 * rows):
            x = _tiles(padded[0][:, :, top : top + 4 * rows + 2], 6, last)
            tiles = [_tiles(one[:, :, top : top + 4 * rows], 4, last) for one in padded[1:]]
            shape = (16, -1, 2, outputs) if last else (16, 2, outputs, -1)
            both = y.new_empty(32 * tiles[0][0, 0].numel()).view(shape)
            kept, values = both.unbind(2 if last else 1)
            kept.view(tiles[0].shape).copy_(tiles[0])
            values.view(tiles[1].shape).copy_(tiles[1])
            count += kept.sum((0, 1 if last else 2))
            values.sub_(shift).mul_(kept)
            x = _by_channels(to_inputs @ x.reshape(36, -1), channels, last)
            transformed = _by_channels(to_outputs @ both.view(16, -1), 2 * outputs, last)
            found = torch.bmm(transformed, x.mT) if found is None else found.baddbmm_(transformed, x.mT)
    assert found is not None
    sums = (to_weights @ found.flatten(1)).view(3, 3, 2, outputs, channels).permute(2, 3, 4, 0, 1)
    return count, sums[0], sums[1]


def _at_a_time(down: int, right: int, width: int, channels: int) -> tuple[int, int]:
    """Return how many pictures and rows of tiles to take: few enough for the cache, enough for a matrix product."""
    tiles = max(CHUNK // (36 * width), channels)
    return max(1, tiles // (down * right)), max(1, min(down, tiles // right))


def _padded(values: Tensor, sides: tuple[int, int, int, int]) -> Tensor:
    return F.pad(values, sides) if any(sides) else values


def _tiles(values: Tensor, side: int, last: bool) -> Tensor:
    """Return the tiles (side, side, channels, N, rows, columns) of (N, C, H, W), one every 4 values; a view.

    With `last` the channels come last, for values that lie so in memory.
    """
    tiles = values.unfold(2, side, 4).unfold(3, side, 4)
    return tiles.permute(4, 5, 0, 2, 3, 1) if last else tiles.permute(4, 5, 1, 0, 2, 3)


def _by_channels(values: Tensor, channels: int, last: bool) -> Tensor:
    """Return (36, channels, tiles), a view of (36, tiles and channels)."""
    return values.view(36, -1, channels).mT if last else values.view(36, channels, -1)


@functools.cache
def _matrices(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Return what takes tiles of inputs (36, 36), of outputs (36, 16), and the sums back to weights (9, 36)."""
    powers = [[point**power for power in range(4)] for point in POINTS]
    outputs = torch.tensor([*powers, [0.0, 0.0, 0.0, 1.0]], dtype=torch.float64)
    weights = torch.tensor([*(row[:3] for row in powers), [0.0, 0.0, 1.0]], dtype=torch.float64).T
    # What takes the inputs follows: weight k shall be the sum over j of output j times input k + j.
    wanted = torch.zeros(3, 4, 6, dtype=torch.float64)
    for weight in range(3):
        wanted[weight, range(4), range(weight, weight + 4)] = 1
    products = torch.einsum("ki,ij->kji", weights, outputs)
    inputs = torch.linalg.lstsq(products.flatten(0, 1), wanted.flatten(0, 1)).solution
    inputs, outputs, weights = (torch.kron(one, one).to(dtype) for one in (inputs, outputs, weights))
    return inputs, outputs, weights
