"""Gradient x input, SmoothGrad and integrated gradients: against what is known of them, and against Captum."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from kunstkammer.errors import ModelError, UnknownNameError
from kunstkammer.explanation import explain
from kunstkammer.explanation.baseline import BASELINES, baseline_for, blurred

from .networks import build, vgg

KINDS = ["resnet-basic", "mobilenet-v2", "vit", "swin"]


@pytest.fixture
def pixels() -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)).double()


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return vgg().double().eval()


def test_a_linear_model_is_explained_to_the_last_digit(pixels: Tensor) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 4)).double()
    expected = model[1].weight[2].reshape(3, 64, 64) * pixels
    torch.testing.assert_close(explain(model, pixels, 2, "gradient-x-input"), expected.detach())
    torch.testing.assert_close(explain(model, pixels, 2, "integrated-gradients", steps=1), expected.detach())
    smooth = explain(model, pixels, 2, "smoothgrad", samples=3)
    torch.testing.assert_close(smooth, explain(model, pixels, 2, "gradient"))


@pytest.mark.parametrize("name", KINDS)
def test_relevance_adds_up_to_the_score(name: str) -> None:
    model, pixels = build(name)
    model = model.double()
    try:
        pixels = pixels.double()
        for baseline in BASELINES if name == "resnet-basic" else ("blur",):
            start = baseline_for(pixels, baseline)
            with torch.no_grad():
                expected = (model(pixels).logits - model(start).logits)[:, 3]
            found = explain(model, pixels, 3, "integrated-gradients", baseline=baseline, steps=64, batch_size=64)
            # A network of many ReLUs has kinks on the way, where no rule of integration is exact.
            scale = found.abs().sum(dim=(1, 2, 3))
            assert ((found.sum(dim=(1, 2, 3)) - expected).abs() <= 0.02 * scale).all()
    finally:
        model.float()


def test_more_steps_come_nearer(pixels: Tensor) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    with torch.no_grad():
        expected = (model(pixels) - model(0 * pixels))[:, 1]
    for rule, steps, most in (("gauss-legendre", 40, 1e-6), ("riemann", 300, 1e-3)):
        found = explain(model, pixels, 1, "integrated-gradients", steps=steps, rule=rule).sum(dim=(1, 2, 3))
        torch.testing.assert_close(found, expected, rtol=0, atol=most)


def test_memory_is_bounded_by_the_batch(model: nn.Module, pixels: Tensor) -> None:
    rows: list[int] = []
    model.register_forward_hook(lambda _m, inputs, _o: rows.append(len(inputs[0])))
    for method, passes in (("smoothgrad", {"samples": 10}), ("integrated-gradients", {"steps": 10})):
        whole = explain(model, pixels, 1, method, batch_size=32, **passes)
        rows.clear()
        torch.testing.assert_close(explain(model, pixels, 1, method, batch_size=5, **passes), whole)
        assert max(rows) <= 5
        assert sum(rows) == 20


def test_large_pictures_go_through_the_backward_pass_a_few_at_a_time() -> None:
    rows: list[int] = []
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    model.register_forward_hook(lambda _m, inputs, _o: rows.append(len(inputs[0])))
    explain(model, torch.rand(1, 3, 448, 448), 1, "integrated-gradients", steps=10)
    assert rows == [2] * 5


def test_noise_is_seeded_and_scaled_by_the_range(model: nn.Module, pixels: Tensor) -> None:
    one = explain(model, pixels, 1, "smoothgrad", samples=4)
    assert torch.equal(one, explain(model, pixels, 1, "smoothgrad", samples=4))
    assert not torch.equal(one, explain(model, pixels, 1, "smoothgrad", samples=4, seed=1))
    none = explain(model, pixels, 1, "smoothgrad", samples=2, noise=0)
    torch.testing.assert_close(none, explain(model, pixels, 1, "gradient"))
    seen: list[Tensor] = []
    model.register_forward_hook(lambda _m, inputs, _o: seen.append(inputs[0].detach()))
    explain(model, pixels, 1, "smoothgrad", samples=200, noise=0.2, batch_size=400)
    ratio = (torch.cat(seen).unflatten(0, (200, 2)) - pixels).std(dim=(0, 2, 3, 4)) / (
        pixels.amax((1, 2, 3)) - pixels.amin((1, 2, 3))
    )
    torch.testing.assert_close(ratio, torch.full_like(ratio, 0.2), rtol=0.01, atol=0)


def test_against_captum(model: nn.Module, pixels: Tensor) -> None:
    attr = pytest.importorskip("captum.attr", reason="Captum, the oracle of this test, is not installed")
    base = torch.full((3, 64, 64), 0.3).double()
    expected = attr.IntegratedGradients(model).attribute(pixels, base[None], 1, n_steps=30, method="gausslegendre")
    torch.testing.assert_close(explain(model, pixels, 1, "integrated-gradients", baseline=base, steps=30), expected)
    expected = attr.InputXGradient(model).attribute(pixels.clone().requires_grad_(), 1)
    torch.testing.assert_close(explain(model, pixels, 1, "gradient-x-input"), expected.detach())


@pytest.mark.parametrize(
    ("method", "options", "error", "message"),
    [
        ("integrated-gradients", {"baseline": "blurr"}, UnknownNameError, "no baseline 'blurr'. Did you mean 'blur'"),
        ("integrated-gradients", {"rule": "gauss"}, UnknownNameError, "no rule of integration 'gauss'"),
        ("integrated-gradients", {"baseline": torch.zeros(4)}, ModelError, r"is \(4,\); give \(3, 64, 64\)"),
        ("integrated-gradients", {"steps": 0}, ModelError, "at least one step, not 0"),
        ("smoothgrad", {"samples": 0}, ModelError, "samples >= 1"),
        ("smoothgrad", {"noise": -1}, ModelError, "noise >= 0"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    method: str, options: dict, error: type[Exception], message: str, model: nn.Module, pixels: Tensor
) -> None:
    with pytest.raises(error, match=message):
        explain(model, pixels, 1, method, **options)


class TestBaselines:
    def test_mean_and_blur_keep_the_light(self, pixels: Tensor) -> None:
        pixels = pixels + 5
        assert torch.allclose(baseline_for(pixels, "mean").mean(dim=(2, 3)), pixels.mean(dim=(2, 3)))
        soft = baseline_for(pixels, "blur")
        assert float(soft.std()) < 0.2 * float(pixels.std())
        assert torch.allclose(soft.mean(), pixels.mean(), atol=0.05)

    def test_a_flat_picture_stays_as_it_is(self) -> None:
        flat = torch.full((1, 3, 9, 20), 0.7)
        for name in ("mean", "blur", "uniform"):
            torch.testing.assert_close(baseline_for(flat, name), flat)
        torch.testing.assert_close(blurred(flat, 4.0), flat)

    def test_noise_stays_within_the_picture(self, pixels: Tensor) -> None:
        noise = baseline_for(pixels, "uniform")
        assert (noise >= pixels.amin((2, 3), keepdim=True)).all()
        assert (noise <= pixels.amax((2, 3), keepdim=True)).all()
        assert not torch.equal(noise, baseline_for(pixels, "uniform", seed=1))


class TestRatherThan:
    """`versus`: the difference of two logits."""

    @pytest.mark.parametrize("name", KINDS)
    def test_gradients_differ_by_the_other(self, name: str) -> None:
        model, pixels = build(name)
        both = explain(model, pixels, 3, "gradient", versus=1)
        each = explain(model, pixels, 3, "gradient") - explain(model, pixels, 1, "gradient")
        torch.testing.assert_close(both, each, rtol=1e-3, atol=1e-4 * float(each.abs().max()))

    @pytest.mark.parametrize("method", ["gradient-x-input", "integrated-gradients", "smoothgrad", "occlusion"])
    def test_turned_round_it_is_the_opposite(self, method: str, model: nn.Module, pixels: Tensor) -> None:
        torch.testing.assert_close(
            explain(model, pixels, 2, method, versus=[0, 1]), -explain(model, pixels, [0, 1], method, versus=2)
        )

    def test_by_label(self, model: nn.Module, pixels: Tensor) -> None:
        model.config = SimpleNamespace(label2id={"comic": 0, "manga": 1, "other": 2})
        expected = explain(model, pixels, 1, "gradient", versus=0)
        assert torch.equal(explain(model, pixels, "manga", "gradient", versus="comic"), expected)
        with pytest.raises(UnknownNameError, match="Did you mean 'comic'"):
            explain(model, pixels, "manga", "gradient", versus="comik")

    def test_a_class_against_itself_is_refused(self, model: nn.Module, pixels: Tensor) -> None:
        with pytest.raises(ModelError, match="Class 1 is held against itself"):
            explain(model, pixels, 1, "gradient", versus=1)
        with pytest.raises(ModelError, match="no class 7"):
            explain(model, pixels, 1, "gradient", versus=7)
