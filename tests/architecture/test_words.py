"""Plain English: names and words that were replaced by the field's own do not come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "kunstkammer"
CLASSES = {
    "Lesson": "Classification", "Material": "TrainingData", "Told": "SceneWithText", "Leaf": "ResultPage",
    "Wish": "ReadOptions, PictureQuery", "Said": "AnswerRow", "Holding": "PictureLabel", "Tally": "EpochCounts",
    "Shaken": "UnstablePrediction", "Checkpoint": "Run",
}  # fmt: skip
WORDS = {"sureness": "confidence"}


def where(pattern: str, flags: int) -> list[str]:
    """Return the files of the package in which a pattern stands."""
    files = [file for file in SOURCE.rglob("*") if file.suffix in (".py", ".j2", ".yaml", ".js")]
    return [str(f.relative_to(SOURCE)) for f in files if re.search(pattern, f.read_text("utf-8"), flags)]


@pytest.mark.parametrize("name", CLASSES)
def test_no_class_has_a_name_that_was_given_up(name):
    found = where(rf"^class {name}\b", re.M)
    assert not found, f"{name} is called {CLASSES[name]} now: {found}"


@pytest.mark.parametrize("word", WORDS)
def test_no_text_has_a_word_that_was_given_up(word):
    found = where(word, re.I)
    assert not found, f"say {WORDS[word]}, not {word}: {found}"
