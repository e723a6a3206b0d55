"""The command `explain`: which labels, which methods, what is written, and each picture opened once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

import kunstkammer
from kunstkammer.data.plates import PlateSettings, make_plate
from kunstkammer.errors import DataError, ModelError, UnknownNameError
from kunstkammer.files import write_json
from kunstkammer.models.catalogue import Task, create_model
from kunstkammer.models.run import open_run
from kunstkammer.pictures import read
from kunstkammer.registry import names
from kunstkammer.workflows.overlays import look_at
from kunstkammer.workflows.pictures import collection_of

LABELS = ("comic", "manga", "tabby, cat")


def checkpoint(folder: Path, *, many: bool = False) -> Path:
    torch.manual_seed(0)
    model, geometry = create_model("resnet-10", Task(LABELS, multi_label=many, size=(64, 64)))
    model.eval()
    model.save_pretrained(folder)
    write_json(folder / "preprocessor_config.json", geometry.to_processor())
    return folder


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("many"), many=True)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for name, size in (("a.png", (90, 70)), ("b.jpg", (300, 200)), ("c.png", (64, 64))):
        Image.fromarray(random.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / name)
    return folder


def test_each_picture_is_opened_once_for_everything(one, pictures, tmp_path, monkeypatch):
    opened: Counter[str] = Counter()
    real = read._open
    monkeypatch.setattr(
        read, "_open", lambda kind, file: (opened.update([Path(getattr(file, "name", "?")).name]), real(kind, file))[1]
    )
    headers = len(list(pictures.iterdir()))
    found = kunstkammer.explain(one, pictures, out=tmp_path, method="gradient,grad-cam")
    assert len(found.maps) == 2 * headers
    # Once to decode, and once more for the header alone where it must be known whether this was the whole picture.
    assert max(opened.values()) <= 2


def test_the_plate_is_bit_for_bit_that_of_predict(pictures, tmp_path):
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (1500, 1900, 3), dtype=np.uint8)).save(tmp_path / "large.jpg")
    collection = collection_of([str(pictures), str(tmp_path / "large.jpg")])
    for settings in (PlateSettings(64, 64), PlateSettings(48, 64, grey=True, fit="pad")):
        for i, file in enumerate(collection.files):
            look = look_at(collection, i, settings)
            assert np.array_equal(look.plate, make_plate(collection.source(i), settings, name=file))
            assert look.picture.mode == "RGB"
            assert min(look.picture.size) < 1280


def test_one_label_is_explained_by_its_prediction(one, pictures, tmp_path):
    said = {
        row["file"]: row["labels"][0]["label"] for row in kunstkammer.predict(one, pictures).to_json()["predictions"]
    }
    found = kunstkammer.explain(one, pictures, out=tmp_path)
    assert {row["file"]: row["target"] for row in found.maps} == said
    assert [Path(row["png"]).name for row in found.maps] == ["a.grad-cam.png", "b.grad-cam.png", "c.grad-cam.png"]
    assert np.load(found.maps[0]["array"], allow_pickle=False).shape == (64, 64)
    assert found.comparison == tmp_path / "comparison.png"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("manga", ["manga"]),
        ("tabby, cat", ["tabby, cat"]),
        ("cat", ["tabby, cat"]),
        ("manga,comic", ["manga", "comic"]),
        (["comic", "tabby, cat"], ["comic", "tabby, cat"]),
        ("all", list(LABELS)),
    ],
)
def test_labels_that_are_asked_for(one, pictures, tmp_path, target, expected):
    found = kunstkammer.explain(one, pictures / "a.png", out=tmp_path, target=target, method="gradient")
    assert [row["target"] for row in found.maps] == expected
    assert len({row["png"] for row in found.maps}) == len(expected)


def test_many_labels_have_a_row_for_each_above_the_threshold(many, pictures, tmp_path):
    probabilities = kunstkammer.predict(many, pictures).predictions.probabilities
    found = kunstkammer.explain(many, pictures, out=tmp_path, method="grad-cam")
    rows = Counter(row["file"] for row in found.maps)
    assert list(rows.values()) == [max(1, n) for n in (probabilities > 0.5).sum(axis=1)]
    assert all(Path(row["png"]).is_file() for row in found.maps)
    every = kunstkammer.explain(many, pictures, out=tmp_path / "all", method="grad-cam", target="all")
    assert len(every.maps) == 9


def test_one_label_rather_than_another(one, pictures, tmp_path):
    files = {"target": "comic", "versus": "manga", "method": "gradient"}
    there = kunstkammer.explain(one, pictures / "a.png", out=tmp_path / "1", **files)
    back = kunstkammer.explain(
        one, pictures / "a.png", out=tmp_path / "2", **{**files, "target": "manga", "versus": "comic"}
    )
    first, second = np.load(there.maps[0]["array"]), np.load(back.maps[0]["array"])
    assert np.allclose(first, -second, atol=1e-5 * np.abs(first).max())
    assert there.maps[0]["versus"] == "manga"
    assert "comic rather than manga" in there.to_text()
    best = kunstkammer.predict(one, pictures / "a.png").to_json()["predictions"][0]["labels"]
    against_best = kunstkammer.explain(one, pictures / "a.png", out=tmp_path / "3", versus=best[0]["label"])
    assert against_best.maps[0]["target"] == best[1]["label"]


def test_the_maps_are_those_of_the_function(one, pictures, tmp_path):
    from kunstkammer.explanation import explain

    found = kunstkammer.explain(one, pictures, out=tmp_path, target="manga", method="gradient", raw="safetensors")
    opened = open_run(one)
    plates = [make_plate(pictures / name, opened.plate_settings, name) for name in ("a.png", "b.jpg", "c.png")]
    expected = explain(opened.model, opened.prepare(torch.from_numpy(np.stack(plates))), 1, "gradient").sum(dim=1)
    for row, heat in zip(found.maps, expected.numpy(), strict=True):
        assert np.allclose(load_file(row["array"])["relevance"], heat, atol=1e-4 * np.abs(heat).max())


def test_all_methods_leave_out_what_cannot_be_and_say_why(one, pictures, tmp_path):
    found = kunstkammer.explain(one, pictures / "c.png", out=tmp_path, method="all")
    assert {row["method"] for row in found.maps} | set(found.left_out) == set(names("explainers"))
    assert "no attention" in found.left_out["attention-rollout"]
    assert not list(tmp_path.glob("*attention-rollout*"))
    with pytest.raises(ModelError, match="no attention"):
        kunstkammer.explain(one, pictures / "c.png", out=tmp_path, method="attention-rollout")


def test_a_broken_picture_is_named_and_left_out(one, pictures, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = kunstkammer.explain(one, [pictures / "a.png", tmp_path / "broken.png"], out=tmp_path / "out")
    assert [Path(error.file).name for error in found.unreadable] == ["broken.png"]
    assert len(found.maps) == 1
    with pytest.raises(DataError, match=r"None of the 1 pictures can be read; the first: .*broken\.png"):
        kunstkammer.explain(one, tmp_path / "broken.png", out=tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "gradcam"}, UnknownNameError, "Did you mean 'grad-cam'"),
        ({"target": "mnaga"}, UnknownNameError, "Did you mean 'manga'"),
        ({"target": "comic,mnaga"}, UnknownNameError, "Did you mean 'manga'"),
        ({"target": []}, DataError, "The list of labels to explain is empty"),
        ({"versus": "komic"}, UnknownNameError, "Did you mean 'comic'"),
        ({"target": "comic", "versus": "comic"}, DataError, "'comic' is held against itself"),
        ({"raw": "numpy"}, UnknownNameError, "no format of raw maps 'numpy'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(one, pictures, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        kunstkammer.explain(one, pictures, out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_preferred_inputs_are_pictures_with_their_probability(one, tmp_path):
    from kunstkammer.workflows.preferred import preferred

    made = preferred(one, "all", out=tmp_path, steps=20)
    assert [row["label"] for row in made.pictures] == list(LABELS)
    again = kunstkammer.predict(one, [row["png"] for row in made.pictures]).predictions
    for k, row in enumerate(made.pictures):
        with Image.open(row["png"]) as picture:
            assert picture.size == (64, 64)
        assert row["probability"] == pytest.approx(again.probabilities[k, k], abs=1e-5)
    assert made.sheet.is_file()
    with pytest.raises(UnknownNameError, match="Did you mean 'manga'"):
        preferred(one, "mangga", out=tmp_path)
