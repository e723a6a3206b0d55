"""What is known already: which content a file holds, and the facts of a content, kept in one SQLite file of the cache.

A file counts as unchanged when its size, mtime, ctime and inode are those it had when it was hashed. A change that
keeps all four is not possible without setting the clock back: writing moves ctime, and no program can set ctime. The
one gap is a file system's clock tick, so a file that changed within the last seconds before it was hashed is not
remembered.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunstkammer.errors import ResourceError
from kunstkammer.files import disk_errors
from kunstkammer.progress import say

NAME = "known-1.sqlite"
LIMIT_BYTES = 2 << 30
"""Above this size, about 1.5 million pictures, the files and facts not used for the longest time are forgotten."""

MEND = "Set KUNSTKAMMER_CACHE to a folder that can be written and has room."

_SETTLED_SECONDS = 2.0  # FAT keeps times in steps of two seconds; other file systems are finer
_ASKED_AT_ONCE = 500

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, stamp TEXT, digest BLOB, day INTEGER) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS facts (digest BLOB, how TEXT, width INTEGER, height INTEGER, format TEXT, mean REAL, "
    "deviation REAL, thumbnail BLOB, day INTEGER, PRIMARY KEY (digest, how)) WITHOUT ROWID",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What one look at a content found.

    Attributes:
        width, height: the size as shown, in pixels.
        format: "JPEG", "PNG", ...
        mean, deviation: of the grey values, 0..255.
        thumbnail: the grey thumbnail's bytes, row by row.
    """

    width: int
    height: int
    format: str
    mean: float
    deviation: float
    thumbnail: bytes


def stamp_of(state: os.stat_result) -> str:
    """Return the text that changes whenever the file changes."""
    return f"{state.st_size}:{state.st_mtime_ns}:{state.st_ctime_ns}:{state.st_ino}"


def settled(state: os.stat_result) -> bool:
    """Whether a file has been left alone for long enough that its next change must show in its times."""
    return time.time() - max(state.st_mtime, state.st_ctime) > _SETTLED_SECONDS


