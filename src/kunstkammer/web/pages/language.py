"""Every visible word in English and German (words/en.yaml, de.yaml), and numbers as each language writes them."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from kunstkammer.errors import unknown_name
from kunstkammer.evaluation.notes import translations
from kunstkammer.evaluation.report import words as report

LANGUAGES = ("en", "de")
_FOLDER = Path(__file__).parent / "words"


@functools.cache
def sentences(language: str) -> dict[str, str]:
    """Return every sentence of a language by its key."""
    return yaml.safe_load((_FOLDER / f"{language}.yaml").read_text(encoding="utf-8"))


def wished_language(accept: str) -> str:
    """Return the language of ours that a browser's Accept-Language wishes most, English if neither.

    >>> wished_language("fr, de-AT;q=0.8, en;q=0.5"), wished_language("de;q=0, en"), wished_language("")
    ('de', 'en', 'en')
    """
    best, most = LANGUAGES[0], 0.0
    for part in accept[:1000].split(","):
        name, _, weight = part.strip().partition(";")
        language = name.strip().lower().partition("-")[0]
        try:
            share = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if language in LANGUAGES and share > most:
            best, most = language, share
    return best


class Words:
    """The sentences of one language; called with a key and what fills its {braces}.

    >>> Words("de")("nav.models"), Words("en")("gallery.count", n=1), Words("en")("gallery.count", n=2000)
    ('Modelle', '1 picture', '2,000 pictures')
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._sentences = sentences(language)

    def __call__(self, key: str, **values: Any) -> str:
        """Return a sentence; `key.one` is taken where there is one and `n` is 1. Raises where nobody wrote it."""
        if values.get("n") == 1 and f"{key}.one" in self._sentences:
            key = f"{key}.one"
        if key not in self._sentences:
            raise unknown_name("sentence", key, self._sentences)
        filled = {
            name: self.whole(value) if isinstance(value, int) and not isinstance(value, bool) else value
            for name, value in values.items()
        }
        return self._sentences[key].format(**filled)

    def __contains__(self, key: str) -> bool:
        return key in self._sentences

    def marked(self, key: str, **values: Any) -> Markup:
        """Return a sentence whose own tags hold (it is ours), what fills it escaped."""
        return Markup(self._sentences[key]).format(**values)

    def several(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the raw sentences of some keys and of all that begin with "KEY.", for a script to fill in."""
        return {k: v for k, v in self._sentences.items() if any(k == key or k.startswith(f"{key}.") for key in keys)}

    def whole(self, value: int) -> str:
        """12,345 or 12.345."""
        return getattr(report.whole(value), self.language)

    def decimal(self, value: float, digits: int = 3) -> str:
        """0.917 or 0,917."""
        return getattr(report.decimal(value, digits), self.language)

    def percent(self, value: float, digits: int | None = None) -> str:
        """91.7% or 91,7 %: one decimal below 1% and above 99%, where it matters, else none.

        >>> Words("de").percent(0.917), Words("en").percent(0.996), Words("en").percent(0.99999)
        ('92\\u202f%', '99.6%', 'over 99.9%')
        """
        if digits is None:
            if value > 0.9995 and value < 1:
                return f"{self('over')} {self.percent(0.999)}"
            if 0 < value < 0.0005:
                return f"{self('under')} {self.percent(0.001)}"
            digits = 1 if 0 < value < 0.0095 or 0.9905 < value < 1 else 0
        return getattr(report.percent(value, digits), self.language)

    def size(self, value: int) -> str:
        """A number of bytes.

        >>> Words("en").size(1_300_000), Words("de").size(900)
        ('1.3 MB', '900 Byte')
        """
        for unit, width in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if value >= width:
                digits = 1 if value < 10 * width and value * 10 // width % 10 else 0
                return f"{self.decimal(value / width, digits)} {unit}"
        return f"{self.whole(value)} {self('bytes')}"

    def date(self, at: datetime) -> str:
        """21 November 2026 or 21. November 2026."""
        dot = "." if self.language == "de" else ""
        return f"{at.day}{dot} {self('months').split()[at.month - 1]} {at.year}"

    def clock(self, at: datetime) -> str:
        """A day and a time, in UTC, as what is stored is."""
        return f"{self.date(at)}, {at:%H:%M} UTC"

    def metric(self, name: str) -> str:
        """The name of a metric as the report has it."""
        known = translations().get(f"metric.{name}")
        return known[self.language] if known else name.replace("_", " ")

    def metric_hint(self, name: str) -> str:
        """What a metric measures, as the report has it."""
        known = translations().get(f"metric.{name}.hint")
        return known[self.language] if known else ""

    def explainer(self, method: str) -> str:
        """The name of a method that explains; its own where we have no word for it."""
        return self._sentences.get(f"explainer.{method}", method)

    def explainer_hint(self, method: str) -> str:
        """What a method shows, in a sentence."""
        return self._sentences.get(f"explainer.{method}.hint", "")
