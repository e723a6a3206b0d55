"""Export: what is written answers as the run does, and what cannot be exported is named and leaves nothing."""

from __future__ import annotations

import json
import shutil

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    MobileNetV2Config,
    MobileNetV2ForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

import kunstkammer as kk
from kunstkammer.data.plates import PlateSettings
from kunstkammer.errors import DataError, ModelError
from kunstkammer.models import onnx_export
from kunstkammer.models.calibration import Calibration
from kunstkammer.models.catalogue import Task, create_model
from kunstkammer.models.exported import CLASS_MAPS, INPUT, LOGITS, read_exported
from kunstkammer.models.features import batch_features
from kunstkammer.models.geometry import PictureGeometry
from kunstkammer.models.run import open_run
from kunstkammer.models.scene import scene_around
from kunstkammer.models.text_part import TextPart
from kunstkammer.training.fit import write_checkpoint
from kunstkammer.web.inference.engines import open_engine
from kunstkammer.workflows import export as verb

LABELS = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
NETWORKS = {
    "ResNet": lambda: ResNetForImageClassification(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], **LABELS)
    ),
    "MobileNetV2": lambda: MobileNetV2ForImageClassification(
        MobileNetV2Config(image_size=128, depth_multiplier=0.25, **LABELS)
    ),
    "ViT": lambda: ViTForImageClassification(ViTConfig(image_size=128, patch_size=16, **SMALL, **LABELS)),
    "Swin": lambda: SwinForImageClassification(
        SwinConfig(image_size=128, embed_dim=24, depths=[2, 2], num_heads=[2, 4], window_size=4, **LABELS)
    ),
    "ConvNext": lambda: ConvNextForImageClassification(
        ConvNextConfig(image_size=128, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], **LABELS)
    ),
}
"""What learns from pictures, small; weights are random but let something through."""

WITH_CLASS_MAPS = {"ResNet", "MobileNetV2", "Swin"}


def checkpoint_of(model: torch.nn.Module, folder, *, plate: int = 140, seen: int = 128):
    """Save a model with a processor that crops, and with statistics as training leaves them."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    settings = PlateSettings(plate, plate, fit="crop")
    geometry = PictureGeometry(settings, (seen, seen), 3, (0.48, 0.45, 0.4), (0.23, 0.22, 0.22))
    folder.mkdir()
    write_checkpoint(folder, model.eval(), geometry)
    return folder


def calibrated_by(model, calibration):
    """Let a model's config say that it was calibrated so."""
    for key, value in calibration.to_config().items():
        setattr(model.config, key, value)


