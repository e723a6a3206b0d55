"""The database's tables. A change here needs a step in `migrations/versions/` (a test compares the two)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Double, ForeignKey, Index, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Moment(TypeDecorator[datetime]):
    """A time in UTC; SQLite, which knows no time zones, keeps it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Bring a time to UTC."""
        if value is None:
            return None
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Say that it is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment(), float: Double, dict[str, Any]: JSON, list[Any]: JSON, list[str]: JSON}  # noqa: RUF012


class StoreRow(Base):
    """The one row that names this database: its files lie under that name."""

    __tablename__ = "stores"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)


class Visitor(Base):
    """Who has pictures, and how much: the row that is locked when this changes."""

    __tablename__ = "visitors"

    id: Mapped[str] = mapped_column(String, primary_key=True)
    used: Mapped[int] = mapped_column(BigInteger)
    pictures: Mapped[int] = mapped_column(BigInteger)


class Content(Base):
    """A picture's bytes, once, whoever has them: the row that is locked when somebody takes or leaves them."""

    __tablename__ = "contents"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    file: Mapped[str] = mapped_column(String(128))
    format: Mapped[str] = mapped_column(String(32))
    width: Mapped[int]
    height: Mapped[int]
    bytes: Mapped[int] = mapped_column(BigInteger)


class Upload(Base):
    """One picture of one visitor."""

    __tablename__ = "pictures"
    __table_args__ = (
        Index(None, "visitor", "at", "id"),
        Index(None, "at", "id"),
        Index(None, "sha256"),
        Index(None, "expires"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    visitor: Mapped[str] = mapped_column(ForeignKey("visitors.id"))
    sha256: Mapped[str] = mapped_column(ForeignKey("contents.sha256"))
    name: Mapped[str]
    folded: Mapped[str]
    """The name for searching: neither case nor width matters."""
    at: Mapped[datetime]
    expires: Mapped[datetime | None]

    content: Mapped[Content] = relationship(lazy="joined", innerjoin=True, viewonly=True)
    answers: Mapped[list[AnswerRow]] = relationship(lazy="selectin", viewonly=True, order_by="AnswerRow.model")
    corrections: Mapped[list[Corrected]] = relationship(lazy="selectin", viewonly=True, order_by="Corrected.model")


class AnswerRow(Base):
    """What a model said of a picture."""

    __tablename__ = "answers"

    picture: Mapped[str] = mapped_column(ForeignKey("pictures.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str]
    calibrated: Mapped[bool]
    doubt: Mapped[float]
    novelty: Mapped[float | None]
    scores: Mapped[list[Any]]
    """[label, probability, zero_r, chosen], the likeliest first."""


class Corrected(Base):
    """What a person said of a picture to a model's labels."""

    __tablename__ = "corrections"

    picture: Mapped[str] = mapped_column(ForeignKey("pictures.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    labels: Mapped[list[str]]
    at: Mapped[datetime]


class PictureLabel(Base):
    """A label that holds for a picture: a person's word where there is one, else the model's."""

    __tablename__ = "labels"
    __table_args__ = (Index(None, "label", "model"),)

    picture: Mapped[str] = mapped_column(ForeignKey("pictures.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)


class HeatMap(Base):
    """A heat map of a content."""

    __tablename__ = "maps"

    sha256: Mapped[str] = mapped_column(ForeignKey("contents.sha256", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    file: Mapped[str] = mapped_column(String(128))


class JobRow(Base):
    """Work that takes longer than a request; while it runs it is one worker's, as long as the lease holds."""

    __tablename__ = "jobs"
    __table_args__ = (Index(None, "visitor", "created"), Index(None, "status"), Index(None, "expires"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    visitor: Mapped[str]
    kind: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(16))
    done: Mapped[int]
    of: Mapped[int]
    message: Mapped[str]
    created: Mapped[datetime]
    started: Mapped[datetime | None]
    finished: Mapped[datetime | None]
    expires: Mapped[datetime | None]
    cancelling: Mapped[bool]
    deaths: Mapped[int]
    turn: Mapped[datetime | None]
    """When a job of this visitor was last taken up: who waits longest is next."""
    worker: Mapped[str | None] = mapped_column(String(32))
    lease: Mapped[datetime | None]


class JobStep(Base):
    """A finished step of a job, with the file that it made; it goes with its picture and with its job."""

    __tablename__ = "job_steps"
    __table_args__ = (Index(None, "picture"), Index(None, "file"))

    job: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    picture: Mapped[str | None] = mapped_column(ForeignKey("pictures.id", ondelete="CASCADE"))
    name: Mapped[str]
    file: Mapped[str | None] = mapped_column(String(128))
    bytes: Mapped[int] = mapped_column(BigInteger)
    note: Mapped[str]


class TokenRow(Base):
    """A token for the API; of its secret only a hash."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str]
    admin: Mapped[bool]
    at: Mapped[datetime]
    digest: Mapped[str] = mapped_column(String(64))
