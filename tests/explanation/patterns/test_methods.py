"""PatternNet and PatternAttribution: the reference's numbers, the paper's toy, networks of all kinds."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from kunstkammer.errors import ModelError, UnknownNameError
from kunstkammer.explanation import Patterns, explain, fit_patterns
from kunstkammer.explanation.patterns.store import fingerprint

from ..networks import NETWORKS
from ..reference import TRIMMED, read
from .reference import GOLDENS, NAMES, golden_network

METHODS = {"pattern-net": "pattern.net", "pattern-attribution": "pattern.attribution"}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("estimator", NAMES)
@pytest.mark.parametrize("name", GOLDENS)
def test_the_goldens(name: str, estimator: str, method: str, shared: Path) -> None:
    golden = np.load(shared / "goldens" / f"{name}.npz")
    net, x = golden_network(golden), torch.from_numpy(golden["x_nchw"])
    patterns = fit_patterns(net, torch.from_numpy(golden["x_train_nchw"]).split(500), estimator)
    key = f"map/{METHODS[method]}[{NAMES[estimator]}]"
    for target, normalise, end in ((None, None, ""), (2, None, "@idx2"), (None, "picture", "[projected]")):
        expected = torch.from_numpy(golden[key + end])
        found = explain(net, x, target, method, patterns=patterns, normalise=normalise)
        assert found.dtype == torch.float64
        assert (found - expected).abs().max() < 1e-9 * expected.abs().max()


class TestTheToy:
    """The paper's figure 2: x = s * signal + e * distractor, and the model recovers s from x exactly."""

    SIGNAL = torch.tensor([1.0, 0.0], dtype=torch.float64)
    DISTRACTOR = torch.tensor([1.0, 1.0], dtype=torch.float64)

    @pytest.fixture
    def material(self) -> tuple[nn.Module, Tensor, Tensor]:
        source = torch.randn(4000, 1, dtype=torch.float64)
        x = source * self.SIGNAL + 3 * torch.randn(4000, 1, dtype=torch.float64) * self.DISTRACTOR
        net = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False)).double()
        net[1].weight.data = torch.tensor([[1.0, -1.0]], dtype=torch.float64)  # 1 for the signal, 0 for the distractor
        return net, x.reshape(-1, 1, 1, 2), source

    def test_pattern_net_finds_the_signal_and_the_gradient_does_not(
        self, material: tuple[nn.Module, Tensor, Tensor]
    ) -> None:
        net, x, source = material
        torch.testing.assert_close(net(x), source)
        patterns = fit_patterns(net, x.split(500), "linear")
        found = explain(net, x[:50], 0, "pattern-net", patterns=patterns).flatten(1)
        exact = source[:50] * self.SIGNAL
        assert F.cosine_similarity(found, exact).min() > 0.995
        gradient = explain(net, x[:50], 0, "gradient").flatten(1)
        assert F.cosine_similarity(gradient * source[:50], exact).max() < 0.8

    def test_attribution_adds_up_to_the_output(self, material: tuple[nn.Module, Tensor, Tensor]) -> None:
        net, x, source = material
        patterns = fit_patterns(net, [x], "linear")
        found = explain(net, x[:50], 0, "pattern-attribution", patterns=patterns)
        torch.testing.assert_close(found.flatten(1).sum(1, keepdim=True), source[:50])


def normalised() -> nn.Sequential:
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.BatchNorm2d(8),
        nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8 * 9, 4),
    )  # fmt: skip
    for module in net:
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    return net.double().eval()


class TestNetworks:
    @pytest.mark.parametrize("method", METHODS)
    def test_batch_norm_is_as_if_folded(self, method: str) -> None:
        net, x = normalised(), torch.randn(30, 3, 10, 10, dtype=torch.float64)
        folded = nn.Sequential(
            fuse_conv_bn_eval(net[0], net[1]), nn.ReLU(), fuse_conv_bn_eval(net[3], net[4]), nn.ReLU(), *net[6:]
        )
        own = explain(net, x[:4], 1, method, patterns=fit_patterns(net, [x]))
        other = explain(folded, x[:4], 1, method, patterns=fit_patterns(folded, [x]))
        torch.testing.assert_close(own, other, rtol=1e-8, atol=1e-10 * float(other.abs().max()))

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("name", NETWORKS)
    def test_every_network_of_the_house(self, name: str, method: str) -> None:
        build, side, _, _ = NETWORKS[name]
        net, x = build().double().eval(), torch.randn(4, 3, side, side, dtype=torch.float64)
        with torch.no_grad():  # the output of a class that no picture has above 0 is dead, and its pattern 0
            list(net.parameters())[-1].add_(10)
        given = copy.deepcopy(net.state_dict())
        patterns = fit_patterns(net, x.split(2))
        found = explain(net, x[:2], None, method, patterns=patterns)
        assert found.shape == x[:2].shape
        assert found.isfinite().all()
        assert found.any()
        alone = explain(net, x[1:2], None, method, patterns=patterns)
        torch.testing.assert_close(alone[0], found[1], rtol=1e-6, atol=1e-8 * float(found[1].abs().max()))
        assert all(torch.equal(given[key], value) for key, value in net.state_dict().items())

    def test_with_the_weights_themselves_as_patterns_it_is_the_gradient_times_the_logit(self) -> None:
        """Without batch norm the two differ in nothing but the kernels: joins, pooling and attention are exact."""
        for name in ("branched", "reused", "vit", "swin", "poolformer"):
            build, side, _, _ = NETWORKS[name]
            net, x = build().double().eval(), torch.randn(2, 3, side, side, dtype=torch.float64)
            patterns = fit_patterns(net, [x])
            patterns.tensors = {key: dict(net.named_parameters())[key].detach() for key in patterns.tensors}
            output = net(x)
            logit = (output if isinstance(output, Tensor) else output.logits)[:, 1]
            expected = explain(net, x, 1, "gradient") * logit.detach()[:, None, None, None]
            torch.testing.assert_close(explain(net, x, 1, "pattern-net", patterns=patterns), expected)


