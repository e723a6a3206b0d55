"""Against Captum, where it is right: networks whose pixels and logits are positive, rectifiers as modules."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from kunstkammer.explanation import explain

captum = pytest.importorskip("captum.attr", reason="Captum, held against as a test oracle, is not installed")


class Network(nn.Module):
    """No module that Captum's LRP has no rule for (it has none for Flatten)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.relu1, self.pool = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.second, self.relu2, self.mean = nn.Conv2d(8, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        self.last = nn.Linear(8, 4)
        with torch.no_grad():
            self.last.bias.add_(2.0)
        self.double().eval()

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.first(pixels)))
        return self.last(self.mean(self.relu2(self.second(x))).reshape(-1, 8))


@pytest.fixture
def pixels() -> Tensor:
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.filterwarnings("ignore:Setting backward hooks")
@pytest.mark.parametrize(("method", "theirs"), [("guided-backprop", "GuidedBackprop"), ("deconvnet", "Deconvolution")])
def test_rectifiers(method: str, theirs: str, pixels: Tensor) -> None:
    model = Network()
    logits = model(pixels)[:, 1].detach()
    assert bool((logits > 0).all())
    # Captum starts with 1, not with the logit.
    expected = getattr(captum, theirs)(model).attribute(pixels.clone().requires_grad_(), target=1)
    torch.testing.assert_close(explain(model, pixels, 1, method), expected * logits.view(-1, 1, 1, 1))


@pytest.mark.parametrize("method", ["lrp-epsilon", "lrp-gamma", "lrp-alpha-beta"])
def test_relevance(method: str, pixels: Tensor) -> None:
    from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule, EpsilonRule, GammaRule

    rules = {
        "lrp-epsilon": (lambda: EpsilonRule(1e-9), {"epsilon": 1e-9}),
        "lrp-gamma": (lambda: GammaRule(0.25, set_bias_to_zero=True), {"gamma": 0.25}),
        "lrp-alpha-beta": (lambda: Alpha1_Beta0_Rule(set_bias_to_zero=True), {"alpha": 1, "bias": False}),
    }
    rule, options = rules[method]
    model = Network()
    if method == "lrp-gamma":
        # Captum adds no bias to what it divides by, under this rule.
        for layer in (model.first, model.second, model.last):
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            model.last.weight.abs_()
    for layer in (model.first, model.second, model.last):
        layer.rule = rule()
    expected = captum.LRP(model).attribute(pixels.clone().requires_grad_(), target=1).detach()
    # Its denominators are stabilised by 1e-9 throughout, also where the rule says otherwise.
    error = (explain(model, pixels, 1, method, **options) - expected).abs().max()
    assert float(error / expected.abs().max()) < 1e-4
