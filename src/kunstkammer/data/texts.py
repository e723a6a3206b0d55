"""The text that belongs to each picture of a collection: what is said and told in a scene."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kunstkammer.errors import DataError

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection

TEXT_COLUMNS = frozenset(
    {
        "text", "texts", "narration", "narrative", "narrator", "dialog", "dialogs", "dialogue", "dialogues", "caption",
        "captions", "balloon", "balloons", "bubble", "bubbles", "speech", "transcription", "transcript", "ocr",
    }
)  # fmt: skip
"""Names under which tables keep the text of a picture, in lower case."""

CAPTION_COLUMNS = ("captions", "caption", "text")
"""Names under which tables keep sentences about a picture, or of it; the first that is there counts."""


def label_text(value: Any) -> str:
    """Return a label as text in the composed Unicode form, so that one name typed on two systems is one label.

    Absent values (None, NaN, blanks) give "".

    >>> label_text("Mu\\u0308nze ") == "M\\u00fcnze"
    True
    >>> label_text(3.0), label_text(None), label_text(float("nan"))
    ('3', '', '')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return unicodedata.normalize("NFC", str(value)).strip()


def text_columns(columns: Sequence[str], wished: str | None = None) -> list[str]:
    """Return the columns that hold the text: those wished for ("narration,dialog"), else `text`, else the usual names.

    A wished column that is not there is left out; where none of them is there, [].

    >>> text_columns(["file", "Narration", "dialog", "title"])
    ['Narration', 'dialog']
    >>> text_columns(["file", "text", "dialog"])
    ['text']
    """
    if wished is not None:
        names = [wished] if wished in columns else [part.strip() for part in wished.split(",")]
        return [name for name in dict.fromkeys(names) if name in columns]
    return [name for name in columns if name.lower() == "text"][:1] or [
        name for name in columns if name.lower() in TEXT_COLUMNS
    ]


def require_texts(collection: Collection, wished: str | None = None) -> list[str]:
    """Return the columns that hold the text of a collection that is to be learned from.

    Raises `DataError` where a wished column is not there, where there is no text at all, or where every cell is empty.
    """
    from kunstkammer.errors import guess

    others = [name for name in collection.column_names if name not in ("file", "image", "labels", "split")]
    known = f"Known: {', '.join(others) or 'none'}."
    for name in [] if wished is None or wished in others else [part.strip() for part in wished.split(",")]:
        if name not in others:
            raise DataError(
                f"'{collection.name}' has no column '{name}' to take text from.{guess(name, others)} {known}"
            )
    columns = text_columns(others, wished)
    if not columns:
        raise DataError(
            f"'{collection.name}' has no column of text; name it 'text', set data.text_column, or give a text file. "
            f"{known}"
        )
    if not any(texts_of(collection, columns)):
        raise DataError(f"There is no text in '{collection.name}': every cell under {', '.join(columns)} is empty.")
    return columns


def texts_of(collection: Collection, columns: Sequence[str]) -> list[str]:
    """Return the text of each picture: its cells under `columns`, one after the other, "" where all are empty.

    A cell may hold a list (the balloons of a panel, in order); lines of one picture are parted by a line feed.
    """
    cells = [collection.column(name) for name in columns]
    if not cells:
        return [""] * len(collection)
    return [joined(row) for row in zip(*cells, strict=True)]


def joined(cell: Any) -> str:
    """Return a cell as text: lists are joined by line feeds, None and NaN are nothing.

    >>> joined(["Help!", None, [" Where ", ""]])
    'Help!\\nWhere'
    """
    if cell is None or cell != cell:  # noqa: PLR0124 - NaN differs from itself
        return ""
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, list | tuple):
        return "\n".join(part for part in map(joined, cell) if part)
    return str(cell)


def caption_column(columns: Sequence[str]) -> str | None:
    """Return the column of captions, in any case of its letters, None where there is none.

    >>> caption_column(["file", "text", "Caption"])
    'Caption'
    """
    lower = {name.lower(): name for name in reversed(columns)}
    return next((lower[name] for name in CAPTION_COLUMNS if name in lower), None)


def captions_of(cell: Any) -> tuple[str, ...]:
    """Return the captions in a cell: one text, or a list of them; what is empty is none.

    >>> captions_of(["A coin. ", None, ""]), captions_of(" A coin."), captions_of(float("nan"))
    (('A coin.',), ('A coin.',), ())
    """
    parts = cell if isinstance(cell, list | tuple) else [cell]
    return tuple(text for text in map(joined, parts) if text)
