"""An exported folder as an engine: the same answers as the run, the same Grad-CAM where it can, and no torch at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import ResNetConfig, ResNetForImageClassification

import kunstkammer as kk
from kunstkammer.data.plates import PlateSettings, make_plate
from kunstkammer.errors import ModelError
from kunstkammer.explanation import explain
from kunstkammer.models.geometry import PictureGeometry
from kunstkammer.training.fit import write_checkpoint
from kunstkammer.web.inference.engines import open_engine
from kunstkammer.web.inference.onnx_engine import OnnxEngine

LABELS = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}

WITHOUT_TORCH = """
import sys
for name in ("torch", "transformers", "datasets", "sklearn", "scipy", "matplotlib", "kornia", "onnx", "onnxscript"):
    sys.modules[name] = None
from pathlib import Path
import numpy as np
from kunstkammer.pictures.plate import make_plate
from kunstkammer.web.inference.engines import open_engine
engine = open_engine(sys.argv[1])
plates = np.stack([make_plate(Path(file), engine.plate_settings, file) for file in sys.argv[3:]])
heat = engine.explain(plates[:1], "occlusion", [None], [None])[0]
np.savez(sys.argv[2], logits=engine.logits(plates), heat=heat)
"""


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    return kk.export(trained, out=tmp_path_factory.mktemp("exported") / "comic-manga").out


@pytest.fixture(scope="module")
def pooling(tmp_path_factory):
    """A run whose head is a global pooling and one linear layer, with a cropped input, and what it was exported to."""
    torch.manual_seed(0)
    run = tmp_path_factory.mktemp("pooling") / "run"
    run.mkdir()
    model = ResNetForImageClassification(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], **LABELS)
    )
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.uniform_(0.2, 0.6)
    geometry = PictureGeometry(
        PlateSettings(150, 150, fit="crop"), (128, 128), 3, (0.48, 0.45, 0.4), (0.23, 0.22, 0.22)
    )
    write_checkpoint(run, model.eval(), geometry)
    return kk.open_run(run), open_engine(kk.export(run).out)


def files_of(pages, step=5):
    return sorted((pages / "test").rglob("*.jpg"))[::step]


def test_it_says_what_the_run_says(exported, trained, pages):
    engine, run = open_engine(exported), open_engine(trained)
    assert isinstance(engine, OnnxEngine)
    assert (engine.labels, engine.multi_label) == (run.labels, run.multi_label)
    assert (engine.plate_settings, engine.weights, engine.facts) == (run.plate_settings, run.weights, run.facts)
    plates = np.stack([make_plate(file, engine.plate_settings, file.name) for file in files_of(pages)])
    np.testing.assert_allclose(engine.logits(plates), run.logits(plates), atol=1e-4)
    logits, features = engine.logits_and_features(plates)
    np.testing.assert_allclose(logits, run.logits(plates), atol=1e-4)
    np.testing.assert_allclose(features, run.logits_and_features(plates)[1], atol=1e-4)


def test_a_checkpoint_from_elsewhere_says_the_same_exported(tmp_path, pages):
    torch.manual_seed(1)
    (tmp_path / "run").mkdir()
    model = ResNetForImageClassification(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1], **LABELS)
    )
    settings = PlateSettings(80, 80, fit="crop", resample="bicubic", edge=72, ground=0)  # as MobileViT's
    geometry = PictureGeometry(settings, (72, 76), 3, (1.0, 0.9, 1.1), (0.3, 0.2, 0.25), 1 / 127.5, flip=True)
    write_checkpoint(tmp_path / "run", model.eval(), geometry)
    run, engine = kk.open_run(tmp_path / "run"), open_engine(kk.export(tmp_path / "run").out)
    assert run.geometry == geometry
    assert engine.plate_settings == settings
    plates = np.stack([make_plate(file, engine.plate_settings, file.name) for file in files_of(pages)])
    np.testing.assert_allclose(engine.logits(plates), run.logits(torch.from_numpy(plates)), atol=1e-4)


def test_many_labels_too(run_of_many, pages):
    engine, run = open_engine(kk.export(run_of_many).out), open_engine(run_of_many)
    plates = np.stack([make_plate(file, engine.plate_settings, file.name) for file in files_of(pages, 10)])
    assert engine.multi_label
    np.testing.assert_allclose(engine.logits(plates), run.logits(plates), atol=1e-4)


def test_a_process_without_torch_says_the_same(exported, trained, pages, tmp_path):
    files = files_of(pages, 10)
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(exported), str(tmp_path / "found.npz"), *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = np.load(tmp_path / "found.npz")
    run = open_engine(trained)
    plates = np.stack([make_plate(file, run.plate_settings, file.name) for file in files])
    np.testing.assert_allclose(found["logits"], run.logits(plates), atol=1e-4)
    assert found["heat"].shape == run.plate_settings.shape[1:]


def test_grad_cam_is_the_one_that_gradients_give(pooling):
    checkpoint, engine = pooling
    assert engine.explainers == ("grad-cam", "occlusion")
    plates = np.random.default_rng(0).integers(0, 256, (4, 3, 150, 150), dtype=np.uint8)
    plates[:, :, 40:90, 60:110] //= 3
    pixels = checkpoint.prepare(torch.from_numpy(plates))
    for targets, versus in (([0, 1, 2, 0], [None] * 4), ([None] * 4, [None] * 4), ([0, 1, 2, 0], [1, 2, 0, 2])):
        chosen = checkpoint.logits(torch.from_numpy(plates)).argmax(1).tolist() if targets[0] is None else targets
        options = {} if versus[0] is None else {"versus": versus}
        expected = explain(checkpoint.model, pixels, chosen, "grad-cam", **options)[:, 0].numpy()
        found = np.stack(engine.explain(plates, "grad-cam", targets, versus))
        assert expected.max() > 0
        np.testing.assert_allclose(found, expected, atol=1e-4 * expected.max(), rtol=1e-3)


def test_occlusion_is_that_of_the_run_but_for_rounding_the_colour(pooling):
    checkpoint, engine = pooling
    plates = np.random.default_rng(0).integers(0, 256, (2, 3, 150, 150), dtype=np.uint8)
    plates[:, :, 40:90, 60:110] //= 3
    pixels = checkpoint.prepare(torch.from_numpy(plates))
    expected = explain(checkpoint.model, pixels, [1, 2], "occlusion", versus=[0, 0])[:, 0].numpy()
    found = np.stack(engine.explain(plates, "occlusion", [1, 2], [0, 0]))
    assert found.shape == (2, 128, 128)
    assert np.abs(found - expected).max() < 0.03 * np.abs(expected).max()
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999


def test_what_needs_gradients_is_refused_by_name(exported, pooling, pages):
    engine = open_engine(exported)
    assert engine.explainers == ("occlusion",)
    plates = np.zeros((1, *engine.plate_settings.shape), np.uint8)
    for method in ("lrp-epsilon", "grad-cam", "nonsense"):
        with pytest.raises(ModelError, match=f"cannot be explained by '{method}'.*occlusion.*serve the run itself"):
            engine.explain(plates, method, [0], [None])
    with pytest.raises(ModelError, match="Did you mean 'occlusion'"):
        engine.explain(plates, "oclusion", [0], [None])


def test_a_pause_comes_before_each_pass_and_may_stop_it(exported):
    engine = open_engine(exported)
    plates = np.zeros((1, *engine.plate_settings.shape), np.uint8)
    calls = []
    engine.explain(plates, "occlusion", [0], [None], pause=lambda: calls.append(1))
    assert len(calls) > 1

    def stop() -> None:
        raise TimeoutError("enough")

    with pytest.raises(TimeoutError, match="enough"):
        engine.explain(plates, "occlusion", [0], [None], pause=stop)


def test_what_cannot_answer_is_said(exported, tmp_path):
    engine = open_engine(exported)
    with pytest.raises(ModelError, match="cannot answer"):
        engine.logits(np.zeros((1, 3, 7, 7), np.uint8))
    copy = shutil.copytree(exported, tmp_path / "copy")
    (copy / "model.onnx").write_bytes((copy / "model.onnx").read_bytes()[:-5])
    with pytest.raises(ModelError, match="damaged"):
        open_engine(copy)


def test_the_version_changes_with_what_answers(exported, tmp_path):
    copy = shutil.copytree(exported, tmp_path / "copy")
    assert open_engine(copy).version == open_engine(exported).version
    settings = json.loads((copy / "kunstkammer.json").read_text())
    (copy / "kunstkammer.json").write_text(
        json.dumps({**settings, "thresholds": dict.fromkeys(settings["labels"], 0.3)})
    )
    assert open_engine(copy).version != open_engine(exported).version
