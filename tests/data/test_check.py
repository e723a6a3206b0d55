"""The check: each trouble, put into a small collection, must be named, and a sound collection must be left alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from kunstkammer.data.check import check
from kunstkammer.data.health import Finding, Health
from kunstkammer.data.readers import read
from kunstkammer.data.survey import survey
from kunstkammer.errors import DataError


@pytest.fixture
def sound(paint, tmp_path: Path) -> Path:
    """Split folders of two classes, 20 pictures each in training and 20 in the test; nothing is wrong with them."""
    root = tmp_path / "sound"
    for split, start in {"train": 0, "test": 40}.items():
        for i in range(40):
            paint(root / split / "ab"[i % 2] / f"{i:02d}.png", start + i, (64, 48))
    return root


@pytest.fixture
def look(tmp_path: Path) -> Callable[[Path], Health]:
    return lambda root: check(root, cache=tmp_path / "cache", show_progress=False)


def kinds(health: Health) -> set[str]:
    return {finding.kind for finding in health.findings}


def the(health: Health, kind: str) -> Finding:
    """Return the one finding of a kind."""
    (found,) = [finding for finding in health.findings if finding.kind == kind]
    return found


def files(health: Health, finding: Finding) -> list[list[str]]:
    return [[health.collection.files[i] for i in group] for group in finding.groups]


def test_a_sound_collection_is_left_alone(sound: Path, look) -> None:
    health = look(sound)
    assert health.findings == ()
    assert health.verdict == "In good health."
    assert health.to_json()["classes"] == {"a": 40, "b": 40}
    assert health.to_json()["splits"] == {"train": 40, "test": 40}


def test_unreadable_pictures_are_named_with_their_cause(sound: Path, look) -> None:
    picture = sound / "train" / "a" / "00.png"
    (sound / "train" / "a" / "cut ü.png").write_bytes(picture.read_bytes()[:300])
    (sound / "train" / "a" / "empty.png").write_bytes(b"")
    (sound / "train" / "a" / "page.jpg").write_bytes(b"<!doctype html><html>404</html>")
    health = look(sound)
    assert [file for file, _ in health.unreadable] == [f"train/a/{n}" for n in ("cut ü.png", "empty.png", "page.jpg")]
    cut, empty, page = (cause for _, cause in health.unreadable)
    assert "truncated" in cut
    assert empty == "empty file"
    assert "HTML" in page
    assert the(health, "unreadable").severity == "error"
    assert kinds(health) == {"unreadable"}, "the unreadable are not also blank, tiny or copies of one another"


def test_copies_are_told_from_near_copies(sound: Path, look) -> None:
    a = sound / "train" / "a"
    shutil.copy(a / "00.png", a / "00 again.png")
    with Image.open(a / "02.png") as picture:
        ImageEnhance.Brightness(picture.resize((128, 96))).enhance(1.05).save(a / "02 larger.jpg", quality=80)
    health = look(sound)
    assert files(health, the(health, "duplicates")) == [["train/a/00 again.png", "train/a/00.png"]]
    assert files(health, the(health, "near-duplicates")) == [["train/a/02 larger.jpg", "train/a/02.png"]]
    assert sorted(health.duplicates) == [
        ("train/a/00 again.png", "train/a/00.png"),
        ("train/a/02 larger.jpg", "train/a/02.png"),
    ]
    assert health.leaks == ()
    assert kinds(health) == {"duplicates", "near-duplicates"}


def test_exact_copies_within_a_group_of_near_ones_are_told_as_such(sound: Path, look) -> None:
    a = sound / "train" / "a"
    shutil.copy(a / "00.png", a / "00 again.png")
    with Image.open(a / "00.png") as picture:
        picture.save(a / "00 other.jpg", quality=80)
    health = look(sound)
    assert health.duplicates == (("train/a/00 again.png", "train/a/00 other.jpg", "train/a/00.png"),)
    assert files(health, the(health, "duplicates")) == [["train/a/00 again.png", "train/a/00.png"]]
    assert files(health, the(health, "near-duplicates")) == [["train/a/00 again.png", "train/a/00 other.jpg"]]


def test_a_picture_in_two_splits_is_a_leak(sound: Path, look) -> None:
    shutil.copy(sound / "train" / "a" / "04.png", sound / "test" / "a" / "x.png")
    with Image.open(sound / "train" / "b" / "05.png") as picture:
        picture.save(sound / "test" / "b" / "y.jpg", quality=85)
    health = look(sound)
    assert sorted(health.leaks) == [("train/a/04.png", "test/a/x.png"), ("train/b/05.png", "test/b/y.jpg")]
    leak = the(health, "leaks")
    assert leak.severity == "error"
    assert "2 pictures of test also in train" in leak.sentence


def test_a_leak_is_paired_with_its_exact_copy_where_there_is_one(sound: Path, look) -> None:
    with Image.open(sound / "train" / "a" / "04.png") as picture:
        picture.save(sound / "train" / "a" / "04 other.jpg", quality=85)
    shutil.copy(sound / "train" / "a" / "04.png", sound / "test" / "a" / "x.png")
    assert look(sound).leaks == (("train/a/04.png", "test/a/x.png"),)


def test_one_file_under_two_labels_is_a_conflict(sound: Path, look) -> None:
    shutil.copy(sound / "train" / "a" / "06.png", sound / "train" / "b" / "z.png")
    health = look(sound)
    conflict = the(health, "conflicts")
    assert files(health, conflict) == [["train/a/06.png", "train/b/z.png"]]
    assert set(conflict.remarks.values()) == {"a", "b"}
    assert conflict.severity == "error"


def test_blank_tiny_odd_and_misnamed_pictures(sound: Path, paint, look) -> None:
    a = sound / "train" / "a"
    Image.new("RGB", (64, 48), (250, 248, 240)).save(a / "blank.png")
    paint(a / "tiny.png", 900, (20, 15))
    paint(a / "wide.png", 901, (480, 48))
    paint(a / "lying.png", 902, (64, 48)).rename(a / "lying.jpg")
    health = look(sound)
    found = {finding.kind: files(health, finding) for finding in health.findings}
    assert found == {
        "blank": [["train/a/blank.png"]],
        "tiny": [["train/a/tiny.png"]],
        "odd-shapes": [["train/a/wide.png"]],
        "wrong-suffix": [["train/a/lying.jpg"]],
    }
    assert list(the(health, "wrong-suffix").remarks.values()) == ["a PNG file"]
    assert list(the(health, "tiny").remarks.values()) == ["20 x 15"]


def test_small_classes_and_uneven_ones(sound: Path, paint, look) -> None:
    for split in ("train", "test"):
        paint(sound / split / "rare" / "0.png", 700 + len(split), (64, 48))
    health = look(sound)
    assert "'rare' (2)" in the(health, "small-classes").sentence
    assert "'a' has 40 pictures, 20.0 times as many as 'rare' (2)" in the(health, "imbalance").sentence
    assert the(health, "imbalance").severity == "warning"
    shutil.rmtree(sound / "test" / "rare")
    health = look(sound)
    assert the(health, "single").severity == "error"
    assert "The test split has no picture of 'rare'" in the(health, "split-lacks-class").sentence


def test_a_class_that_training_never_sees_is_an_error(sound: Path, look) -> None:
    (sound / "train" / "b").rename(sound / "train" / "c")
    lacks = [finding for finding in look(sound).findings if finding.kind == "split-lacks-class"]
    assert [(finding.severity, "'b'" in finding.sentence) for finding in lacks] == [("error", True), ("warning", False)]


def test_empty_class_folders_count_zero(sound: Path, look) -> None:
    (sound / "train" / "empty").mkdir()
    health = look(sound)
    assert the(health, "empty-classes").files == (("train/empty", "no picture in it"),)
    assert health.classes == {"a": 40, "b": 40, "empty": 0}


def test_one_class_and_no_class(paint, tmp_path: Path, look) -> None:
    for i in range(3):
        paint(tmp_path / "one" / "a" / f"{i}.png", i)
        paint(tmp_path / "none" / f"{i}.png", i)
    assert the(look(tmp_path / "one"), "one-class").severity == "error"
    assert the(look(tmp_path / "none"), "unlabelled").severity == "note"


def test_what_was_passed_over_and_assumed_is_told(sound: Path, look) -> None:
    (sound / "train" / "a" / "notes.txt").write_text("x")
    assert the(look(sound), "ignored").files == (("train/a/notes.txt", "not a picture, by its suffix"),)


def test_unlabelled_pictures_are_an_error_unless_a_picture_may_show_none(paint, tmp_path: Path, look) -> None:
    for i in range(4):
        paint(tmp_path / f"{i}.png", i)
    one = tmp_path / "one.csv"
    one.write_text("file,label\n0.png,a\n1.png,b\n2.png,\n")
    assert the(look(one), "no-label").severity == "error"
    several = tmp_path / "several.csv"
    several.write_text("file,labels\n0.png,a|b\n1.png,b\n2.png,\n")
    assert the(look(several), "no-label").severity == "note"


def test_the_json_has_the_published_keys(sound: Path, look) -> None:
    shutil.copy(sound / "train" / "a" / "04.png", sound / "test" / "a" / "x.png")
    (sound / "train" / "a" / "bad.png").write_bytes(b"")
    report = json.loads(json.dumps(look(sound).to_json()))
    assert report["pictures"] == 82
    assert report["unreadable"] == [{"file": "train/a/bad.png", "cause": "empty file"}]
    assert report["duplicates"] == [["test/a/x.png", "train/a/04.png"]]
    assert report["leaks"] == [["train/a/04.png", "test/a/x.png"]]
    assert report["classes"] == {"a": 42, "b": 40}
    assert {finding["kind"] for finding in report["findings"]} == {"unreadable", "leaks", "duplicates"}


def test_the_text_tells_the_worst_first_and_is_short(sound: Path, look) -> None:
    for i in range(9):
        (sound / "train" / "a" / f"bad {i}.png").write_bytes(b"")
    (sound / "train" / "b" / "notes.txt").write_text("x")
    lines = look(sound).to_text().splitlines()
    assert lines[0] == "sound: 89 pictures, 2 classes (train 49, test 40)"
    assert lines[2].split() == ["a", "49", "#" * 24]
    start = lines.index("ERROR    9 pictures cannot be read.")
    assert lines[start + 1] == "         train/a/bad 0.png: empty file"
    assert lines[start + 4] == "         and 6 more"
    assert lines[start + 5].startswith("         -> Replace them")
    assert start < next(i for i, line in enumerate(lines) if line.startswith("NOTE"))
    assert lines[-1] == "1 error to mend before training."
    assert len(lines) < 20


def test_a_survey_made_before_is_used_and_must_be_of_the_same_pictures(sound: Path, tmp_path: Path) -> None:
    collection = read(sound)
    seen = survey(collection, cache=tmp_path / "cache", show_progress=False)
    shutil.rmtree(sound)
    assert check(collection, seen).findings == ()
    with pytest.raises(DataError, match="not of the collection"):
        check(collection.part("train"), seen)


def test_many_blank_pages_give_few_pairs(paint, tmp_path: Path, look) -> None:
    for i in range(60):
        path = tmp_path / "d" / ("train" if i % 2 else "test") / "ab"[i % 4 // 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((40, 40, 3), 255, np.uint8)).save(path)
    assert len(look(tmp_path / "d").leaks) == 30, "one pair for each picture of the test, not one for each combination"
