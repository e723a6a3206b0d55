"""Stores on both databases: every test that takes `open_store` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kunstkammer.web.records import Answer, Facts, Picture, Score
from kunstkammer.web.settings import Settings
from kunstkammer.web.store import Store
from tests.web.postgres import running_postgres

OpenStore = Callable[..., Store]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a server, without a database's name."""
    with running_postgres() as url:
        yield url


def new_database(server: str) -> str:
    """Make a database on a server and return its URL."""
    import psycopg

    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


def drop_database(url: str) -> None:
    """Drop a database, whoever is still at it."""
    import psycopg

    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'house' / 'test.db'}"
        return
    url = new_database(request.getfixturevalue("postgres"))
    yield url
    drop_database(url)


@pytest.fixture
def settings(database, tmp_path) -> Settings:
    """Settings of a server with that database."""
    return Settings(folder=tmp_path / "house", database=database)


@pytest.fixture
def open_store(settings) -> Iterator[OpenStore]:
    """Opens stores on one database and one folder, with other settings if given."""
    opened: list[Store] = []

    def open_one(**changes) -> Store:
        opened.append(Store.open(settings.model_copy(update=changes)))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store) -> Store:
    """A store with the settings' defaults."""
    return open_store()


def facts_of(data: bytes) -> Facts:
    """Return facts with the right hash and length; the rest the store does not look at."""
    return Facts(hashlib.sha256(data).hexdigest(), "PNG", 40, 30, len(data))


def put(store: Store, visitor: str, data: bytes, name: str = "a.png") -> Picture:
    """Add a picture."""
    return store.add(visitor, data, facts_of(data), name=name, thumbnail=b"small " + data[:20])


def answer(model: str, **shares: float) -> Answer:
    """Return an answer; the largest label is chosen."""
    best = max(shares, key=shares.__getitem__)
    scores = tuple(Score(label, share, 0.5, label == best) for label, share in sorted(shares.items()))
    return Answer(model, "v1", scores, True, 0.25, 0.5)


def files_in(folder: Path) -> set[str]:
    """Return all files below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
