"""Composites: which rule which layer has."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kunstkammer.explanation import explain
from kunstkammer.explanation.rules.composite import COMPOSITES

from ..networks import build


def network() -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 3)).double()


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("composite", COMPOSITES)
def test_any_network(composite: str) -> None:
    for name in ("resnet-bottleneck", "mobilenet-v2", "vit", "swin"):
        model, pictures = build(name)
        relevance = explain(model, pictures, 1, "lrp-composite", composite=composite)
        assert relevance.shape == pictures.shape
        assert bool(relevance.isfinite().all())
        assert bool(relevance.any())


def test_a_composite_of_one_rule_is_that_rule(pixels: Tensor) -> None:
    options = {"composite": "epsilon-gamma", "gamma": 0, "epsilon": 0}
    torch.testing.assert_close(
        explain(network(), pixels, 1, "lrp-composite", **options), explain(network(), pixels, 1, "lrp-z")
    )


def test_each_kind_of_layer_has_its_rule(pixels: Tensor) -> None:
    def relevance(composite: str, **options: float) -> Tensor:
        return explain(network(), pixels, 1, "lrp-composite", composite=composite, **options)

    plain, first = relevance("epsilon-plus"), relevance("epsilon-plus-flat")
    assert not torch.allclose(plain, first)
    # A flat first layer: what lies under the same windows gets the same, in all channels.
    assert torch.allclose(first[:, :1].expand_as(first), first)
    assert not torch.allclose(plain[:, :1].expand_as(plain), plain)
    # Epsilon is of the linear layers, gamma of the convolutions.
    assert not torch.allclose(plain, relevance("epsilon-plus", epsilon=1.0))
    assert torch.allclose(plain, relevance("epsilon-plus", gamma=1.0))
    assert not torch.allclose(relevance("epsilon-gamma"), relevance("epsilon-gamma", gamma=1.0))


def test_by_depth(pixels: Tensor) -> None:
    # Four layers: 0 and 1 are the lower third, 2 the middle, 3 the upper. The first has the box rule.
    def relevance(model: nn.Module, **options: float) -> Tensor:
        return explain(model, pixels, 1, "lrp-composite", composite="zero-epsilon-gamma-box", low=-4, high=4, **options)

    assert not torch.allclose(relevance(network()), relevance(network(), gamma=2.0))
    assert not torch.allclose(relevance(network()), relevance(network(), epsilon=2.0))
    # With one layer below the last, the middle one is a convolution, and gamma is of no layer but the boxed first.
    short = nn.Sequential(*network()[:2], nn.Conv2d(4, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)).double()
    assert torch.allclose(relevance(short), relevance(short, gamma=2.0))
    assert not torch.allclose(relevance(short), relevance(short, epsilon=2.0))
