"""Transactions on SQLite and PostgreSQL, and what their errors mean to a person."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from kunstkammer.errors import ResourceError
from kunstkammer.web.errors import StorageFull

BUSY_SECONDS = 30
"""How long a transaction waits for another process on SQLite."""
_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_FULL_STATES = ("53100",)


class Database:
    """An engine with two kinds of transaction: `reading` and `writing`.

    On SQLite a writing transaction takes the write lock when it begins (never in its middle, where waiting could not
    help), and within this process they queue, which is fairer than SQLite's own polling.
    """

    def __init__(self, url: str | URL) -> None:
        self.url = _checked(url)
        self.name = self.url.render_as_string(hide_password=True)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        if self.file is not None:
            _make_private(self.file)
        self._engine = self._make_engine()
        self._begins = self._engine.execution_options(begin="IMMEDIATE")
        self._turn: contextlib.AbstractContextManager[Any] = (
            threading.RLock() if self.sqlite else contextlib.nullcontext()
        )
        self.insert = sqlite.insert if self.sqlite else postgresql.insert

    @property
    def file(self) -> Path | None:
        """SQLite's file; None on PostgreSQL."""
        return Path(str(self.url.database)) if self.sqlite else None

    def _make_engine(self) -> Engine:
        if self.sqlite:
            engine = create_engine(
                self.url,
                connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
                pool_size=8,
                max_overflow=56,
            )
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        engine = create_engine(self.url, pool_size=5, max_overflow=10, pool_pre_ping=True)
        event.listen(engine, "connect", _prepare_postgres)
        return engine

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state of the database and changes nothing."""
        with self.errors(), Session(self._engine, autoflush=False, expire_on_commit=False) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is on the disk when the block ends, or has not happened."""
        with (
            self._turn,
            self.errors(),
            Session(self._begins, autoflush=False, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        """A writing transaction without objects, for migrations."""
        with self._turn, self.errors(), self._begins.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what a driver raises into `StorageFull` and `ResourceError`."""
        try:
            yield
        except PoolTimeout as error:
            raise ResourceError(f"The database {self.name} is too busy; try again later.") from error
        except DBAPIError as error:
            raise self._told(error.orig) from error
        except sqlite3.Error as error:  # from `_prepare_sqlite`, which SQLAlchemy does not wrap
            raise self._told(error) from error

    def _told(self, cause: Any) -> Exception:
        code = getattr(cause, "sqlite_errorcode", None)
        if code in _FULL or getattr(cause, "sqlstate", None) in _FULL_STATES:
            return StorageFull("The disk of the database is full; nothing was kept. Free some space.")
        what = " ".join(str(cause).split())
        return ResourceError(f"The database {self.name} does not answer as it should: {what}.")

    def healthy(self) -> None:
        """Raise `ResourceError` where it does not answer."""
        with self.reading() as session:
            session.execute(text("SELECT 1"))

    def tidy(self) -> None:
        """Empty SQLite's log into its file where nobody is at it: nothing that was deleted stays in it."""
        if self.sqlite:
            with self.errors(), contextlib.closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Let all connections go."""
        with contextlib.suppress(SQLAlchemyError):
            self._engine.dispose()


def _checked(given: str | URL) -> URL:
    """Return the URL with the driver that we use; raise `ResourceError` for what cannot be used."""
    try:
        url = make_url(given)
        backend = url.get_backend_name()
    except ArgumentError as error:
        raise ResourceError(
            "The database's URL cannot be read; write sqlite:////folder/file.db or postgresql://user:password@host/name."
        ) from error
    if backend in ("postgres", "postgresql"):
        if importlib.util.find_spec("psycopg") is None:
            raise ResourceError("PostgreSQL needs one more library: pip install 'kunstkammer[postgres]'.")
        return url.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ResourceError(f"There is no way to keep things in '{backend}'; name a sqlite:// or postgresql:// URL.")
    if not url.database or url.database == ":memory:" or "memory" in url.query.get("mode", ""):
        raise ResourceError("A database in memory would forget everything; name a file: sqlite:////folder/file.db.")
    return url.set(drivername="sqlite+pysqlite")


def _make_private(file: Path) -> None:
    """Make a new database's file for its owner alone; SQLite gives its log the same rights."""
    with contextlib.suppress(OSError):  # it is there already, or SQLite will say why not
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Transactions are begun by `_begin_sqlite`, not by the driver, which would begin them too late.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log; of two processes at once one is told "locked" without waiting: try again."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                return
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] == "wal":
                return
        except sqlite3.OperationalError as error:
            if (error.sqlite_errorcode & 0xFF) not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
        if time.monotonic() > end:
            raise ResourceError(
                "The database cannot be kept with a write-ahead log there; name a folder on a local disk."
            )
        time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get('begin', 'DEFERRED')}")


def _prepare_postgres(connection: Any, _record: object) -> None:
    # A server may be set to acknowledge before it has written; not for us.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    connection.commit()
