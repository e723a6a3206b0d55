"""What is trained is kept: a failure in measuring leaves the model, and a resume measures it."""

import json

import pytest

import kunstkammer
from kunstkammer.errors import DataError, KunstkammerError
from tests.conftest import write_collection
from tests.workflows.test_frozen import SETTINGS
from tests.workflows.test_train import RECIPE

SHARES = {"data.split.train": 0.5, "data.split.validation": 0.3, "data.split.test": 0.2}
WAYS = {"frozen": ("deepdoggo", SETTINGS), "all": (RECIPE, SHARES)}


def status(run) -> str:
    return json.loads((run / "run.json").read_text(encoding="utf-8"))["status"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [DataError("The report broke."), RuntimeError("a bug")])
def test_a_failure_in_measuring_leaves_the_model_and_a_resume_measures_it(way, error, tmp_path, monkeypatch, capfd):
    from kunstkammer.training import fit, frozen
    from kunstkammer.workflows import measure

    recipe, settings = WAYS[way]
    data = write_collection(tmp_path / "noise", each=40)

    def broken(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(measure, "measure_run", broken)
        with pytest.raises(type(error)) as caught:
            kunstkammer.train(data, recipe, out=tmp_path / "run", settings=settings)
    told = str(caught.value) if isinstance(error, KunstkammerError) else capfd.readouterr().err
    assert f"The trained model is kept in {tmp_path / 'run'}" in told
    assert "--resume" in told
    assert status(tmp_path / "run") == "trained"
    kept = (tmp_path / "run" / "model.safetensors").read_bytes()

    def refuse(*_, **__):
        raise AssertionError("it learned again")

    monkeypatch.setattr(fit, "fit", refuse)
    monkeypatch.setattr(frozen, "fit_frozen", refuse)
    resumed = kunstkammer.train(data, out=tmp_path / "run", resume=True)
    assert status(tmp_path / "run") == "finished"
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == kept
    assert (kunstkammer.open_run(tmp_path / "run").calibration is not None) == (way == "all")
    assert not (tmp_path / "run" / "state").exists()
    monkeypatch.undo()
    whole = kunstkammer.train(data, recipe, out=tmp_path / "whole", settings=settings)
    assert resumed.metrics["accuracy"] == whole.metrics["accuracy"]
    assert (tmp_path / "run" / "README.md").read_text().count("logistic regression") == (
        (tmp_path / "whole" / "README.md").read_text().count("logistic regression")
    )


def test_a_calibration_that_fails_leaves_the_model_too(tmp_path, monkeypatch):
    from kunstkammer.workflows import calibrate

    def broken(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(calibrate, "calibrate_run", broken)
    with pytest.raises(KeyboardInterrupt):
        kunstkammer.train(write_collection(tmp_path / "noise"), RECIPE, out=tmp_path / "run")
    assert status(tmp_path / "run") == "trained"
    assert kunstkammer.open_run(tmp_path / "run").label_names == ("dark", "light")
