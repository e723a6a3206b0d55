"""Text that lies in a file of its own beside the pictures' table, as the transcriptions of EmoRecCom do."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

from kunstkammer.data.collection import Collection
from kunstkammer.data.readers.coco import captions_by_file, is_coco
from kunstkammer.data.readers.labelled import FILE_COLUMNS, find_column, pictures_of_table
from kunstkammer.data.readers.rows import Rows, a_few
from kunstkammer.data.readers.scan import is_picture_name, require_folder
from kunstkammer.data.readers.tables import read_records
from kunstkammer.data.texts import joined, text_columns
from kunstkammer.errors import DataError


def with_text(collection: Collection, path: Path) -> Collection:
    """Return the collection with a column `text` from a file: a table, or a .json file with a list of objects.

    A table needs a column that names the picture (by file name or its stem) and one or more of text; several are
    joined, and so are the rows of one picture. Pictures that it does not name have no text, which a note counts.

    A COCO file of captions gives the column `captions` instead, with all the captions of each picture.

    Raises `DataError` where a column is missing, or where the file names none of the pictures.
    """
    require_folder(path)
    captions = _is_coco(path)
    found: dict[str, list[str]] = {}
    for name, own in (captions_by_file(path) if captions else _texts(path)).items():
        found.setdefault(_stem(PurePosixPath(name)), []).extend(own)
    stems = [_stem(PurePosixPath(file)) for file in collection.files]
    known = [stem in found for stem in stems]
    if not any(known):
        raise DataError(
            f"{path} names none of the {len(collection)} pictures of '{collection.name}'; its names are "
            f"{a_few(list(found))}, those of the pictures {a_few(stems)}."
        )
    twice = next((stem for stem, count in Counter(stems).items() if count > 1 and stem in found), None)
    if twice is not None:
        raise DataError(f"Two pictures of '{collection.name}' are named '{twice}', so their text cannot be told apart.")
    told = [[part for part in found.get(stem, []) if part] for stem in stems]
    if captions:
        collection = collection.with_column("captions", told)
        known = [bool(own) for own in told]
    else:
        collection = collection.with_column("text", ["\n".join(own) for own in told])
    missing = len(known) - sum(known)
    if not missing:
        return collection
    what = "captions" if captions else "text"
    note = f"{path.name} has no {what} for {missing} of {len(collection)} pictures."
    return replace(collection, notes=(*collection.notes, note))


def _is_coco(path: Path) -> bool:
    """Whether a file is COCO JSON; other JSON (a list of objects), also a malformed one, is left to its own reader."""
    if path.suffix.lower() != ".json":
        return False
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and is_coco(path)


def _texts(path: Path) -> dict[str, list[str]]:
    """Return the texts of each file name in a table."""
    table = read_records(path)
    file_column = find_column(table.columns, FILE_COLUMNS)
    columns = text_columns([name for name in table.columns if name != file_column])
    if file_column is None or not columns:
        what = (
            "of file names (file_name, image_id ...)"
            if file_column is None
            else "of text (text, narration, dialog ...)"
        )
        raise DataError(f"{path} has no column {what}; there are: {a_few(table.columns, 12)}.")
    found: dict[str, list[str]] = {}
    for row in table.rows:
        name = PurePosixPath(str(row.get(file_column) or "").strip().replace("\\", "/"))
        text = joined([row.get(column) for column in columns])
        found.setdefault(str(name), []).append(text)
    return found


def read_told(path: Path) -> Rows:
    """Read the pictures and texts of a table, or of a .json file with a list of objects; labels are passed over."""
    table = read_records(path)
    for name in text_columns(table.columns):
        for row in table.rows:
            row[name] = joined(row.get(name))
    return pictures_of_table(table, path.parent, None)


def _stem(name: PurePosixPath) -> str:
    return name.stem if is_picture_name(name.name) else name.name
