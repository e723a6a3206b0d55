"""What a Collection promises."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kunstkammer.data.collection import Collection, make_collection
from kunstkammer.data.readers import read
from kunstkammer.errors import DataError, PictureError

LABELS = st.lists(st.sampled_from(["ape", "bee", "cow", "Ähre"]), max_size=3)


def collection(labels: list[list[str]], *, multi_label: bool = False, splits: list[str] | None = None) -> Collection:
    files = [f"{i}.png" for i in range(len(labels))]
    sources = [f"/nowhere/{file}" for file in files]
    return make_collection(
        name="zoo", files=files, sources=sources, labels=labels, splits=splits, multi_label=multi_label
    )


def test_targets_are_places_among_the_sorted_names_and_minus_one_without_a_label() -> None:
    zoo = collection([["cow"], ["ape"], [], ["bee"]])
    assert zoo.label_names == ("ape", "bee", "cow")
    assert zoo.targets().tolist() == [2, 0, -1, 1]
    assert zoo.targets().dtype == np.int64


def test_several_labels_are_multi_hot() -> None:
    zoo = collection([["cow", "ape"], [], ["bee", "bee"]], multi_label=True)
    assert zoo.targets().tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert zoo.targets().dtype == np.float32
    assert zoo.labels == [["ape", "cow"], [], ["bee"]]
    assert zoo.counts() == {"ape": 1, "bee": 1, "cow": 1}


def test_the_table_is_a_dataset_that_does_not_decode() -> None:
    zoo = collection([["cow"], ["ape"]])
    assert isinstance(zoo.table, datasets.Dataset)
    assert zoo.table.features["image"] == datasets.Image(decode=False)
    assert zoo.table[1]["image"] == {"bytes": None, "path": "/nowhere/1.png"}
    assert zoo.source(1) == Path("/nowhere/1.png")


def test_it_cannot_be_changed() -> None:
    zoo = collection([["cow"], ["ape"]])
    with pytest.raises(FrozenInstanceError):
        zoo.name = "farm"  # type: ignore[misc]


def test_an_open_that_fails_speaks_of_the_file_by_its_name_in_the_collection() -> None:
    with pytest.raises(PictureError) as caught:
        collection([["cow"]]).open(0)
    assert caught.value.file == "0.png"


def test_bytes_are_opened_like_files(paint, tmp_path: Path) -> None:
    path = paint(tmp_path / "a.png", 3)
    made = make_collection(name="x", files=["a", "b"], sources=[path.read_bytes(), str(path)], labels=[["p"], ["q"]])
    assert made.source(0) == path.read_bytes()
    assert made.open(0).tobytes() == made.open(1).tobytes()
    assert made.open(1, grey=True).mode == "L"


def test_parts_follow_the_splits_and_keep_the_names() -> None:
    zoo = collection([["cow"], ["ape"], ["bee"]], splits=["train", "test", "train"])
    assert zoo.part("train").files == ["0.png", "2.png"]
    assert zoo.part("test").label_names == zoo.label_names
    assert len(zoo.part("validation")) == 0
    assert zoo.part("validation").targets().shape == (0,)
    with pytest.raises(DataError, match="Did you mean 'train'"):
        zoo.part("trian")


@given(labels=st.lists(LABELS, min_size=1, max_size=8), data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_selection_commutes_with_everything_else(labels: list[list[str]], data: st.DataObject) -> None:
    zoo = collection(labels, multi_label=True)
    indices = data.draw(st.lists(st.integers(0, len(labels) - 1), max_size=10))
    chosen = zoo.select(indices)
    assert chosen.files == [zoo.files[i] for i in indices]
    assert np.array_equal(chosen.targets(), zoo.targets()[indices])
    assert [chosen.source(k) for k in range(len(indices))] == [zoo.source(i) for i in indices]


def test_a_large_table_is_selected_without_a_copy_and_behaves_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    zoo = collection([["cow"], ["ape"], ["bee"], ["cow"]])
    monkeypatch.setattr("kunstkammer.data.collection._COPY_BYTES", 0)
    chosen = zoo.select([3, 1]).select([1, 0]).with_column("n", [7, 8])
    assert (chosen.files, chosen.labels, chosen.column("n")) == (["1.png", "3.png"], [["ape"], ["cow"]], [7, 8])
    assert chosen.source(0) == Path("/nowhere/1.png")


@pytest.mark.parametrize("index", [-1, 2])
def test_an_index_out_of_range_is_refused(index: int) -> None:
    with pytest.raises(DataError, match="0 to 1"):
        collection([["cow"], ["ape"]]).select([0, index])


def test_columns_are_added_and_replaced() -> None:
    zoo = collection([["cow"], ["ape"]])
    more = zoo.with_column("title", ["a", "b"]).with_column("title", ["c", None])
    assert more.column("title") == ["c", None]
    assert more.with_column("n", np.array([1, 2])).column("n") == [1, 2]
    assert more.with_column("split", ["train", "test"]).part("test").files == ["1.png"]
    assert "title" not in zoo.column_names
    with pytest.raises(DataError, match="1 values for 2 pictures"):
        zoo.with_column("n", [1])
    with pytest.raises(DataError, match="cannot be replaced"):
        zoo.with_column("file", ["x", "y"])
    with pytest.raises(DataError, match=r"no column 'titel'. Did you mean 'title'"):
        more.column("titel")


def test_a_column_of_mixed_types_becomes_text() -> None:
    assert collection([["cow"], ["ape"], []]).with_column("year", [1900, "about 1900", None]).column("year") == [
        "1900",
        "about 1900",
        None,
    ]


def test_label_names_may_be_restricted_extended_and_put_in_another_order() -> None:
    zoo = collection([["cow"], ["ape"], [], ["bee"]])
    other = zoo.with_label_names(["cow", "gnu", "ape"])
    assert other.files == ["0.png", "1.png", "2.png"], "the bee lost its only label; the unlabelled picture stays"
    assert other.targets().tolist() == [0, 2, -1]
    assert other.counts() == {"cow": 1, "gnu": 0, "ape": 1}
    with pytest.raises(DataError, match="'cow' is named twice"):
        zoo.with_label_names(["cow", "cow"])


def test_a_picture_of_several_labels_keeps_those_that_stay() -> None:
    zoo = collection([["ape", "cow"], ["bee"], []], multi_label=True).with_label_names(["cow"])
    assert zoo.labels == [["cow"], []]


@pytest.mark.parametrize("embed", [False, True])
def test_a_saved_collection_comes_back_whole_and_may_be_moved(embed: bool, paint, tmp_path: Path) -> None:
    for i, label in enumerate(["ape", "bee", "ape"]):
        paint(tmp_path / "old" / label / f"ü {i}.png", i)
    first = read(tmp_path / "old", name="my zoo").with_column("note", ["x", None, "z"])
    first.save(tmp_path / "old", embed=embed)
    (tmp_path / "old").rename(tmp_path / "new")
    again = read(tmp_path / "new")
    assert (again.name, again.label_names, again.multi_label) == ("my zoo", ("ape", "bee"), False)
    assert (again.files, again.labels, again.column("note")) == (first.files, first.labels, ["x", None, "z"])
    assert again.open(2).size == (48, 48)
    assert isinstance(again.source(0), bytes) is embed


def test_a_picture_that_cannot_be_embedded_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Cannot embed /nowhere/0.png: No such file"):
        collection([["cow"]]).save(tmp_path / "x", embed=True)
    assert not list(tmp_path.glob("x/*"))


@pytest.mark.parametrize(
    ("file", "content"),
    [("collection.json", "{}"), ("collection.json", "not json"), ("collection.parquet", "not parquet")],
)
def test_a_damaged_saved_collection_is_named(file: str, content: str, tmp_path: Path) -> None:
    collection([["cow"], ["ape"]]).save(tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(DataError, match=file):
        read(tmp_path)


def test_it_travels_to_another_process() -> None:
    zoo = pickle.loads(pickle.dumps(collection([["cow"], ["ape"]])))  # noqa: S301 - what multiprocessing does
    assert zoo.files == ["0.png", "1.png"]


def test_180_000_rows_are_handled_in_bulk() -> None:
    n = 180_000
    files = [f"train/class {i % 50}/{i:06d}.jpg" for i in range(n)]
    large = make_collection(name="large", files=files, sources=files, labels=[[f"class {i % 50}"] for i in range(n)])
    half = large.select(np.arange(0, n, 2)).with_column("n", np.arange(n // 2))
    assert half.targets()[:3].tolist() == [large.label_names.index(f"class {i}") for i in (0, 2, 4)]
    assert half.source(n // 2 - 1) == Path(files[-2])
