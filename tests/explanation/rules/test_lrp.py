"""Layer-wise relevance propagation: known identities, conservation, and every kind of network."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kunstkammer.errors import ModelError, UnknownNameError
from kunstkammer.explanation import explain
from kunstkammer.models.sketchnet import SketchNet, SketchNetConfig

from ..networks import NETWORKS, build

RULES = ["lrp-z", "lrp-epsilon", "lrp-gamma", "lrp-alpha-beta", "lrp-w-square", "lrp-flat", "lrp-z-box"]
METHODS = [*RULES, "lrp-composite", "deep-taylor", "attention-lrp", "deconvnet", "guided-backprop", "guided-grad-cam"]


def pictures(count: int = 3, side: int = 16, channels: int = 3) -> Tensor:
    return torch.randn(count, channels, side, side, generator=torch.Generator().manual_seed(1)).double()


def without_constants(model: nn.Module) -> nn.Module:
    """Return the model with all biases, means and embeddings at zero, so that nothing but the pixels has a share."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("bias", "position_embeddings", "cls_token", "distillation_token")):
                parameter.zero_()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.zero_()
                module.running_var.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(2))
    return model


def convolutional(
    pooling: Callable[[int], nn.Module] = nn.MaxPool2d,
    bias: bool = False,
    last: Callable[[int], nn.Module] | None = None,
) -> nn.Sequential:
    torch.manual_seed(0)
    last = last or nn.AdaptiveAvgPool2d
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1, bias=bias), nn.BatchNorm2d(8), nn.ReLU(inplace=True), pooling(2)),
        *(nn.Conv2d(8, 8, 3, padding="same", groups=4, bias=bias), nn.ReLU(), nn.Conv2d(8, 16, 1, bias=bias)),
        *(nn.ReLU6(), last(2), nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, 4, bias=bias)),
    ).double()


def sums(relevance: Tensor) -> Tensor:
    return relevance.sum(dim=(1, 2, 3))


def logit(model: nn.Module, pixels: Tensor, target: int) -> Tensor:
    output = model.eval()(pixels)
    return getattr(output, "logits", output)[:, target].detach()


