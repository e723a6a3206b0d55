"""From the rows of a table to pictures with labels: which column is the file, which the label, what parts labels."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunstkammer.data.objects import OBJECTS, joined_cells, tidy_objects
from kunstkammer.data.readers.indicators import asked_columns, found_columns, read_indicators, require_columns
from kunstkammer.data.readers.rows import Rows, a_few, label_text, split_of_path, split_text
from kunstkammer.data.readers.scan import is_noise, is_picture_name
from kunstkammer.data.readers.tables import Table
from kunstkammer.data.texts import CAPTION_COLUMNS, captions_of
from kunstkammer.errors import DataError, guess

FILE_COLUMNS = (
    "file_name", "filename", "file", "image_path", "file_path", "filepath", "path", "image", "image_file", "image_name",
    "picture", "img", "img_path", "photo", "image_id", "img_id",
)  # fmt: skip
LABEL_COLUMNS = ("label", "labels", "class", "classes", "category", "categories", "tags", "target")
_SEVERAL = frozenset({"labels", "classes", "categories", "tags"})
_SEPARATORS = ("|", ";")


@dataclass(frozen=True)
class ReadOptions:
    """What the user said about the labels of a table; None where the table is to speak for itself."""

    column: str | None = None
    separator: str | None = None


def pictures_of_table(table: Table, folder: Path, wish: ReadOptions | None) -> Rows:
    """Return the pictures that a table names, relative to `folder`, in the order of the table.

    Without a `wish` its labels are passed over, whatever they are.

    Raises `DataError` for a missing file or label column, files that are not there, and contradicting rows.
    """
    file_column = find_column(table.columns, FILE_COLUMNS)
    if file_column is None:
        raise DataError(
            f"{table.path} has no column of file names; name one 'file_name' (there are: {a_few(table.columns, 12)})."
        )
    label_columns = [] if wish is None else find_label_columns(table, wish)
    wish = wish or ReadOptions()
    names = [str(row.get(file_column) or "").strip() for row in table.rows]
    blank = [line for line, name in zip(table.lines, names, strict=True) if not name]
    if blank:
        raise DataError(
            f"{table.path}, line {blank[0]}: the cell under '{file_column}' is empty; name the picture or drop it."
        )
    rows = Rows()
    inner = folder_of_pictures(names, folder)
    rows.files, rows.sources = resolve_files([inner + name for name in names], folder, str(table.path))
    if len(label_columns) > 1:
        read_indicators(rows, label_columns, table.rows, table.lines, str(table.path))
        if wish.column is None:
            rows.notes.append(f"Each of these columns is taken as a label: {', '.join(label_columns)}.")
    else:
        column = label_columns[0] if label_columns else None
        values = [row.get(column) for row in table.rows] if column else [None] * len(names)
        read_labels(rows, values, column, wish)
    split_column = find_column(table.columns, ("split",))
    for row, line, file in zip(table.rows, table.lines, rows.files, strict=True):
        own = split_text(row.get(split_column), f"{table.path}, line {line}") if split_column else ""
        rows.splits.append(own or split_of_path(file[len(inner) :]))
    taken = {file_column, split_column, *label_columns}
    rows.columns = {name: [row.get(name) for row in table.rows] for name in table.columns if name not in taken}
    if OBJECTS in rows.columns:
        rows.columns[OBJECTS], notes = tidy_objects(rows.columns[OBJECTS], rows.files)
        rows.notes += notes
    return merge_rows(rows, str(table.path))


def find_column(columns: Sequence[str], wanted: Sequence[str]) -> str | None:
    """Return the first column that bears one of the wanted names, in any case, or None."""
    lower = {column.lower(): column for column in reversed(columns)}
    return next((lower[name] for name in wanted if name in lower), None)


def find_label_columns(table: Table, wish: ReadOptions) -> list[str]:
    """Return the columns of a table that hold its labels: one, several with a label each, or none.

    Raises `DataError` for a wish that the table has no column for.
    """
    several = asked_columns(wish.column, table.columns)
    if several:
        require_columns(several, table.columns, str(table.path))
        if wish.separator:
            raise DataError(
                f"{table.path}: a label separator parts the labels in the cells of one column; with a column for each "
                "label leave it out."
            )
        return several
    one = find_label_column(table.columns, wish, str(table.path))
    if one is not None:
        return [one]
    file_column = find_column(table.columns, FILE_COLUMNS)
    if file_column is None:
        return []
    files = [str(row.get(file_column) or "") for row in table.rows]
    return found_columns(table.columns, table.rows, files, file_column)


def find_label_column(columns: Sequence[str], wish: ReadOptions, where: str) -> str | None:
    """Return the column of labels: the one wished for, else the first of the usual names, else None."""
    if wish.column is None:
        return find_column(columns, LABEL_COLUMNS)
    if wish.column not in columns:
        raise DataError(
            f"{where} has no column '{wish.column}'.{guess(wish.column, columns)} Known: {a_few(list(columns), 12)}."
        )
    return wish.column


def read_labels(rows: Rows, values: list[Any], column: str | None, wish: ReadOptions) -> None:
    """Fill `rows.labels` and `rows.multi_label` from cells: text, numbers, or lists of them.

    Text is split at the wished separator, or, in a column whose name speaks of several labels, at "|" or ";". A comma
    separates only on request, for names of labels hold commas.
    """
    if any(isinstance(value, list | tuple) for value in values):
        rows.multi_label = True
        rows.labels = [_several(value) for value in values]
        return
    separator = wish.separator
    if not separator and column is not None and column.lower() in _SEVERAL:
        texts = [value for value in values if isinstance(value, str)]
        separator = next((sign for sign in _SEPARATORS if any(sign in text for text in texts)), None)
        example = next((text for text in texts if "," in text), None)
        if separator is None and example is not None:
            rows.notes.append(
                f"The labels in '{column}' hold commas, such as '{example}'; they are taken as part of the name. "
                f"If they separate labels, say label separator ','."
            )
    if separator:
        rows.multi_label = True
        rows.labels = [_several(label_text(value).split(separator)) for value in values]
    else:
        rows.labels = [[text] if (text := label_text(value)) else [] for value in values]


def _several(value: Any) -> list[str]:
    parts = value if isinstance(value, list | tuple) else [value]
    return sorted({text for text in map(label_text, parts) if text})


def resolve_files(names: Sequence[str], folder: Path, where: str) -> tuple[list[str], list[str | bytes]]:
    """Return the file of each row as (relative POSIX name, path). Raises one `DataError` for all that are not there.

    A name is tried as written, with "\\" as "/", in either Unicode form (a table written on one system, the files
    copied from another), and as the name of a picture without its suffix.
    """
    files: list[str] = []
    sources: list[str | bytes] = []
    missing: list[str] = []
    twin, whole = _twin_finder(), _suffix_finder()
    base = folder.as_posix().rstrip("/") + "/"
    for name in names:
        path = name if os.path.isabs(name) else base + name  # noqa: PTH117 - a table may have 180,000 rows
        if not os.path.isfile(path):  # noqa: PTH113
            other = twin(path) or twin(path.replace("\\", "/")) or whole(path)
            if other is None:
                missing.append(name)
                continue
            path = other
        path = os.path.normpath(path).replace(os.sep, "/")
        files.append(path[len(base) :] if path.startswith(base) else path)
        sources.append(path)
    if missing:
        hint = _hint(missing[0], folder)
        raise DataError(
            f"{where} names {len(missing)} of {len(names)} pictures that are not in {folder}: {a_few(missing)}.{hint} "
            f"Put them there or take their rows out."
        )
    return files, sources


def _twin_finder() -> Callable[[str], str | None]:
    """Return a function that finds the file whose path is the same but for its Unicode form."""
    listed: dict[str, dict[str, str]] = {}

    def twin(path: str) -> str | None:
        folder, _, name = path.rpartition("/")
        if not os.path.isdir(folder):  # noqa: PTH112
            above = twin(folder) if folder else None
            if above is None:
                return None
            folder = above
        if folder not in listed:
            try:
                inside = os.listdir(folder)  # noqa: PTH208 - names as text are what is wanted
            except OSError:
                inside = []
            listed[folder] = {unicodedata.normalize("NFC", entry): entry for entry in inside}
        found = listed[folder].get(unicodedata.normalize("NFC", name))
        return None if found is None else f"{folder}/{found}"

    return twin


def _suffix_finder() -> Callable[[str], str | None]:
    """Return a function that finds the one picture whose path is the given one and a suffix (an id such as 0_3_4)."""
    listed: dict[str, dict[str, list[str]]] = {}

    def whole(path: str) -> str | None:
        folder, _, name = path.rpartition("/")
        if folder not in listed:
            listed[folder] = {}
            for entry in os.listdir(folder) if os.path.isdir(folder) else []:  # noqa: PTH112, PTH208
                if is_picture_name(entry) and not is_noise(entry):
                    listed[folder].setdefault(os.path.splitext(entry)[0], []).append(entry)  # noqa: PTH122
        found = listed[folder].get(name, [])
        return f"{folder}/{found[0]}" if len(found) == 1 else None

    return whole


def folder_of_pictures(names: Sequence[str], folder: Path) -> str:
    """Return "" where the pictures of a table lie in `folder`, or "NAME/" of the one folder in it that has the first.

    So a table of bare names may lie beside its folder of pictures.
    """
    first = next((name for name in names if name), "")
    if not first or "/" in first or "\\" in first or not folder.is_dir():
        return ""
    twin, whole = _twin_finder(), _suffix_finder()

    def holds(place: Path) -> bool:
        path = (place / first).as_posix()
        return os.path.isfile(path) or bool(twin(path) or whole(path))  # noqa: PTH113

    if holds(folder):
        return ""
    inner = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not is_noise(entry.name)]
    holding = [entry.name for entry in inner if holds(entry)]
    return f"{holding[0]}/" if len(holding) == 1 else ""


def _hint(missing: str, folder: Path) -> str:
    """Guess what the first missing name should have been, from what lies in the folder that it points into."""
    place = (folder / missing).parent
    if not place.is_dir():
        return f" There is no folder {place}."
    known = [name for name in os.listdir(place) if is_picture_name(name) and not is_noise(name)]  # noqa: PTH208
    return guess(Path(missing).name, known)


def merge_rows(rows: Rows, where: str) -> Rows:
    """Make the files unique: rows of one picture are merged where they agree or where a picture may have many labels.

    The boxes and captions of all its rows are kept; of other columns the first row counts.

    Raises `DataError` that names the file where they contradict each other.
    """
    first: dict[str, int] = {}
    kept: list[int] = []
    for i, file in enumerate(rows.files):
        j = first.setdefault(file, i)
        if j == i:
            kept.append(i)
            continue
        if rows.splits[i] != rows.splits[j]:
            raise DataError(
                f"{where} puts {file} into two splits ('{rows.splits[j]}', '{rows.splits[i]}'); keep one row."
            )
        if rows.labels[i] != rows.labels[j] and not rows.multi_label:
            both = "' and '".join(sorted(set(rows.labels[i] + rows.labels[j])))
            raise DataError(
                f"{where} names {file} twice, with the labels '{both}'; keep one row, or say a label separator if a "
                f"picture may have several labels."
            )
        rows.labels[j] = sorted({*rows.labels[j], *rows.labels[i]})
        for name, values in rows.columns.items():
            if name == OBJECTS:
                values[j] = joined_cells(values[j], values[i])
            elif name.lower() in CAPTION_COLUMNS:
                told = list(dict.fromkeys([*captions_of(values[j]), *captions_of(values[i])]))
                values[j] = told if len(told) > 1 else values[j] or values[i]
    if len(kept) < len(rows.files):
        rows.notes.append(
            f"{len(rows.files) - len(kept)} rows name a picture that an earlier row names; they are merged."
        )
        rows.columns = {name: [values[i] for i in kept] for name, values in rows.columns.items()}
        rows.files = [rows.files[i] for i in kept]
        rows.sources = [rows.sources[i] for i in kept]
        rows.labels = [rows.labels[i] for i in kept]
        rows.splits = [rows.splits[i] for i in kept]
    return rows
