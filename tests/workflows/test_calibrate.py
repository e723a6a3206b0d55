"""Calibration by `train`, and what `predict`, `evaluate` and the report make of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import kunstkammer as kk
from kunstkammer.metrics.classification import expected_calibration_error
from kunstkammer.workflows.calibrate import calibrate_run
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


def test_train_folds_a_temperature_in_and_measures_what_every_path_answers(trained):
    _, folder, measured = trained
    found = kk.open_run(folder).calibration
    assert found.pictures == 30
    kept = json.loads((folder / "metrics.json").read_text())
    said = measured.predictions
    after = expected_calibration_error(said.targets, said.probabilities)
    assert kept["metrics"]["expected_calibration_error"]["value"] == pytest.approx(after)
    errors = kept["calibrated"]["expected_calibration_error"]
    assert errors["after"]["value"] == pytest.approx(after)
    before = expected_calibration_error(said.targets, found.undo(said.probabilities))
    assert errors["before"]["value"] == pytest.approx(before)
    assert errors["after"]["low"] <= after <= errors["after"]["high"]
    page = (folder / "report.html").read_text()
    assert "a temperature of" in page
    assert "eine Temperatur von" in page
    assert "Calibrated (temperature" in measured.to_text()
    assert measured.to_json()["calibrated"]["temperature"] == found.temperature


def test_the_temperature_that_was_found_divides_the_logits_of_the_weights(trained, tmp_path, monkeypatch):
    data, folder, _ = trained
    monkeypatch.setattr("kunstkammer.evaluation.calibration.LEAST_PICTURES", 1000)
    kk.train(data, recipe="anime-cartoon", out=tmp_path / "plain", settings=TINY)
    pictures = [str(data / "dark" / f"{i:03}.png") for i in range(3)]
    assert kk.open_run(tmp_path / "plain").calibration is None
    plain = kk.predict(tmp_path / "plain", pictures)
    calibrated = kk.predict(folder, pictures)
    assert (plain.calibrated, calibrated.calibrated) == (False, True)
    undone = kk.open_run(folder).calibration.undo(calibrated.predictions.probabilities)
    np.testing.assert_allclose(undone, plain.predictions.probabilities, atol=1e-5)
    rows = run("predict", str(folder), *pictures, "--json").json()
    assert rows["calibrated"] is True
    first = {row["label"]: row["probability"] for row in rows["predictions"][0]["labels"]}
    assert first["dark"] == pytest.approx(calibrated.predictions.probabilities[0, 0])


def test_a_run_that_was_calibrated_before_a_stop_is_not_calibrated_again(trained):
    _, folder, _ = trained
    before = (folder / "model.safetensors").read_bytes()
    found = calibrate_run(folder, None, {})
    assert found == kk.open_run(folder).calibration
    assert (folder / "model.safetensors").read_bytes() == before


def test_killed_between_weights_and_config_it_is_calibrated_once(trained, tmp_path, monkeypatch):
    """The weights are replaced first, then the config that says so: what lies between the two is not done again."""
    data, folder, _ = trained
    real = Path.replace

    class Killed(BaseException):
        pass

    def stop(self, target):
        if Path(target).name == "config.json" and (Path(target).parent / "calibrating.json").exists():
            raise Killed
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        with pytest.raises(Killed):
            kk.train(data, recipe="anime-cartoon", out=tmp_path / "run", settings=TINY)
    assert kk.open_run(tmp_path / "run").calibration is None
    kk.train(data, out=tmp_path / "run", resume=True)
    assert kk.open_run(tmp_path / "run").calibration == kk.open_run(folder).calibration
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert not (tmp_path / "run" / "calibrating.json").exists()
    first, second = (json.loads((one / "metrics.json").read_text()) for one in (folder, tmp_path / "run"))
    assert first == second


def test_a_calibrated_run_that_is_learned_from_again_is_calibrated_anew(trained, tmp_path):
    data, folder, _ = trained
    settings = TINY | {"model.name": str(folder), "model.options": {}, "model.dropout": None, "training.epochs": 1}
    kk.train(data, recipe="anime-cartoon", out=tmp_path / "again", settings=settings)
    first, second = (kk.open_run(one).calibration for one in (folder, tmp_path / "again"))
    assert second.loss_before != first.loss_before
    settings["model.train"] = "frozen"
    kk.train(data, recipe="anime-cartoon", out=tmp_path / "frozen", settings=settings)
    assert kk.open_run(tmp_path / "frozen").calibration is None


def test_the_file_of_an_earlier_version_is_named(trained, tmp_path, capsys):
    data, folder, _ = trained
    own = Path(shutil.copytree(folder, tmp_path / "run"))
    (own / "calibration.json").write_text("{}")
    kk.predict(own, data / "dark" / "000.png")
    assert "is of an earlier version and is not used" in capsys.readouterr().err


def test_too_few_pictures_of_validation_and_it_is_said(tmp_path, capsys):
    data = write_collection(tmp_path / "noise", each=20)
    measured = kk.train(data, recipe="anime-cartoon", out=tmp_path / "run", settings=TINY)
    assert "No calibration: 12 pictures of validation are too few" in capsys.readouterr().err
    assert measured.calibrated is None
    assert kk.open_run(tmp_path / "run").calibration is None
    assert "a temperature of" not in (tmp_path / "run" / "report.html").read_text()
