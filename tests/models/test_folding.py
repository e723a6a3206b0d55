"""What is folded into the weights changes no answer, and a network that it does not fit is refused by name."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    DeiTConfig,
    DeiTForImageClassificationWithTeacher,
    MobileNetV2Config,
    MobileNetV2ForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from kunstkammer.data.plates import PlateSettings
from kunstkammer.errors import ModelError
from kunstkammer.models.catalogue import Task, create_model
from kunstkammer.models.folding import fold_luminance, fold_temperature, for_grey
from kunstkammer.models.geometry import PictureGeometry
from kunstkammer.models.scene import scene_around

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
THREE = {"num_labels": 3}
FAMILIES = {
    "ViT": lambda: ViTForImageClassification(ViTConfig(image_size=64, patch_size=16, **SMALL, **THREE)),
    "DeiT with teacher": lambda: DeiTForImageClassificationWithTeacher(
        DeiTConfig(image_size=64, patch_size=16, **SMALL, **THREE)
    ),
    "Swin": lambda: SwinForImageClassification(
        SwinConfig(image_size=64, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4, **THREE)
    ),
    "MobileNetV2": lambda: MobileNetV2ForImageClassification(
        MobileNetV2Config(image_size=64, depth_multiplier=0.25, **THREE)
    ),
    "ConvNext": lambda: ConvNextForImageClassification(
        ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, image_size=64, **THREE)
    ),
}


def grey_geometry(channels: int) -> PictureGeometry:
    plate = PlateSettings(64, 64, grey=True)
    return for_grey(PictureGeometry(plate, (64, 64), channels, (0.4, 0.5, 0.6)[:channels], (0.2, 0.3, 0.4)[:channels]))


@torch.inference_mode()
def check(model, geometry: PictureGeometry) -> None:
    """Compare the answers to grey plates before with those to their colours after."""
    model.eval()
    colours = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    luma = colours.float().mul(torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True) / 255
    before = model(pixel_values=geometry.normalise(luma)).logits
    seen = fold_luminance(model, geometry)
    assert (seen.channels, seen.plate.grey) == (3, False)
    after = model(pixel_values=seen.prepare(colours)).logits
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_that_saw_one_grey_value_in_three_channels_takes_colours(family):
    torch.manual_seed(0)
    check(FAMILIES[family](), grey_geometry(3))


@pytest.mark.parametrize("name", ["sketchnet", "resnet-10"])
def test_a_grey_network_of_the_catalogue_takes_colours(name):
    torch.manual_seed(0)
    model, geometry = create_model(name, Task(("a", "b"), size=(64, 64), grey=True))
    check(model, for_grey(geometry))
    assert model.config.num_channels == 3


def test_a_scene_model_takes_colours_and_says_so_in_its_backbone():
    torch.manual_seed(0)
    backbone, geometry = create_model("sketchnet", Task(("a", "b", "c"), size=(64, 64), grey=True))
    scene = scene_around(backbone, {"num_labels": 3}, text_width=8)
    check(scene, geometry)
    assert scene.config.backbone["num_channels"] == scene.config.num_channels == 3


def test_colour_is_left_as_it_is():
    model, geometry = create_model("sketchnet", Task(("a", "b"), size=(64, 64), grey=False))
    before = copy.deepcopy(model.state_dict())
    assert fold_luminance(model, geometry) is geometry
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


class Statistics(nn.Module):
    """A network whose first layer is no convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(1, 2)

    def forward(self, pixel_values):
        logits = self.classifier(pixel_values.mean((1, 2, 3))[:, None])
        return type("Output", (), {"logits": logits})()


class Squared(Statistics):
    """A network whose logits do not follow its output layer."""

    def forward(self, pixel_values):
        logits = super().forward(pixel_values).logits ** 2 + 3
        return type("Output", (), {"logits": logits})()


def test_what_cannot_be_folded_is_refused_and_left_as_it_was():
    with pytest.raises(ModelError, match=r"Statistics does not begin with a convolution .*picture.channels to colour"):
        fold_luminance(Statistics(), grey_geometry(1))
    model = Squared()
    before = model.classifier.weight.clone()
    with pytest.raises(ModelError, match="Squared cannot be written so that other programs agree"):
        fold_temperature(model, grey_geometry(1), 2.0)
    torch.testing.assert_close(model.classifier.weight, before)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_temperature_divides_the_logits(family):
    torch.manual_seed(0)
    model = FAMILIES[family]().eval()
    geometry = PictureGeometry(PlateSettings(64, 64), (64, 64), 3, (0.5,) * 3, (0.5,) * 3)
    pixels = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        before = model(pixel_values=pixels).logits
        fold_temperature(model, geometry, 2.5)
        torch.testing.assert_close(model(pixel_values=pixels).logits * 2.5, before, atol=1e-5, rtol=1e-4)


def test_a_temperature_divides_every_branch_of_a_scene_model():
    torch.manual_seed(0)
    backbone, geometry = create_model("sketchnet", Task(("a", "b", "c"), size=(64, 64), grey=False))
    scene = scene_around(backbone, {"num_labels": 3}, text_width=8).eval()
    pixels, text = torch.randn(2, 3, 64, 64), torch.rand(2, 8)
    with torch.inference_mode():
        before = scene(pixels, text)
        fold_temperature(scene, geometry, 0.5)
        after = scene(pixels, text)
    for name in ("logits", "picture_logits", "text_logits"):
        torch.testing.assert_close(getattr(after, name) * 0.5, getattr(before, name), atol=1e-5, rtol=1e-4)
