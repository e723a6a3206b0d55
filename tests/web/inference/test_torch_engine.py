"""A run as an engine: it says what the checkpoint says, explains beside that, and tells what it cannot."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import kunstkammer as kk
from kunstkammer.data.plates import make_plate
from kunstkammer.errors import ModelError
from kunstkammer.models.features import batch_features
from kunstkammer.web.inference.engines import open_engine
from kunstkammer.web.inference.torch_engine import sharing_weights


@pytest.fixture(scope="module")
def engine(trained):
    return open_engine(trained)


@pytest.fixture(scope="module")
def plates(engine, pages):
    files = sorted((pages / "test").rglob("*.jpg"))[::5]
    return np.stack([make_plate(file, engine.plate_settings, file.name) for file in files])


def test_it_answers_as_the_checkpoint_does(engine, trained, plates):
    checkpoint = kk.open_run(trained)
    expected = checkpoint.logits(torch.from_numpy(plates)).numpy()
    assert engine.labels == ("comic", "manga")
    assert not engine.multi_label
    np.testing.assert_allclose(engine.logits(plates), expected, atol=1e-5)
    logits, features = engine.logits_and_features(plates)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    own = batch_features(checkpoint.model, checkpoint.prepare(torch.from_numpy(plates))).numpy()
    np.testing.assert_allclose(features, own, atol=1e-5)


def test_it_explains_what_is_asked_and_keeps_answering(engine, plates):
    before = engine.logits(plates)
    best = before.argmax(1)
    predicted = engine.explain(plates, "gradient", [None] * len(plates), [None] * len(plates))
    named = engine.explain(plates, "gradient", best.tolist(), [None] * len(plates))
    assert all(heat.shape == engine.plate_settings.shape[1:] for heat in predicted)
    for one, other in zip(predicted, named, strict=True):
        np.testing.assert_allclose(one, other)
    against = engine.explain(plates[:1], "gradient-x-input", [None], [int(best[0])])[0]
    assert not np.allclose(against, engine.explain(plates[:1], "gradient-x-input", [int(best[0])], [None])[0])
    np.testing.assert_array_equal(engine.logits(plates), before)


def test_only_methods_that_work_are_offered(engine, run, pages, plates):
    assert {"gradient", "grad-cam", "occlusion", "lrp-epsilon"} <= set(engine.explainers)
    assert not {"attention-rollout", "pattern-net"} & set(engine.explainers)
    assert set(engine.slow_explainers) < set(engine.explainers)
    for method in engine.explainers:
        assert np.isfinite(engine.explain(plates[:1], method, [1], [None])[0]).all(), method
    kk.fit_patterns(run, pages)
    assert {"pattern-net", "pattern-attribution"} <= set(open_engine(run).explainers)


def test_a_pause_comes_before_each_pass_and_may_stop_it(engine, plates):
    calls = []
    engine.explain(plates[:1], "occlusion", [0], [None], pause=lambda: calls.append(1))
    assert len(calls) > 1

    def stop() -> None:
        raise TimeoutError("enough")

    with pytest.raises(TimeoutError, match="enough"):
        engine.explain(plates[:1], "occlusion", [0], [None], pause=stop)
    calls.clear()
    engine.explain(plates[:1], "gradient", [0], [None])
    assert not calls


def test_explaining_leaves_the_network_that_predicts_alone(engine, plates):
    seen = []
    handle = engine._checkpoint.model.register_forward_pre_hook(lambda *_: seen.append(1))
    engine.explain(plates[:2], "grad-cam", [None, None], [None, None])
    assert not seen
    engine.logits(plates[:2])
    assert seen
    handle.remove()


def test_the_explained_network_shares_its_weights(trained):
    model = kk.open_run(trained).model
    other = sharing_weights(model)
    assert [p.data_ptr() for p in model.parameters()] == [p.data_ptr() for p in other.parameters()]
    assert not {id(module) for module in model.modules()} & {id(module) for module in other.modules()}


def test_the_version_changes_with_the_weights_and_the_labels(run, engine):
    assert open_engine(run).version == engine.version
    weights = load_file(run / "model.safetensors")
    save_file({name: tensor + 0.01 for name, tensor in weights.items()}, run / "model.safetensors")
    changed = open_engine(run)
    assert (changed.version, changed.weights) != (engine.version, engine.weights)
    config = run / "config.json"
    config.write_text(config.read_text().replace('"comic"', '"comics"'))
    assert open_engine(run).version != changed.version


def test_what_cannot_answer_is_said(broken_run, run, tmp_path):
    with pytest.raises(ModelError, match=r"damaged|Cannot open"):
        open_engine(broken_run)
    with pytest.raises(ModelError, match=r"no run folder .*Did you mean 'comic-manga'"):
        open_engine(tmp_path / "comic-mnga")
    weights = load_file(run / "model.safetensors")
    save_file({name: tensor * float("nan") for name, tensor in weights.items()}, run / "model.safetensors")
    with pytest.raises(ModelError, match="not a number"):
        open_engine(run)


def test_the_protocol_loads_no_torch():
    script = "import sys, kunstkammer.web.inference.engines as e; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
