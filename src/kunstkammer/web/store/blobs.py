"""Files under names of their own: in a local folder, or wherever fsspec reaches.

A name is never used twice: content's hash, the moment it was given, a few random digits, and what it is
("original", "thumbnail", "map", "result"). So a file is written once, read, and removed; nobody ever overwrites one
that another reads, and a name tells by itself how old the file is, on any kind of storage.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from kunstkammer.errors import ResourceError
from kunstkammer.files import disk_errors
from kunstkammer.web.errors import StorageFull

PARTS = ("original", "thumbnail", "map", "result")
_NAME = re.compile(
    r"([0-9a-f]{64}\.([0-9a-f]{12})[0-9a-f]{12})\.(?:original|thumbnail|map|result)(?:\.[0-9a-f]{8}\.partial)?"
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def new_name(sha256: str) -> str:
    """Return a name for the files of a content that nothing ever had."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise ValueError(f"{sha256[:80]!r} is no SHA-256.")
    return f"{sha256}.{time.time_ns() // 1_000_000:012x}{secrets.token_hex(6)}"


def name_of(file: str) -> str | None:
    """Return the name that a file belongs to, None for a file that is not ours."""
    found = _NAME.fullmatch(file)
    return found.group(1) if found else None


def born(name: str) -> float:
    """Return when a name was given, in seconds since 1970."""
    return int(name.split(".")[1][:12], 16) / 1000


class Blobs(Protocol):
    """A place for files. Whatever it raises is a `ResourceError`, for a full one `StorageFull`."""

    where: str

    def put(self, name: str, parts: Mapping[str, bytes]) -> None:
        """Keep files of a name; they are on the disk when this returns. Where it raises some of them may be there."""

    def get(self, name: str, part: str) -> bytes | None:
        """Return a file, None where it is not."""

    def has(self, name: str, part: str) -> bool:
        """Return whether a file is there."""

    def remove(self, name: str, part: str) -> None:
        """Remove a file; nothing happens where it is not."""

    def files(self) -> Iterator[str]:
        """Go over the names of all files."""

    def remove_file(self, file: str) -> None:
        """Remove a file as `files` names it."""

    def free(self) -> int | None:
        """Return how many bytes are free, None where nobody knows."""

    def healthy(self) -> None:
        """Raise `ResourceError` where it cannot be reached."""


def open_blobs(place: str) -> Blobs:
    """Return the place for files of a folder or an fsspec URL (s3://bucket/folder, memory://x ...)."""
    if place.startswith("file://"):
        return LocalBlobs(Path(unquote(urlsplit(place).path)))
    return RemoteBlobs(place) if "://" in place or "::" in place else LocalBlobs(Path(place))


@contextlib.contextmanager
def _disk(where: str | Path) -> Iterator[None]:
    try:
        with disk_errors(where):
            yield
    except ResourceError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in _FULL:
            raise StorageFull("The disk for pictures is full; nothing was kept. Free some space.") from error
        raise


