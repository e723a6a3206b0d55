"""The pictures that a command is given: files and folders, in the order given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kunstkammer.errors import DataError, guess

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection


TABLES = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".json"})


def collection_of(paths: str | Path | Sequence[str | Path]) -> Collection:
    """Return an unlabelled collection of the pictures at `paths`, each named as the user wrote it.

    A folder stands for all pictures below it (by suffix, hidden files left out), sorted; a file is taken whatever its
    suffix says. One table alone (.csv, .tsv, .jsonl, .json) stands for the pictures that it names, with the text that
    it has for them; its labels are passed over. Raises `DataError` for a path that is not there, with the nearest
    guess, and for a folder without pictures.
    """
    from kunstkammer.data.collection import make_collection

    given = [paths] if isinstance(paths, str | Path) else list(paths)
    if not given:
        raise DataError("No picture was named; name files or folders.")
    if len(given) == 1 and Path(given[0]).suffix.lower() in TABLES and Path(given[0]).is_file():
        from kunstkammer.data.readers.text_file import read_told

        table = Path(given[0])
        return read_told(table).collection(table.stem, table.parent)
    found: dict[str, Path] = {}
    for path in map(Path, given):
        for file in _pictures(path):
            found.setdefault(str(file), file)
    return make_collection(
        name=Path(given[0]).name or "pictures",
        files=list(found),
        sources=[str(file.absolute()) for file in found.values()],
        labels=[[] for _ in found],
    )


def _pictures(path: Path) -> list[Path]:
    from kunstkammer.pictures.read import SUFFIXES

    if path.is_file():
        return [path]
    if not path.is_dir():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(f"There is no picture or folder {path}.{guess(path.name, siblings)}")
    files = (file for file in sorted(path.rglob("*")) if file.suffix.lower() in SUFFIXES and file.is_file())
    pictures = [file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if not pictures:
        raise DataError(f"The folder {path} holds no pictures ({', '.join(sorted(SUFFIXES))}); name another.")
    return pictures
