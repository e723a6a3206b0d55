"""Tables with a column a label, as EmoRecCom has them: found, asked for, refused, and left alone where they are not."""

from __future__ import annotations

import datasets
import numpy as np
import pytest

from kunstkammer.data.readers import read
from kunstkammer.data.readers.indicators import SHARE_CUT
from kunstkammer.errors import DataError

EMOTIONS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "other"]


@pytest.fixture
def scenes(paint, tmp_path):
    """Four panels named by ids, in a folder beside the tables."""
    for i in range(4):
        paint(tmp_path / "train" / f"{i}_3_4.jpg", i)
    return tmp_path


def table(folder, text, name="t.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def contest_table(folder):
    """The layout of the contest's train_emotion_labels.csv: an unnamed index, ids without suffix, a column a label."""
    lines = [f",image_id,{','.join(EMOTIONS)}"]
    lines += [f"{i},{i}_3_4,{','.join('1.0' if k in (i, 6) else '0.0' for k in range(8))}" for i in range(4)]
    return table(folder, "\n".join(lines) + "\n", "train_emotion_labels.csv")


def test_the_contests_own_table_is_understood_as_it_is(scenes):
    found = read(contest_table(scenes))
    assert found.multi_label
    assert found.files == [f"train/{i}_3_4.jpg" for i in range(4)]
    assert found.label_names == tuple(sorted(EMOTIONS)), "also a label that no picture carries"
    assert found.labels == [["angry", "neutral"], ["disgust", "neutral"], ["fear", "neutral"], ["happy", "neutral"]]
    assert found.splits == [""] * 4, "the folder 'train' is no split of its own table"


def test_columns_asked_for_are_the_labels_and_the_others_stay(scenes):
    path = table(scenes, "file,happy,title,sad,text\n0_3_4.jpg,true,x,0,Oh\n1_3_4.jpg,No,y,1,Ah\n")
    found = read(path, label_column="happy, sad")
    assert found.labels == [["happy"], ["sad"]]
    assert found.column("text") == ["Oh", "Ah"]
    assert found.column("title") == ["x", "y"]


def test_shares_are_cut_at_a_half_and_that_is_said(scenes):
    path = table(scenes, "file;angry;fear;happy\n0_3_4;0,5;0,49;0\n1_3_4;0,2;1;0,75\n")
    found = read(path)
    assert found.labels == [["angry"], ["fear", "happy"]]
    assert any(str(SHARE_CUT) in note and "share" in note for note in found.notes)
    assert any("angry, fear, happy" in note for note in found.notes)


def test_a_picture_that_carries_none_is_counted(scenes):
    found = read(table(scenes, "file,angry,fear,happy\n0_3_4,0,0,0\n1_3_4,0,1,0\n2_3_4,1,0,1\n"))
    assert found.labels[0] == []
    assert np.array_equal(found.targets()[0], [0, 0, 0])
    assert any("1 of 3 pictures carry none" in note for note in found.notes)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("x", r"t.csv, line 3: 'x' under 'fear' is no number from 0 to 1"),
        ("2", r"line 3: '2' under 'fear' is no number from 0 to 1"),
        ("-1", r"line 3: '-1' under 'fear'"),
        ("nan", r"line 3: 'nan' under 'fear'"),
        ("", r"line 3: the cell under 'fear' is empty; write 0 or 1"),
    ],
)
def test_a_cell_that_is_no_share_is_named_with_its_line(cell, message, scenes):
    path = table(scenes, f"file,angry,fear\n0_3_4,0,1\n1_3_4,0,{cell}\n")
    with pytest.raises(DataError, match=message):
        read(path, label_column="angry,fear")


def test_a_separator_beside_several_columns_is_refused(scenes):
    path = table(scenes, "file,angry,fear\n0_3_4,0,1\n")
    with pytest.raises(DataError, match="with a column for each label leave it out"):
        read(path, label_column="angry,fear", label_separator="|")


def test_an_unknown_column_is_answered_with_a_guess(scenes):
    path = table(scenes, "file,angry,fear\n0_3_4,0,1\n")
    with pytest.raises(DataError, match=r"no column 'angri'\. Did you mean 'angry'"):
        read(path, label_column="angri,fear")


@pytest.mark.parametrize(
    "text",
    [
        "file,public,signed\n0_3_4,1,0\n1_3_4,0,1\n",  # two columns may be anything
        "file,x,y,width\n0_3_4,0.1,0.5,0.3\n1_3_4,0.2,0.1,1\n",  # a box, not shares
        "file,framed,signed,sold,price\n0_3_4,1,0,0,80\n1_3_4,0,1,0,90\n",  # a table about something else
        "file,a,b,c\n0_3_4,1,0,0\n1_3_4,1,1,0\n",  # one on every picture tells nothing apart
        "file,a,b,c\n0_3_4,0,0,0\n1_3_4,0,0,0\n2_3_4,1,0,0\n",  # most pictures have none
        "file,a,title,b,c\n0_3_4,1,x,0,0\n1_3_4,0,x,1,0\n",  # not side by side
        "file,year,copies,pages\n0_3_4,1950,1,0\n1_3_4,1951,0,1\n",
    ],
)
def test_an_ordinary_table_is_not_taken_for_labels(text, scenes):
    with pytest.raises(DataError, match="say which holds the labels"):
        read(table(scenes, text))


def test_class_folders_come_before_columns_of_flags(paint, tmp_path):
    for i, path in enumerate(["a/0.png", "b/1.png"]):
        paint(tmp_path / path, i)
    table(tmp_path, "file_name,framed,signed,sold\na/0.png,1,0,0\nb/1.png,0,1,1\n", "metadata.csv")
    assert read(tmp_path).labels == [["a"], ["b"]]


def test_a_label_column_comes_before_columns_of_flags(scenes):
    found = read(table(scenes, "file,label,angry,fear,happy\n0_3_4,x,1,0,0\n1_3_4,y,0,1,1\n"))
    assert found.label_names == ("x", "y")


def test_an_id_that_two_pictures_could_be_is_not_guessed(scenes, paint):
    paint(scenes / "train" / "0_3_4.png", 9)
    with pytest.raises(DataError, match=r"names 1 of 2 pictures"):
        read(table(scenes, "file,angry,fear,happy\n1_3_4,1,0,0\n0_3_4,0,1,1\n"))


def test_json_lines_and_data_frames_and_datasets_have_them_too(scenes, monkeypatch):
    lines = '{"file": "0_3_4", "angry": true, "fear": 0, "happy": 0.0}\n'
    lines += '{"file": "1_3_4", "angry": false, "fear": 1, "happy": 1}\n'
    expected = [["angry"], ["fear", "happy"]]
    assert read(table(scenes, lines, "t.jsonl")).labels == expected
    monkeypatch.chdir(scenes / "train")
    columns = {"file": ["0_3_4", "1_3_4"], "angry": [True, False], "fear": [0, 1], "happy": [0.0, 1.0]}
    assert read(datasets.Dataset.from_dict(columns), label_column="angry,fear,happy").labels == expected
    pandas = pytest.importorskip("pandas")
    assert read(pandas.DataFrame(columns)).labels == expected
