"""Grad-CAM and the gradient: against a computation by hand, and on evidence whose place is known."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from kunstkammer.explanation import explain

from .networks import build, square_detector, squares


def tiny() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)
    ).double()


def test_grad_cam_by_hand() -> None:
    net, pixels = tiny(), torch.randn(4, 2, 6, 6, dtype=torch.float64)
    # y_k = sum_c W_kc mean(A_c) + b_k, so dy_k / dA_c is W_kc / 36 in every cell, and so is alpha_c.
    with torch.no_grad():
        maps = net[1](net[0](pixels))
        signed = torch.einsum("c,nchw->nhw", net[4].weight[1] / 36, maps)[:, None]
    torch.testing.assert_close(explain(net, pixels, 1, positive_only=False), signed)
    torch.testing.assert_close(explain(net, pixels, 1), signed.clamp(min=0))


def test_grad_cam_sums_to_the_logit_without_bias_under_average_pooling() -> None:
    net, pixels = tiny(), torch.randn(4, 2, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        expected = net(pixels)[:, 0] - net[4].bias[0]
    torch.testing.assert_close(explain(net, pixels, 0, positive_only=False).sum(dim=(1, 2, 3)), expected)


def test_the_gradient_by_finite_differences() -> None:
    net, pixels = tiny(), torch.randn(1, 2, 6, 6, dtype=torch.float64)
    relevance = explain(net, pixels, 1, "gradient")
    step = 1e-6
    for place in ((0, 0, 0, 0), (0, 1, 3, 2), (0, 0, 5, 5)):
        above, below = pixels.clone(), pixels.clone()
        above[place] += step
        below[place] -= step
        with torch.no_grad():
            slope = (net(above)[0, 1] - net(below)[0, 1]) / (2 * step)
        torch.testing.assert_close(relevance[place], slope, rtol=1e-6, atol=1e-9)


def test_the_gradient_of_a_linear_model_is_its_weight() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).double()
    relevance = explain(net, torch.randn(3, 3, 2, 2, dtype=torch.float64), 1, "gradient")
    torch.testing.assert_close(relevance, net[1].weight[1].detach().view(1, 3, 2, 2).expand(3, -1, -1, -1))


@settings(max_examples=10, deadline=None)
@given(factor=st.floats(0.1, 10), method=st.sampled_from(["grad-cam", "gradient"]))
def test_both_are_linear_in_the_logits(factor: float, method: str) -> None:
    net, pixels = tiny(), torch.randn(2, 2, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    scaled = copy.deepcopy(net)
    with torch.no_grad():
        scaled[4].weight *= factor
        scaled[4].bias *= factor
    torch.testing.assert_close(explain(scaled, pixels, 0, method), factor * explain(net, pixels, 0, method))


@settings(max_examples=10, deadline=None)
@given(row=st.integers(2, 48), column=st.integers(2, 48), bright=st.booleans())
def test_the_heat_lies_on_the_square(row: int, column: int, bright: bool) -> None:
    pixels = squares([(row, column)], 1.0 if bright else -1.0)
    heat = explain(square_detector(), pixels, layer="4")[0, 0]
    peak = divmod(int(heat.argmax()), 64)
    assert row - 2 <= peak[0] <= row + 13
    assert column - 2 <= peak[1] <= column + 13
    saliency = explain(square_detector(), pixels, method="gradient")[0, 0].abs()
    inside = saliency[max(row - 4, 0) : row + 16, max(column - 4, 0) : column + 16].sum()
    assert inside >= 0.95 * saliency.sum()


def test_each_class_is_shown_where_its_own_evidence_is() -> None:
    pixels = squares([(4, 4)], 1.0) + squares([(44, 44)], -1.0)
    for target, place in ((1, (10, 10)), (0, (50, 50))):
        peak = divmod(int(explain(square_detector(), pixels, target, layer="4")[0, 0].argmax()), 64)
        assert max(abs(peak[0] - place[0]), abs(peak[1] - place[1])) <= 7


def test_only_what_follows_the_map_is_kept_for_the_backward_pass() -> None:
    model, pixels = build("resnet-basic")
    kept: list[tuple[int, ...]] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tuple(tensor.shape))
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        explain(model, pixels.repeat(7, 1, 1, 1))
    whole_batch = {shape for shape in kept if shape[:1] == (14,)}
    # What the pooling and the head need; the first look at the network runs one picture only.
    assert whole_batch
    assert whole_batch <= {(14, 32, 4, 4), (14, 32, 1, 1), (14, 32), (14, 5), (14, 1)}


@pytest.mark.parametrize("layer_type", ["resnet-basic", "regnet", "vgg"])
def test_the_gradient_is_that_of_autograd(layer_type: str) -> None:
    model, pixels = build(layer_type)
    leaf = pixels.clone().requires_grad_()
    output = model(leaf)
    logits = output if isinstance(output, Tensor) else output.logits
    logits[:, 2].sum().backward()
    torch.testing.assert_close(explain(model, pixels, 2, "gradient"), leaf.grad)


class TestPlusPlus:
    def test_by_hand(self) -> None:
        net, pixels = tiny(), torch.randn(4, 2, 6, 6, dtype=torch.float64)
        with torch.no_grad():
            maps = net[1](net[0](pixels))
            g = (net[4].weight[1] / 36)[None, :, None, None].expand_as(maps)
            alpha = g**2 / (2 * g**2 + maps.sum(dim=(2, 3), keepdim=True) * g**3)
            weights = (alpha * g.relu()).sum(dim=(2, 3), keepdim=True)
            expected = (weights * maps).sum(dim=1, keepdim=True)
        torch.testing.assert_close(explain(net, pixels, 1, "grad-cam-plus-plus"), expected)
        assert expected.abs().sum() > 0

    @settings(max_examples=10, deadline=None)
    @given(row=st.integers(2, 48), column=st.integers(2, 48))
    def test_the_heat_lies_on_the_square(self, row: int, column: int) -> None:
        pixels = squares([(row, column)])
        heat = explain(square_detector(), pixels, 1, "grad-cam-plus-plus", layer="4")[0, 0]
        peak = divmod(int(heat.argmax()), 64)
        assert row - 2 <= peak[0] <= row + 13
        assert column - 2 <= peak[1] <= column + 13

    @pytest.mark.parametrize("name", ["resnet-basic", "mobilenet-v2", "vit", "deit", "swin", "swin-v2", "convnext"])
    def test_finite_and_not_empty_on_every_family(self, name: str) -> None:
        model, pixels = build(name)
        for target in range(5):
            heat = explain(model, pixels, target, "grad-cam-plus-plus", positive_only=False)
            assert heat.shape == (2, 1, *pixels.shape[2:])
            assert heat.isfinite().all()
            assert heat.std() > 0

    def test_a_negative_map_has_no_pole(self) -> None:
        # alpha = 1 / (2 + sum(A) g) would be infinite at sum(A) = -2 / g, which a signed map can reach.
        net = nn.Sequential(nn.Conv2d(1, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)).double()
        with torch.no_grad():
            net[0].weight.fill_(1)
            net[0].bias.zero_()
            net[3].weight.fill_(16)
        pixels = torch.full((1, 1, 4, 4), -2 / 16, dtype=torch.float64)
        heat = explain(net, pixels, 1, "grad-cam-plus-plus", layer="0", positive_only=False)
        assert heat.isfinite().all()
        assert float(heat.abs().max()) < 10
