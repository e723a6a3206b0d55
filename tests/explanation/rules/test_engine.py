"""The engine: what it sees, what it refuses, and that nothing is changed by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kunstkammer.errors import ModelError
from kunstkammer.explanation import explain
from kunstkammer.explanation.rules.engine import Engine, Propagation
from kunstkammer.explanation.rules.kernel import Kernel
from kunstkammer.explanation.rules.kernel_rules import AlphaBeta, Epsilon, Flat, Gamma, WSquare
from kunstkammer.explanation.rules.relevance import EvenRelevance, PositiveRelevance, Relevance

from ..networks import NETWORKS, build

PROPAGATIONS: dict[str, Callable[[], Propagation]] = {
    "gradient": Propagation,
    "epsilon": lambda: Relevance(lambda _: Epsilon(1e-6)),
    "gamma": lambda: Relevance(lambda _: Gamma(0.25)),
    "flat": lambda: EvenRelevance(lambda _: Flat()),
    "positive": lambda: PositiveRelevance(lambda _: AlphaBeta(1.0, 0.0, False)),
}


def pictures(side: int = 8) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1)).double()


class Written(nn.Module):
    """A convolution, what a test does with its result, and a linear layer."""

    def __init__(self, middle: Callable[[Tensor], Tensor], width: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.middle = nn.Conv2d(3, 4, 3), nn.LazyLinear(3), middle
        self.double()
        self.forward(pictures())

    def forward(self, pixels: Tensor) -> Tensor:
        return self.last(self.middle(self.first(pixels)).flatten(1))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("propagation", PROPAGATIONS)
def test_the_network_computes_the_very_same(propagation: str, name: str) -> None:
    model, pixels = build(name)
    with torch.no_grad():
        expected = model(pixels)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    given = pixels.clone().requires_grad_()
    with Engine(PROPAGATIONS[propagation]()):
        found = model(given.clone())
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    assert torch.equal(getattr(found, "logits", found), getattr(expected, "logits", expected))


def test_all_by_the_gradient_is_the_gradient() -> None:
    model, pixels = build("resnet-bottleneck")
    given = pixels.clone().requires_grad_()
    with Engine(Propagation()):
        score = model(given.clone()).logits[:, 1].sum()
    torch.testing.assert_close(torch.autograd.grad(score, given)[0], explain(model, pixels, 1, "gradient"))


def kernels_of(model: nn.Module, pixels: Tensor) -> list[Kernel]:
    """Return the last kernel of each number that a network shows: with batch norm, where it has any."""
    found: dict[int, Kernel] = {}

    class Listing(Propagation):
        def kernel(self, kernel: Kernel, x: Tensor, value: Callable[[], Tensor]) -> Tensor:
            found[kernel.index] = kernel
            return value()

    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with Engine(Listing()):
        model(pixels.clone().requires_grad_())
    return list(found.values())


def test_kernels_are_numbered_and_batch_norm_is_folded() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.BatchNorm2d(6)),
        *(nn.Flatten(), nn.Linear(96, 5), nn.BatchNorm1d(5)),
    )
    kernels = kernels_of(model.double().eval(), pictures())
    assert [(one.index, one.name, one.first, one.folded) for one in kernels] == [
        (0, "conv2d", True, True),
        (1, "conv2d", False, False),
        (2, "linear", False, True),
    ]
    assert [one.original is layer.weight for one, layer in zip(kernels, (model[0], model[3], model[7]), strict=True)]


def test_a_convolution_overwritten_before_its_batch_norm_is_not_folded() -> None:
    norm = nn.BatchNorm2d(4).double().eval()

    def change(x: Tensor) -> Tensor:
        x[:, :2].relu_()
        return norm(x)

    assert not kernels_of(Written(change), pictures())[0].folded
    assert kernels_of(Written(norm), pictures())[0].folded


@pytest.mark.parametrize("transposed", [False, True])
def test_the_transposed_map_is_the_gradient(transposed: bool) -> None:
    torch.manual_seed(0)
    for settings in ({"stride": 2, "padding": 1}, {"groups": 2, "dilation": 2}, {"padding": "same"}):
        if transposed and isinstance(settings.get("padding"), str):
            continue
        layer = nn.ConvTranspose2d(4, 6, 3, **settings) if transposed else nn.Conv2d(4, 6, 3, **settings)
        model = nn.Sequential(nn.Conv2d(3, 4, 1), layer.requires_grad_(False), nn.Flatten(), nn.LazyLinear(2))
        model(torch.rand(1, 3, 9, 9))
        kernel = kernels_of(model, torch.rand(1, 3, 9, 9))[1]
        x = torch.randn(2, 4, 9, 9, requires_grad=True)
        outputs = layer(x)
        given = torch.randn_like(outputs)
        (expected,) = torch.autograd.grad(outputs, x, given)
        torch.testing.assert_close(kernel.transpose(given, x), expected)
        scaled = kernel.scaled(torch.arange(1.0, 7.0), torch.ones(6))
        shifted = outputs * torch.arange(1.0, 7.0).view(-1, 1, 1) + 1
        torch.testing.assert_close(scaled.apply(x, None, scaled.bias), shifted)


class TestInPlace:
    """What works in place gives what its counterpart gives, also to whoever else holds the tensor."""

    @staticmethod
    def residual(x: Tensor) -> Tensor:
        x += x.mean((2, 3), keepdim=True)
        return x

    @staticmethod
    def part(x: Tensor) -> Tensor:
        x[:, :2].mul_(2.0).relu_()
        return x

    @staticmethod
    def set_part(x: Tensor) -> Tensor:
        x[:, :2] = x[:, :2].relu() * 2.0
        return x

    @pytest.mark.parametrize("method", ["lrp-z", "lrp-alpha-beta", "lrp-flat", "deep-taylor", "guided-backprop"])
    def test_it_makes_no_difference(self, method: str) -> None:
        pairs = {
            self.residual: lambda x: x + x.mean((2, 3), keepdim=True),
            self.part: lambda x: torch.cat([F.relu(2.0 * x[:, :2]), x[:, 2:]], 1),
            self.set_part: lambda x: torch.cat([F.relu(x[:, :2]) * 2.0, x[:, 2:]], 1),
        }
        for in_place, apart in pairs.items():
            expected = explain(Written(apart), pictures(), 1, method)
            torch.testing.assert_close(explain(Written(in_place), pictures(), 1, method), expected)

    def test_the_pixels_may_be_overwritten(self) -> None:
        class Prepares(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.then = Written(F.relu)

            def forward(self, pixels: Tensor) -> Tensor:
                return self.then(pixels.sub_(0.5).mul_(2.0))

        pixels = pictures()
        relevance = explain(Prepares(), pixels, 1, "lrp-z")
        assert torch.equal(pixels, pictures())
        # What prepares the pixels passes relevance on.
        torch.testing.assert_close(relevance, explain(Written(F.relu), 2 * (pixels - 0.5), 1, "lrp-z"))


class TestProducts:
    def test_all_goes_to_what_is_gated(self) -> None:
        def gated(x: Tensor) -> Tensor:
            return x * torch.sigmoid(x.mean((2, 3), keepdim=True))

        def constant(x: Tensor) -> Tensor:
            return x * torch.sigmoid(x.mean((2, 3), keepdim=True)).detach()

        for method in ("lrp-z", "lrp-flat", "deep-taylor"):
            expected = explain(Written(constant), pictures(), 1, method)
            torch.testing.assert_close(explain(Written(gated), pictures(), 1, method), expected)

    def test_other_products_are_split_evenly_and_denominators_get_nothing(self) -> None:
        for middle in (lambda x: x * x, lambda x: x / (1.0 + x.square()), lambda x: x * 3.0):
            whole = explain(Written(lambda x: x), pictures(), 1, "lrp-w-square").sum((1, 2, 3))
            shares = explain(Written(middle), pictures(), 1, "lrp-w-square").sum((1, 2, 3))
            model, first = Written(middle), Written(lambda x: x)
            ratio = model(pictures())[:, 1] / first(pictures())[:, 1]
            torch.testing.assert_close(shares, (whole * ratio).detach())

    def test_a_product_of_two_is_refused_where_relevance_reaches_it(self) -> None:
        def similar(x: Tensor) -> Tensor:
            x = x.flatten(2)
            return x @ x.transpose(1, 2)

        with pytest.raises(ModelError, match="relevance passes matmul of two tensors"):
            explain(Written(similar), pictures(), 1, "lrp-z")

    def test_multi_head_attention_of_torch(self) -> None:
        attention = nn.MultiheadAttention(4, 2, batch_first=True).double()
        for method in ("lrp-z", "attention-lrp", "deep-taylor", "guided-backprop", "deconvnet"):
            maps = []
            for need_weights in (True, False):

                def attend(x: Tensor, need_weights: bool = need_weights) -> Tensor:
                    x = x.flatten(2).transpose(1, 2)
                    return attention(x, x, x, need_weights=need_weights)[0].relu()

                model = Written(attend)
                model.attention = attention
                maps.append(explain(model, pictures(), 1, method))
            # Torch computes it in two ways, as products or in one piece.
            torch.testing.assert_close(*maps)
            assert bool(maps[0].any()) or method == "deep-taylor"


class TestRefusals:
    @pytest.mark.parametrize("method", ["lrp-z", "deep-taylor", "guided-backprop", "deconvnet"])
    def test_a_function_of_ones_own(self, method: str) -> None:
        class Own(torch.autograd.Function):
            @staticmethod
            def forward(ctx: object, x: Tensor) -> Tensor:
                return x.clamp(min=0)

            @staticmethod
            def backward(ctx: object, *gradients: Tensor) -> Tensor:
                return gradients[0]

        with pytest.raises(ModelError, match="No rule covers OwnBackward"):
            explain(Written(Own.apply), pictures(), 1, method)

    def test_torchscript(self) -> None:
        model = Written(F.relu)
        traced = torch.jit.trace(nn.Sequential(model.first, nn.ReLU()), pictures())
        with pytest.raises(ModelError, match="compiled by TorchScript"):
            explain(nn.Sequential(traced, nn.Flatten(), model.last), pictures(), 1, "lrp-z")

    def test_a_scripted_function_hides_its_rectifier(self) -> None:
        scripted = torch.jit.trace(lambda x: torch.relu(x) * 2.0, torch.zeros(2, 4, 6, 6).double())
        for method in ("lrp-z", "guided-backprop"):
            with pytest.raises(ModelError, match=r"No rule covers \w+Backward"):
                explain(Written(scripted), pictures(), 1, method)

    @pytest.mark.parametrize(
        ("function", "name"),
        [
            (torch.special.expit, "torch.special.expit"),
            (lambda x: torch.sort(x).values, "torch.sort"),
            (lambda x: x.cumsum(1), "torch.Tensor.cumsum"),
            (lambda x: torch.fft.rfft(x).real, "torch.fft.rfft"),
        ],
    )
    def test_what_no_rule_covers_is_named(self, function: Callable[[Tensor], Tensor], name: str) -> None:
        for method in ("lrp-epsilon", "lrp-flat", "deep-taylor", "attention-lrp", "guided-backprop", "deconvnet"):
            with pytest.raises(ModelError, match=f"No rule covers {name}[, ]"):
                explain(Written(function), pictures(), 1, method)

    def test_batch_norm_with_the_batch_statistics(self) -> None:
        norm = nn.BatchNorm2d(4, track_running_stats=False).double()
        with pytest.raises(ModelError, match="mixes the pictures of a batch"):
            explain(Written(norm), pictures(), 1, "lrp-z")


def test_w_square_and_flat_by_hand() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3, 1, bias=False))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([[1.0, -2.0, 0.0]]))
    pixels = torch.tensor([[[[5.0, 1.0, 1.0]]]])
    assert explain(model, pixels, 0, "lrp-w-square").flatten().tolist() == pytest.approx([0.6, 2.4, 0.0])
    assert explain(model, pixels, 0, "lrp-flat").flatten().tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert WSquare().shares(torch.tensor([3.0])).item() == 9.0
