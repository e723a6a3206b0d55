"""Names and labels that hostile visitors send."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kunstkammer.web.store.names import clean_name, sayable

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=400)


@given(ANY_TEXT)
def test_a_cleaned_name_is_one_harmless_word_of_text(name) -> None:
    clean = clean_name(name)
    assert 1 <= len(clean) <= 200
    assert not set(clean) & set("/\\\0\r\n")
    assert clean not in (".", "..")
    assert all(unicodedata.category(sign) not in ("Cc", "Cf", "Cs") for sign in clean)
    assert sayable(clean)
    assert clean_name(clean) == clean


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("coin.png", "coin.png"),
        ("/tmp/a b.png", "a b.png"),
        ("C:\\x\\Münze.jpg", "Münze.jpg"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("", "picture"),
        ("...", "picture"),
        (".png", ".png"),
        ("x" * 300 + ".jpeg", "x" * 195 + ".jpeg"),
        ("日本.png", "日本.png"),
    ],
)
def test_names(name, clean) -> None:
    assert clean_name(name) == clean
