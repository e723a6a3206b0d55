"""Checkpoints: what is opened, what is refused, and that pictures are prepared as the processor says."""

import json
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    pipeline,
)

from kunstkammer.data.plates import PlateSettings, make_plate
from kunstkammer.errors import ModelError, RecipeError, UnknownNameError
from kunstkammer.models.catalogue import Task, create_model, output_layer
from kunstkammer.models.geometry import PictureGeometry
from kunstkammer.models.run import open_run
from kunstkammer.registry import names
from kunstkammer.training.fit import write_checkpoint

TASK = Task(("comic", "manga"))


@pytest.fixture
def picture(tmp_path):
    """A smooth picture, 300 x 200, as a PNG."""
    y, x = np.mgrid[0:200, 0:300] / 40
    pixels = np.stack([np.sin(x) + np.cos(y), np.sin(x * y / 4), np.cos(x - y)], -1)
    file = tmp_path / "picture.png"
    Image.fromarray(((pixels + 2) / 4 * 255).astype(np.uint8)).save(file)
    return file


@pytest.mark.parametrize("name", names("models"))
def test_every_model_of_the_catalogue_becomes_a_checkpoint_that_answers_the_same(name, tmp_path, picture):
    torch.manual_seed(0)
    model, geometry = create_model(name, TASK, dropout=0.3)
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run", model.eval(), geometry)
    checkpoint = open_run(tmp_path / "run")
    assert checkpoint.geometry == geometry
    assert checkpoint.label_names == ("comic", "manga")
    plate = torch.from_numpy(make_plate(picture, geometry.plate, "picture"))[None]
    with torch.inference_mode():
        expected = model(pixel_values=geometry.prepare(plate)).logits
    torch.testing.assert_close(checkpoint.logits(plate), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["sketchnet", "resnet-10"])
def test_the_pipeline_of_transformers_says_the_same(name, tmp_path, picture):
    torch.manual_seed(0)
    model, geometry = create_model(name, TASK)
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run", model.eval(), geometry)
    checkpoint = open_run(tmp_path / "run")
    plate = torch.from_numpy(make_plate(picture, checkpoint.plate_settings, "picture"))[None]
    ours = checkpoint.logits(plate).softmax(1)[0]
    theirs = {
        row["label"]: row["score"]
        for row in pipeline("image-classification", model=str(tmp_path / "run"))(str(picture))
    }
    for k, label in enumerate(checkpoint.label_names):
        assert theirs[label] == pytest.approx(float(ours[k]), abs=0.01)


@pytest.mark.parametrize("fit", ["squash", "crop"])
def test_plates_are_prepared_as_the_saved_processor_prepares_pictures(fit, tmp_path, picture):
    geometry = PictureGeometry(
        PlateSettings(64, 64, False, fit), (56, 56) if fit == "crop" else (64, 64), 3, (0.5,) * 3, (0.2,) * 3
    )
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(geometry.to_processor()))
    processor = AutoImageProcessor.from_pretrained(tmp_path)
    theirs = processor(Image.open(picture).convert("RGB"), return_tensors="pt")["pixel_values"]
    ours = geometry.prepare(torch.from_numpy(make_plate(picture, geometry.plate, "picture"))[None])
    assert ours.shape == theirs.shape
    assert float((ours - theirs).abs().mean()) < 2 / 255 / 0.2
    again = PictureGeometry.from_processor(processor.to_dict(), channels=3, grey=False, name="test")
    assert again == geometry


def test_dropout_in_the_head_leaves_the_names_of_the_weights_alone():
    plain, _ = create_model("resnet-10", TASK)
    dropped, _ = create_model("resnet-10", TASK, dropout=0.9)
    assert plain.state_dict().keys() == dropped.state_dict().keys()
    pixels = torch.rand(4, 3, 64, 64)
    dropped.train()
    inputs = []
    output_layer(dropped).register_forward_hook(lambda module, args, output: inputs.append(args[0]))
    dropped(pixels)
    assert float((inputs[0] == 0).float().mean()) > 0.7
    dropped.eval()(pixels)
    assert float((inputs[1] == 0).float().mean()) < 0.7