@pytest.mark.parametrize(
    "name", [n if n in ("ResNet", "ViT") else pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS]
)
def test_every_kind_of_network_answers_the_same(name, tmp_path):
    torch.manual_seed(0)
    folder = checkpoint_of(NETWORKS[name](), tmp_path / "run")
    result = kk.export(folder)
    assert result.out == tmp_path / "run-onnx"
    assert result.difference <= 1e-4
    assert (CLASS_MAPS in result.outputs) == (name in WITH_CLASS_MAPS)
    found = read_exported(result.out)
    assert found.labels == ("a", "b", "c")
    assert found.plate.settings == PlateSettings(140, 140, fit="crop")
    session = onnxruntime.InferenceSession(str(result.out / "model.onnx"))
    checkpoint = open_run(folder)
    plates = np.random.default_rng(3).integers(0, 256, (5, 3, 140, 140), dtype=np.uint8)
    logits, features, *maps = session.run(None, {INPUT: plates})
    expected = checkpoint.logits(torch.from_numpy(plates)).numpy()
    assert expected.std() > 0.01
    np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=1e-4)
    own = batch_features(checkpoint.model, checkpoint.prepare(torch.from_numpy(plates))).numpy()
    np.testing.assert_allclose(features, own, atol=1e-4, rtol=1e-4)
    if maps:
        bias = onnx_export.output_layer(checkpoint.model).bias.detach().numpy()
        np.testing.assert_allclose(maps[0].sum((2, 3)) + bias, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("grey", [True, False])
def test_a_sketchnet_of_grey_or_coloured_pages_is_exported_with_its_facts(grey, tmp_path):
    torch.manual_seed(0)
    task = Task(("comic", "manga"), grey=grey, size=(64, 64))
    model, geometry = create_model("sketchnet", task, options={"stages": [[8], [16]], "dense": 16})
    run = tmp_path / "run"
    run.mkdir()
    calibrated_by(model, Calibration(1.5, 20, 0.7, 0.6))
    write_checkpoint(run, model.eval(), geometry)
    (run / "run.json").write_text(json.dumps({"label_prior": [0.25, 0.75]}))
    (run / "report.html").write_text("<p>report")
    (run / "neighbours").mkdir()
    (run / "neighbours" / "rows.bin").write_bytes(b"rows")
    result = kk.export(run, out=tmp_path / "small")
    found = read_exported(tmp_path / "small")
    assert found.plate.grey == grey
    assert found.label_prior == (0.25, 0.75)
    assert found.calibration["temperature"] == 1.5
    assert found.temperature_left == 1  # it is in the weights
    assert set(result.beside) == {"report.html", "neighbours"}
    assert (tmp_path / "small" / "neighbours" / "rows.bin").read_bytes() == b"rows"
    assert f"{found.bytes / 1e6:.1f} MB" in result.to_text()
    assert "onnxruntime" in (tmp_path / "small" / "README.md").read_text()
    kk.export(run, out=tmp_path / "small")  # what was exported before is replaced


def test_nothing_of_the_machine_that_made_it_is_in_the_file(tmp_path):
    folder = checkpoint_of(NETWORKS["ResNet"](), tmp_path / "run")
    data = (kk.export(folder).out / "model.onnx").read_bytes()
    assert b"site-packages" not in data
    assert str(tmp_path).encode() not in data


def test_an_export_that_answers_otherwise_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    folder = checkpoint_of(NETWORKS["ResNet"](), tmp_path / "run")
    write = onnx_export.write_onnx

    def wrong(module, plates, file):
        with torch.no_grad():
            onnx_export.output_layer(module.network).bias.add_(0.01)
            opset = write(module, plates, file)
            onnx_export.output_layer(module.network).bias.sub_(0.01)
        return opset

    monkeypatch.setattr(onnx_export, "write_onnx", wrong)
    with pytest.raises(ModelError, match=r"answers otherwise than the run: logits differ by up to 0\.01"):
        kk.export(folder)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_a_network_that_cannot_be_exported_is_named_on_one_line(tmp_path, monkeypatch):
    folder = checkpoint_of(NETWORKS["ResNet"](), tmp_path / "run")

    def by_value(self, pixel_values, **_):
        if pixel_values.sum() > 0:  # which way it goes depends on the picture
            pixel_values = pixel_values * 2
        return original(self, pixel_values)

    original = ResNetForImageClassification.forward
    monkeypatch.setattr(ResNetForImageClassification, "forward", by_value)
    with pytest.raises(ModelError, match=r"^ResNetForImageClassification cannot be exported to ONNX: .+$"):
        kk.export(folder)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_what_lies_in_the_way_is_left_alone(tmp_path):
    folder = checkpoint_of(NETWORKS["ResNet"](), tmp_path / "run")
    with pytest.raises(DataError, match="holds something else"):
        kk.export(folder, out=folder)
    assert (folder / "model.safetensors").is_file()


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_export.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"onnx, onnxscript, onnxruntime.*kunstkammer\[onnx\]"):
        kk.export(tmp_path)


def test_damage_is_seen_when_it_is_opened(tmp_path):
    folder = kk.export(checkpoint_of(NETWORKS["ResNet"](), tmp_path / "run")).out
    network = folder / "model.onnx"
    for name, harm, said in (
        ("cut", lambda f: (f / "model.onnx").write_bytes(network.read_bytes()[:-10]), "it is damaged"),
        ("json", lambda f: (f / "kunstkammer.json").write_text("{"), "is not JSON"),
        ("gone", lambda f: (f / "model.onnx").unlink(), "has no model.onnx"),
        ("newer", lambda f: (f / "kunstkammer.json").write_text('{"format": 99}'), "newer Kunstkammer"),
        ("other", lambda f: (f / "kunstkammer.json").write_text('{"format": 1}'), "is damaged"),
    ):
        copy = shutil.copytree(folder, tmp_path / name)
        harm(copy)
        with pytest.raises(ModelError, match=said):
            read_exported(copy)


