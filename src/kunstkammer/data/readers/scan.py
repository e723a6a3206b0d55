"""Walk a folder once: which files are pictures, which are not, which folders there are. Sorted; safe against loops."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from kunstkammer.errors import DataError
from kunstkammer.pictures.read import SUFFIXES

_NOISE = frozenset({"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "@eadir"})


@dataclass
class Found:
    """What lies below a folder, as POSIX paths relative to it, sorted by name at every level."""

    pictures: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


def is_noise(name: str) -> bool:
    """Whether a name is hidden or one that an operating system leaves behind; these are passed over in silence."""
    return name.startswith(".") or name.lower() in _NOISE


def is_picture_name(name: str) -> bool:
    """Whether the suffix is that of a picture, in upper or lower case."""
    return os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - called once a file, pathlib is ten times slower


def scan(folder: Path) -> Found:
    """Walk `folder` to the bottom. Links are followed, but never into a folder that holds them.

    A link to nothing that has a picture's suffix counts as a picture, so that it is named as unreadable later.
    Raises `DataError` for a folder that may not be opened.
    """
    found = Found()
    _walk(folder, "", frozenset(), found)
    return found


def _walk(folder: Path, prefix: str, above: frozenset[tuple[int, int]], found: Found) -> None:
    try:
        status = folder.stat()
        here = (status.st_dev, status.st_ino)
        if here in above:
            found.folders.remove(prefix.rstrip("/"))
            found.refused.append((prefix.rstrip("/"), "a link back to a folder that holds it"))
            return
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"Cannot open the folder {_printable(str(folder))}: {reason}; change its permissions."
        ) from error
    inner: list[os.DirEntry[str]] = []
    for entry in entries:
        if is_noise(entry.name):
            continue
        path = prefix + entry.name
        if not _is_text(entry.name):
            found.refused.append((_printable(path), "the name is not valid UTF-8; rename it"))
        elif entry.is_dir():
            inner.append(entry)
        elif is_picture_name(entry.name) and (entry.is_file() or entry.is_symlink()):
            found.pictures.append(path)
        elif entry.is_file():
            found.others.append(path)
    for entry in inner:
        found.folders.append(prefix + entry.name)
        _walk(Path(entry.path), prefix + entry.name + "/", above | {here}, found)


def _is_text(name: str) -> bool:
    """Whether a file name can be written as UTF-8; one from an old system may hold bytes that cannot."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _printable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode("utf-8")


def require_folder(path: Path) -> None:
    """Raise `DataError` when nothing is at `path`, with the nearest name beside it as a guess."""
    from kunstkammer.errors import guess

    if path.exists():
        return
    parent = path.absolute().parent
    while not parent.is_dir():
        path, parent = Path(parent), parent.parent
    siblings = (
        [entry.name for entry in parent.iterdir() if not is_noise(entry.name)] if os.access(parent, os.R_OK) else []
    )
    beside = guess(path.name, siblings)
    raise DataError(f"There is nothing at {_printable(str(path))}.{beside} Name a folder or a table of pictures.")
