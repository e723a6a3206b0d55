"""Words and numbers in two languages at once: the page holds both, and a switch hides one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from kunstkammer.errors import unknown_name
from kunstkammer.evaluation.notes import LANGUAGES, Note, translations

NARROW = "\N{NARROW NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Both:
    """A text in English and in German; in HTML it is written once where they are equal."""

    en: str
    de: str

    def __html__(self) -> str:
        if self.en == self.de:
            return str(escape(self.en))
        return "".join(f'<span lang="{language}">{escape(getattr(self, language))}</span>' for language in LANGUAGES)

    def __str__(self) -> str:
        return self.en


def both(value: Any) -> Both:
    """Return a value in both languages: a `Both` as it is, whole numbers with their separators, all else as text."""
    if isinstance(value, Both):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return whole(value)
    return Both(str(value), str(value))


def word(key: str, **values: Any) -> Both:
    """Return the sentence of a key with its values filled in, in both languages."""
    if key not in translations():
        raise unknown_name("sentence of the report", key, translations())
    filled = {name: both(value) for name, value in values.items()}
    return Both(*(
        translations()[key][language].format(**{name: getattr(value, language) for name, value in filled.items()})
        for language in LANGUAGES
    ))  # fmt: skip


def note(value: Note) -> Both:
    """Return a note in both languages, its numbers written as each language does."""
    return word(f"note.{value.key}", **value.values)


def attribute(name: str, text: Both | str) -> Markup:
    """Return an HTML attribute in English, with both languages beside it for the script that switches."""
    text = both(text)
    if text.en == text.de:
        return Markup('{}="{}"').format(name, text.en)
    return Markup('{0}="{1}" data-{0}-en="{1}" data-{0}-de="{2}"').format(name, text.en, text.de)


def _german(text: str) -> str:
    return text.translate(str.maketrans(",.", ".,"))


def _number(format_english: Callable[[float], str], value: float) -> Both:
    english = format_english(value).replace("-", MINUS)
    return Both(english, _german(english))


def whole(value: int) -> Both:
    """Return a whole number: 12,345 and 12.345."""
    return _number(lambda x: f"{x:,d}", value)


def decimal(value: float, digits: int = 3) -> Both:
    """Return a number with decimals: 0.917 and 0,917."""
    return _number(lambda x: f"{x:,.{digits}f}", value)


def percent(value: float, digits: int = 1) -> Both:
    """Return a share: 91.7% and 91,7 %."""
    number = _number(lambda x: f"{100 * x:.{digits}f}", value)
    return Both(f"{number.en}%", f"{number.de}{NARROW}%")


def points(value: float, digits: int = 1) -> Both:
    """Return a difference of shares in percentage points, without a unit."""
    return _number(lambda x: f"{100 * x:.{digits}f}", value)


def signed_points(value: float, digits: int = 1) -> Both:
    """Return a difference of shares in percentage points with its sign: +3.1 and +3,1."""
    return _number(lambda x: f"{100 * x:+.{digits}f}", value)


def duration(seconds: float) -> Both:
    """Return a time in the unit that suits it: 12 s, 3.5 min, 2.1 h."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            number = decimal(seconds / size, 1)
            return Both(f"{number.en} {unit}", f"{number.de} {unit}")
    number = decimal(seconds, 0)
    return Both(f"{number.en} s", f"{number.de} s")
