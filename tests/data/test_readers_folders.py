"""Folders as people have them: class folders, split folders, flat folders; and what is wrong with them."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kunstkammer.data.readers import read
from kunstkammer.data.trainable import require_trainable
from kunstkammer.errors import DataError


def fill(paint, root: Path, *paths: str) -> Path:
    for i, path in enumerate(paths):
        paint(root / path, i)
    return root


def test_the_names_of_the_folders_are_the_labels(paint, tmp_path: Path) -> None:
    found = read(fill(paint, tmp_path / "pages", "manga/b.PNG", "comic/a.JPG", "manga/vol 1/ch 2/c.webp"))
    assert found.name == "pages"
    assert found.root == tmp_path / "pages"
    assert found.files == ["comic/a.JPG", "manga/b.PNG", "manga/vol 1/ch 2/c.webp"]
    assert found.labels == [["comic"], ["manga"], ["manga"]]
    assert found.splits == ["", "", ""]
    assert not found.multi_label
    assert found.open(0).size == (48, 48)


def test_what_systems_leave_behind_is_passed_over_and_other_files_are_told(paint, tmp_path: Path) -> None:
    fill(paint, tmp_path, "a/1.png", "b/2.png", "__MACOSX/a/1.png", ".thumbs/x/1.png", "a/._1.png")
    for noise in ("a/Thumbs.db", "a/.DS_Store", "b/desktop.ini"):
        (tmp_path / noise).write_bytes(b"x")
    (tmp_path / "a" / "notes.txt").write_text("hello")
    found = read(tmp_path)
    assert found.files == ["a/1.png", "b/2.png"]
    assert found.ignored == (("a/notes.txt", "not a picture, by its suffix"),)


def test_pictures_beside_the_class_folders_are_told(paint, tmp_path: Path) -> None:
    found = read(fill(paint, tmp_path, "a/1.png", "b/2.png", "cover.png"))
    assert found.files == ["a/1.png", "b/2.png"]
    assert found.ignored == (("cover.png", "lies beside the class folders, not in one"),)


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Training", "VALID", "Testing"),
        ("TRAIN", "validation", "test"),
        ("train", "dev", "test"),
    ],
)
def test_split_folders_have_many_names(train: str, validation: str, test: str, paint, tmp_path: Path) -> None:
    found = read(
        fill(paint, tmp_path, f"{train}/a/1.png", f"{train}/b/2.png", f"{validation}/a/3.png", f"{test}/b/4.png")
    )
    parts = {split: found.part(split).files for split in ("train", "validation", "test")}
    assert parts == {
        "train": [f"{train}/a/1.png", f"{train}/b/2.png"],
        "validation": [f"{validation}/a/3.png"],
        "test": [f"{test}/b/4.png"],
    }
    assert found.label_names == ("a", "b")


def test_a_folder_called_train_among_others_is_a_class(paint, tmp_path: Path) -> None:
    found = read(fill(paint, tmp_path, "train/1.png", "bus/2.png", "car/3.png"))
    assert found.label_names == ("bus", "car", "train")


def test_split_folders_beside_other_folders_are_a_riddle(paint, tmp_path: Path) -> None:
    fill(paint, tmp_path, "train/a/1.png", "test/a/2.png", "extra/a/3.png")
    with pytest.raises(
        DataError, match=r"split folders test, train and beside them other folders with pictures \(extra\)"
    ):
        read(tmp_path)


def test_a_flat_folder_has_no_labels(paint, tmp_path: Path) -> None:
    found = read(fill(paint, tmp_path, "b.png", "a.png"))
    assert found.files == ["a.png", "b.png"]
    assert not found.labelled
    assert found.targets().tolist() == [-1, -1]
    with pytest.raises(DataError, match="has no labels; put the pictures into one folder for each class"):
        require_trainable(found)


def test_a_table_beside_unlabelled_pictures_is_pointed_at(paint, tmp_path: Path) -> None:
    fill(paint, tmp_path, "a.png", "b.png")
    (tmp_path / "labels.csv").write_text("id,breed\n")
    with pytest.raises(DataError, match=r"labels.csv lies beside the pictures"):
        require_trainable(read(tmp_path))


def test_pictures_and_folders_may_be_named_one_by_one(paint, tmp_path: Path) -> None:
    fill(paint, tmp_path, "x/1.png", "x/deep/2.png", "y/3.png", "y/4.png")
    found = read([tmp_path / "x", str(tmp_path / "y" / "3.png"), tmp_path / "x" / "1.png"])
    assert found.files == ["x/1.png", "x/deep/2.png", "y/3.png"]
    assert not found.labelled
    assert read(tmp_path / "y" / "4.png").files == ["4.png"]
    with pytest.raises(DataError, match=r"Did you mean '3.png'"):
        read([tmp_path / "y" / "33.png"])


def test_one_name_in_both_unicode_forms_is_one_label(paint, tmp_path: Path) -> None:
    composed, decomposed = unicodedata.normalize("NFC", "Münze"), unicodedata.normalize("NFD", "Münze")
    found = read(fill(paint, tmp_path, f"train/{composed}/ä.png", f"test/{decomposed}/ö.png", "train/Siegel/1.png"))
    assert found.label_names == (composed, "Siegel")[::1] if composed < "Siegel" else ("Siegel", composed)
    assert found.counts()[composed] == 2
    assert all(found.open(i).size == (48, 48) for i in range(3))


NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/\\."), min_size=1, max_size=40)


@given(names=st.lists(NAMES, min_size=2, max_size=4, unique_by=lambda n: unicodedata.normalize("NFC", n).strip()))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_that_a_disk_takes_is_fine(names: list[str], paint, tmp_path_factory: pytest.TempPathFactory) -> None:
    names = [name for name in names if unicodedata.normalize("NFC", name).strip()]
    root = tmp_path_factory.mktemp("names")
    for i, name in enumerate(names):
        paint(root / f"class {name}" / f"{name}.png", i)
    if names:
        found = read(root)
        assert sorted(found.files) == sorted(f"class {name}/{name}.png" for name in names)
        assert len(found.label_names) == len(names)
        assert all(found.open(i).size == (48, 48) for i in range(len(found)))


def test_emoji_and_200_characters(paint, tmp_path: Path) -> None:
    long = "x" * 196 + ".png"
    found = read(fill(paint, tmp_path, f"🗿 Kopf/{long}", "b/2.png"))
    assert f"🗿 Kopf/{long}" in found.files


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_are_followed_but_not_in_circles(paint, tmp_path: Path) -> None:
    fill(paint, tmp_path / "elsewhere", "1.png")
    fill(paint, tmp_path / "data", "a/2.png", "b/3.png")
    (tmp_path / "data" / "c").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "data" / "a" / "loop").symlink_to(tmp_path / "data", target_is_directory=True)
    (tmp_path / "data" / "b" / "gone.png").symlink_to(tmp_path / "nothing")
    found = read(tmp_path / "data")
    assert found.files == ["a/2.png", "b/3.png", "b/gone.png", "c/1.png"]
    assert found.ignored == (("a/loop", "a link back to a folder that holds it"),)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_is_not_waited_for(paint, tmp_path: Path) -> None:
    fill(paint, tmp_path, "a/1.png", "b/2.png")
    os.mkfifo(tmp_path / "a" / "pipe.png")
    assert read(tmp_path).files == ["a/1.png", "b/2.png"]


@pytest.mark.skipif(os.name == "nt", reason="names are always text on Windows")
def test_a_name_that_is_not_utf8_is_told(paint, tmp_path: Path) -> None:
    fill(paint, tmp_path, "a/1.png", "b/2.png")
    try:
        (tmp_path / "a" / os.fsdecode(b"M\xfcnze.png")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    assert read(tmp_path).ignored == (("a/M\\udcfcnze.png", "the name is not valid UTF-8; rename it"),)


class TestMessages:
    """One line that names the thing, and the mend."""

    def check(self, data: object, *words: str) -> None:
        with pytest.raises(DataError) as caught:
            require_trainable(read(data))
        message = str(caught.value)
        assert "\n" not in message
        for word in words:
            assert word in message, message

    def test_nothing_is_there(self, tmp_path: Path) -> None:
        (tmp_path / "comic_manga").mkdir()
        self.check(tmp_path / "comic-manga", str(tmp_path / "comic-manga"), "Did you mean 'comic_manga'?")

    def test_nothing_is_there_further_up(self, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        self.check(tmp_path / "fotos" / "cats", str(tmp_path / "fotos"), "Did you mean 'photos'?")

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        self.check(tmp_path, f"The folder {tmp_path} is empty; put pictures into it")

    def test_folders_without_pictures(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        self.check(tmp_path, "has 2 folders and no picture in them")

    def test_files_that_are_no_pictures(self, tmp_path: Path) -> None:
        for name in ("a.txt", "b.pdf", "c"):
            (tmp_path / name).write_text("x")
        self.check(tmp_path, "no picture in it, only 3 other files (.pdf, .txt, no suffix)")

    def test_one_class(self, paint, tmp_path: Path) -> None:
        self.check(fill(paint, tmp_path, "a/1.png", "a/2.png"), "one class only, 'a'", "at least two")

    def test_one_class_since_the_folders_lie_one_deeper(self, paint, tmp_path: Path) -> None:
        fill(paint, tmp_path, "unzipped/a/1.png", "unzipped/b/2.png")
        self.check(tmp_path, "one class only", f"Did you mean '{tmp_path / 'unzipped'}'?")

    def test_one_picture_in_a_class(self, paint, tmp_path: Path) -> None:
        self.check(
            fill(paint, tmp_path, "a/1.png", "a/2.png", "b/3.png"), "The class 'b' has only 1 picture", "at least 2"
        )

    def test_a_class_folder_without_a_picture(self, paint, tmp_path: Path) -> None:
        fill(paint, tmp_path, "a/1.png", "a/2.png", "b/3.png", "b/4.png")
        (tmp_path / "c").mkdir()
        assert read(tmp_path).empty_classes == ("c",)
        self.check(tmp_path, "The class folder 'c' has no picture", "or remove the folder")

    def test_a_file_of_a_kind_that_is_not_read(self, tmp_path: Path) -> None:
        (tmp_path / "table.xlsx").write_bytes(b"PK")
        self.check(tmp_path / "table.xlsx", "table.xlsx is none of what can be read")

    def test_something_else_altogether(self) -> None:
        self.check(42, "A int is not a collection")

    def test_a_misspelt_label_is_guessed(self, paint, tmp_path: Path) -> None:
        fill(paint, tmp_path, "comic/1.png", "manga/2.png", "photo/3.png")
        assert read(tmp_path, labels=["manga", "comic"]).files == ["comic/1.png", "manga/2.png"]
        with pytest.raises(DataError, match=r"no label 'mange'. Did you mean 'manga'"):
            read(tmp_path, labels=["mange"])
