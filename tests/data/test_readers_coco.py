"""COCO JSON: categories as labels, boxes kept, and what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kunstkammer.data.readers import read
from kunstkammer.errors import DataError


def coco(**changes: Any) -> dict[str, Any]:
    data = {
        "images": [{"id": 7, "file_name": "a.png"}, {"id": 8, "file_name": "b.png"}, {"id": 9, "file_name": "c.png"}],
        "categories": [{"id": 1, "name": "panel"}, {"id": 3, "name": "balloon"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]},
            {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 9, 9]},
            {"id": 3, "image_id": 7, "category_id": 3, "bbox": [5, 5, 1, 1]},
            {"id": 4, "image_id": 9, "category_id": 1},
        ],
    }
    return data | changes


@pytest.fixture
def pictures(paint, tmp_path: Path) -> Path:
    for i, name in enumerate("abc"):
        paint(tmp_path / f"{name}.png", i)
    return tmp_path


def write(path: Path, data: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_labels_are_the_categories_in_a_picture_and_boxes_are_kept(pictures: Path) -> None:
    found = read(write(pictures / "boxes.json", coco()))
    assert found.multi_label
    assert found.labels == [["balloon", "panel"], [], ["panel"]]
    first, second, third = found.column("objects")
    assert first == {"bbox": [[1, 2, 3, 4], [0, 0, 9, 9], [5, 5, 1, 1]], "category": ["balloon", "panel", "balloon"]}
    assert second == {"bbox": [], "category": []}
    assert third == {"bbox": [], "category": []}
    assert found.notes == (
        "In boxes.json 1 annotation has no box, only a label (4).",
        "1 pictures in boxes.json have no annotation; they count as showing none of the labels.",
    )


@pytest.mark.parametrize(
    ("place", "table"),
    [
        ("", "boxes.json"),
        ("images", "boxes.json"),
        ("train2017", "annotations/instances_train2017.json"),
        ("images/train2017", "annotations/instances_train2017.json"),
    ],
)
def test_pictures_are_found_where_coco_files_have_them(place: str, table: str, paint, tmp_path: Path) -> None:
    for name in "abc":
        paint(tmp_path / place / f"{name}.png")
    found = read(write(tmp_path / table, coco()))
    assert found.open(2).size == (48, 48)
    assert found.splits == ["train" if "train" in table else ""] * 3


def test_split_folders_may_each_hold_a_coco_file(paint, tmp_path: Path) -> None:
    for split in ("train", "valid"):
        for i, name in enumerate("abc"):
            paint(tmp_path / split / f"{name}.png", i)
        write(tmp_path / split / "_annotations.coco.json", coco())
    found = read(tmp_path)
    assert found.files[:2] == ["train/a.png", "train/b.png"]
    assert found.splits == ["train"] * 3 + ["validation"] * 3
    assert found.multi_label
    assert len(found.column("objects")) == 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"annotations": [{"id": 5, "image_id": 7, "category_id": 2}]},
            "lacks (1 panel, 3 balloon), such as annotation 5 with 2",
        ),
        ({"annotations": [{"id": 5, "image_id": 1, "category_id": 1}]}, "annotation 5 is for the image id 1, which"),
        ({"annotations": [{"id": 5, "image_id": 7, "category_id": 1, "bbox": [1, 2]}]}, "has the box [1, 2]; write"),
        (
            {"annotations": [{"id": 5, "image_id": 7, "category_id": 1, "bbox": [1, 2, -3, 4]}]},
            "annotation 5 has the box",
        ),
        ({"annotations": [{"id": 5, "image_id": 7, "category_id": 1, "bbox": [1, 2, float("inf"), 4]}]}, "not finite"),
        (
            {"annotations": [{"id": 5, "image_id": 7, "category_id": 1, "bbox": [1, 2, None, 4]}]},
            "annotation 5 has the",
        ),
        (
            {"annotations": [{"id": 5, "image_id": 1, "caption": "A coin."}]},
            "annotation 5 is for the image id 1, which",
        ),
        ({"categories": [{"id": 1, "name": "a"}] * 2, "annotations": []}, "two categories with the id 1"),
        ({"images": [{"id": 7, "file_name": "a.png"}] * 2, "annotations": []}, "two images with the id 7"),
        ({"images": [{"id": 7}], "annotations": []}, "the image with the id 7 has no file_name"),
        ({"images": [{"id": 7, "file_name": "z.png"}], "annotations": []}, "names 1 of 1 pictures that are not in"),
        ({"categories": [{"id": 1}, {"id": 3, "name": "x"}]}, "the category with the id 1 has no name"),
        ({"images": ["a.png"]}, "'images' is to be a list of objects"),
    ],
)
def test_messages(changes: dict[str, Any], message: str, pictures: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(write(pictures / "boxes.json", coco(**changes)))
    assert message in str(caught.value)
    assert "boxes.json" in str(caught.value)
