"""The weight gradient with fewer multiplications: the sums of the plain one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from kunstkammer.explanation import fit_patterns
from kunstkammer.explanation.patterns import winograd
from kunstkammer.explanation.patterns.layers import Geometry, Layer

from .reference import GOLDENS, NAMES, golden_network

PLAIN: Geometry = ((1, 1), (1, 1), (1, 1), 1)


def case(
    pictures: int, channels: int, outputs: int, size: tuple[int, int], geometry: Geometry = PLAIN, kernel: int = 3
) -> tuple[Layer, Tensor, Tensor, Tensor]:
    """Return a layer with its output, a mask and a shift, float64."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    pixels, weight = drawn(pictures, channels, *size), drawn(outputs, channels // geometry[3], kernel, kernel)
    y = F.conv2d(pixels, weight, None, *geometry)
    return Layer(pixels, weight, None, geometry), y, drawn(*y.shape) > 0, drawn(outputs)


def plainly(layer: Layer, y: Tensor, mask: Tensor, shift: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    values = mask * (y - shift[:, None, None])
    sums = [
        conv2d_weight(layer.input, layer.weight.shape, one, *layer.geometry or ()) for one in (mask.double(), values)
    ]
    return mask.sum((0, 2, 3)).double(), sums[0], sums[1]


@pytest.mark.parametrize("padding", [(0, 0), (1, 1), (2, 0), (0, 3)])
@pytest.mark.parametrize("size", [(3, 3), (8, 8), (9, 14), (4, 31)])
def test_the_sums_are_those_of_the_plain_gradient(size: tuple[int, int], padding: tuple[int, int]) -> None:
    given = case(5, 3, 7, size, ((1, 1), padding, (1, 1), 1))
    for found, expected in zip(winograd.masked_sums(*given), plainly(*given), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max()))


@pytest.mark.parametrize("size", [(8, 8), (9, 14)])
def test_where_channels_lie_last_in_memory(size: tuple[int, int]) -> None:
    layer, y, mask, shift = given = case(5, 3, 7, size)
    last = [one.contiguous(memory_format=torch.channels_last) for one in (layer.input, y, mask)]
    found = winograd.masked_sums(Layer(last[0], layer.weight, None, layer.geometry), *last[1:], shift)
    for one, expected in zip(found, plainly(*given), strict=True):
        torch.testing.assert_close(one, expected, rtol=1e-10, atol=1e-10 * float(expected.abs().max()))


@pytest.mark.parametrize("chunk", [1, 20_000, 40_000, 1 << 20])
def test_whatever_is_taken_at_a_time(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "CHUNK", chunk)
    given = case(5, 2, 6, (19, 23))
    for found, expected in zip(winograd.masked_sums(*given), plainly(*given), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-9)


def test_in_single_precision_it_rounds_as_the_plain_gradient_does() -> None:
    layer, y, mask, shift = case(8, 64, 32, (24, 24))
    exact = plainly(layer, y, mask, shift)
    single = Layer(layer.input.float(), layer.weight.float(), None, layer.geometry)
    for found, expected in zip(winograd.masked_sums(single, y.float(), mask, shift)[1:], exact[1:], strict=True):
        assert found.dtype == torch.float32
        # 2e-6 of the largest in the plain way too: in random values much cancels out.
        assert (found - expected).abs().max() < 4e-6 * expected.abs().max()


@pytest.mark.parametrize(
    ("settings", "suits"),
    [
        ({}, True),
        ({"pictures": 1}, False),
        ({"outputs": 16}, False),
        ({"channels": 16}, False),
        ({"channels": 3}, True),
        ({"kernel": 5}, False),
        ({"geometry": ((2, 2), (1, 1), (1, 1), 1)}, False),
        ({"geometry": ((1, 1), (1, 1), (2, 2), 1)}, False),
        ({"geometry": ((1, 1), (1, 1), (1, 1), 2)}, False),
    ],
)
def test_for_which_layers_it_is_taken(settings: dict[str, object], suits: bool) -> None:
    layer, y, _, _ = case(**{"pictures": 8, "channels": 64, "outputs": 32, "size": (12, 12), **settings})
    assert winograd.suits(layer, y) is suits


@pytest.mark.parametrize("estimator", NAMES)
@pytest.mark.parametrize("name", GOLDENS)
def test_the_goldens_hold_where_every_layer_is_summed_so(
    name: str, estimator: str, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []

    def suits(layer: Layer, _: Tensor) -> bool:
        assert layer.geometry is not None
        taken.append(layer.geometry[0] == (1, 1))
        return taken[-1]

    monkeypatch.setattr(winograd, "suits", suits)
    golden = np.load(shared / "goldens" / f"{name}.npz")
    found = fit_patterns(golden_network(golden), torch.from_numpy(golden["x_train_nchw"]).split(256), estimator)
    assert any(taken)
    for number, tensor in enumerate(found.tensors.values()):
        expected = torch.from_numpy(golden[f"torch/A_{NAMES[estimator]}{number}"])
        assert (tensor - expected).abs().max() < 1e-9 * expected.abs().max()