def test_the_plates_it_compares_on_are_real_and_not(tmp_path):
    checkpoint = open_run(checkpoint_of(NETWORKS["ResNet"](), tmp_path / "run"))
    plates = verb.probe_plates(checkpoint)
    assert plates.shape == (16, 3, 140, 140)
    assert len(np.unique(plates.reshape(16, -1), axis=0)) == 16


def test_many_labels_come_with_their_thresholds(tmp_path):
    torch.manual_seed(0)
    model, geometry = create_model(
        "sketchnet", Task(("x", "y", "z"), multi_label=True, size=(64, 64)), options={"stages": [[8]], "dense": 8}
    )
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run", model.eval(), geometry)
    found = read_exported(kk.export(tmp_path / "run").out)
    assert found.multi_label
    assert found.thresholds == {"x": 0.5, "y": 0.5, "z": 0.5}
    calibrated_by(model, Calibration(1.5, 20, 0.7, 0.6, (0.2, 0.4, 0.6)))
    write_checkpoint(tmp_path / "run", model.eval(), geometry)
    found = read_exported(kk.export(tmp_path / "run").out)
    assert found.thresholds == {"x": 0.2, "y": 0.4, "z": 0.6}
    assert LOGITS in found.outputs


def test_what_an_earlier_version_exported_is_still_divided_by_its_temperature(tmp_path):
    torch.manual_seed(0)
    model, geometry = create_model("sketchnet", Task(("x", "y"), size=(64, 64)), options={"stages": [[8]], "dense": 8})
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run", model.eval(), geometry)
    out = kk.export(tmp_path / "run").out
    plates = np.random.default_rng(0).integers(0, 256, (3, 1, 64, 64), dtype=np.uint8)
    before = open_engine(out).logits(plates)
    settings = json.loads((out / "kunstkammer.json").read_text())
    settings |= {"format": 1, "calibration": {"temperature": 2.0, "pictures": 20}}
    (out / "kunstkammer.json").write_text(json.dumps(settings))
    np.testing.assert_allclose(open_engine(out).logits(plates), before / 2, rtol=1e-6)


def test_a_scene_model_is_exported_as_what_it_says_of_the_picture_alone(tmp_path, capsys):
    torch.manual_seed(0)
    task = Task(("angry", "fear", "happy"), multi_label=True, size=(32, 32))
    backbone, geometry = create_model("sketchnet", task, options={"stages": [[4], [8]], "dense": 8})
    text = TextPart("hashed", {"size": 16}, ("text",))
    (tmp_path / "run").mkdir()
    write_checkpoint(tmp_path / "run", scene_around(backbone, task.config(), text_width=16).eval(), geometry)
    text.save(tmp_path / "run")
    checkpoint = open_run(tmp_path / "run")
    assert checkpoint.text is not None
    result = kk.export(tmp_path / "run")
    assert "of the picture alone" in capsys.readouterr().err
    assert "left behind" in read_exported(result.out).answers_from
    assert "answers from pictures; the text" in (result.out / "README.md").read_text()
    plates = np.random.default_rng(0).integers(0, 256, (3, *checkpoint.plate_settings.shape), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(result.out / "model.onnx"))
    expected = checkpoint.model(checkpoint.prepare(torch.from_numpy(plates))).picture_logits.detach().numpy()
    np.testing.assert_allclose(session.run([LOGITS], {INPUT: plates})[0], expected, atol=1e-4)


def test_an_export_named_as_a_run_is_told_from_one(tmp_path):
    exported = kk.export(checkpoint_of(NETWORKS["ResNet"](), tmp_path / "run")).out
    with pytest.raises(ModelError, match="is an exported model, which serve answers from"):
        open_run(exported)
