"""What Alembic runs: the steps, on the connection that `migrate` has opened and locked."""

from __future__ import annotations

from alembic import context

from kunstkammer.web.store.migrate import VERSION_TABLE
from kunstkammer.web.store.tables import Base

if hasattr(context, "config"):  # Not so where somebody else imports it, as a run of doctests does.
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        render_as_batch=True,
    )
    context.run_migrations()