class LocalBlobs:
    """Files in folders named by the first two digits of their name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.where = str(folder)
        with _disk(folder):
            _make_folder(self.folder)

    def _path(self, file: str) -> Path:
        return self.folder / file[:2] / file

    def put(self, name: str, parts: Mapping[str, bytes]) -> None:
        """Keep files: each written beside, fsynced and renamed, and the folder fsynced."""
        folder = self._path(name).parent
        with _disk(self.folder):
            _make_folder(folder)
            for part, data in parts.items():
                # Two may bring back a lost file at once: each writes one of its own.
                partial = folder / f"{name}.{part}.{secrets.token_hex(4)}.partial"
                try:
                    with open(partial, "xb", opener=_for_the_owner) as file:
                        file.write(data)
                        file.flush()
                        os.fsync(file.fileno())
                    partial.replace(folder / f"{name}.{part}")
                except BaseException:
                    partial.unlink(missing_ok=True)
                    raise
            _sync_folder(folder)

    def get(self, name: str, part: str) -> bytes | None:
        """Return a file, None where it is not."""
        with _disk(self.folder):
            try:
                return self._path(f"{name}.{part}").read_bytes()
            except FileNotFoundError:
                return None

    def has(self, name: str, part: str) -> bool:
        """Return whether a file is there."""
        return self._path(f"{name}.{part}").is_file()

    def remove(self, name: str, part: str) -> None:
        """Remove a file."""
        self.remove_file(f"{name}.{part}")

    def files(self) -> Iterator[str]:
        """Go over the names of all files."""
        with _disk(self.folder):
            for folder in os.scandir(self.folder):
                if folder.is_dir(follow_symlinks=False):
                    yield from (entry.name for entry in os.scandir(folder.path))

    def remove_file(self, file: str) -> None:
        """Remove a file as `files` names it."""
        with _disk(self.folder):
            self._path(file).unlink(missing_ok=True)

    def free(self) -> int | None:
        """Return how many bytes are free."""
        with _disk(self.folder):
            return shutil.disk_usage(self.folder).free

    def healthy(self) -> None:
        """Raise `ResourceError` where the folder is gone or cannot be written."""
        if not os.access(self.folder, os.R_OK | os.W_OK | os.X_OK):
            raise ResourceError(f"The folder for pictures {self.where} is gone, or may not be written.")


def _for_the_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _make_folder(folder: Path) -> None:
    """Make a folder and what is missing above it, for the owner alone, and on the disk."""
    if folder.is_dir():
        return
    missing = [path for path in folder.parents if not path.exists()]
    for path in [*reversed(missing), folder]:
        path.mkdir(exist_ok=True, mode=0o700)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder, and has no need to.
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class RemoteBlobs:
    """Files behind an fsspec URL. A half-written one is under a name that no row has, so it is never read."""

    def __init__(self, url: str) -> None:
        import fsspec

        # The URL may carry a password; the message does not.
        self.where = url.split("://", 1)[0] + "://..."
        self._fs: Any
        try:
            self._fs, root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ResourceError(f"The place for pictures {self.where} cannot be used: {error}.") from error
        self._root = str(root).rstrip("/")

    def _path(self, file: str) -> str:
        return f"{self._root}/{file[:2]}/{file}"

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn whatever the library behind the URL raises, each its own kinds, into a `ResourceError`."""
        try:
            with _disk(self.where):
                yield
        except ResourceError:
            raise
        except Exception as error:
            what = " ".join(str(error).split()) or type(error).__name__
            raise ResourceError(f"The place for pictures {self.where} does not answer as it should: {what}.") from error

    def put(self, name: str, parts: Mapping[str, bytes]) -> None:
        """Keep files."""
        with self._told():
            self._fs.makedirs(self._path(name).rsplit("/", 1)[0], exist_ok=True)
            for part, data in parts.items():
                self._fs.pipe_file(self._path(f"{name}.{part}"), data)

    def get(self, name: str, part: str) -> bytes | None:
        """Return a file, None where it is not."""
        with self._told():
            try:
                return bytes(self._fs.cat_file(self._path(f"{name}.{part}")))
            except FileNotFoundError:
                return None

    def has(self, name: str, part: str) -> bool:
        """Return whether a file is there."""
        with self._told():
            return bool(self._fs.exists(self._path(f"{name}.{part}")))

    def remove(self, name: str, part: str) -> None:
        """Remove a file."""
        self.remove_file(f"{name}.{part}")

    def files(self) -> Iterator[str]:
        """Go over the names of all files."""
        with self._told():
            self._fs.invalidate_cache()
            if self._fs.exists(self._root):
                for path in self._fs.find(self._root):
                    yield str(path).rsplit("/", 1)[-1]

    def remove_file(self, file: str) -> None:
        """Remove a file as `files` names it."""
        with self._told(), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._path(file))

    def free(self) -> int | None:
        """Nobody knows."""
        return None

    def healthy(self) -> None:
        """Raise `ResourceError` where it cannot be reached."""
        with self._told():
            self._fs.exists(self._root)
