"""Read a table of text (CSV, TSV, JSON Lines) into rows of cells, each with the line that it stands on."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunstkammer.data.readers.scan import is_picture_name
from kunstkammer.errors import DataError

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson"})
_DELIMITERS = ",;\t"


@dataclass
class Table:
    """The cells of a table: `columns` in the order found, `rows` as dictionaries, `lines` their line numbers from 1."""

    path: Path
    columns: list[str]
    rows: list[dict[str, Any]]
    lines: list[int]

    @property
    def name(self) -> str:
        """The file name, for messages."""
        return self.path.name


def read_table(path: Path) -> Table:
    """Read a .csv, .tsv, .jsonl or .ndjson file. Raises `DataError` with the line for whatever is malformed."""
    text = _text(path)
    table = _json_lines(path, text) if path.suffix.lower() in (".jsonl", ".ndjson") else _delimited(path, text)
    if not table.rows:
        raise DataError(f"{path} has no rows; write one line for each picture.")
    return table


def read_records(path: Path) -> Table:
    """Read a table as `read_table` does, or a .json file that holds one list of objects; its "lines" are their numbers.

    Raises `DataError` for whatever is malformed.
    """
    if path.suffix.lower() != ".json":
        return read_table(path)
    try:
        records = json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}, line {error.lineno}: not JSON ({error.msg}); mend it.") from error
    if not isinstance(records, list) or not records or not all(isinstance(row, dict) for row in records):
        raise DataError(f"{path} is JSON but no list of objects; write [{{'file_name': ..., 'text': ...}}, ...].")
    columns = dict.fromkeys(name for row in records for name in row)
    return Table(path, list(columns), records, list(range(1, len(records) + 1)))


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}.") from error
    wide = raw[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path} is not UTF-8 (byte 0x{raw[error.start]:02x} on line {line}); save it as UTF-8, "
            f"in Excel 'CSV UTF-8', or convert it: iconv -f WINDOWS-1252 -t UTF-8."
        ) from error


def _json_lines(path: Path, text: str) -> Table:
    columns: dict[str, None] = {}
    rows, lines = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {number}: not JSON ({error.msg} at column {error.colno}); mend it."
            ) from error
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, line {number}: a {type(row).__name__}, not an object; write {{'file_name': ...}}."
            )
        columns.update(dict.fromkeys(row))
        rows.append(row)
        lines.append(number)
    return Table(path, list(columns), rows, lines)


def _delimited(path: Path, text: str) -> Table:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    head = text[: text.find("\n") + 1 or len(text)]
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(_DELIMITERS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    columns: list[str] = []
    start = 1
    try:
        for cells in reader:
            line, start = start, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = _header(path, cells)
                continue
            if len(cells) > len(columns):
                raise DataError(
                    f"{path}, line {line}: {len(cells)} cells under {len(columns)} columns; "
                    f'put a cell that holds "{delimiter}" in double quotes.'.replace("\t", "a tab")
                )
            rows.append(dict(zip(columns, cells + [""] * (len(columns) - len(cells)), strict=True)))
            lines.append(line)
    except csv.Error as error:
        raise DataError(f"{path}, line {start}: {error}; mend the quotes there.") from error
    return Table(path, columns, rows, lines)


def _header(path: Path, cells: list[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    if any(is_picture_name(cell) for cell in columns):
        example = ",".join(columns)[:80]
        raise DataError(
            f"{path} has no header: its first line is '{example}'; put a line such as 'file_name,label' above."
        )
    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise DataError(f"{path} has two columns named '{twice[0]}'; rename one.")
    return columns
