"""SketchNet is system C's network, as an ordinary transformers model."""

import json
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForImageClassification

from kunstkammer.errors import ModelError
from kunstkammer.models.sketchnet import LUMA, SketchNet, SketchNetConfig


def config(*labels: str, **settings) -> SketchNetConfig:
    names = dict(enumerate(labels))
    return SketchNetConfig(id2label=names, label2id={v: k for k, v in names.items()}, **settings)


def trainable(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_the_published_setting_has_699305_trainable_parameters():
    assert trainable(SketchNet(config("anime", "cartoon"))) == 699_305


def test_two_labels_share_one_sigmoid_unit():
    model = SketchNet(config("anime", "cartoon")).eval()
    pixels = torch.rand(3, 1, 120, 120)
    unit = model.classifier(model.features(pixels))
    assert unit.shape == (3, 1)
    torch.testing.assert_close(model(pixels).logits.softmax(1)[:, 1], unit[:, 0].sigmoid())


def test_its_loss_is_the_binary_cross_entropy_of_the_sigmoid():
    model = SketchNet(config("anime", "cartoon")).eval()
    pixels, labels = torch.rand(4, 1, 120, 120), torch.tensor([0, 1, 1, 0])
    unit = model.classifier(model.features(pixels))[:, 0]
    expected = torch.nn.functional.binary_cross_entropy_with_logits(unit, labels.float())
    torch.testing.assert_close(model(pixels, labels=labels).loss, expected)


@pytest.mark.parametrize("labels", [("a", "b", "c"), tuple("abcdefgh")])
def test_more_labels_have_a_unit_each(labels):
    assert SketchNet(config(*labels))(torch.rand(1, 1, 120, 120)).logits.shape == (1, len(labels))


def test_pooling_before_relu_changes_no_value():
    x = torch.randn(2, 8, 30, 30)
    pool, relu = torch.nn.MaxPool2d(2), torch.nn.ReLU()
    assert torch.equal(relu(pool(x)), pool(relu(x)))


def test_a_grey_network_takes_the_luma_of_colour():
    model = SketchNet(config("anime", "cartoon")).eval()
    colour = torch.rand(2, 3, 120, 120)
    grey = (colour * torch.tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(model(colour).logits, model(grey).logits)


def test_the_published_options_change_the_network():
    assert trainable(SketchNet(config("a", "b", batch_norm=[]))) == 699_305 - 64
    assert trainable(SketchNet(config("a", "b", batch_norm=[0, 1, 2, 3]))) == 699_305 + 2 * (64 + 128 + 256)
    assert trainable(SketchNet(config("a", "b", stages=[[16], [32]], image_size=32))) < 699_305 * 4
    dropped = SketchNet(config("a", "b", dropout=0.5)).train()
    pixels = torch.rand(2, 1, 120, 120)
    assert not torch.equal(dropped(pixels).logits, dropped(pixels).logits)


def test_l2_adds_the_squared_kernels_to_the_loss():
    torch.manual_seed(0)
    plain = SketchNet(config("a", "b")).eval()
    decayed = SketchNet(config("a", "b", l2=0.01)).eval()
    decayed.load_state_dict(plain.state_dict())
    pixels, labels = torch.rand(2, 1, 120, 120), torch.tensor([0, 1])
    kernels = sum(p.square().sum() for n, p in plain.named_parameters() if n.endswith("weight") and p.ndim > 1)
    torch.testing.assert_close(decayed(pixels, labels=labels).loss, plain(pixels, labels=labels).loss + 0.01 * kernels)


def test_a_picture_too_small_for_its_poolings_is_refused():
    with pytest.raises(ModelError, match="at least 64"):
        SketchNet(config("a", "b", image_size=63))


def test_it_is_saved_and_opened_like_any_transformers_model(tmp_path):
    model = SketchNet(config("anime", "cartoon", batch_norm_momentum=0.01)).eval()
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "kunstkammer-sketchnet"
    again = AutoModelForImageClassification.from_pretrained(tmp_path).eval()
    pixels = torch.rand(2, 1, 120, 120)
    assert torch.equal(model(pixels).logits, again(pixels).logits)


@pytest.mark.parametrize("order", ["import kunstkammer, transformers", "import transformers, kunstkammer"])
def test_import_kunstkammer_is_enough_for_transformers_to_open_it(tmp_path, order):
    SketchNet(config("anime", "cartoon")).save_pretrained(tmp_path)
    code = (
        f"{order}; from transformers import AutoModelForImageClassification as A; "
        f"print(type(A.from_pretrained({str(tmp_path)!r})).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "SketchNet"
