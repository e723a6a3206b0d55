"""Tables with a column a label: 0 or 1, true or false, or the share of the annotators who saw it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from kunstkammer.data.readers.rows import SPLIT_NAMES, Rows, a_few
from kunstkammer.data.texts import TEXT_COLUMNS
from kunstkammer.errors import DataError, guess

SHARE_CUT = 0.5
"""A picture carries a label where at least this share of the annotators saw it."""

FEWEST = 3
"""So many indicator columns side by side are taken for labels without being asked for; two may be anything."""

_EMOTIONS = """anger angry annoyance anticipation calm confusion contempt disgust disgusted fear fearful happiness happy
joy joyful love neutral neutrality none other others sad sadness scared surprise surprised trust"""
EMOTIONS = frozenset(_EMOTIONS.split())

_BESIDE = """id index idx nr no number key row split part set fold title group series album book page source url link
licence license rights author artist creator name year date"""
BESIDE_LABELS = frozenset(_BESIDE.split()) | TEXT_COLUMNS
"""What other columns of a table of indicators are called; a table with further columns says itself what it is about."""

_WORDS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


def asked_columns(wished: str | None, columns: Sequence[str]) -> list[str]:
    """Return the columns that a wish such as "angry,fear,happy" names, [] where it names one column or none.

    >>> asked_columns("angry, fear", ["file", "angry", "fear"])
    ['angry', 'fear']
    """
    if wished is None or wished in columns or "," not in wished:
        return []
    return list(dict.fromkeys(part for part in (part.strip() for part in wished.split(",")) if part))


def require_columns(names: Sequence[str], columns: Sequence[str], where: str) -> None:
    """Raise `DataError` for a name that is no column, with the nearest guess."""
    for name in names:
        if name not in columns:
            raise DataError(f"{where} has no column '{name}'.{guess(name, columns)} Known: {a_few(list(columns), 16)}.")


def found_columns(
    columns: Sequence[str], rows: Sequence[Mapping[str, Any]], files: Sequence[str], file_column: str
) -> list[str]:
    """Return the columns of a table that are clearly one label each, [] where that is not clear.

    They stand side by side, at least `FEWEST` of them, and hold nothing but 0 and 1 (or true and false), none of them 1
    throughout, and at least half of the pictures carry one. Under names of emotions they may hold shares too; under
    others they may not, for boxes and scores look the same. Beside them the table has only what usually stands there
    (`BESIDE_LABELS`), and the pictures do not lie in folders that name their class.
    """
    tops = {PurePosixPath(file.replace("\\", "/")).parent.name for file in files}
    if len({top for top in tops if top.lower() not in SPLIT_NAMES}) > 1:
        return []
    known = {column for column in columns if not column or column == file_column or column.lower() in BESIDE_LABELS}
    names = [column for column in columns if column not in known]
    if len(names) < FEWEST or not rows:
        return []
    first = columns.index(names[0])
    if list(columns[first : first + len(names)]) != names:
        return []
    values = [[_number(row.get(name)) for name in names] for row in rows]
    if any(value is None for row in values for value in row):
        return []
    carried = [[value >= SHARE_CUT for value in row if value is not None] for row in values]
    if 2 * sum(any(row) for row in carried) < len(rows):
        return []
    if 2 * sum(name.lower() in EMOTIONS for name in names) >= len(names):
        return names
    shares = any(value not in (0, 1) for row in values for value in row)
    everywhere = any(all(column) for column in zip(*carried, strict=True))
    return [] if shares or everywhere else names


def read_indicators(
    rows: Rows, names: Sequence[str], cells: Sequence[Mapping[str, Any]], lines: Sequence[int], where: str
) -> None:
    """Fill `rows.labels` from the columns `names`; every name stays a label, also one that no picture carries.

    Raises `DataError` with the line for a cell that is no number from 0 to 1.
    """
    shares = False
    for row, line in zip(cells, lines, strict=True):
        own = []
        for name in names:
            value = _number(row.get(name))
            if value is None:
                raise DataError(f"{where}, line {line}: {_wrong(row.get(name), name)}")
            shares |= value not in (0, 1)
            if value >= SHARE_CUT:
                own.append(name)
        rows.labels.append(sorted(own))
    rows.multi_label = True
    rows.label_names = sorted({*rows.label_names, *names})
    if shares:
        rows.notes.append(f"The labels are given as shares; a picture carries a label from {SHARE_CUT} on.")
    bare = sum(not own for own in rows.labels)
    if bare:
        rows.notes.append(f"{bare} of {len(rows.labels)} pictures carry none of the labels.")


def _number(cell: Any) -> float | None:
    """Return a cell as a number from 0 to 1, None for anything else; "0,5" is what a German spreadsheet writes."""
    if isinstance(cell, str):
        word = cell.strip().lower()
        try:
            value = _WORDS[word] if word in _WORDS else float(word.replace(",", "."))
        except ValueError:
            return None
    elif isinstance(cell, int | float):
        value = float(cell)
    else:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1 else None


def _wrong(cell: Any, name: str) -> str:
    if cell is None or cell == "":
        return f"the cell under '{name}' is empty; write 0 or 1, or a share between."
    return f"'{cell}' under '{name}' is no number from 0 to 1; write 0 or 1, true or false, or a share between."
