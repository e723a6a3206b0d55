"""DeConvNet and guided backpropagation, on networks that are small enough to know the answer."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kunstkammer.errors import ModelError
from kunstkammer.explanation import explain

PIXELS = torch.tensor([[[[1.0, -2.0], [3.0, 0.5]]]], dtype=torch.float64)


def two_layers(activation: nn.Module) -> nn.Sequential:
    """y = v . f(W x), two hidden units, one class beside an empty one."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False), activation, nn.Linear(2, 2, bias=False)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]))
        net[3].weight.copy_(torch.tensor([[-2.0, 3.0], [0.0, 0.0]]))
    return net


def test_what_comes_back_by_hand() -> None:
    # The hidden units are at 4 and -1.5, so y = -8; what comes back to them is y (-2, 3) = (16, -24).
    net = two_layers(nn.ReLU())
    expected = {"deconvnet": [16.0, 0.0, 16.0, 0.0], "guided-backprop": [16.0, 0.0, 16.0, 0.0]}
    for method, values in expected.items():
        assert explain(net, PIXELS, 0, method).flatten().tolist() == values
    # With the sign turned y is 8, and 8 (2, -3) = (16, -24) comes back again.
    with torch.no_grad():
        net[3].weight[0] *= -1
    assert explain(net, PIXELS, 0, "guided-backprop").flatten().tolist() == [16.0, 0.0, 16.0, 0.0]
    # At -x the second unit is on and the first off: DeConvNet does not see that, guided backpropagation does.
    assert explain(net, -PIXELS, 0, "deconvnet").flatten().tolist() == [0.0, 13.5, 0.0, 13.5]
    with torch.no_grad():
        net[3].weight[0] = torch.tensor([-1.0, -1.0])
    assert explain(net, -PIXELS, 0, "deconvnet").flatten().tolist() == [1.5] * 4
    assert explain(net, -PIXELS, 0, "guided-backprop").flatten().tolist() == [0.0, 1.5, 0.0, 1.5]


class Written(nn.Module):
    """The same network, its rectifier written in one of many ways."""

    def __init__(self, rectifier: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rectifier = rectifier
        self.first, self.last = nn.Conv2d(1, 4, 2), nn.Linear(4, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.first(pixels)
        written = {
            "module": partial(nn.ReLU(), x),
            "function": partial(F.relu, x),
            "in place": lambda: F.relu(x, inplace=True),
            "method": x.relu,
            "method in place": x.relu_,
            "torch": partial(torch.relu, x),
            "clamp": lambda: x.clamp(min=0),
            "clamp in place": lambda: x.clamp_(0),
            "clip": lambda: torch.clip(x, 0, 1000),
            "hardtanh": lambda: F.hardtanh(x, 0, 1000),
            "threshold": lambda: F.threshold(x, 0, 0),
            "overwritten": lambda: (x.relu_(), x)[1],
        }[self.rectifier]
        return self.last(written().flatten(1))


WAYS = [
    "function",
    "in place",
    "method",
    "method in place",
    "torch",
    "clamp",
    "clamp in place",
    "clip",
    "hardtanh",
    "threshold",
    "overwritten",
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["deconvnet", "guided-backprop", "lrp-epsilon"])
def test_a_rectifier_is_noticed_however_it_is_written(method: str, way: str) -> None:
    pixels = torch.randn(4, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    expected = explain(Written("module"), pixels, 1, method)
    torch.testing.assert_close(explain(Written(way), pixels, 1, method), expected)
    assert not torch.allclose(expected, explain(Written("module"), pixels, 1, "gradient"))


def test_what_no_rule_covers_is_named() -> None:
    class Odd(nn.Module):
        def __init__(self, function: object) -> None:
            super().__init__()
            self.function = function

        def forward(self, pixels: Tensor) -> Tensor:
            return self.function(pixels.flatten(1))

    for method in ("deconvnet", "guided-backprop", "lrp-z"):
        with pytest.raises(ModelError, match=r"No rule covers torch\.special\.expit"):
            explain(Odd(torch.special.expit), PIXELS, 0, method)
        with pytest.raises(ModelError, match=r"No rule covers torch\.sort"):
            explain(Odd(lambda x: torch.sort(x).values), PIXELS, 0, method)
        # What only looks at the values is no hindrance.
        explain(Odd(lambda x: x * (x > torch.argsort(x)).to(x.dtype)), PIXELS, 0, method)
