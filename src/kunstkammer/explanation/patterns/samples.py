"""Some of the patches a layer sees, drawn at random: what the measure of signal estimators is taken on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from kunstkammer.explanation.patterns.layers import Layer
from kunstkammer.explanation.patterns.recorder import Seen


@dataclass(frozen=True)
class Sample:
    """Patches of one layer and what became of them, float64; G groups, P patches, D inputs a patch, O / G outputs each.

    Attributes:
        x: (G, P, D).
        y: w.x without the bias, (G, P, O / G).
        passed: what goes on: the value with its bias and batch normalisation where the layer is active, else 0.
        active: bool, (G, P, O / G).
    """

    x: Tensor
    y: Tensor
    passed: Tensor
    active: Tensor


def draw(seen: Seen, most: int, generator: torch.Generator) -> Sample:
    """Draw at most `most` of the patches (or rows) of a layer in one forward pass; all where there are no more."""
    layer = seen.layer
    groups = 1 if layer.geometry is None else layer.geometry[3]
    convolution = layer.geometry is not None
    y, value, active = (v.movedim(1, -1) if convolution else v for v in (seen.y, seen.value, seen.active))
    places = y.numel() // y.shape[-1]
    chosen = torch.randperm(places, generator=generator)[:most].sort().values.to(y.device)
    rows = _patches(layer, chosen, (y.shape[1], y.shape[2])) if convolution else _rows(layer, chosen)

    def by_group(values: Tensor) -> Tensor:
        kept = values.reshape(places, -1)[chosen]
        return kept.reshape(len(chosen), groups, -1).transpose(0, 1)

    x = rows.reshape(len(chosen), groups, -1).transpose(0, 1)
    kept = by_group(active)
    return Sample(x.double(), by_group(y).double(), torch.where(kept, by_group(value).double(), 0.0), kept)


def _rows(layer: Layer, chosen: Tensor) -> Tensor:
    return layer.input.reshape(-1, layer.input.shape[-1])[chosen]


def _patches(layer: Layer, chosen: Tensor, size: tuple[int, int]) -> Tensor:
    """Return the patches (P, C, kh, kw) around chosen places of the output, counted over pictures, rows, columns."""
    assert layer.geometry is not None
    stride, padding, dilation, _ = layer.geometry
    pixels = F.pad(layer.input, (padding[1], padding[1], padding[0], padding[0]))
    picture, place = chosen // (size[0] * size[1]), chosen % (size[0] * size[1])
    starts = (place // size[1] * stride[0], place % size[1] * stride[1])
    down, right = (
        start[:, None] + step * torch.arange(length, device=chosen.device)
        for start, step, length in zip(starts, dilation, layer.weight.shape[2:], strict=True)
    )
    return pixels[picture[:, None, None], :, down[:, :, None], right[:, None, :]].movedim(-1, 1)
