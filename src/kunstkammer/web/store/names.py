"""What a visitor may call things: file names without paths and control signs, labels that are one line of text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from kunstkammer.errors import DataError

LONGEST_NAME = 200
LONGEST_LABEL = 200
MOST_LABELS = 1000
_HIDDEN = ("Cc", "Cf", "Cs")
"""Control signs, signs that turn the direction of writing or show nothing, halves of a pair."""


def clean_name(name: str) -> str:
    r"""Return a file's name without folders, control signs and what shows nothing; never empty, at most 200 signs.

    >>> clean_name("../../etc/passwd"), clean_name("C:\\pictures\\coin\r\nSet-Cookie: a.jpg"), clean_name("..")
    ('passwd', 'coinSet-Cookie: a.jpg', 'picture')
    """
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rsplit("/", 1)[-1])
    name = "".join(sign for sign in name if unicodedata.category(sign) not in _HIDDEN)
    name = " ".join(name.split()).strip(". ") if set(name) <= set(". ") else " ".join(name.split())
    if len(name) > LONGEST_NAME:
        stem, dot, suffix = name.rpartition(".")
        tail = dot + suffix if stem and len(suffix) <= 10 else ""
        name = name[: LONGEST_NAME - len(tail)] + tail
    return name or "picture"


def folded(text: str) -> str:
    """Return a text as it is searched for: case and width of signs do not matter.

    >>> folded("STRASSE") == folded("Straße")
    True
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def sayable(text: str) -> bool:
    """Return whether a database can hold a text: no NUL, no half of a pair.

    >>> sayable("Möwe"), sayable("a\\x00b"), sayable("\\ud800")
    (True, False, False)
    """
    return "\0" not in text and not any("\ud800" <= sign <= "\udfff" for sign in text)


def clean_labels(labels: Iterable[str]) -> list[str]:
    """Return labels sorted, each once; raise `DataError` for one that no collection would have."""
    found = sorted(set(labels))
    if len(found) > MOST_LABELS:
        raise DataError(f"{len(found)} labels are too many for one picture; at most {MOST_LABELS}.")
    for label in found:
        if not label.strip() or label != label.strip() or len(label) > LONGEST_LABEL:
            raise DataError(f"A label has 1 to {LONGEST_LABEL} signs, no space at its ends; {label[:60]!r} is none.")
        if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in label):
            raise DataError(f"A label has no control signs; {label[:60]!r} is none.")
    return found
