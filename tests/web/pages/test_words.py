"""Every visible word stands in both languages, and no template has words of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kunstkammer.registry import names
from kunstkammer.web import pages
from kunstkammer.web.pages.language import LANGUAGES, Words, sentences
from kunstkammer.web.problems import KINDS

FOLDER = Path(pages.__file__).parent
TEMPLATES = sorted((FOLDER / "templates").glob("*.j2"))
SCRIPTS = sorted((FOLDER / "static").glob("*.js"))
PIECES = re.compile(r"\{#.*?#\}|\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def test_both_languages_have_the_same_sentences() -> None:
    english, german = sentences("en"), sentences("de")
    assert english.keys() == german.keys()
    assert all(isinstance(text, str) and text for both in (english, german) for text in both.values())
    for key in english:
        assert set(re.findall(r"\{(\w+)\}", english[key])) == set(re.findall(r"\{(\w+)\}", german[key])), key


def test_german_is_german() -> None:
    same = {key for key, text in sentences("en").items() if text == sentences("de")[key] and len(text.split()) > 2}
    assert not same, same


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_words_of_their_own(template: Path) -> None:
    text = PIECES.sub("\0", template.read_text(encoding="utf-8"))
    outside = re.sub(r"<[^>]*>", " ", text)
    assert not re.search(r"[^\W\d_]{2,}", re.sub(r"&\w+;", "", outside)), re.findall(r"[^\W\d_]{2,}", outside)
    for name in ("alt", "title", "placeholder", "aria-label", "aria-description"):
        for value in re.findall(rf'\s{name}="([^"]*)"', text):
            assert not re.search(r"[^\W\d_]{2,}", value), value


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_have_no_script_or_style_of_their_own(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|https?://", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


def test_every_sentence_that_is_asked_for_is_there() -> None:
    known = sentences("en")
    code = [*TEMPLATES, *FOLDER.glob("*.py")]
    asked = {key for path in code for key in re.findall(r"\bt(?:\.marked)?\(\s*\"([\w.-]+)\"\s*[,)]", path.read_text())}
    asked |= {key for path in SCRIPTS for key in re.findall(r"word\(\"([\w.-]+)\"", path.read_text())}
    assert len(asked) > 150
    assert asked <= known.keys(), asked - known.keys()


def test_no_sentence_is_left_over() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in [*TEMPLATES, *SCRIPTS, *FOLDER.glob("*.py")])
    code = code.replace("'", '"')
    built = ("problem.", "explainer.", "family.", "doubt.", "novelty.", "nav.", "switch.", "reason.", "api.")
    built += ("admin.count.", "admin.done.", "js.camera_", "js.job_", "jobs.status.", "jobs.kind.")
    left = {key for key in sentences("en") if f'"{key.removesuffix(".one")}"' not in code and not key.startswith(built)}
    assert not left, left


def test_every_kind_of_problem_has_its_words() -> None:
    for language in LANGUAGES:
        assert all(f"problem.{kind}.{part}" in Words(language) for kind in KINDS for part in ("title", "mend"))


def test_every_explainer_has_its_words() -> None:
    for language in LANGUAGES:
        t = Words(language)
        assert all(f"explainer.{name}" in t and t.explainer_hint(name) for name in names("explainers"))


def test_an_unknown_sentence_is_an_error() -> None:
    with pytest.raises(Exception, match=r"There is no sentence 'nav\.modles'. Did you mean 'nav\.models'"):
        Words("en")("nav.modles")


@pytest.mark.parametrize(
    ("value", "english", "german"),
    [(0.5, "50%", "50\u202f%"), (0.004, "0.4%", "0,4\u202f%"), (0.0, "0%", "0\u202f%"), (1.0, "100%", "100\u202f%"),
     (0.99995, "over 99.9%", "über 99,9\u202f%"), (0.0001, "under 0.1%", "unter 0,1\u202f%"),
     (0.993, "99.3%", "99,3\u202f%")],
)  # fmt: skip
def test_percent(value: float, english: str, german: str) -> None:
    assert (Words("en").percent(value), Words("de").percent(value)) == (english, german)
