"""The filters under every drawing: Gaussians, edge-preserving smoothing, and the flow along which a pen would move."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_PAIRS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Half of the eight neighbours; the other half are the same pairs seen from the other side."""


def gaussian(planes: Tensor, sigma: float) -> Tensor:
    """Blur (1, C, H, W) with a Gaussian of `sigma` pixels, the border repeated; below 0.3 nothing changes."""
    if sigma < 0.3:
        return planes
    reach = math.ceil(2.5 * sigma)
    weights = [math.exp(-0.5 * (step / sigma) ** 2) for step in range(reach + 1)]
    total = weights[0] + 2 * sum(weights[1:])
    weights = [weight / total for weight in weights]
    across = _weighed(functional.pad(planes, (reach, reach, 0, 0), mode="replicate"), weights, -1)
    return _weighed(functional.pad(across, (0, 0, reach, reach), mode="replicate"), weights, -2)


def _weighed(padded: Tensor, weights: list[float], dim: int) -> Tensor:
    """Convolve one side with a symmetric kernel: sums of shifted planes, a fifth of the price of a convolution."""
    reach = len(weights) - 1
    length = padded.shape[dim] - 2 * reach
    result = padded.narrow(dim, reach, length) * weights[0]
    for step in range(1, reach + 1):
        pair = padded.narrow(dim, reach - step, length) + padded.narrow(dim, reach + step, length)
        result.add_(pair, alpha=weights[step])
    return result


def smooth(planes: Tensor, dilations: list[int], tolerance: float) -> Tensor:
    """Flatten what is alike and keep edges: an iterated bilateral filter on a widening net of eight neighbours.

    One pass an entry of `dilations` (pixels between neighbours): the edge-avoiding a-trous filter (Dammertz et al.
    2010, section 3), each pass guided by what the last one left, as in the iterated bilateral filter of Winnemoeller
    et al. (2006). Differences well above `tolerance` (planes in 0..1) count as edges. Pairs of neighbours are weighed
    once for both, which halves the work and keeps the mean of the picture nearly as it was.
    """
    for dilation in dilations:
        planes = _smooth_once(planes, dilation, 1 / (tolerance * tolerance))
    return planes


def _smooth_once(planes: Tensor, dilation: int, sharpness: float) -> Tensor:
    height, width = planes.shape[-2:]
    moved = torch.zeros_like(planes)
    total = torch.ones_like(planes[:, :1])
    for down, across in _PAIRS:
        y, x = down * dilation, across * dilation
        if y >= height or abs(x) >= width:
            continue
        here = (..., slice(0, height - y), slice(max(0, -x), width - max(0, x)))
        there = (..., slice(y, height), slice(max(0, x), width - max(0, -x)))
        difference = planes[there] - planes[here]
        weight = difference.square().sum(1, keepdim=True).mul_(sharpness).add_(1).reciprocal_()
        weight = weight.mul_(weight)  # 1 / (1 + d^2)^2: near a Gaussian, without its price
        if y and x:
            weight = weight.mul_(0.7)
        total[here] += weight
        total[there] += weight
        difference.mul_(weight)
        moved[here] += difference
        moved[there] -= difference
    return planes + moved / total


def flow(planes: Tensor, sigma: float) -> Tensor:
    """Return unit vectors (1, 2, H, W) along the edges: (x, y) of the structure tensor's minor axis.

    The tensor of all planes together (Di Zenzo 1986) is blurred by `sigma` pixels, so that where there is no edge the
    direction comes from the edges around (Kyprianidis and Kang 2011, section 3). Found at half the size.
    """
    height, width = planes.shape[-2:]
    factor = 2 if min(height, width) >= 16 else 1
    small = functional.avg_pool2d(planes, factor) if factor > 1 else planes
    edge = functional.pad(small, (1, 1, 1, 1), mode="replicate")
    column = edge[..., :-2, :] + 2 * edge[..., 1:-1, :] + edge[..., 2:, :]
    row = edge[..., :, :-2] + 2 * edge[..., :, 1:-1] + edge[..., :, 2:]
    dx, dy = column[..., 2:] - column[..., :-2], row[..., 2:, :] - row[..., :-2, :]
    products = [(dx * dx - dy * dy).sum(1, keepdim=True), 2 * (dx * dy).sum(1, keepdim=True)]
    tensor = gaussian(torch.cat(products, 1), sigma / factor)
    angle = torch.atan2(tensor[:, 1:], tensor[:, :1]) / 2  # of the gradient; the edge lies across it
    tangent = torch.cat([-angle.sin(), angle.cos()], 1)
    if factor == 1:
        return tangent
    # A direction and its opposite are the same here, so that directions must not be blended: the nearest serves.
    return functional.interpolate(tangent, size=(height, width), mode="nearest")


def along(plane: Tensor, tangent: Tensor, sigma: float, steps: int = 4) -> Tensor:
    """Blur (1, 1, H, W) along curves of a flow: a line integral convolution with a Gaussian of `sigma` pixels.

    The curve is followed on both sides for `steps` steps of half a sigma, its direction read anew at each.
    """
    height, width = plane.shape[-2:]
    base = _places(height, width, plane)
    scale = plane.new_tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)]) * (sigma / 2)
    start = (tangent[0].permute(1, 2, 0) * scale)[None]
    field = torch.cat([plane, tangent], 1)
    total, weights = plane.clone(), 1.0
    for side in (1.0, -1.0):
        move = start * side
        place = base + move
        for step in range(1, steps + 1):
            weight = math.exp(-0.5 * (step / 2) ** 2)
            seen = functional.grid_sample(field, place, mode="bilinear", padding_mode="border", align_corners=True)
            total += weight * seen[:, :1]
            weights += weight
            if step < steps:
                onward = seen[0, 1:].permute(1, 2, 0)[None] * scale
                forward = (onward * move / (scale * scale)).sum(-1, keepdim=True)
                move = torch.where(forward < 0, -onward, onward)
                place = place + move
    return total / weights


def _places(height: int, width: int, like: Tensor) -> Tensor:
    """Return where each pixel is, (1, H, W, 2) in -1..1, as `grid_sample` counts with its corners aligned."""
    y = torch.linspace(-1, 1, height, device=like.device) if height > 1 else like.new_zeros(1)
    x = torch.linspace(-1, 1, width, device=like.device) if width > 1 else like.new_zeros(1)
    return torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1)[None]
