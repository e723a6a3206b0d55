"""The layer for Grad-CAM is found in any network, without a list of supported ones."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kunstkammer.errors import ModelError, UnknownNameError
from kunstkammer.explanation import explain, find_layer
from kunstkammer.explanation.centres import Axis, lay_over
from kunstkammer.explanation.layers import Place, find_place
from kunstkammer.explanation.task import borrowed
from kunstkammer.models.sketchnet import SketchNet, SketchNetConfig

from .networks import NETWORKS, Reused, build, vgg


def place_of(model: nn.Module, pixels: Tensor) -> Place:
    with borrowed(model):
        return find_place(model, pixels)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_layer_is_found(name: str) -> None:
    model, pixels = build(name)
    place = place_of(model, pixels)
    assert (place.name, place.grid) == NETWORKS[name][2:]
    assert find_layer(model, pixels) == place.name


@pytest.mark.parametrize("name", NETWORKS)
def test_grad_cam_is_not_zero_and_differs_between_classes(name: str) -> None:
    model, pixels = build(name)
    model, pixels = copy.deepcopy(model).double(), pixels.double()
    maps = [explain(model, pixels, target, positive_only=False) for target in (0, 1)]
    for relevance in maps:
        assert relevance.shape == (2, 1, *pixels.shape[2:])
        assert relevance.isfinite().all()
        assert relevance.abs().max() > 0
    assert not torch.allclose(maps[0], maps[1], atol=0, rtol=1e-3)


@pytest.mark.parametrize("name", ["resnet-basic", "convnext", "swin", "efficientnet"])
def test_pictures_need_not_be_square(name: str) -> None:
    model, _ = build(name)
    assert explain(model, torch.randn(1, 3, 96, 160)).shape == (1, 1, 96, 160)


def test_sketchnet_is_read_before_its_map_is_a_single_cell() -> None:
    torch.manual_seed(0)
    place = place_of(SketchNet(SketchNetConfig(num_labels=2)), torch.rand(1, 1, 120, 120))
    # The 7 x 7 map after a nonlinearity; the convolution after it is pooled to 3 x 3 before its own.
    assert (place.name, place.grid) == ("features.12", (7, 7))
    # Seven cells of 16 pixels: they cover 112 of the 120.
    assert place.centres == (Axis(7.5, 16.0), Axis(7.5, 16.0))


def test_a_class_token_does_not_mislead() -> None:
    # The last block's patch tokens reach no logit; Grad-CAM on them would be zero everywhere.
    model, pixels = build("vit")
    assert explain(model, pixels, positive_only=False).abs().max() > 0
    assert explain(model, pixels, positive_only=False, layer="vit.layers.2").abs().max() == 0


def test_a_reused_layer_is_read_at_its_last_call_that_is_a_map() -> None:
    torch.manual_seed(0)
    model = Reused().eval()
    place = place_of(model, torch.randn(1, 3, 32, 32))
    assert (place.name, place.call) == ("relu", 2)  # call 3 is on the pooled features
    assert find_place(model, torch.randn(1, 3, 32, 32), "shared").call == 1


def test_a_map_in_one_branch_is_not_taken() -> None:
    model, pixels = build("branched")
    assert "left" not in find_layer(model, pixels)
    assert "right" not in find_layer(model, pixels)


def test_a_network_without_a_map_is_refused_by_name() -> None:
    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(48, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x.flatten(1))

    with pytest.raises(ModelError, match=r"finds no map .* in Rows"):
        explain(Rows(), torch.rand(1, 3, 4, 4))


def test_a_layer_can_be_named() -> None:
    model = vgg()
    pixels = torch.rand(2, 3, 64, 64)
    assert explain(model, pixels, layer="0.4", upsample=False).shape == (2, 1, 32, 32)
    with pytest.raises(UnknownNameError, match=r"There is no layer '0\.44'\. Did you mean '0\.4'\?"):
        explain(model, pixels, layer="0.44")
    with pytest.raises(ModelError, match=r"'1\.0' gives \(1, 512\), which is no map"):
        explain(model, pixels, layer="1.0")


def test_a_layer_that_the_logits_do_not_use_is_refused() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3)

        def forward(self, x: Tensor) -> Tensor:
            self.idle(x)
            return F.relu(self.used(x)).mean(dim=(2, 3))

    assert find_layer(Idle(), torch.rand(1, 1, 8, 8)) == "used"
    with pytest.raises(ModelError, match="do not depend on the layer 'idle'"):
        explain(Idle(), torch.rand(1, 1, 8, 8), layer="idle")


def test_evenly_spread_cells_are_ordinary_bilinear_upsampling() -> None:
    values = torch.randn(2, 1, 5, 7, dtype=torch.float64)
    ours = lay_over(values, (40, 63), (Axis.even(40, 5), Axis.even(63, 7)))
    torch.testing.assert_close(ours, F.interpolate(values, size=(40, 63), mode="bilinear", align_corners=False))


def test_unpadded_convolutions_move_the_cells_inwards() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(1, 1, 5), nn.ReLU(), nn.Flatten())
    place = place_of(net, torch.rand(1, 1, 32, 32))
    # pixel = 2 (first kernel) + 0.5 (pooling) + 2 * 2 (second kernel), then every second one
    assert place.centres == (Axis(6.5, 2.0), Axis(6.5, 2.0))
    assert place.grid == (10, 10)


def test_padding_done_as_a_step_of_its_own_counts() -> None:
    padded = nn.Sequential(nn.Conv2d(1, 1, 7, padding=3), nn.ReLU(), nn.Flatten())
    stepwise = nn.Sequential(nn.ZeroPad2d(3), nn.Conv2d(1, 1, 7), nn.ReLU(), nn.Flatten())
    pixels = torch.rand(1, 1, 16, 16)
    assert place_of(padded, pixels).centres == place_of(stepwise, pixels).centres == (Axis(0, 1), Axis(0, 1))
