"""`fit-patterns`: what it writes, what `explain` makes of it, and what is said when it does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

import kunstkammer as kk
from kunstkammer.errors import DataError, ModelError, UnknownNameError
from kunstkammer.explanation import Patterns
from tests.cli.command import run
from tests.conftest import write_collection

TINY = {
    "picture.size": 32, "training.epochs": 1, "evaluation.resamples": 100, "evaluation.pictures": 0,
    "model.options": {"stages": [[4], [8]], "dense": 8},
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("patterns")
    data = write_collection(place / "noise", each=20)
    kk.train(data, recipe="anime-cartoon", out=place / "run", settings=TINY)
    return data, place / "run"


@pytest.fixture
def own(trained, tmp_path) -> tuple[Path, Path]:
    """The collection, and a copy of the run that a test may write to."""
    return trained[0], Path(shutil.copytree(trained[1], tmp_path / "run"))


def test_the_command_fits_on_the_training_part_and_explain_uses_it(own, tmp_path):
    data, folder = own
    found = run("fit-patterns", str(folder), str(data), "--json").json()
    assert (found["part"], found["pictures"], found["estimator"]) == ("train", 26, "two-component")
    assert found["patterns"] == str(folder / "patterns.safetensors")
    assert all(0 <= layer["dead"] <= layer["outputs"] for layer in found["layers"])
    with safe_open(found["patterns"], "pt") as file:
        assert set(file.keys()) == {layer["weight"] for layer in found["layers"]}
        assert file.metadata()["pictures"] == "26"
    picture = str(data / "dark" / "000.png")
    out = str(tmp_path / "maps")
    done = run("explain", str(folder), picture, "--method", "pattern-net,pattern-attribution", "--out", out, "--json")
    maps = done.json()["maps"]
    assert [row["method"] for row in maps] == ["pattern-net", "pattern-attribution"]
    assert all(np.load(row["array"]).shape == (32, 32) for row in maps)
    assert "Next: kunstkammer explain" in run("fit-patterns", str(folder), str(data), "--pictures", "5").stdout


def test_without_patterns_it_is_said_how_to_fit_them(own, tmp_path):
    data, folder = own
    done = run(
        "explain", str(folder), str(data / "dark" / "000.png"), "--method", "pattern-net", "--out", str(tmp_path)
    )
    assert done.status == 1
    assert "There are no patterns at" in done.stderr
    assert "kunstkammer fit-patterns RUN DATA" in done.stderr


def test_patterns_of_another_run_are_refused(own, tmp_path):
    data, folder = own
    kk.fit_patterns(folder, data)
    other = kk.train(data, recipe="anime-cartoon", out=tmp_path / "other", settings={**TINY, "seed": 5})
    shutil.copy(folder / "patterns.safetensors", other.run)
    with pytest.raises(ModelError, match="another checkpoint"):
        kk.explain(other.run, data / "dark" / "000.png", method="pattern-net", out=tmp_path / "maps")


def test_fitting_again_is_noticed_by_explain_in_the_same_process(own, tmp_path):
    data, folder = own
    maps = []
    for estimator in ("two-component", "linear"):
        assert kk.fit_patterns(folder, data, estimator=estimator).estimator == estimator
        row = kk.explain(folder, data / "dark" / "000.png", method="pattern-net", out=tmp_path / estimator).maps[0]
        maps.append(np.load(row["array"]))
    assert not np.allclose(*maps)


def test_the_same_pictures_are_drawn_for_the_same_seed(own):
    data, folder = own
    first, again, other = (
        Patterns.load(kk.fit_patterns(folder, data, pictures=6, seed=seed).path).tensors for seed in (0, 0, 1)
    )
    assert all(torch.equal(again[name], tensor) for name, tensor in first.items())
    assert not all(torch.equal(other[name], tensor) for name, tensor in first.items())


def test_pictures_from_elsewhere_are_all_used_and_broken_ones_named(own, tmp_path):
    other = write_collection(tmp_path / "other", each=4, seed=9)
    (other / "dark" / "000.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = kk.fit_patterns(own[1], other)
    assert (found.part, found.pictures) == ("new", 7)
    assert [Path(error.file).name for error in found.unreadable] == ["000.png"]


def test_what_is_wrong_is_said_and_nothing_is_left(own, tmp_path):
    data, folder = own
    with pytest.raises(UnknownNameError, match="Did you mean 'linear'"):
        kk.fit_patterns(folder, data, estimator="linea")
    with pytest.raises(DataError, match="at least 1"):
        kk.fit_patterns(folder, data, pictures=0)
    with pytest.raises(ModelError, match="no folder to keep patterns in"):
        kk.fit_patterns("someone/model", data)
    broken = write_collection(tmp_path / "broken", each=1)
    for file in broken.rglob("*.png"):
        file.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match="None of the 2 pictures can be read"):
        kk.fit_patterns(folder, broken)
    assert not (folder / "patterns.safetensors").exists()
