"""A full disk harms nothing: what was kept stays readable, what was refused leaves nothing, deleting goes on."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sqlalchemy import event

from kunstkammer.web.errors import StorageFull
from kunstkammer.web.settings import Settings
from kunstkammer.web.store import Store
from tests.web.store.conftest import answer, files_in, new_database, put


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(store: Store, size: int) -> list[str]:
    """Add pictures until the disk is full; return those that were acknowledged."""
    ids = []
    for i in range(100_000):
        try:
            ids.append(put(store, "ada", b"%06d" % i * (size // 6)).id)
        except StorageFull:
            return ids
    raise AssertionError("the disk was never full")


@pytest.mark.parametrize("size", [600, 300_000])
def test_pictures_and_database_on_a_disk_that_fills_up(small_disk, monkeypatch, size) -> None:
    """Without any reserve: small pictures fill it through the database, large ones through their files."""
    monkeypatch.setattr("kunstkammer.web.store.store.RESERVE", -(2**40))
    store = Store.open(Settings(folder=small_disk))
    ids = fill(store, size)
    assert ids
    for _ in range(3):
        with pytest.raises(StorageFull):
            put(store, "ada", os.urandom(size * 4))
    assert store.list("ada", limit=1).total == len(ids)
    for i in range(0, len(ids), 17):
        assert len(store.bytes_of("ada", ids[i])) == size
    assert len(files_in(small_disk / "pictures")) == 2 * len(ids)
    store.healthy()
    store.close()
    again = Store.open(Settings(folder=small_disk))
    assert again.list("ada", limit=1).total == len(ids)
    again.close()


def test_a_reserve_keeps_room_for_deleting(small_disk, monkeypatch) -> None:
    monkeypatch.setattr("kunstkammer.web.store.store.RESERVE", 2**20)
    store = Store.open(Settings(folder=small_disk))
    ids = fill(store, 60_000)
    store.put_answer("ada", ids[0], answer("m", a=0.9, b=0.1))
    store.correct("ada", ids[0], "m", ["b"])
    assert store.delete_all("ada") == len(ids)
    put(store, "ada", b"there is room again")
    store.close()


def test_a_map_on_a_full_disk_is_not_kept(store, settings, monkeypatch) -> None:
    picture = put(store, "ada", b"one")
    monkeypatch.setattr("kunstkammer.web.store.store.RESERVE", 2**60)
    store.put_map(picture.facts.sha256, "k", b"map")
    assert store.get_map(picture.facts.sha256, "k") is None
    with pytest.raises(StorageFull):
        put(store, "ada", b"two")
    assert len(files_in(settings.folder / "pictures")) == 2


def test_a_database_that_may_not_grow(tmp_path) -> None:
    """SQLite's own "full": the transaction has not happened, and the files that were laid for it are gone."""
    store = Store.open(Settings(folder=tmp_path))
    kept = put(store, "ada", b"kept")
    engine = store._database._engine

    def limit(connection, _record, _proxy=None) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(engine, "checkout", limit)
    for i in range(200):
        try:
            put(store, "ada", b"%d" % i, "name " * 30)
        except StorageFull:
            break
    else:
        raise AssertionError("never full")
    assert len(files_in(tmp_path / "pictures")) == 2 * store.list("ada").total
    for _ in range(5):
        with pytest.raises(StorageFull):
            store.put_answer("ada", kept.id, answer("m" * 5000, a=0.9, b=0.1))
    assert store.get("ada", kept.id) == kept
    event.remove(engine, "checkout", limit)
    put(store, "ada", b"again")
    store.close()


def test_postgres_without_room(postgres, tmp_path) -> None:
    """The server's "disk full" in answer to a row; here a trigger says it."""
    import psycopg

    url = new_database(postgres)
    store = Store.open(Settings(folder=tmp_path, database=url))
    kept = put(store, "ada", b"kept")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
        )
        connection.execute("CREATE TRIGGER full_disk BEFORE INSERT ON pictures EXECUTE FUNCTION full_disk()")
    with pytest.raises(StorageFull):
        put(store, "ada", b"new")
    assert len(files_in(tmp_path / "pictures")) == 2
    assert store.get("ada", kept.id) == kept
    store.close()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from kunstkammer.web.errors import StorageFull
from kunstkammer.web.settings import Settings
from kunstkammer.web.store import Store
from tests.web.store.conftest import put
store = Store.open(Settings(folder=Path(sys.argv[1])))
kept = put(store, "ada", b"kept")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
try:
    put(store, "ada", bytes(500_000))
except StorageFull:
    print("full")
assert store.bytes_of("ada", kept.id) == b"kept"
put(store, "ada", b"small")
"""


def test_a_file_that_may_not_grow(tmp_path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("full\n", 0), done.stderr
    assert len(files_in(tmp_path / "pictures")) == 4