class TestIdentities:
    def test_z_is_gradient_x_input_without_biases(self) -> None:
        for pooling in (nn.MaxPool2d, nn.AvgPool2d):
            model = without_constants(convolutional(pooling))
            expected = explain(model, pictures(), 1, "gradient-x-input")
            torch.testing.assert_close(explain(model, pictures(), 1, "lrp-z"), expected, rtol=1e-6, atol=1e-10)

    def test_attention_lrp_is_gradient_x_input_with_weights_and_deviations_held_fixed(self) -> None:
        class Block(nn.Module):
            """A pre-norm block; `fixed` writes out what the rules hold fixed."""

            def __init__(self) -> None:
                super().__init__()
                self.embed, self.norm = nn.Linear(12, 8, bias=False), nn.LayerNorm(8)
                self.qkv, self.out = nn.Linear(8, 24, bias=False), nn.Linear(8, 8, bias=False)
                self.up, self.down = nn.Linear(8, 16, bias=False), nn.Linear(16, 8, bias=False)
                self.head = nn.Linear(8, 3, bias=False)
                self.fixed = False

            def normed(self, x: Tensor) -> Tensor:
                if not self.fixed:
                    return self.norm(x)
                deviation = (x.var(-1, correction=0, keepdim=True) + self.norm.eps).sqrt().detach()
                return (x - x.mean(-1, keepdim=True)) / deviation * self.norm.weight

            def forward(self, pixels: Tensor) -> Tensor:
                x = self.embed(F.unfold(pixels, 2, stride=2).transpose(1, 2))
                query, key, value = self.qkv(self.normed(x)).chunk(3, dim=-1)
                if self.fixed:
                    weights = (query @ key.transpose(1, 2) / 8**0.5).softmax(-1).detach()
                    attended = weights @ value
                else:
                    attended = F.scaled_dot_product_attention(query, key, value)
                x = x + self.out(attended)
                hidden = self.up(self.normed(x))
                gate = F.gelu(hidden) / hidden
                x = x + self.down(hidden * gate.detach() if self.fixed else F.gelu(hidden))
                return self.head(x.mean(1))

        torch.manual_seed(0)
        model = Block().double()
        nn.init.normal_(model.norm.weight)
        pixels = pictures(side=8)
        relevance = explain(model, pixels, 2, "attention-lrp", epsilon=0)
        model.fixed = True
        expected = explain(model, pixels, 2, "gradient-x-input")
        torch.testing.assert_close(relevance, expected, rtol=1e-4, atol=1e-6 * float(expected.abs().max()))

    def test_gamma_lies_between_z_and_positive_contributions_alone(self) -> None:
        model = without_constants(convolutional())
        pixels = pictures()
        z = explain(model, pixels, 1, "lrp-z")
        torch.testing.assert_close(explain(model, pixels, 1, "lrp-gamma", gamma=0), z, rtol=1e-6, atol=1e-9)
        dense = nn.Sequential(nn.Flatten(), nn.Linear(768, 3, bias=False)).double()
        target = int(logit(dense, pixels, 0)[0] < 0)
        with torch.no_grad():
            dense[1].weight.mul_(torch.where(dense(pixels[:1])[0] < 0, -1.0, 1.0).unsqueeze(1))
        large = explain(dense, pixels[:1], target, "lrp-gamma", gamma=1e9)
        plus = explain(dense, pixels[:1], target, "lrp-alpha-beta", alpha=1)
        torch.testing.assert_close(large, plus, rtol=1e-6, atol=1e-9)

    def test_batch_norm_counts_as_part_of_its_convolution(self) -> None:
        torch.manual_seed(0)
        normed = nn.Sequential(
            *(nn.Conv2d(3, 6, 3, groups=3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3, bias=False)),
            *(nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(576, 3)),
        ).double()
        normed.train()(pictures())
        normed.eval()
        for name in ("weight", "bias"):
            for place in (1, 4):
                nn.init.normal_(getattr(normed[place], name))
        folded = nn.Sequential(
            *(nn.utils.fuse_conv_bn_eval(normed[0], normed[1]), nn.ReLU()),
            *(nn.utils.fuse_conv_bn_eval(normed[3], normed[4]), nn.ReLU(), normed[6], normed[7]),
        )
        for method in RULES:
            # What a bias in both denominators does depends on whether batch norm made it.
            options = {"bias": "split"} if method == "lrp-alpha-beta" else {}
            expected = explain(folded, pictures(), 1, method, **options)
            torch.testing.assert_close(explain(normed, pictures(), 1, method, **options), expected)

    def test_box_by_hand(self) -> None:
        model = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False)).double()
        with torch.no_grad():
            model[1].weight.copy_(torch.tensor([[1.0, -1.0, 2.0, 0.0]]))
        pixels = torch.tensor([[[[0.5, 0.5], [-1.0, 3.0]]]]).double()
        # x w - low w+ - high w-: 0.5 + 1, -0.5 + 1, -2 + 2, 0; their sum is 2 and the logit -2.
        relevance = explain(model, pixels, 0, "lrp-z-box", low=-1, high=1)
        assert relevance.flatten().tolist() == pytest.approx([-1.5, -0.5, 0.0, 0.0])

    def test_the_box_follows_the_pixels_to_the_first_layer(self) -> None:
        class Prepared(nn.Module):
            def __init__(self, inside: bool) -> None:
                super().__init__()
                torch.manual_seed(0)
                self.first, self.last, self.inside = nn.Conv2d(3, 4, 3, bias=False), nn.Linear(4, 2), inside

            def forward(self, pixels: Tensor) -> Tensor:
                if self.inside:
                    pixels = F.pad(2 * (pixels - 0.25), (1, 1, 1, 1)).mul_(-3)
                return self.last(self.first(pixels).relu().mean((2, 3)))

        pixels = pictures().sigmoid()
        inside = explain(Prepared(True).double(), pixels, 1, "lrp-z-box", low=0, high=1)
        scaled = -3 * F.pad(2 * (pixels - 0.25), (1, 1, 1, 1))
        low = torch.full((3,), -4.5)
        outside = explain(Prepared(False).double(), scaled, 1, "lrp-z-box", low=low, high=[1.5, 1.5, 1.5])
        # Padding lies at 0 and nowhere else, which bounds given by channel cannot say; away from it both are the same.
        shares = [part[..., 2:-2, 2:-2] for part in (inside, outside[..., 1:-1, 1:-1])]
        torch.testing.assert_close(*shares)