class TestNormalisation:
    @pytest.mark.parametrize("method", METHODS)
    def test_by_layer_changes_only_the_scale_of_a_chain(self, method: str) -> None:
        net, x = NETWORKS["vgg"][0]().double(), torch.randn(5, 3, 64, 64, dtype=torch.float64)
        patterns = fit_patterns(net, [x])
        raw = explain(net, x, 0, method, patterns=patterns).flatten(1)
        scaled = explain(net, x, 0, method, patterns=patterns, normalise="layer").flatten(1)
        torch.testing.assert_close(F.cosine_similarity(raw, scaled), torch.ones(5, dtype=torch.float64))
        logits = net(x)[:, 0].abs()
        torch.testing.assert_close(scaled.abs().amax(1), logits.detach())

    def test_by_layer_does_not_overflow_where_raw_values_do(self) -> None:
        layers = [part for _ in range(60) for part in (nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())]
        net, x = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 2)), torch.randn(8, 4, 4, 4)
        for layer in net:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
        patterns = fit_patterns(net, [x])
        for name, tensor in patterns.tensors.items():
            patterns.tensors[name] = tensor.abs() + 1
        with pytest.raises(ModelError, match="normalise='layer'"):
            explain(net, x, 0, "pattern-net", patterns=patterns)
        found = explain(net, x, 0, "pattern-net", patterns=patterns, normalise="layer")
        assert found.isfinite().all()
        assert found.any()

    def test_an_unknown_one_is_refused(self) -> None:
        net, x = NETWORKS["vgg"][0](), torch.randn(2, 3, 64, 64)
        with pytest.raises(UnknownNameError, match="Did you mean 'layer'"):
            explain(net, x, 0, "pattern-net", patterns=fit_patterns(net, [x]), normalise="layers")


class TestWhatIsRefused:
    def test_no_patterns(self) -> None:
        with pytest.raises(ModelError, match=r"needs the patterns.*fit_patterns.*kunstkammer fit-patterns"):
            explain(NETWORKS["vgg"][0](), torch.randn(1, 3, 64, 64), 0, "pattern-net")

    def test_a_layer_that_was_not_used_when_they_were_fitted(self) -> None:
        class Late(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.second, self.late = nn.Linear(4, 4), nn.Linear(4, 2), False

            def forward(self, x: Tensor) -> Tensor:
                x = x.flatten(1)
                return self.second(self.first(x) if self.late else x)

        net, x = Late(), torch.randn(3, 1, 2, 2)
        patterns = fit_patterns(net, [x])
        net.late = True
        with pytest.raises(ModelError, match=r"No pattern covers 'first\.weight' \(linear\)"):
            explain(net, x, 0, "pattern-net", patterns=patterns)

    @pytest.mark.parametrize(
        ("layer", "name"), [(nn.ConvTranspose2d(3, 3, 2), "conv_transpose2d"), (nn.Bilinear, "bilinear")]
    )
    def test_layers_that_have_no_pattern_are_named(self, layer: nn.Module, name: str) -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = layer if isinstance(layer, nn.Module) else nn.Bilinear(4, 4, 4)
                self.head = nn.LazyLinear(2)

            def forward(self, x: Tensor) -> Tensor:
                return self.head((self.layer(x, x) if name == "bilinear" else self.layer(x)).flatten(1))

        net, x = Net(), torch.randn(3, 3, 4, 4)
        net(x)
        with pytest.raises(ModelError, match=name):
            explain(net, x, 0, "pattern-net", patterns=fit_patterns(net, [x]))

    def test_weights_hidden_in_a_product(self) -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.weight, self.head = nn.Parameter(torch.randn(4, 4)), nn.Linear(4, 2)

            def forward(self, x: Tensor) -> Tensor:
                return self.head(x.flatten(1) @ self.weight)

        net, x = Net(), torch.randn(3, 1, 2, 2)
        with pytest.raises(ModelError, match=r"No pattern covers 'weight' \(linear\)"):
            explain(net, x, 0, "pattern-net", patterns=fit_patterns(net, [x]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["net2_avgpool", "net3_rgb_stride2"])
def test_with_the_reference_s_own_patterns_the_maps_are_the_reference_s(name: str, method: str) -> None:
    """What is kept here of the goldens: the patterns that the reference fitted, and its maps of one picture."""
    net, arrays = read(TRIMMED, name)
    with np.load(TRIMMED / "patterns.npz") as file:
        kept = {key.removeprefix(f"{name}/"): torch.from_numpy(file[key]) for key in file.files if key.startswith(name)}
    weights = [key for key, _ in net.named_parameters() if key.endswith("weight")]
    tensors = {key: kept[f"torch/A_relu.positive{i}"] for i, key in enumerate(weights)}
    patterns = Patterns(tensors, "two-component", 1200, fingerprint(net))
    key = f"map/{METHODS[method]}[relu.positive]"
    for target, normalise, end in ((None, None, ""), (2, None, "@idx2"), (None, "picture", "[projected]")):
        found = explain(net, arrays["x_nchw"], target, method, patterns=patterns, normalise=normalise)
        assert (found - kept[key + end]).abs().max() < 1e-9 * kept[key + end].abs().max()
