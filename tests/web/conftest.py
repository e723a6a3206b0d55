"""Small real runs for all tests of the web room: made once a session, in a few seconds."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

import kunstkammer as kk

TINY = {
    "picture.size": 64, "augmentation": [], "model.dropout": 0.0, "training.epochs": 8, "training.batch_size": 16,
    "training.optimizer.learning_rate": 0.005, "model.options": {"stages": [[8], [16], [16]], "dense": 32},
    "data.groups": [], "data.split": {"train": 0.6, "validation": 0.2, "test": 0.2},
    "evaluation.resamples": 100, "evaluation.pictures": 2, "evaluation.stability": 0,
}  # fmt: skip


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> Path:
    """200 drawn pages in class folders: `test/comic/0003.jpg` and so on, labels comic and manga."""
    return kk.draw("comics", out=tmp_path_factory.mktemp("web") / "pages", n=200).out


@pytest.fixture(scope="session")
def page(pages) -> bytes:
    """A drawn comic page that the runs did not learn from, a JPEG."""
    return sorted((pages / "test" / "comic").glob("*.jpg"))[0].read_bytes()


@pytest.fixture(scope="session")
def trained(pages, tmp_path_factory) -> Path:
    """A finished run that tells comic from manga. Tests that write to a run take `run`, a copy."""
    out = tmp_path_factory.mktemp("runs") / "comic-manga"
    kk.train(pages, recipe="demo", out=out, settings=TINY)
    return out


@pytest.fixture
def run(trained, tmp_path) -> Path:
    """A finished run of one's own: labels comic and manga."""
    return Path(shutil.copytree(trained, tmp_path / trained.name))


@pytest.fixture(scope="session")
def trained_of_many(pages, tmp_path_factory) -> Path:
    """A finished run with many labels a picture: comic or manga, the colouring, and whether there is a portrait."""
    place = tmp_path_factory.mktemp("many")
    with open(pages / "metadata.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(place / "labels.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "labels"])
        for row in rows:
            found = [row["label"], row["colouring"], *["portrait"] * ("portrait" in row["shots"])]
            writer.writerow([str(pages / row["file_name"]), ",".join(sorted({x for x in found if x}))])
    out = place / "many-labels"
    options = {"data.label_column": "labels", "data.label_separator": ","}
    kk.train(place / "labels.csv", recipe="demo", out=out, settings={**TINY, **options})
    return out


@pytest.fixture
def run_of_many(trained_of_many, tmp_path) -> Path:
    """A finished run of one's own, with many labels a picture."""
    return Path(shutil.copytree(trained_of_many, tmp_path / trained_of_many.name))


@pytest.fixture
def broken_run(trained, tmp_path) -> Path:
    """A run whose weights are damaged."""
    folder = Path(shutil.copytree(trained, tmp_path / "broken"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    return folder
