"""A frozen network with a linear head: from pictures to an ordinary checkpoint, features computed once."""

import json

import numpy as np
import pytest
import yaml

import kunstkammer as kk
from kunstkammer.evaluation.predictions import Predictions

SETTINGS = {
    "picture.size": 32,
    "model.options": {"hidden_sizes": [8, 8, 16, 16], "embedding_size": 8, "depths": [1, 1, 1, 1]},
    "evaluation.resamples": 100,
    "evaluation.pictures": 2,
}


@pytest.fixture
def run(collection_folder, tmp_path):
    return kk.train(collection_folder, recipe="deepdoggo", out=tmp_path / "run", settings=SETTINGS)


def test_it_learns_and_the_checkpoint_says_what_the_features_said(run, collection_folder, tmp_path):
    assert run.metrics["accuracy"].value == 1.0
    assert run.zero_r["accuracy"] == 0.4
    assert run.evaluation.gains["accuracy"].value == pytest.approx(0.6)
    again = kk.evaluate(run.run, collection_folder, out=tmp_path / "again", explainer=None)
    kept = Predictions.load(tmp_path / "run" / "predictions.csv")
    assert again.predictions.files == kept.files
    assert np.allclose(again.predictions.probabilities, kept.probabilities, atol=1e-4)


def test_it_says_what_must_be_known(run, tmp_path):
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    card = (tmp_path / "run" / "README.md").read_text(encoding="utf-8")
    facts = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    for text in (page, card):
        assert "random weights and only its head learnt" in text
        assert "logistic regression on frozen features" in text
    head = facts["training"]["linear_head"]
    assert str(head["strength"]) in [str(float(c)) for c in head["cross_validation"]]
    assert facts["status"] == "finished"
    assert "ZeroR 0.400, gain +0.600" in run.to_text()


def test_a_second_run_computes_no_features(run, collection_folder, tmp_path, monkeypatch):
    from kunstkammer.models import features

    def refuse(*_):
        raise AssertionError("a picture went through the network again")

    monkeypatch.setattr(features, "batch_features", refuse)
    again = kk.train(collection_folder, recipe="deepdoggo", out=tmp_path / "again", settings=SETTINGS)
    assert again.metrics["accuracy"].value == 1.0
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("run", "again"))
    assert one == two


def test_a_recipe_cannot_ask_for_nonsense(collection_folder, tmp_path):
    for key, value, says in (
        ("model.train", "frosen", "frozen"),
        ("training.linear_head.strengths", [0.0], "above 0"),
        ("training.linear_head.fold", 3, "Did you mean 'folds'"),
    ):
        with pytest.raises(kk.KunstkammerError, match=says):
            kk.train(collection_folder, recipe="deepdoggo", out=tmp_path / "no", settings={key: value})
    assert not (tmp_path / "no").exists()
    assert yaml.safe_load(kk.Recipe.load("deepdoggo").to_yaml())["model"]["train"] == "frozen"


def test_features_of_prepared_pictures_are_not_those_of_plain_ones(run, collection_folder, tmp_path):
    prepared = {**SETTINGS, "picture.preparation": [{"name": "cartoonify", "preset": "manga"}]}
    kk.train(collection_folder, recipe="deepdoggo", out=tmp_path / "drawn", settings=prepared)
    one, two = (json.loads((tmp_path / name / "run.json").read_text(encoding="utf-8")) for name in ("run", "drawn"))
    assert one["training"]["linear_head"] != two["training"]["linear_head"]
    assert "cartoonify (manga, strength 1)" in (tmp_path / "drawn" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("precision", ["auto", "bf16"])
def test_the_head_is_fitted_on_the_features_that_the_model_answers_with(
    precision, collection_folder, tmp_path, monkeypatch, capfd
):
    import torch

    from kunstkammer.models import features
    from kunstkammer.training import precision as settings

    monkeypatch.setattr(settings, "native_bf16", lambda device: True)
    real, reduced = features.batch_features, []

    def seen(model, pixels):
        reduced.append(torch.is_autocast_enabled("cpu"))
        return real(model, pixels)

    monkeypatch.setattr(features, "batch_features", seen)
    monkeypatch.setenv("KUNSTKAMMER_CACHE", str(tmp_path / "cache"))
    changed = {**SETTINGS, "training.precision": precision}
    kk.train(collection_folder, recipe="deepdoggo", out=tmp_path / "run", settings=changed)
    assert reduced
    assert not any(reduced)
    assert ("float32 all the same" in capfd.readouterr().err) == (precision == "bf16")
