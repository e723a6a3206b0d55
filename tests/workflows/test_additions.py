"""train --add: what people corrected is learned from, and never tested on."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kunstkammer
from kunstkammer.data.additions import ADDED, with_additions
from kunstkammer.errors import DataError, KunstkammerError
from tests.cli.command import run
from tests.conftest import write_collection
from tests.workflows.test_train import RECIPE


def rows_of(folder: Path) -> dict[str, dict[str, str]]:
    with open(folder / "split.csv", encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def parts_of(folder: Path) -> dict[str, str]:
    return {file: row["part"] for file, row in rows_of(folder).items()}


def facts_of(folder: Path) -> dict:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))


def write_additions(folder: Path, pictures: dict[str, tuple[np.ndarray | Path, object]]) -> Path:
    """Write a collection as corrections are exported: name -> (pixels or file, label or labels)."""
    (folder / "pictures").mkdir(parents=True)
    lines = []
    for name, (picture, label) in pictures.items():
        if isinstance(picture, Path):
            shutil.copy(picture, folder / "pictures" / name)
        else:
            Image.fromarray(picture).save(folder / "pictures" / name)
        column = "labels" if isinstance(label, list) else "label"
        row = {"file_name": f"pictures/{name}", column: label, "corrected_from": "dark", "model": "m", "version": "1"}
        lines.append(json.dumps(row))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


def barred(seed: int, size: int = 48) -> np.ndarray:
    """A dark picture of noise with bright bars: what a model of dark and light noise calls dark."""
    rng = np.random.default_rng(1000 + seed)
    pixels = np.clip(rng.normal(50, 30, (size, size, 3)), 0, 255).astype(np.uint8)
    pixels[:, :: size // 4] = 255
    pixels[:: size // 4, :] = 255
    return pixels


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "noise"
    for part, each, seed in (("train", 12, 1), ("validation", 4, 2), ("test", 5, 3)):
        write_collection(folder / part, each=each, seed=seed)
    return folder


def test_copies_of_the_test_are_left_out_and_contradictions_named(data, tmp_path):
    recoded = tmp_path / "recoded.png"  # another file, the same picture
    Image.open(data / "validation/light/001.png").resize((96, 96), Image.Resampling.BICUBIC).save(recoded)
    corrections = write_additions(
        tmp_path / "corr",
        {
            "same.png": (data / "test/dark/000.png", "dark"),
            "against.png": (data / "test/dark/001.png", "light"),
            "near.png": (recoded, "dark"),
            "wins.png": (data / "train/dark/002.png", "light"),
            "there.png": (data / "train/dark/003.png", "dark"),
            "new.png": (barred(1), "light"),
        },
    )
    (corrections / "pictures" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n not really")
    with open(corrections / "metadata.jsonl", "a") as file:
        file.write('\n{"file_name": "pictures/broken.png", "label": "dark"}\n')
    kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings={"training.epochs": 1}, add=[corrections])
    rows = rows_of(tmp_path / "run")
    assert {file.rpartition("/")[2]: row["part"] for file, row in rows.items() if file.startswith("corr/")} == {
        "same.png": "", "against.png": "", "near.png": "", "there.png": "", "broken.png": "",
        "wins.png": "train", "new.png": "train",
    }  # fmt: skip
    assert rows["test/dark/001.png"]["part"] == "test"
    assert rows["train/dark/002.png"]["part"] == ""
    assert rows["train/dark/003.png"]["part"] == "train"
    assert sum(row["part"] == "test" for row in rows.values()) == 10
    notes = " ".join(facts_of(tmp_path / "run")["data"]["notes"])
    assert "Added to training: 2 of 7 pictures" in notes
    assert "left out as copies of pictures in test or validation: 3" in notes
    assert "corr/pictures/near.png is validation/light/001.png" in notes
    assert "Against the label of the picture in test or validation, which stays: 2" in notes
    assert "test/dark/001.png is 'dark', added as 'light'" in notes
    assert "train/dark/002.png ('dark' -> 'light')" in notes
    assert "in training already with the same label: 1" in notes
    assert "Added, but unreadable: 1" in notes


def test_the_later_of_two_additions_counts(data, tmp_path):
    pixels = barred(1)
    first = write_additions(tmp_path / "one" / "corr", {"a.png": (pixels, "dark"), "b.png": (barred(2), "dark")})
    second = write_additions(tmp_path / "two" / "corr", {"c.png": (pixels, "light")})
    kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings={"training.epochs": 1}, add=[first, second])
    parts = parts_of(tmp_path / "run")
    assert parts["corr/pictures/a.png"] == ""
    assert parts["corr/pictures/b.png"] == parts["corr-2/pictures/c.png"] == "train"
    assert facts_of(tmp_path / "run")["added"] == {"corr": 2, "corr-2": 1}
    assert "corr/pictures/a.png ('dark' -> 'light')" in " ".join(facts_of(tmp_path / "run")["data"]["notes"])


def test_a_group_of_the_test_is_not_learned_from(tmp_path):
    data = write_collection(tmp_path / "noise", each=12)
    lines = ["file_name,label,title"]
    for i, file in enumerate(sorted(data.rglob("*.png"))):
        lines.append(f"{file.relative_to(data)},{file.parent.name},title {i % 6}")
    (data / "metadata.csv").write_text("\n".join(lines))
    settings = {"training.epochs": 1, "data.groups": ["title"]}
    kunstkammer.train(data, RECIPE, out=tmp_path / "plain", settings=settings)
    held = next(file for file, row in rows_of(tmp_path / "plain").items() if row["part"] == "test")
    title = next(line.split(",")[2] for line in lines if line.startswith(held))
    added = tmp_path / "corr"
    added.mkdir()
    lines = ["file_name,label,title"]
    for i, own in enumerate([title, "another title", ""]):
        Image.fromarray(barred(i)).save(added / f"{i}.png")
        lines.append(f"{i}.png,light,{own}")
    (added / "metadata.csv").write_text("\n".join(lines))
    kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings=settings, add=added)
    parts = parts_of(tmp_path / "run")
    assert [parts[f"corr/{i}.png"] for i in range(3)] == ["", "train", "train"]
    notes = " ".join(facts_of(tmp_path / "run")["data"]["notes"])
    assert "left out for a title that test or validation has too: 1" in notes
    assert "Added without their title: 1" in notes


def test_labels_that_do_not_fit_are_refused(data, tmp_path):
    own = kunstkammer.read(data)
    misspelt = write_additions(tmp_path / "misspelt", {"a.png": (barred(1), "lihgt")})
    with pytest.raises(DataError, match=r"'lihgt', which 'noise' does not have\. Did you mean 'light'\?"):
        kunstkammer.train(data, RECIPE, out=tmp_path / "run", add=misspelt)
    assert not (tmp_path / "run").exists()
    two = write_additions(tmp_path / "two", {"a.png": (barred(1), ["dark", "light"])})
    with pytest.raises(DataError, match=r"a\.png 2 labels"):
        with_additions(own, [kunstkammer.read(two)])
    bare = tmp_path / "bare"
    bare.mkdir()
    Image.fromarray(barred(1)).save(bare / "a.png")
    with pytest.raises(DataError, match="no labels"):
        with_additions(own, [kunstkammer.read(bare)])
    chosen = with_additions(own, [kunstkammer.read(misspelt)], drop_unknown=True)
    assert len(chosen) == len(own)
    assert "lihgt" in " ".join(chosen.notes)


def test_one_label_each_joins_many_labels_and_columns_are_taken_over(tmp_path):
    one = write_additions(tmp_path / "one", {"a.png": (barred(1), ["sad", "angry"]), "b.png": (barred(2), [])})
    own = kunstkammer.read(one)
    two = kunstkammer.read(write_additions(tmp_path / "two", {"c.png": (barred(3), "sad")}))
    joined = with_additions(own, [two])
    assert joined.multi_label
    assert joined.labels == [["angry", "sad"], [], ["sad"]]
    assert joined.column("corrected_from") == ["dark"] * 3
    assert joined.column(ADDED) == [None, None, "two"]
    assert joined.name == "one"
    assert [joined.open(i).size for i in range(3)] == [(48, 48)] * 3


def test_a_stopped_run_goes_on_with_the_same_additions_only(data, tmp_path, monkeypatch):
    corrections = write_additions(tmp_path / "corr", {f"{i}.png": (barred(i), "light") for i in range(4)})
    settings = {"training.epochs": 3, "training.checkpoint_seconds": 0.0001}
    kunstkammer.train(data, RECIPE, out=tmp_path / "whole", settings=settings, add=corrections)

    import kunstkammer.workflows.train as verb

    plain = verb.training_facts

    def stop(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "training_facts", stop)
    with pytest.raises(KeyboardInterrupt):
        kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings=settings, add=corrections)
    monkeypatch.setattr(verb, "training_facts", plain)
    with pytest.raises(KunstkammerError, match=r"other --add \(corr\); resume with the same"):
        kunstkammer.train(data, out=tmp_path / "run", resume=True)
    done = run("train", str(data), "--out", str(tmp_path / "run"), "--resume", "--add", str(corrections), "--json")
    assert done.status == 0, done.stderr
    assert parts_of(tmp_path / "run") == parts_of(tmp_path / "whole")
    assert facts_of(tmp_path / "run")["added"] == {"corr": 4}
    one, two = (tmp_path / name / "model.safetensors" for name in ("run", "whole"))
    assert one.read_bytes() == two.read_bytes()


def test_a_run_without_additions_is_not_resumed_with_some(data, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "kunstkammer.workflows.train.training_facts", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    corrections = write_additions(tmp_path / "corr", {"a.png": (barred(1), "light")})
    with pytest.raises(KeyboardInterrupt):
        kunstkammer.train(data, RECIPE, out=tmp_path / "run", settings={"training.epochs": 1})
    with pytest.raises(KunstkammerError, match=r"other --add \(none\)"):
        kunstkammer.train(data, out=tmp_path / "run", resume=True, add=corrections)


def test_frozen_features_learn_from_additions_too(data, tmp_path):
    corrections = write_additions(tmp_path / "corr", {f"{i}.png": (barred(i), "light") for i in range(4)})
    recipe = {**RECIPE, "model": {**RECIPE["model"], "train": "frozen"}}
    kunstkammer.train(data, recipe, out=tmp_path / "run", add=corrections)
    assert sum(file.startswith("corr/") for file, part in parts_of(tmp_path / "run").items() if part == "train") == 4
