"""Calibration by `train`, and what `predict`, `evaluate` and the report make of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import kunstkammer as kk
from kunstkammer.errors import ModelError
from kunstkammer.metrics.classification import expected_calibration_error
from tests.cli.command import run
from tests.conftest import write_collection

TINY = {
    "picture.size": 32, "training.epochs": 2, "evaluation.resamples": 100, "evaluation.pictures": 0,
    "evaluation.stability": 0, "model.options": {"stages": [[4], [8]], "dense": 8},
    "data.split": {"train": 0.4, "validation": 0.3, "test": 0.3},
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path, object]:
    place = tmp_path_factory.mktemp("calibrated")
    data = write_collection(place / "noise", each=50)
    measured = kk.train(data, recipe="anime-cartoon", out=place / "run", settings=TINY)
    return data, place / "run", measured


def test_train_keeps_a_temperature_and_measures_the_model_as_it_is(trained):
    _, folder, measured = trained
    found = kk.open_run(folder).calibration
    assert found.pictures == 30
    kept = json.loads((folder / "metrics.json").read_text())
    plain = measured.predictions
    raw = expected_calibration_error(plain.targets, plain.probabilities)
    assert kept["metrics"]["expected_calibration_error"]["value"] == pytest.approx(raw)
    errors = kept["calibrated"]["expected_calibration_error"]
    assert errors["before"]["value"] == pytest.approx(raw)
    after = expected_calibration_error(plain.targets, found.recalibrate(plain.probabilities))
    assert errors["after"]["value"] == pytest.approx(after)
    assert errors["after"]["low"] <= after <= errors["after"]["high"]
    page = (folder / "report.html").read_text()
    assert "a temperature of" in page
    assert "eine Temperatur von" in page
    assert "Calibrated (temperature" in measured.to_text()
    assert measured.to_json()["calibrated"]["temperature"] == found.temperature


def test_predict_gives_calibrated_probabilities_where_asked(trained):
    data, folder, _ = trained
    pictures = [str(data / "dark" / f"{i:03}.png") for i in range(3)]
    checkpoint = kk.open_run(folder)
    plain = kk.predict(folder, pictures).predictions.probabilities
    calibrated = kk.predict(folder, pictures, calibrated=True).predictions.probabilities
    logits = np.log(plain) / checkpoint.calibration.temperature
    np.testing.assert_allclose(calibrated, torch.from_numpy(logits).softmax(1).numpy(), atol=1e-9)
    rows = run("predict", str(folder), *pictures, "--calibrated", "--json").json()
    assert rows["calibrated"] is True
    first = {row["label"]: row["probability"] for row in rows["predictions"][0]["labels"]}
    assert first["dark"] == pytest.approx(calibrated[0, 0])


def test_other_weights_refuse_it_and_none_is_said(trained, tmp_path):
    data, folder, _ = trained
    own = Path(shutil.copytree(folder, tmp_path / "run"))
    weights = load_file(own / "model.safetensors")
    save_file({name: tensor + 0.1 for name, tensor in weights.items()}, own / "model.safetensors", {"format": "pt"})
    done = run("predict", str(own), str(data / "dark" / "000.png"), "--calibrated")
    assert done.status == 1
    assert "belongs to other weights" in done.stderr
    (own / "calibration.json").unlink()
    with pytest.raises(ModelError, match="has no calibration"):
        kk.predict(own, data / "dark" / "000.png", calibrated=True)


def test_too_few_pictures_of_validation_and_it_is_said(tmp_path, capsys):
    data = write_collection(tmp_path / "noise", each=20)
    measured = kk.train(data, recipe="anime-cartoon", out=tmp_path / "run", settings=TINY)
    assert "No calibration: 12 pictures of validation are too few" in capsys.readouterr().err
    assert measured.calibrated is None
    assert not (tmp_path / "run" / "calibration.json").exists()
    assert "a temperature of" not in (tmp_path / "run" / "report.html").read_text()
