"""Fitting: equal to the definition for every kind of layer, in one pass, mergeable."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kunstkammer.errors import ModelError, UnknownNameError
from kunstkammer.explanation import Patterns, PatternStatistics, explain, fit_patterns

from ..networks import NETWORKS
from .reference import GOLDENS, NAMES, golden_network, patches, patterns

CONVOLUTIONS = {
    "plain": {"kernel_size": 3},
    "padded": {"kernel_size": 3, "padding": 1},
    "strided": {"kernel_size": 3, "stride": (2, 3), "padding": (1, 0)},
    "dilated": {"kernel_size": (3, 2), "dilation": 2, "padding": 2},
    "grouped": {"kernel_size": 3, "groups": 2, "padding": 1},
    "depthwise": {"kernel_size": 3, "groups": 4, "padding": 1, "stride": 2},
    "pointwise": {"kernel_size": 1, "bias": False},
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def after(convolution: nn.Module, *more: nn.Module) -> nn.Sequential:
    """Put a layer behind a fixed first one and before a dense one, float64."""
    return nn.Sequential(
        convolution, *more, nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 3)
    ).double()


class TestAgainstTheDefinition:
    @pytest.mark.parametrize("estimator", NAMES)
    @pytest.mark.parametrize("kind", CONVOLUTIONS)
    def test_convolutions(self, kind: str, estimator: str) -> None:
        layer = nn.Conv2d(4, 8, **CONVOLUTIONS[kind])
        net, x = after(layer), torch.randn(10, 4, 9, 9, dtype=torch.float64)
        y = layer(x).transpose(0, 1).flatten(1).T
        active = {"two-component": y > 0, "linear": torch.ones_like(y).bool(), "negative": y <= 0}[estimator]
        expected = patterns(patches(x, layer), layer.weight, active)
        for form in (torch.contiguous_format, torch.channels_last):
            net, x = net.to(memory_format=form), x.contiguous(memory_format=form)
            found = fit_patterns(net, x.split(3), estimator).tensors["0.weight"]
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)

    @pytest.mark.parametrize("size", [3, 4])
    def test_padding_called_same(self, size: int) -> None:
        layer = nn.Conv2d(4, 8, size, padding="same")
        net, x = after(layer), torch.randn(6, 4, 7, 7, dtype=torch.float64)
        plain = copy.deepcopy(layer)
        plain.padding, plain.padding_mode = (0, 0), "zeros"
        sides = [(size - 1) // 2, size - 1 - (size - 1) // 2] * 2
        expected = patterns(patches(F.pad(x, sides), plain), layer.weight, layer(x).transpose(0, 1).flatten(1).T > 0)
        found = fit_patterns(net, [x])
        torch.testing.assert_close(found.tensors["0.weight"], expected, rtol=1e-9, atol=1e-12)
        assert explain(net, x, 0, "pattern-net", patterns=found).shape == x.shape

    def test_dense_layers_on_vectors_and_on_tokens(self) -> None:
        class Tokens(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.last = nn.Linear(3, 5), nn.Linear(5, 2)

            def forward(self, x: Tensor) -> Tensor:
                return self.last(F.gelu(self.first(x.flatten(2).transpose(1, 2))).mean(1))

        net, x = Tokens().double(), torch.randn(12, 3, 2, 2, dtype=torch.float64)
        rows = x.flatten(2).transpose(1, 2)
        hidden = F.gelu(net.first(rows)).mean(1)
        found = fit_patterns(net, x.split(5)).tensors
        first = patterns(rows.flatten(0, 1)[None], net.first.weight, (net.first(rows) > 0).flatten(0, 1))
        torch.testing.assert_close(found["first.weight"], first)
        torch.testing.assert_close(found["last.weight"], patterns(hidden[None], net.last.weight, net.last(hidden) > 0))

    @pytest.mark.parametrize("affine", [True, False])
    def test_a_batch_norm_behind_a_layer_decides_where_it_is_active(self, affine: bool) -> None:
        layer, norm = nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8, affine=affine)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        if affine:
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
        net, x = after(layer, norm).eval(), torch.randn(10, 4, 9, 9, dtype=torch.float64)
        active = norm(layer(x)).transpose(0, 1).flatten(1).T > 0
        found = fit_patterns(net, [x]).tensors["0.weight"]
        torch.testing.assert_close(found, patterns(patches(x, layer), layer.weight, active), rtol=1e-8, atol=1e-12)

    @pytest.mark.parametrize("in_place", [True, False])
    def test_a_layer_that_feeds_a_rectified_join_is_active_where_the_join_is(self, in_place: bool) -> None:
        class Join(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.main, self.side, self.norm = nn.Conv2d(4, 8, 3), nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8)
                self.head = nn.Linear(8, 2)

            def sums(self, x: Tensor) -> Tensor:
                left, right = self.norm(self.main(x)), self.side(x)
                if in_place:
                    left += right
                    return left
                return left + right

            def forward(self, x: Tensor) -> Tensor:
                return self.head(F.relu(self.sums(x), inplace=in_place).mean((2, 3)))

        net, x = Join().double().eval(), torch.randn(10, 4, 6, 6, dtype=torch.float64)
        active = net.sums(x).transpose(0, 1).flatten(1).T > 0
        found = fit_patterns(net, [x]).tensors
        for layer, name in ((net.main, "main.weight"), (net.side, "side.weight")):
            expected = patterns(patches(x, layer), layer.weight, active)
            torch.testing.assert_close(found[name], expected, rtol=1e-8, atol=1e-12)

    def test_without_a_rectifier_behind_the_join_its_own_sign_counts(self) -> None:
        class Linear(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.main, self.head = nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 2)

            def forward(self, x: Tensor) -> Tensor:
                y = self.main(x)
                y += x
                return self.head(y.mean((2, 3)))

        net, x = Linear().double(), torch.randn(10, 4, 6, 6, dtype=torch.float64)
        active = net.main(x).transpose(0, 1).flatten(1).T > 0
        expected = patterns(patches(x, net.main), net.main.weight, active)
        torch.testing.assert_close(fit_patterns(net, [x]).tensors["main.weight"], expected, rtol=1e-8, atol=1e-12)

    @pytest.mark.parametrize("estimator", NAMES)
    @pytest.mark.parametrize("name", GOLDENS)
    def test_the_goldens(self, name: str, estimator: str, shared: Path) -> None:
        golden = np.load(shared / "goldens" / f"{name}.npz")
        net = golden_network(golden)
        found = fit_patterns(net, torch.from_numpy(golden["x_train_nchw"]).split(256), estimator)
        for number, tensor in enumerate(found.tensors.values()):
            expected = torch.from_numpy(golden[f"torch/A_{NAMES[estimator]}{number}"])
            assert (tensor - expected).abs().max() < 1e-9 * expected.abs().max()


class TestStreaming:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_w_a_is_one_for_every_output_that_lives(self, name: str) -> None:
        build, side, _, _ = NETWORKS[name]
        net = build().double().eval()
        found = fit_patterns(net, torch.randn(6, 3, side, side, dtype=torch.float64).split(3))
        weights = dict(net.named_parameters())
        layers = [n for n, module in net.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
        assert {f"{n}.weight" for n in layers} == set(found.tensors)
        for key, a in found.tensors.items():
            inner = (weights[key].double() * a.double()).flatten(1).sum(1)
            dead = a.flatten(1).abs().sum(1) == 0
            assert torch.all(dead | ((inner - 1).abs() < 1e-4)), key

    def test_batches_do_not_matter(self) -> None:
        net, x = after(nn.Conv2d(4, 8, 3)), torch.randn(20, 4, 9, 9, dtype=torch.float64)
        whole, parts = fit_patterns(net, [x]), fit_patterns(net, iter(x.split(3)))
        assert whole.pictures == parts.pictures == 20
        for name, tensor in whole.tensors.items():
            torch.testing.assert_close(parts.tensors[name], tensor, rtol=1e-9, atol=1e-12)

    def test_single_precision_is_close_although_the_input_is_far_from_0(self) -> None:
        net, x = after(nn.Conv2d(4, 8, 3)), torch.randn(20, 4, 9, 9, dtype=torch.float64) + 5
        exact = fit_patterns(net, [x], "linear").tensors["0.weight"]
        single = fit_patterns(net.float(), [x.float()], "linear").tensors["0.weight"]
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), exact, rtol=1e-3, atol=1e-4 * float(exact.abs().max()))

    def test_statistics_of_several_processes_are_merged(self) -> None:
        net, x = after(nn.Conv2d(4, 8, 3)), torch.randn(20, 4, 9, 9, dtype=torch.float64)
        here, there = PatternStatistics.of(net), PatternStatistics.of(net)
        here.add(net, x[:7])
        there.add(net, x[7:])
        here.merge(pickle.loads(pickle.dumps(there)))  # noqa: S301 - as a pool of processes hands it over
        whole = fit_patterns(net, [x])
        for name, tensor in here.patterns(net).tensors.items():
            torch.testing.assert_close(tensor, whole.tensors[name], rtol=1e-9, atol=1e-12)
        with pytest.raises(ModelError, match="cannot be merged"):
            here.merge(PatternStatistics.of(net, "linear"))

    def test_a_weight_that_is_used_twice_has_one_pattern_of_both_uses(self) -> None:
        net = NETWORKS["reused"][0]().double()
        x = torch.randn(5, 3, 8, 8, dtype=torch.float64)
        first = F.relu(net.stem(x))
        second = F.relu(net.shared(first))
        rows = torch.cat([patches(part, net.shared) for part in (first, second)], dim=1)
        active = torch.cat([net.shared(part).transpose(0, 1).flatten(1).T > 0 for part in (first, second)])
        found = fit_patterns(net, [x]).tensors["shared.weight"]
        torch.testing.assert_close(found, patterns(rows, net.shared.weight, active), rtol=1e-8, atol=1e-12)

    def test_the_model_is_left_as_it_was_found(self) -> None:
        net = after(nn.Conv2d(4, 8, 3), nn.BatchNorm2d(8), nn.Dropout()).train()
        before = copy.deepcopy(net.state_dict())
        fit_patterns(net, [torch.randn(4, 4, 9, 9)])
        assert net.training
        assert all(p.requires_grad for p in net.parameters())
        assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


class TestDeadUnits:
    def test_a_unit_that_is_never_active_has_the_pattern_0(self) -> None:
        net = after(nn.Conv2d(4, 8, 3))
        net[0].bias.data[2] = -1e3
        found = fit_patterns(net, [torch.randn(4, 4, 9, 9)]).tensors["0.weight"]
        assert not found[2].any()
        assert found[3].any()

    def test_rounding_is_no_signal(self) -> None:
        net = after(nn.Conv2d(4, 8, 3)).float()
        found = fit_patterns(net, [torch.full((4, 4, 9, 9), 0.7)], "linear").tensors["0.weight"]
        assert not found.any()


class TestWhatIsRefused:
    def test_no_batch(self) -> None:
        with pytest.raises(ModelError, match="not one batch"):
            fit_patterns(after(nn.Conv2d(4, 8, 3)), [])

    def test_an_unknown_estimator(self) -> None:
        with pytest.raises(UnknownNameError, match="Did you mean 'two-component'"):
            fit_patterns(after(nn.Conv2d(4, 8, 3)), [], "two-components")

    def test_pixels_that_are_no_numbers(self) -> None:
        with pytest.raises(ModelError, match="not finite"):
            fit_patterns(after(nn.Conv2d(4, 8, 3)), [torch.full((1, 4, 9, 9), torch.nan)])

    def test_pictures_that_are_not_prepared(self) -> None:
        with pytest.raises(ModelError, match="uint8"):
            fit_patterns(after(nn.Conv2d(4, 8, 3)), [torch.zeros(1, 4, 9, 9, dtype=torch.uint8)])

    def test_a_weight_that_is_made_on_the_way(self) -> None:
        net = after(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 8, 3)))
        with pytest.raises(ModelError, match="no parameter of the model"):
            fit_patterns(net, [torch.randn(2, 4, 9, 9)])


class TestSaved:
    @pytest.fixture
    def net(self) -> nn.Sequential:
        return after(nn.Conv2d(4, 8, 3)).float()

    @pytest.fixture
    def fitted(self, net: nn.Sequential) -> Patterns:
        return fit_patterns(net, [torch.randn(8, 4, 9, 9)], "linear")

    def test_there_and_back(self, fitted: Patterns, tmp_path: Path) -> None:
        path = fitted.save(tmp_path)
        assert path == tmp_path / "patterns.safetensors"
        assert [p.name for p in tmp_path.iterdir()] == [path.name]
        for where in (path, tmp_path, str(path)):
            back = Patterns.load(where)
            assert (back.estimator, back.pictures, back.model_hash) == ("linear", 8, fitted.model_hash)
            assert all(torch.equal(back.tensors[name], tensor) for name, tensor in fitted.tensors.items())

    def test_of_another_checkpoint_they_are_refused(self, net: nn.Sequential, fitted: Patterns, tmp_path: Path) -> None:
        path, x = fitted.save(tmp_path), torch.randn(2, 4, 9, 9)
        explain(net, x, 0, "pattern-net", patterns=path)
        explain(net.double(), x, 0, "pattern-net", patterns=path)  # the same values
        with torch.no_grad():
            net[0].weight[0, 0, 0, 0] += 1e-3
        for given in (path, fitted):
            with pytest.raises(ModelError, match="another checkpoint.*fit-patterns"):
                explain(net, x, 0, "pattern-net", patterns=given)

    def test_a_change_is_noticed_after_they_were_used(self, net: nn.Sequential, fitted: Patterns) -> None:
        x = torch.randn(2, 4, 9, 9)
        explain(net, x, 0, "pattern-attribution", patterns=fitted)
        with torch.no_grad():
            net[-1].bias.add_(1)
        with pytest.raises(ModelError, match="another checkpoint"):
            explain(net, x, 0, "pattern-attribution", patterns=fitted)

    def test_nothing_there_or_something_else(self, net: nn.Sequential, fitted: Patterns, tmp_path: Path) -> None:
        from safetensors.torch import save_file

        with pytest.raises(ModelError, match="no patterns at .*fit-patterns"):
            Patterns.load(tmp_path)
        save_file({"weight": torch.zeros(2)}, tmp_path / "model.safetensors")
        with pytest.raises(ModelError, match="holds no patterns"):
            Patterns.load(tmp_path / "model.safetensors")
        path = fitted.save(tmp_path)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ModelError, match="damaged"):
            Patterns.load(path)


def test_a_generator_of_batches_is_gone_through_once() -> None:
    given = []

    def batches() -> Iterator[Tensor]:
        for _ in range(3):
            given.append(1)
            yield torch.randn(2, 4, 9, 9)

    assert fit_patterns(after(nn.Conv2d(4, 8, 3)), batches()).pictures == 6
    assert len(given) == 3
