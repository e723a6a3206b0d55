"""Boxes and captions of a collection: from every form, filtered with the labels, kept by saving."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas
import pytest

from kunstkammer.data.collection import Collection, make_collection
from kunstkammer.data.readers import read
from kunstkammer.errors import DataError
from kunstkammer.pictures.detections import Detections

THINGS = {
    "a.png": [("panel", [5.9, 5.1, 31.3, 20.9]), ("text", [3.8, 24.9, 38.6, 7.2])],
    "b.png": [("panel", [0, 0, 48, 48])],
    "c.png": [],
}
WANTED = [Detections.from_coco([box for _, box in own], [name for name, _ in own]) for own in THINGS.values()]


@pytest.fixture
def folder(paint, tmp_path: Path) -> Path:
    for i, name in enumerate(THINGS):
        paint(tmp_path / name, i)
    return tmp_path


def coco(folder: Path, **more: Any) -> Path:
    names = ["panel", "text"]
    rows = [(i, name, box) for i, own in enumerate(THINGS.values()) for name, box in own]
    data = {
        "images": [{"id": i, "file_name": file, "width": 48, "height": 48} for i, file in enumerate(THINGS)],
        "categories": [{"id": k, "name": name} for k, name in enumerate(names)],
        "annotations": [
            {"id": 70 + n, "image_id": i, "category_id": names.index(name), "bbox": box}
            for n, (i, name, box) in enumerate(rows)
        ],
    }
    (folder / "boxes.json").write_text(json.dumps(data | more), encoding="utf-8")
    return folder / "boxes.json"


def lines(folder: Path, rows: list[dict[str, Any]], name: str = "metadata.jsonl") -> Path:
    (folder / name).write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder / name


def cell(file: str, key: str = "category") -> dict[str, Any]:
    return {"bbox": [box for _, box in THINGS[file]], key: [name for name, _ in THINGS[file]]}


def boxes(found: Collection) -> list[Detections]:
    return [found.detections(i) for i in range(len(found))]


def test_every_form_gives_the_same_boxes(folder: Path) -> None:
    from_coco = read(coco(folder))
    assert boxes(from_coco) == WANTED
    assert from_coco.has_boxes
    assert from_coco.box_labels == ("panel", "text")
    assert not from_coco.has_captions
    from_lines = read(lines(folder, [{"file_name": f, "objects": cell(f)} for f in THINGS]).parent)
    assert boxes(from_lines) == WANTED
    one_by_one = [[{"bbox": box, "categories": name} for name, box in THINGS[f]] for f in THINGS]
    rows = [{"file_name": f, "objects": own} for f, own in zip(THINGS, one_by_one, strict=True)]
    assert boxes(read(lines(folder, rows, "elsewhere.jsonl"))) == WANTED
    frame = pandas.DataFrame({"file": [str(folder / f) for f in THINGS], "objects": [cell(f) for f in THINGS]})
    assert boxes(read(frame)) == WANTED
    text = [json.dumps(cell(f)).replace('"', '""') for f in THINGS]
    table = "\n".join(["file_name,objects", *(f'{f},"{own}"' for f, own in zip(THINGS, text, strict=True))])
    (folder / "table.csv").write_text(table, encoding="utf-8")
    assert boxes(read(folder / "table.csv")) == WANTED


@pytest.mark.parametrize("by_entry", [False, True])
def test_class_labels_of_a_dataset_get_their_names(folder: Path, by_entry: bool, tmp_path: Path) -> None:
    kind = datasets.ClassLabel(names=["panel", "text"])
    box = datasets.List(datasets.Value("float64"), length=4)
    if by_entry:
        feature: Any = datasets.List({"bbox": box, "category": kind, "id": datasets.Value("int64")})
        values: Any = [[{"bbox": b, "category": n, "id": 9} for n, b in THINGS[f]] for f in THINGS]
    else:
        feature = {
            "bbox": datasets.List(box),
            "category": datasets.List(kind),
            "id": datasets.List(datasets.Value("int64")),
        }
        values = [{**cell(f), "id": [9] * len(THINGS[f])} for f in THINGS]
    features = datasets.Features({"image": datasets.Image(), "objects": feature, "label": datasets.Value("string")})
    columns = {"image": [str(folder / f) for f in THINGS], "objects": values, "label": ["x", "y", "x"]}
    data = datasets.Dataset.from_dict(columns, features=features)
    found = read(data)
    assert boxes(found) == WANTED
    assert found.column("objects")[0]["id"] == [9, 9], "what else is said of a box stays"
    data.save_to_disk(str(tmp_path / "saved"))
    assert boxes(read(tmp_path / "saved")) == WANTED


def test_boxes_go_with_their_pictures_and_labels(folder: Path) -> None:
    found = read(coco(folder))
    assert boxes(found.select([2, 0])) == [WANTED[2], WANTED[0]]
    only = read(coco(folder), labels=["text"])
    assert (only.files, only.box_labels) == (["a.png"], ("text",))
    assert only.detections(0) == WANTED[0].filter(["text"])
    assert boxes(found.with_label_names(["text", "panel", "new"])) == WANTED
    rows = [{"file_name": f, "label": label, "split": split, "objects": cell(f)} for f, label, split in
            zip(THINGS, ["comic", "manga", "comic"], ["train", "test", "train"], strict=True)]  # fmt: skip
    pages = read(lines(folder, rows).parent)
    assert boxes(pages.part("train")) == [WANTED[0], WANTED[2]]
    assert boxes(pages.with_label_names(["comic"])) == [WANTED[0], WANTED[2]], "a panel is no label here: it stays"


@pytest.mark.parametrize("embed", [False, True])
def test_saving_keeps_boxes_scores_and_captions_to_the_last_bit(folder: Path, tmp_path: Path, embed: bool) -> None:
    found = read(coco(folder)).with_column("captions", [["one", "two"], [], ["three"]])
    scored = found.with_detections([Detections(own.boxes, own.labels, np.full(len(own), 0.1)) for own in WANTED])
    for one in (found, scored):
        one.save(tmp_path / "kept", embed=embed)
        again = read(tmp_path / "kept")
        assert boxes(again) == boxes(one)
        assert [again.captions(i) for i in range(3)] == [("one", "two"), (), ("three",)]
    assert scored.detections(0).scores == pytest.approx([0.1, 0.1])
    assert np.abs(scored.detections(0).boxes - WANTED[0].boxes).max() < 1e-11


def test_boxes_kept_by_an_older_version_without_some(folder: Path) -> None:
    # It kept an annotation without a box as four NaN, which Parquet has as nulls.
    old = read(coco(folder))
    cells = [{"bbox": [[None] * 4, [1.0, 2.0, 3.0, 4.0]], "category": ["a", "b"]}, None, None]
    table = datasets.Dataset.from_dict(
        {**{n: old.column(n) for n in ("file", "image", "labels", "split")}, "objects": cells}
    )
    found = Collection(table, "old", True, ("a", "b"))
    assert found.detections(0) == Detections.from_coco([[1, 2, 3, 4]], ["b"])
    assert found.detections(1) == Detections()


def test_odd_boxes_are_noted_by_their_annotation(folder: Path) -> None:
    odd = [
        (70, None),
        (71, [3, 3, 0, 5]),
        (72, [40, 40, 9, 4]),
        (73, [-1, 0, 9, 4]),
        (74, [0, 0, 48.4, 4]),
        (75, [1, 1, 4, 4]),
    ]
    entries = [{"id": key, "image_id": 0, "category_id": 0, "bbox": box} for key, box in odd]
    found = read(coco(folder, annotations=entries))
    assert found.detections(0).boxes.tolist() == [
        [3, 3, 3, 8], [40, 40, 49, 44], [-1, 0, 8, 4], [0, 0, 48.4, 4], [1, 1, 5, 5],
    ]  # fmt: skip
    assert found.notes[:3] == (
        "In boxes.json 1 annotation has no box, only a label (70).",
        "In boxes.json 1 annotation has a box without an area (71).",
        "In boxes.json 2 annotations have a box that reaches outside its picture (72, 73).",
    )
    rows = [{"file_name": "a.png", "label": "x", "objects": {"bbox": [b for _, b in odd], "category": list("abcdef")}}]
    told = read(lines(folder, rows))
    assert told.detections(0).labels == tuple("bcdef")
    assert told.notes == (
        "1 object has no box (bbox null) and cannot be shown or measured: a.png.",
        "1 box has no area: a.png.",
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"bbox": [[0, 0, 1, 1], [1, 2, -3, 4]], "category": ["a", "b"]},
            r"a\.png: object 1 in 'objects' has the box \[1, 2",
        ),
        ({"bbox": [[1, 2]], "category": ["a"]}, r"a\.png: object 0 in 'objects' has the box \[1, 2\]; write \[x, y"),
        ({"bbox": [[0, 0, 1, 1]], "category": ["a", "b"]}, r"a\.png: 2 categories for 1 boxes"),
        ({"bbox": [[0, 0, 1, 1]], "category": "a"}, r"a\.png: 'a' categories for 1 boxes"),
        ({"bbox": 3}, r"a\.png: the column 'objects' is to hold"),
        ("a cat", r"a\.png: the column 'objects' is to hold"),
    ],
)
def test_wrong_boxes_are_refused_by_their_picture(value: Any, message: str, folder: Path) -> None:
    rows = [
        {"file_name": "a.png", "label": "x", "objects": value},
        {"file_name": "b.png", "label": "x", "objects": cell("b.png")},
    ]
    with pytest.raises(DataError, match=message):
        read(lines(folder, rows).parent)
    with pytest.raises(DataError, match=message):
        read(coco(folder)).with_column("objects", [value, cell("b.png"), None])
    with pytest.raises(DataError, match=message):
        make_collection(
            name="x",
            files=["a.png", "b.png"],
            sources=[b"", b""],
            labels=[[], []],
            columns={"objects": [value, cell("b.png")]},
        )


def test_a_column_objects_about_something_else_is_left_alone(folder: Path) -> None:
    (folder / "table.csv").write_text("file_name,label,objects\na.png,x,3\nb.png,y,12\n", encoding="utf-8")
    found = read(folder / "table.csv")
    assert found.column("objects") == ["3", "12"]
    assert not found.has_boxes
    assert found.detections(1) == Detections()
    assert any("holds no boxes" in note for note in found.notes)
    assert not read(folder / "table.csv").with_label_names(["x"]).has_boxes


def test_captions_of_a_coco_file(folder: Path) -> None:
    entries = [
        {"id": 1, "image_id": 1, "caption": "A page."},
        {"id": 2, "image_id": 0, "caption": " Two panels. "},
        {"id": 3, "image_id": 1, "caption": "Manga."},
        {"id": 4, "image_id": 0, "caption": ""},
    ]
    path = coco(folder, annotations=entries)
    whole = json.loads(path.read_text())
    del whole["categories"]
    path.write_text(json.dumps(whole))
    found = read(path)
    assert found.has_captions
    assert not found.has_boxes
    assert not found.labelled
    assert [found.captions(i) for i in range(3)] == [("Two panels.",), ("A page.", "Manga."), ()]
    assert found.notes == (
        "In boxes.json 1 annotation has an empty caption (4).",
        "1 pictures in boxes.json have no caption.",
    )
    both = [*entries, {"id": 5, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}]
    mixed = read(coco(folder, annotations=both))
    assert mixed.captions(1) == ("A page.", "Manga.")
    assert mixed.detections(0) == Detections.from_coco([[1, 2, 3, 4]], ["text"])


def test_captions_of_a_coco_file_beside_other_data(folder: Path) -> None:
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "elsewhere.png"}, {"id": 3, "file_name": "b.png"}]
    entries = [{"id": k, "image_id": 1, "caption": text} for k, text in enumerate(["One.", "Two."])]
    (folder / "captions.json").write_text(json.dumps({"images": images, "annotations": entries}), encoding="utf-8")
    found = read(coco(folder), text_file=folder / "captions.json")
    assert boxes(found) == WANTED
    assert [found.captions(i) for i in range(3)] == [("One.", "Two."), (), ()]
    assert found.notes[-1] == "captions.json has no captions for 2 of 3 pictures."
    with pytest.raises(DataError, match="COCO JSON without captions"):
        read(coco(folder), text_file=folder / "boxes.json")


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ({"text": ["one", None, " "]}, [("one",), (), ()]),
        ({"Caption": [["a", "b "], [], ["c"]]}, [("a", "b"), (), ("c",)]),
        ({"captions": ["alone", ["a", "b"], None]}, [("alone",), ("a", "b"), ()]),
        ({"text": ["x", "y", "z"], "caption": ["a", "b", ""]}, [("a",), ("b",), ()]),
    ],
)
def test_captions_of_a_table(
    columns: dict[str, list[Any]], wanted: list[tuple[str, ...]], folder: Path, tmp_path: Path
) -> None:
    rows = [{"file_name": f, "label": "x", **{n: own[i] for n, own in columns.items()}} for i, f in enumerate(THINGS)]
    found = read(lines(folder, rows).parent)
    assert [found.captions(i) for i in range(3)] == wanted
    found.save(tmp_path / "kept")
    again = read(tmp_path / "kept")
    assert [again.captions(i) for i in range(3)] == wanted
    assert again.select([2, 1]).captions(1) == wanted[1]


def test_rows_of_one_picture_keep_all_their_captions_and_boxes(folder: Path) -> None:
    table = "image,caption\na.png,A page.\na.png,Two panels.\nb.png,Manga.\na.png,A page.\n"
    (folder / "captions.csv").write_text(table, encoding="utf-8")
    found = read(folder / "captions.csv")
    assert found.files == ["a.png", "b.png"]
    assert [found.captions(i) for i in range(2)] == [("A page.", "Two panels."), ("Manga.",)]
    rows = [
        {"file_name": "a.png", "label": "x", "objects": {"bbox": [box], "category": [name], **more}}
        for (name, box), more in zip(THINGS["a.png"], ({}, {"id": [3]}), strict=True)
    ]
    merged = read(lines(folder, [*rows, rows[0]], "rows.jsonl"))
    assert merged.detections(0).labels == ("panel", "text", "panel")
    assert merged.detections(0).select([0, 1]) == WANTED[0]


@pytest.mark.real
def test_panels_of_real_pages(shared: Path) -> None:
    found = read(shared / "data" / "comic_manga" / "panels.coco.json")
    assert (len(found), found.box_labels) == (214, ("panel", "text"))
    assert sum(len(found.detections(i)) for i in range(len(found))) == 2661
    assert found.detections(0).boxes[0] == pytest.approx([5.9, 55.1, 487.2, 764.0])
    assert not any("outside" in note for note in found.notes)


def test_boxes_of_which_only_some_have_scores_are_filtered_joined_and_checked():
    from kunstkammer.data.objects import joined_cells, tidy_objects, without_categories

    box = [1.0, 2.0, 3.0, 4.0]
    with_scores = {"bbox": [box, box], "category": ["a", "b"], "score": [0.5, 0.6]}
    without = {"bbox": [box], "category": ["a"], "score": None, "area": None}  # as a table gives a key back
    assert without_categories(without, {"b"}) == {"bbox": [box], "category": ["a"]}
    joined = joined_cells(with_scores, without)
    assert joined == {"bbox": [box] * 3, "category": ["a", "b", "a"]}
    for score in (["high"], [float("nan")], [True]):
        with pytest.raises(DataError, match="a score in 'objects' is"):
            tidy_objects([{"bbox": [box], "category": ["a"], "score": score}], ["p.png"])
