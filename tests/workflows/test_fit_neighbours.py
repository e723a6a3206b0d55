"""`fit-neighbours`: what it keeps, that it is the training part, and what is said when it cannot."""

from __future__ import annotations

import shutil
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kunstkammer as kk
from kunstkammer.errors import DataError, ModelError
from kunstkammer.models.digest import weights_digest
from kunstkammer.models.neighbours import Neighbours
from kunstkammer.workflows.fit_neighbours import share_out
from tests.cli.command import run
from tests.conftest import write_collection

TINY = {
    "picture.size": 32, "training.epochs": 1, "evaluation.resamples": 100, "evaluation.pictures": 0,
    "evaluation.stability": 0, "model.options": {"stages": [[4], [8]], "dense": 8},
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("neighbours")
    data = write_collection(place / "noise", each=20)
    kk.train(data, recipe="anime-cartoon", out=place / "run", settings=TINY)
    return data, place / "run"


@pytest.fixture
def own(trained, tmp_path) -> tuple[Path, Path]:
    return trained[0], Path(shutil.copytree(trained[1], tmp_path / "run"))


def test_the_training_part_is_kept_with_small_pictures(own):
    data, folder = own
    done = run("fit-neighbours", str(folder), str(data), "--json").json()
    assert (done["part"], done["pictures"], done["of"], done["features"]) == ("train", 26, 26, 8)
    found = Neighbours.load(folder, weights_digest(folder))
    parts = dict(line.split(",")[:2] for line in (folder / "split.csv").read_text().splitlines()[1:])
    assert {parts[file] for file in found.files} == {"train"}
    assert all(own == (Path(file).parent.name,) for file, own in zip(found.files, found.labels, strict=True))
    assert Image.open(BytesIO(found.thumbnail(0))).size == (48, 48)
    checkpoint = kk.open_run(folder)
    from kunstkammer.data.plates import make_plates
    from kunstkammer.models.features import collect_features

    plates = make_plates(kk.read([data / file for file in found.files]), checkpoint.plate_settings, show_progress=False)
    places, likeness = found.nearest(collect_features(checkpoint.model, checkpoint.geometry, plates), 1)
    np.testing.assert_array_equal(places[:, 0], np.arange(26))
    assert likeness.min() > 0.999


def test_some_of_them_and_again(own):
    data, folder = own
    found = kk.fit_neighbours(folder, data, pictures=10)
    assert (found.pictures, found.of) == (10, 26)
    assert "Next: kunstkammer serve" in found.to_text()
    assert kk.fit_neighbours(folder, data).pictures == 26
    assert len(Neighbours.load(folder, weights_digest(folder))) == 26
    assert not list(folder.glob(".*"))


def test_unreadable_ones_are_left_out(own, tmp_path, capsys):
    (own[1] / "split.csv").rename(own[1] / "split.kept")  # a checkpoint that does not say what it learned from
    data = write_collection(tmp_path / "other", each=3, seed=9)
    (data / "dark" / "000.png").write_bytes(b"no picture")
    found = kk.fit_neighbours(own[1], data)
    assert (found.part, found.pictures, len(found.unreadable)) == ("all", 5, 1)
    assert "Unreadable, left out: dark/000.png" in capsys.readouterr().err
    (own[1] / "split.kept").rename(own[1] / "split.csv")


def test_what_cannot_be_is_said(own, tmp_path):
    data, folder = own
    with pytest.raises(DataError, match="at least 2"):
        kk.fit_neighbours(folder, data, pictures=1)
    with pytest.raises(ModelError, match="There is no checkpoint folder .*none"):
        kk.fit_neighbours(tmp_path / "none", data)
    with pytest.raises(ModelError, match="no folder to keep"):
        kk.fit_neighbours("somebody/a-model", data)


def test_each_label_gets_its_share_and_rare_ones_more():
    labels = [["a"]] * 8000 + [["b"]] * 1900 + [["c"]] * 30 + [["d", "a"]] * 5
    chosen = share_out(labels, 1000, 0)
    assert len(chosen) == 1000
    assert (np.diff(chosen) > 0).all()
    counts = Counter(labels[i][0] for i in chosen)
    assert counts["c"] == 20
    assert counts["d"] == 5
    assert counts["b"] == pytest.approx(190, abs=5)
    np.testing.assert_array_equal(chosen, share_out(labels, 1000, 0))
    assert len(share_out([[f"l{i}"] for i in range(300)], 100, 0)) <= 100
