"""The text of each picture: which columns hold it, how cells are joined, and a file of its own beside the table."""

import json

import pytest

from kunstkammer.data.collection import make_collection
from kunstkammer.data.readers import read
from kunstkammer.data.texts import joined, require_texts, text_columns, texts_of
from kunstkammer.errors import DataError


def collection(**columns):
    files = [f"{i}.png" for i in range(len(next(iter(columns.values()))))]
    return make_collection(name="c", files=files, sources=files, labels=[["a"]] * len(files), columns=columns)


def test_a_column_called_text_comes_before_the_others():
    assert text_columns(["dialog", "Text", "caption"]) == ["Text"]
    assert text_columns(["title", "narration", "Dialogue"]) == ["narration", "Dialogue"]
    assert text_columns(["title"]) == []
    assert text_columns(["title", "dialog"], "title,nothing") == ["title"]


def test_cells_of_several_columns_and_lists_are_joined_in_order():
    made = collection(narration=["Night.", None], dialog=[["Who?", "Me!"], []])
    assert texts_of(made, ["narration", "dialog"]) == ["Night.\nWho?\nMe!", ""]
    assert joined(float("nan")) == ""
    assert joined(7) == "7"


def test_what_is_missing_is_named_with_a_guess():
    made = collection(narration=["x"], title=["y"])
    assert require_texts(made) == ["narration"]
    with pytest.raises(DataError, match=r"no column 'naration' to take text from\. Did you mean 'narration'"):
        require_texts(made, "naration")
    with pytest.raises(
        DataError, match=r"no column of text; name it 'text', set data\.text_column, or give a text file"
    ):
        require_texts(collection(title=["y"]))
    with pytest.raises(DataError, match="every cell under text is empty"):
        require_texts(collection(text=["", " "]))


@pytest.fixture
def contest(paint, tmp_path):
    """The files of the contest: pictures in train/, labels in a CSV, transcriptions in a JSON list."""
    lines = ["", "0_1_2,1,0,0", "1_1_2,0,1,0", "2_1_2,0,0,1"]
    lines[0] = "image_id,angry,fear,happy"
    for i in range(3):
        paint(tmp_path / "train" / f"{i}_1_2.jpg", i)
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    told = [
        {"img_id": "2_1_2", "narration": "", "dialog": ["Oh!", "Ah"]},
        {"img_id": "0_1_2", "narration": "At night", "dialog": []},
        {"img_id": "9_9_9", "narration": "of no picture", "dialog": ["x"]},
    ]
    (tmp_path / "transcriptions.json").write_text(json.dumps(told))
    return tmp_path


def test_text_may_lie_in_a_file_of_its_own(contest):
    found = read(contest / "labels.csv", text_file=contest / "transcriptions.json")
    assert found.files == [f"train/{i}_1_2.jpg" for i in range(3)]
    assert found.column("text") == ["At night", "", "Oh!\nAh"]
    assert any("no text for 1 of 3 pictures" in note for note in found.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"img_id": "7", "dialog": "x"}]', r"names none of the 3 pictures of 'labels'; its names are 7, those"),
        ('[{"img_id": "0_1_2", "words": "x"}]', r"no column of text \(text, narration, dialog"),
        ('[{"number": 1, "dialog": "x"}]', r"no column of file names"),
        ('{"0_1_2": "x"}', r"is JSON but no list of objects"),
        ("[{]", r"line 1: not JSON"),
    ],
)
def test_a_text_file_that_does_not_fit_is_refused(text, message, contest):
    (contest / "t.json").write_text(text)
    with pytest.raises(DataError, match=message):
        read(contest / "labels.csv", text_file=contest / "t.json")
    with pytest.raises(DataError, match=r"Did you mean 'transcriptions\.json'"):
        read(contest / "labels.csv", text_file=contest / "transcription.json")
