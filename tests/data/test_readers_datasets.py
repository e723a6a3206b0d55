"""Hugging Face `datasets`: loaded and saved ones, with paths or bytes, names or numbers."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from kunstkammer.data.readers import read
from kunstkammer.errors import DataError, PictureError

CLASSES = datasets.ClassLabel(names=["zebra", "ape"])


@pytest.fixture
def paths(paint, tmp_path: Path) -> list[str]:
    return [str(paint(tmp_path / "pics" / f"{i}.png", i)) for i in range(4)]


def table(paths: list[str], labels: list, feature: object, **more: list) -> datasets.Dataset:
    features = datasets.Features({"image": datasets.Image(), "label": feature})
    made = datasets.Dataset.from_dict({"image": paths, "label": labels}, features=features)
    for name, values in more.items():
        made = made.add_column(name, values)
    return made


def test_class_labels_become_names_and_images_stay_closed(paths: list[str]) -> None:
    found = read(table(paths, [0, 1, 1, -1], CLASSES, title=["p", "q", "r", "s"]), name="zoo")
    assert found.name == "zoo"
    assert found.labels == [["zebra"], ["ape"], ["ape"], []]
    assert found.targets().tolist() == [1, 0, 0, -1]
    assert found.files == ["0.png", "1.png", "2.png", "3.png"]
    assert found.column("title") == ["p", "q", "r", "s"]
    assert found.source(2) == Path(paths[2])
    assert found.table.features["image"] == datasets.Image(decode=False)


def test_lists_of_class_labels_are_several(paths: list[str]) -> None:
    found = read(table(paths, [[0, 1], [], [1], [0]], datasets.List(CLASSES)))
    assert found.multi_label
    assert found.labels == [["ape", "zebra"], [], ["ape"], ["zebra"]]


@pytest.mark.parametrize("label", [["b", "a", "a", "b"], [1, 0, 0, 1]])
def test_plain_labels(label: list, paths: list[str]) -> None:
    feature = datasets.Value("string" if isinstance(label[0], str) else "int64")
    assert read(table(paths, label, feature)).targets().tolist() == [1, 0, 0, 1]


def test_saved_with_bytes_and_splits(paths: list[str], tmp_path: Path) -> None:
    whole = table(paths, [0, 1, 1, 0], CLASSES)
    parts = datasets.DatasetDict({"train": whole.select([0, 1, 2]), "valid": whole.select([3])})
    parts.save_to_disk(tmp_path / "saved")
    for path in paths:
        Path(path).unlink()
    found = read(tmp_path / "saved")
    assert found.name == "saved"
    assert found.files == ["train/0.png", "train/1.png", "train/2.png", "validation/3.png"]
    assert found.splits == ["train", "train", "train", "validation"]
    assert isinstance(found.source(0), bytes)
    assert found.open(3).size == (48, 48)
    assert found.part("validation").open(0).tobytes() == found.open(3).tobytes()


def test_one_saved_dataset(paths: list[str], tmp_path: Path) -> None:
    table(paths, [0, 1, 1, 0], CLASSES).save_to_disk(tmp_path / "saved")
    assert read(tmp_path / "saved").counts() == {"ape": 2, "zebra": 2}


def test_pictures_without_a_name_or_with_the_same_get_one(paths: list[str]) -> None:
    names = [None, "x.png", "x.png", ""]
    held = [{"bytes": Path(path).read_bytes(), "path": name} for path, name in zip(paths, names, strict=True)]
    found = read(table(held, [0, 1, 1, 0], CLASSES))
    assert found.files == ["000000.png", "x.png", "x (2).png", "000003.png"]


def test_a_row_without_a_picture_is_an_unreadable_picture(paths: list[str]) -> None:
    found = read(table([paths[0], None, paths[1]], [0, 1, 1], CLASSES))
    with pytest.raises(PictureError, match="000001: neither a path nor bytes"):
        found.source(1)
    assert found.open(2).size == (48, 48)


def test_rows_that_were_chosen_before_are_the_ones_read(paths: list[str]) -> None:
    found = read(table(paths, [0, 1, 1, 0], CLASSES).select([3, 1]))
    assert found.files == ["3.png", "1.png"]
    assert found.labels == [["zebra"], ["ape"]]


def test_a_column_of_paths_will_do(paths: list[str]) -> None:
    found = read(datasets.Dataset.from_dict({"path": paths, "kind": ["a", "b", "a", "b"]}), label_column="kind")
    assert found.open(1).size == (48, 48)
    assert found.label_names == ("a", "b")


def test_messages(paths: list[str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no column of images \(columns: text\)"):
        read(datasets.Dataset.from_dict({"text": ["x"]}))
    with pytest.raises(DataError, match=r"has no column 'lable'. Did you mean 'label'"):
        read(table(paths, [0, 1, 1, 0], CLASSES), label_column="lable")
    with pytest.raises(DataError, match="has no rows"):
        read(table([], [], CLASSES))
    (tmp_path / "state.json").write_text("{}")
    (tmp_path / "dataset_info.json").write_text("{}")
    with pytest.raises(DataError, match="looks like a saved dataset but cannot be loaded"):
        read(tmp_path)


def test_a_collection_is_read_as_itself(paths: list[str]) -> None:
    first = read(table(paths, [0, 1, 1, 0], CLASSES))
    assert read(first) is first
    assert read(first, labels=["ape"]).files == ["1.png", "2.png"]
