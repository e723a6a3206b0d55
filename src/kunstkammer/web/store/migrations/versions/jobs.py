"""Jobs, and the steps of them that are finished."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("visitor", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("of", sa.Integer(), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("created", _TIME, nullable=False),
        sa.Column("started", _TIME, nullable=True),
        sa.Column("finished", _TIME, nullable=True),
        sa.Column("expires", _TIME, nullable=True),
        sa.Column("cancelling", sa.Boolean(), nullable=False),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.Column("turn", _TIME, nullable=True),
        sa.Column("worker", sa.String(32), nullable=True),
        sa.Column("lease", _TIME, nullable=True),
    )
    for columns in (["visitor", "created"], ["status"], ["expires"]):
        op.create_index(op.f("ix_jobs_" + "_".join(columns)), "jobs", columns)
    op.create_table(
        "job_steps",
        sa.Column("job", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("picture", sa.String(32), sa.ForeignKey("pictures.id", ondelete="CASCADE"), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("file", sa.String(128), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
    )
    for column in ("picture", "file"):
        op.create_index(op.f(f"ix_job_steps_{column}"), "job_steps", [column])


def downgrade() -> None:
    """Forget the jobs; their files are swept."""
    op.drop_table("job_steps")
    op.drop_table("jobs")
