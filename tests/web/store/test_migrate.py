"""The database's form: made on start, by one of several, never taken from a newer version."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from kunstkammer.errors import ResourceError
from kunstkammer.web.store.database import Database
from kunstkammer.web.store.migrate import VERSION_TABLE, migrate
from kunstkammer.web.store.tables import Base

OPEN = """
import sys
from pathlib import Path
from kunstkammer.web.settings import Settings
from kunstkammer.web.store import Store
sys.stdin.readline()
store = Store.open(Settings(folder=Path(sys.argv[1]), database=sys.argv[2]))
store.healthy()
print(store._blobs.where)
"""


def test_the_steps_lead_to_the_tables(store, database) -> None:
    with store._database.connection() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, Base.metadata) == []


def test_several_start_at_once(tmp_path, database) -> None:
    """They are let go together, when all have loaded; one makes the tables, all see the same store."""
    (tmp_path / "house").mkdir()
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(tmp_path / "house"), database],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    told = [start.communicate("go\n") for start in _let_go(starts)]
    assert [start.returncode for start in starts] == [0] * 3, told
    assert len({out for out, _ in told}) == 1


def _let_go(starts: list[subprocess.Popen]) -> list[subprocess.Popen]:
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("go\n")
        start.stdin.flush()
    return starts


def test_a_newer_database_is_refused_and_not_touched(open_store, database) -> None:
    open_store().close()
    engine = sa.create_engine(database.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = 'from-tomorrow'"))
    with pytest.raises(ResourceError, match=r"newer Kunstkammer.*from-tomorrow.*install that version"):
        open_store()
    with engine.connect() as connection:
        assert connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == "from-tomorrow"
    engine.dispose()


def test_a_failing_step_leaves_nothing(database, tmp_path, monkeypatch) -> None:
    (tmp_path / "house").mkdir()
    held = Database(database)
    with held.connection() as connection:
        connection.execute(sa.text("CREATE TABLE tokens (id INTEGER)"))  # the last table of the first step
    with pytest.raises(ResourceError, match="tokens"):
        migrate(held)
    with held.connection() as connection:
        assert sa.inspect(connection).get_table_names() == ["tokens"]
        connection.execute(sa.text("DROP TABLE tokens"))
    migrate(held)
    held.close()


def test_a_file_that_is_no_database_is_named_and_kept(open_store, tmp_path) -> None:
    (tmp_path / "notes.db").write_text("these are my notes, and no database" * 100)
    with pytest.raises(ResourceError, match=r"notes\.db.*not a database"):
        open_store(database=f"sqlite:///{tmp_path / 'notes.db'}")
    assert (tmp_path / "notes.db").read_text().startswith("these are my notes")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/name", "mysql"),
        ("sqlite://", "forget everything"),
        ("sqlite:///:memory:", "forget everything"),
        ("not a url", "cannot be read"),
        ("sqlite:////proc/nowhere/x.db", "unable to open"),
        ("postgresql://user:hidden@127.0.0.1:1/x", "refused"),
    ],
)
def test_a_database_that_cannot_be_used_is_named(open_store, url, message) -> None:
    with pytest.raises(ResourceError, match=message) as caught:
        open_store(database=url)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_missing_driver_is_named(open_store, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ResourceError, match=r"pip install 'kunstkammer\[postgres\]'"):
        open_store(database="postgres://host/name")


def test_every_commit_of_sqlite_is_on_the_disk(tmp_path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.connection() as connection:
        asked = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in (
            "journal_mode", "synchronous", "foreign_keys", "busy_timeout", "secure_delete"
        )}  # fmt: skip
    assert asked == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000, "secure_delete": 1
    }  # fmt: skip
    database.close()


def test_postgres_that_acknowledges_too_early_is_told_not_to(postgres) -> None:
    database = Database(f"{postgres}/postgres?options=-c%20synchronous_commit%3Doff")
    with database.connection() as connection:
        assert connection.execute(sa.text("SHOW synchronous_commit")).scalar() == "on"
    database.close()