def test_a_folder_that_holds_a_pickle_is_refused_and_the_pickle_is_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    ResNetForImageClassification(ResNetConfig(depths=[1], hidden_sizes=[8], embedding_size=8)).config.save_pretrained(
        tmp_path
    )
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match=r"pytorch_model.bin.*convert it with safetensors"):
        open_run(tmp_path)
    with pytest.raises(ModelError, match="pytorch_model.bin"):
        create_model(str(tmp_path), TASK)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: None, "no config.json"),
        (
            lambda folder: (folder / "run.json").write_text("{}") and (folder / "run.json").write_text('{"a": 1}'),
            "not finished",
        ),
        (lambda folder: (folder / "config.json").write_text("{}"), "no model.safetensors"),
    ],
)
def test_a_folder_that_is_no_checkpoint_is_named(tmp_path, prepare, message):
    prepare(tmp_path)
    with pytest.raises(ModelError, match=message):
        open_run(tmp_path)


def test_damaged_weights_are_named(tmp_path):
    model, geometry = create_model("resnet-10", TASK)
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run", model, geometry)
    weights = tmp_path / "run" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="run"):
        open_run(tmp_path / "run")


def test_what_is_misspelt_is_answered_with_the_nearest(tmp_path):
    (tmp_path / "comics").mkdir()
    with pytest.raises(ModelError, match="Did you mean 'comics'"):
        open_run(tmp_path / "comic")
    with pytest.raises(UnknownNameError, match="Did you mean 'resnet-18'"):
        create_model("resnet18", TASK)
    with pytest.raises(RecipeError, match="Did you mean 'dense'"):
        create_model("sketchnet", TASK, options={"dens": 3})


def test_a_network_of_timm_without_timm_says_how_to_get_it(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install 'kunstkammer\[timm\]'"):
        open_run("timm/inception_v3.tv_in1k")


def test_a_checkpoint_of_one_size_refuses_another_before_anything_is_learned(tmp_path):
    model, geometry = create_model("sketchnet", Task(("comic", "manga"), size=(32, 32)), options={"stages": [[4], [8]]})
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run", model, geometry)
    with pytest.raises(RecipeError, match=r"does not take pictures of 64 x 64 pixels; set picture.size to 32"):
        create_model(str(tmp_path / "run"), Task(("comic", "manga"), size=(64, 64)))
    create_model(str(tmp_path / "run"), Task(("comic", "manga"), size=(32, 32)))


def test_what_is_missing_of_a_checkpoint_is_named(tmp_path):
    model, geometry = create_model("sketchnet", Task(("comic", "manga"), size=(32, 32)), options={"stages": [[4], [8]]})
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run", model, geometry)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps({**config, "id2label": {"1": "a", "2": "b"}}))
    with pytest.raises(ModelError, match="id2label .* does not number its 2 labels from 0 on: 0 is missing"):
        open_run(tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    (tmp_path / "run" / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"has no preprocessor_config\.json, which says how its pictures are prepared"):
        open_run(tmp_path / "run")


def test_weights_that_a_checkpoint_lacks_are_not_drawn_at_random_in_silence(tmp_path):
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = ViTConfig(image_size=32, patch_size=8, id2label={0: "a", 1: "b"}, label2id={"a": 0, "b": 1}, **small)
    model = ViTForImageClassification(config)
    model.save_pretrained(tmp_path / "whole")
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "whole")
    model.vit.save_pretrained(tmp_path / "backbone")
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "backbone")
    open_run(tmp_path / "whole")
    with pytest.raises(ModelError, match="lacks 2 weights .* would be drawn at random"):
        open_run(tmp_path / "backbone")
    create_model(str(tmp_path / "backbone"), Task(("x", "y")))  # to be trained: a new head is what is asked for
    for options in ({"image_size": 16}, {"intermediate_size": 48}, {"num_hidden_layers": 3}):
        with pytest.raises(ModelError):
            create_model(str(tmp_path / "whole"), Task(("a", "b")), options=options)
        with pytest.raises(ModelError):
            create_model(str(tmp_path / "whole"), Task(("x", "y", "z")), options=options)