class Known:
    """The SQLite file, used by one thread; several processes may hold it at once. Use it in a `with`.

    A damaged file is thrown away with a line said: all in it can be found out again. Raises `ResourceError` when the
    disk is full or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        with self._trouble():
            with disk_errors(self.path):
                folder.mkdir(parents=True, exist_ok=True)
            try:
                self._connection = self._open()
            except sqlite3.DatabaseError as error:
                self._renew(error)

    def __enter__(self) -> Known:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60, isolation_level=None)
        try:
            self._empty = not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        except BaseException:
            connection.close()
            raise
        return connection

    def _renew(self, error: sqlite3.DatabaseError) -> None:
        """Throw a damaged file away and begin a new one; other trouble (a full disk, a lock) is raised again."""
        if isinstance(error, sqlite3.OperationalError):
            raise error
        say(f"The index of the cache, {self.path}, is damaged ({error}); it is made anew.")
        with contextlib.suppress(AttributeError):
            self._connection.close()
        with disk_errors(self.path):
            self.path.unlink(missing_ok=True)
            Path(f"{self.path}-journal").unlink(missing_ok=True)
        self._connection = self._open()

    @contextlib.contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ResourceError(f"Cannot use {self.path}: {error}. {MEND}") from error
        except ResourceError as error:
            raise ResourceError(f"{error} {MEND}") from error

    def _ask(self, query: str, keys: Sequence[bytes], before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        if self._empty:
            return rows
        with self._trouble():
            try:
                for start in range(0, len(keys), _ASKED_AT_ONCE):
                    some = keys[start : start + _ASKED_AT_ONCE]
                    rows += self._connection.execute(query % ",".join("?" * len(some)), (*before, *some))
            except sqlite3.DatabaseError as error:
                self._renew(error)
                return []
        return rows

    def _write(self, statements: Sequence[tuple[str, list[tuple[Any, ...]]]]) -> None:
        """Run all statements in one transaction."""
        with self._trouble():
            try:
                self._run(statements)
            except sqlite3.DatabaseError as error:
                self._renew(error)
                self._run(statements)

    def _run(self, statements: Sequence[tuple[str, list[tuple[Any, ...]]]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in _SCHEMA if self._empty else ():  # in the same transaction: each costs a wait for the disk
                self._connection.execute(statement)
            for statement, rows in statements:
                self._connection.executemany(statement, rows)
            self._connection.execute("COMMIT")
            self._empty = False
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back by itself where the disk was full
                self._connection.execute("ROLLBACK")
            raise

    def digests(self, stamps: dict[bytes, str]) -> dict[bytes, bytes]:
        """Return the digest of each path (encoded as `os.fsencode` does) whose stamp is the one that was remembered."""
        rows = self._ask("SELECT path, stamp, digest FROM files WHERE path IN (%s)", list(stamps))
        return {path: digest for path, stamp, digest in rows if stamps[path] == stamp}

    def facts(self, digests: Iterable[bytes], how: str) -> dict[bytes, Facts]:
        """Return the facts that are known of these contents, looked at in this way."""
        columns = "digest, width, height, format, mean, deviation, thumbnail"
        query = f"SELECT {columns} FROM facts WHERE how = ? AND digest IN (%s)"
        return {row[0]: Facts(*row[1:]) for row in self._ask(query, list(digests), (how,))}

    def add(self, files: Sequence[tuple[bytes, str, bytes]], facts: dict[bytes, Facts], how: str) -> None:
        """Remember (path, stamp, digest) of files and the facts of contents, in one transaction."""
        if not files and not facts:
            return
        day = _today()
        named: list[tuple[Any, ...]] = [(*file, day) for file in files]
        looked: list[tuple[Any, ...]] = [
            (digest, how, f.width, f.height, f.format, f.mean, f.deviation, f.thumbnail, day)
            for digest, f in facts.items()
        ]
        self._write(
            [
                ("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", named),
                ("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", looked),
            ]
        )

    def mark_used(self, files: Iterable[bytes], facts: Iterable[bytes], how: str) -> None:
        """Note that these files and facts were of use today; when the index is over its limit, forget the oldest."""
        day = _today()
        stale_files = [
            row[0] for row in self._ask(f"SELECT path FROM files WHERE day < {day} AND path IN (%s)", list(files))
        ]
        query = f"SELECT digest FROM facts WHERE day < {day} AND how = ? AND digest IN (%s)"
        stale_facts = [row[0] for row in self._ask(query, list(facts), (how,))]
        if stale_files or stale_facts:
            statements: list[tuple[str, list[tuple[Any, ...]]]] = [
                ("UPDATE files SET day = ? WHERE path = ?", [(day, path) for path in stale_files]),
                ("UPDATE facts SET day = ? WHERE digest = ? AND how = ?", [(day, d, how) for d in stale_facts]),
            ]
            with contextlib.suppress(ResourceError):  # a cache that can only be read still serves what it holds
                self._write(statements)
        if self._size() > LIMIT_BYTES:
            self._forget(day)

    def _forget(self, today: int) -> None:
        """Forget what was not used for the longest time, day by day in halving steps, until the limit is kept."""
        with self._trouble():
            (oldest,) = self._connection.execute(
                "SELECT min(day) FROM (SELECT day FROM files UNION SELECT day FROM facts)"
            ).fetchone()
            while oldest is not None and oldest < today and self._size() > LIMIT_BYTES:
                middle = (oldest + today) // 2
                self._run([(f"DELETE FROM {table} WHERE day <= ?", [(middle,)]) for table in ("files", "facts")])
                self._connection.execute("VACUUM")
                oldest = middle + 1

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


def _today() -> int:
    return int(time.time() // 86_400)
