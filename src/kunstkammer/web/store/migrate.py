"""Bringing a database to the form that this version knows."""

from __future__ import annotations

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from kunstkammer.errors import ResourceError
from kunstkammer.web.store.database import Database

VERSION_TABLE = "kunstkammer_version"
_LOCK_KEY = 0x6B756E7374
"""Which of PostgreSQL's advisory locks is ours."""
_one_at_a_time = threading.Lock()
"""Alembic keeps its context in a module."""


def migrate(database: Database) -> None:
    """Make or upgrade the tables in one transaction; of several processes one does it and the others wait.

    Raises `ResourceError` for a database that a newer version has made.
    """
    config = Config()
    folder = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    with _one_at_a_time, database.connection() as connection:
        if not database.sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        known = {script.revision for script in scripts.walk_revisions()}
        now = current(connection)
        if not now <= known:
            raise ResourceError(
                f"The database {database.name} was made by a newer Kunstkammer (its form is {', '.join(sorted(now))}); "
                "install that version, or name another database."
            )
        if now != set(scripts.get_heads()):
            config.attributes["connection"] = connection
            command.upgrade(config, "heads")


def current(connection: Connection) -> set[str]:
    """Return the form that a database has; nothing for a new one."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return set(context.get_current_heads())