class TestConservation:
    @pytest.mark.parametrize("method", ["lrp-z", "lrp-gamma", "lrp-w-square", "lrp-flat", "lrp-z-box"])
    def test_the_sum_is_the_logit_without_biases(self, method: str) -> None:
        # By the rules that look at no value relevance comes to averages of nothing too, and is lost there.
        last = nn.AdaptiveMaxPool2d if method in {"lrp-w-square", "lrp-flat"} else nn.AdaptiveAvgPool2d
        model = without_constants(convolutional(last=last))
        found = sums(explain(model, pictures(), 1, method))
        torch.testing.assert_close(found, logit(model, pictures(), 1), rtol=1e-4, atol=0)

    def test_what_a_bias_keeps_is_what_is_missing(self) -> None:
        model = nn.Sequential(nn.Flatten(), nn.Linear(768, 3)).double()
        expected = logit(model, pictures(), 1) - model[1].bias[1].detach()
        torch.testing.assert_close(sums(explain(model, pictures(), 1, "lrp-z")), expected)
        whole = sums(explain(model, pictures(), 1, "lrp-z", bias=False))
        torch.testing.assert_close(whole, logit(model, pictures(), 1))

    def test_epsilon_takes_some(self) -> None:
        model = without_constants(convolutional())
        left = [sums(explain(model, pictures(), 1, "lrp-epsilon", epsilon=e)).abs() for e in (0.0, 0.01, 0.1)]
        assert bool((left[0] > left[1]).all())
        assert bool((left[1] > left[2]).all())

    def test_deep_taylor_is_not_negative_and_keeps_the_positive_logit(self) -> None:
        model = convolutional(last=nn.AdaptiveMaxPool2d)
        for target in range(4):
            relevance = explain(model, pictures(), target, "deep-taylor", low=-4, high=4)
            assert bool((relevance >= 0).all())
            torch.testing.assert_close(sums(relevance), logit(model, pictures(), target).relu(), rtol=1e-5, atol=0)

    @pytest.mark.parametrize("name", ["resnet-basic", "resnet-bottleneck", "mobilenet-v2", "swin", "swin-v2"])
    @pytest.mark.parametrize("method", ["lrp-z", "attention-lrp", "lrp-gamma"])
    def test_also_in_deep_networks(self, method: str, name: str) -> None:
        make, side, _, _ = NETWORKS[name]
        torch.manual_seed(0)
        model = without_constants(make()).double().eval()
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
        pixels = pictures(2, side)
        torch.testing.assert_close(
            sums(explain(model, pixels, 1, method)), logit(model, pixels, 1), rtol=1e-3, atol=1e-6
        )


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
def test_any_network(method: str, name: str) -> None:
    model, pixels = build(name)
    relevance = explain(model, pixels, 1, method)
    assert relevance.shape == pixels.shape
    assert bool(relevance.isfinite().all())
    if method not in {"deep-taylor", "guided-grad-cam"} and name != "efficientnet":
        # (The untrained EfficientNet's logits are smaller than a float can hold; a negative one has no deep Taylor.)
        assert bool(relevance.abs().sum() > 0)


@pytest.mark.parametrize("method", METHODS)
def test_sketchnet(method: str) -> None:
    torch.manual_seed(0)
    model = SketchNet(SketchNetConfig(num_channels=1, image_size=64, stages=[[4], [8]], dense=8)).eval()
    for channels in (1, 3):
        pixels = pictures(2, 64, channels).float()
        relevance = explain(model, pixels, None, method)
        assert relevance.shape == pixels.shape
        assert bool(relevance.isfinite().all())
        assert bool(relevance.any())


def test_one_class_held_against_another_is_the_difference_of_both() -> None:
    model = convolutional(bias=True)
    for method in (*RULES, "deep-taylor", "lrp-composite"):
        apart = [explain(model, pictures(), target, method) for target in (1, 3)]
        torch.testing.assert_close(explain(model, pictures(), 1, method, versus=3), apart[0] - apart[1])


class TestWhatIsWrong:
    @pytest.mark.parametrize(
        ("method", "options", "message"),
        [
            ("lrp-epsilon", {"epsilon": -1}, "epsilon is out of range"),
            ("lrp-gamma", {"gamma": float("nan")}, "gamma is out of range"),
            ("lrp-alpha-beta", {"alpha": 0.5}, "alpha is out of range"),
            ("lrp-alpha-beta", {"alpha": 2, "beta": 2}, "alpha - beta must be 1"),
            ("lrp-alpha-beta", {"bias": "half"}, "bias is 'half'"),
            ("lrp-z-box", {"low": 1, "high": 0}, "lies above high"),
            ("lrp-z-box", {"low": [1, 2]}, "one for each of 3 channels"),
            ("deep-taylor", {"high": "white"}, "high is 'white'"),
        ],
    )
    def test_options(self, method: str, options: dict, message: str) -> None:
        with pytest.raises(ModelError, match=message):
            explain(convolutional(), pictures(), 0, method, **options)

    def test_a_composite_that_there_is_not(self) -> None:
        with pytest.raises(UnknownNameError, match=r"Did you mean 'epsilon-plus-flat'\?"):
            explain(convolutional(), pictures(), 0, "lrp-composite", composite="epsilon-plus-fat")

    def test_a_softmax_at_the_end(self) -> None:
        with pytest.raises(ModelError, match="come out of a softmax"):
            explain(convolutional().append(nn.Softmax(1)), pictures(), 0, "lrp-z")
