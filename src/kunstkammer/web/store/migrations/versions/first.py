"""The store's own name, visitors, contents, pictures, answers, corrections, labels that hold, heat maps, tokens."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    stores = op.create_table("stores", sa.Column("id", sa.String(16), primary_key=True))
    op.bulk_insert(stores, [{"id": secrets.token_hex(8)}])
    op.create_table(
        "visitors",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("pictures", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "contents",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("file", sa.String(128), nullable=False),
        sa.Column("format", sa.String(32), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "pictures",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("visitor", sa.String(), sa.ForeignKey("visitors.id"), nullable=False),
        sa.Column("sha256", sa.String(64), sa.ForeignKey("contents.sha256"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("folded", sa.String(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("expires", _TIME, nullable=True),
    )
    for columns in (["visitor", "at", "id"], ["at", "id"], ["sha256"], ["expires"]):
        op.create_index(op.f("ix_pictures_" + "_".join(columns)), "pictures", columns)
    op.create_table(
        "answers",
        _of_picture(),
        sa.Column("model", sa.String(), primary_key=True),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("calibrated", sa.Boolean(), nullable=False),
        sa.Column("doubt", sa.Double(), nullable=False),
        sa.Column("novelty", sa.Double(), nullable=True),
        sa.Column("scores", sa.JSON(), nullable=False),
    )
    op.create_table(
        "corrections",
        _of_picture(),
        sa.Column("model", sa.String(), primary_key=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
    )
    op.create_table(
        "labels",
        _of_picture(),
        sa.Column("model", sa.String(), primary_key=True),
        sa.Column("label", sa.String(), primary_key=True),
    )
    op.create_index(op.f("ix_labels_label_model"), "labels", ["label", "model"])
    op.create_table(
        "maps",
        sa.Column("sha256", sa.String(64), sa.ForeignKey("contents.sha256", ondelete="CASCADE"), primary_key=True),
        sa.Column("key", sa.String(), primary_key=True),
        sa.Column("file", sa.String(128), nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("admin", sa.Boolean(), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )


def _of_picture() -> sa.Column[str]:
    return sa.Column("picture", sa.String(32), sa.ForeignKey("pictures.id", ondelete="CASCADE"), primary_key=True)


def downgrade() -> None:
    """There is nothing before it."""
    raise NotImplementedError
