"""Files that are whole or absent: atomic writing, the cache folder, and disk errors in plain words."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kunstkammer.errors import ResourceError

_CAUSES = {
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "the file system is read-only; name another place",
    errno.EACCES: "no permission to write there; name another place or change its owner",
    errno.EPERM: "no permission to write there; name another place or change its owner",
    errno.ENAMETOOLONG: "the name is too long for this file system; choose a shorter one",
    errno.ENOTDIR: "a part of the path is a file, not a folder; name another place",
    errno.EISDIR: "there is a folder of that name; name a file",
}


@contextlib.contextmanager
def disk_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn an `OSError` inside the block into a `ResourceError` that names `path` and the mend."""
    try:
        yield
    except OSError as error:
        cause = _CAUSES.get(error.errno or 0, error.strerror or str(error))
        raise ResourceError(f"Cannot write {Path(path)}: {cause}.") from error


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is fsynced and renamed, on failure it is removed.

    So `path` is at every moment either what it was or whole. Raises `ResourceError` when the disk refuses.
    """
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            with open(partial, "rb") as file:
                os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            partial.chmod(0o666 & ~umask)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file whole or not at all (UTF-8)."""
    with atomic_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write a JSON file whole or not at all (UTF-8, indented, keys as given)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it replaces `path`, on failure nothing is left behind."""
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".writing-", dir=path.parent))
        try:
            yield partial
            umask = os.umask(0)
            os.umask(umask)
            partial.chmod(0o777 & ~umask)
            if path.exists():
                old = Path(tempfile.mkdtemp(prefix=".replaced-", dir=path.parent))
                path.replace(old / "old")
                partial.replace(path)
                shutil.rmtree(old, ignore_errors=True)
            else:
                partial.replace(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def cache_folder() -> Path:
    """Return the folder for what can be made again (plates, fingerprints): `KUNSTKAMMER_CACHE` or the user's cache."""
    named = os.environ.get("KUNSTKAMMER_CACHE")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("kunstkammer", appauthor=False))
