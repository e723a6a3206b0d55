"""Tables that name pictures: metadata files, CSV, TSV, JSON Lines, DataFrames; and what is wrong with them."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from kunstkammer.data.readers import read
from kunstkammer.data.trainable import require_trainable
from kunstkammer.errors import DataError


@pytest.fixture
def four(paint, tmp_path: Path) -> Path:
    """A folder of four pictures, 0.png to 3.png."""
    for i in range(4):
        paint(tmp_path / "pics" / f"{i}.png", i)
    return tmp_path / "pics"


def rows(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def test_a_metadata_file_names_the_labels_and_keeps_its_other_columns(four: Path) -> None:
    rows(four, "metadata.csv", 'file_name,label,text\n0.png,cat,"a, b"\n2.png,dog,\n1.png,cat,c\n')
    found = read(four)
    assert found.files == ["0.png", "2.png", "1.png"], "the order of the table is kept"
    assert found.labels == [["cat"], ["dog"], ["cat"]]
    assert found.column("text") == ["a, b", "", "c"]
    assert found.ignored == (("3.png", "metadata.csv does not name it"),)


def test_json_lines_hold_lists_of_labels_and_objects(four: Path) -> None:
    objects = {"bbox": [[1.0, 2.0, 3.0, 4.0]], "category": [0]}
    lines = [
        {"file_name": "0.png", "labels": ["dog", "cat"], "objects": objects},
        {"file_name": "1.png", "labels": [], "objects": {"bbox": [], "category": []}},
        {"file_name": "2.png", "labels": ["cat"], "objects": objects},
    ]
    rows(four, "metadata.jsonl", "\n".join(map(json.dumps, lines)) + "\n\n")
    found = read(four)
    assert found.multi_label
    assert found.labels == [["cat", "dog"], [], ["cat"]]
    assert found.column("objects")[0] == {"bbox": [[1.0, 2.0, 3.0, 4.0]], "category": ["0"]}, "numbers are names"
    require_trainable(found)


@pytest.mark.parametrize("sign", ["|", ";"])
def test_a_column_called_labels_may_hold_several(sign: str, four: Path) -> None:
    table = rows(four, "metadata.csv", f"file_name,labels\n0.png,coin{sign}silver\n1.png, silver \n2.png,coin\n")
    found = read(four)
    assert found.multi_label
    assert found.labels == [["coin", "silver"], ["silver"], ["coin"]]
    assert read(table).labels == found.labels


def test_a_comma_separates_only_on_request(four: Path) -> None:
    table = rows(four, "t.csv", 'file,labels\n0.png,"coin, silver"\n1.png,gold\n')
    asked = read(table, label_separator=",")
    assert asked.labels == [["coin", "silver"], ["gold"]]
    silent = read(table)
    assert silent.labels == [["coin, silver"], ["gold"]]
    assert not silent.multi_label
    assert "hold commas, such as 'coin, silver'" in silent.notes[0]


def test_a_bar_in_a_column_of_one_label_is_part_of_the_name(four: Path) -> None:
    assert read(rows(four, "t.csv", "file,label\n0.png,a|b\n1.png,c\n")).label_names == ("a|b", "c")


@pytest.mark.parametrize("column", ["file_name", "file", "Filename", "path", "image", "picture"])
def test_the_column_of_files_is_found(column: str, four: Path) -> None:
    assert read(rows(four, "t.csv", f"{column},label\n0.png,a\n")).files == ["0.png"]


def test_the_label_column_may_have_any_name(four: Path) -> None:
    table = rows(four, "t.csv", "file,ruler,mint\n0.png,Maximian,TT\n1.png,Galerius,PLG\n")
    assert read(table, label_column="ruler").label_names == ("Galerius", "Maximian")
    with pytest.raises(DataError, match=r"no column 'rulr'. Did you mean 'ruler'"):
        read(table, label_column="rulr")
    with pytest.raises(DataError, match="no column named 'label' or 'labels'; say which"):
        read(table)


def test_delimiters_and_encodings_of_spreadsheets(four: Path) -> None:
    assert read(rows(four, "a.csv", "file;label\n0.png;Münze, alt\n", "utf-8-sig")).label_names == ("Münze, alt",)
    assert read(rows(four, "b.tsv", "file\tlabel\r\n0.png\tMünze\r\n", "utf-8")).label_names == ("Münze",)
    assert read(rows(four, "c.csv", "file,label\n0.png,Münze\n", "utf-16")).label_names == ("Münze",)
    with pytest.raises(DataError, match=r"d.csv is not UTF-8 \(byte 0xfc on line 2\); save it as UTF-8"):
        read(rows(four, "d.csv", "file,label\n0.png,Münze\n", "latin-1"))


def test_a_split_column_is_honoured_before_the_folder(paint, tmp_path: Path) -> None:
    for i, path in enumerate(["train/0.png", "test/1.png", "else/2.png"]):
        paint(tmp_path / path, i)
    text = "file_name,label,split\ntrain/0.png,a,\ntest/1.png,b,Val\nelse/2.png,a,testing\n"
    rows(tmp_path, "metadata.csv", text)
    assert read(tmp_path).splits == ["train", "validation", "test"]
    rows(tmp_path, "metadata.csv", text.replace("Val", "holdout"))
    with pytest.raises(
        DataError, match=r"metadata.csv, line 3: 'holdout' is not a split; write train, validation or test"
    ):
        read(tmp_path)


def test_each_split_folder_may_have_its_own_metadata(paint, tmp_path: Path) -> None:
    for split, names in {"train": ("0", "1"), "valid": ("2",)}.items():
        lines = ["file_name,label"] + [f"{name}.png,{'ab'[int(name) % 2]}" for name in names]
        for name in names:
            paint(tmp_path / split / f"{name}.png", int(name))
        rows(tmp_path / split, "metadata.csv", "\n".join(lines))
    found = read(tmp_path)
    assert found.files == ["train/0.png", "train/1.png", "valid/2.png"]
    assert found.splits == ["train", "train", "validation"]
    assert found.labels == [["a"], ["b"], ["a"]]


def test_metadata_without_labels_takes_the_names_of_the_folders(paint, tmp_path: Path) -> None:
    for i, path in enumerate(["a/0.png", "b/1.png"]):
        paint(tmp_path / path, i)
    rows(tmp_path, "metadata.csv", "file_name,title\na/0.png,x\nb/1.png,y\n")
    assert read(tmp_path).labels == [["a"], ["b"]]


def test_names_in_another_unicode_form_and_with_backslashes_are_found(paint, tmp_path: Path) -> None:
    on_disk, written = unicodedata.normalize("NFD", "Käfer/Müll.png"), unicodedata.normalize("NFC", "Käfer\\Müll.png")
    paint(tmp_path / on_disk)
    found = read(rows(tmp_path, "t.csv", f"file,label\n{written},a\n"))
    assert found.files == [on_disk]
    assert found.open(0).size == (48, 48)


def test_files_outside_the_folder_keep_their_whole_path(paint, tmp_path: Path) -> None:
    paint(tmp_path / "far" / "x.png")
    table = rows(tmp_path, "t.csv", f"file,label\n{tmp_path}/far/x.png,a\n")
    assert read(table).files == ["far/x.png"]
    (tmp_path / "near").mkdir()
    again = read(table.rename(tmp_path / "near" / "t.csv"))
    assert again.files == [f"{tmp_path.as_posix()}/far/x.png"]


def test_rows_of_one_picture_are_merged_or_refused(four: Path) -> None:
    several = read(rows(four, "a.csv", "file,labels\n0.png,a|b\n1.png,a\n0.png,c\n"))
    assert several.files == ["0.png", "1.png"]
    assert several.labels == [["a", "b", "c"], ["a"]]
    assert "1 rows name a picture that an earlier row names" in several.notes[0]
    same = read(rows(four, "b.csv", "file,label,n\n0.png,a,1\n0.png,a,2\n1.png,b,3\n"))
    assert (same.files, same.column("n")) == (["0.png", "1.png"], ["1", "3"])
    with pytest.raises(DataError, match=r"names 0.png twice, with the labels 'a' and 'b'"):
        read(rows(four, "c.csv", "file,label\n0.png,a\n./0.png,b\n"))
    with pytest.raises(DataError, match=r"puts 0.png into two splits"):
        read(rows(four, "d.csv", "file,label,split\n0.png,a,train\n0.png,a,test\n"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "0.png,cat\n1.png,dog\n", "has no header: its first line is '0.png,cat'; put a line such as"),
        ("t.csv", "id,label\n7,cat\n", "has no column of file names; name one 'file_name' (there are: id, label)"),
        ("t.csv", "file,label\n0.png,a\n1.pgn,b\n9/x.png,b\n", "names 2 of 3 pictures that are not in"),
        ("t.csv", "file,label\n0.pngg,b\n", "Did you mean '0.png'?"),
        ("t.csv", "file,label\n0.png,a,b\n", 'line 2: 3 cells under 2 columns; put a cell that holds ","'),
        ("t.csv", "file,label\n0.png,a\n,b\n", "line 3: the cell under 'file' is empty"),
        ("t.csv", 'file,label\n0.png,"a\n', "line 2: unexpected end of data; mend the quotes"),
        ("t.csv", "file,label\n", "has no rows"),
        ("t.csv", "", "has no rows"),
        ("t.csv", "file,label,label\n0.png,a,b\n", "two columns named 'label'"),
        ("t.jsonl", '{"file": "0.png", "label": "a"}\n{"file": 1.png}\n', "line 2: not JSON"),
        ("t.jsonl", '["0.png", "a"]\n', "line 1: a list, not an object"),
        ("t.json", '{"0.png": "a"}', "is JSON but not COCO"),
        ("t.json", "{", "is not JSON"),
    ],
)
def test_messages_name_the_line_and_the_mend(name: str, text: str, message: str, four: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(rows(four, name, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_missing_files_are_counted_and_the_first_are_named(four: Path) -> None:
    text = "file,label\n" + "".join(f"{i}.png,a\n" for i in range(10))
    with pytest.raises(DataError, match=r"names 6 of 10 pictures .*: 4.png, 5.png, 6.png and 3 more"):
        read(rows(four, "t.csv", text))


def test_an_unlabelled_row_is_seen_and_not_trained_on(four: Path) -> None:
    found = read(rows(four, "t.csv", "file,label\n0.png,a\n1.png,\n2.png,b\n"))
    assert found.targets().tolist() == [0, -1, 1]
    with pytest.raises(DataError, match=r"1 picture has no label in 't' \(1.png\)"):
        require_trainable(found)


def test_two_metadata_files_are_one_too_many(four: Path) -> None:
    rows(four, "metadata.csv", "file_name,label\n0.png,a\n")
    rows(four, "metadata.jsonl", '{"file_name": "0.png", "label": "a"}\n')
    with pytest.raises(DataError, match=r"both metadata.csv and metadata.jsonl; keep one"):
        read(four)


def test_a_data_frame_is_read_like_a_table(four: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pandas = pytest.importorskip("pandas")
    monkeypatch.chdir(four)
    frame = pandas.DataFrame({"file": ["0.png", "1.png", "2.png"], "label": [3.0, None, 1.0], "year": [1900, None, 2]})
    found = read(frame, name="frame")
    assert (found.name, found.labels) == ("frame", [["3"], [], ["1"]])
    assert found.column("year") == [1900, None, 2]
    assert found.open(1).size == (48, 48)
    with pytest.raises(DataError, match=r"no column 'lable'. Did you mean 'label'"):
        read(frame, label_column="lable")
    with pytest.raises(DataError, match="names 1 of 1 pictures that are not in"):
        read(pandas.DataFrame({"file": ["9.png"], "label": ["a"]}))
