"""Keeping a picture: its files first, then one transaction with its row, what it counts and its content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import time
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from kunstkammer.errors import ResourceError
from kunstkammer.web.errors import QuotaFull, StorageFull
from kunstkammer.web.records import Facts
from kunstkammer.web.store.blobs import Blobs, born, new_name
from kunstkammer.web.store.database import Database
from kunstkammer.web.store.tables import Content, Upload, Visitor

GRACE = 3600.0
"""Seconds after which a file that no row knows is taken for what a kill left; an addition never takes half of it."""
Row = Mapping[str, Any]
"""The values of an `Upload`."""


class Gone(Exception):  # noqa: N818
    """The content that was there was deleted meanwhile: begin again."""


@dataclass(frozen=True)
class Keeper:
    """Adds pictures to a database and a place for files; a visitor may have `most` bytes."""

    database: Database
    blobs: Blobs
    most: int

    def keep(self, row: Row, facts: Facts, parts: Mapping[str, bytes]) -> None:
        """Make files and row durable. Raises `StorageFull`, `QuotaFull` with nothing kept; `Gone`."""
        with self.database.reading() as session:
            used = session.scalar(select(Visitor.used).where(Visitor.id == row["visitor"])) or 0
            kept = session.scalar(select(Content.file).where(Content.sha256 == facts.sha256))
        self._require_quota(used + facts.bytes)
        if kept is None:
            self._keep_new(row, facts, parts)
            return
        # A file that was lost behind our back comes back with whoever brings the picture again.
        lost = [part for part in parts if not self.blobs.has(kept, part)]
        try:
            if lost:
                self.blobs.put(kept, {part: parts[part] for part in lost})
            with self.database.writing() as session:
                if self._enter(session, row, facts, None) != kept:
                    raise Gone
        except Gone:
            self._remove(kept, lost)
            raise

    def _keep_new(self, row: Row, facts: Facts, parts: Mapping[str, bytes]) -> None:
        laid = new_name(facts.sha256)
        entered = None
        try:
            self.blobs.put(laid, parts)
            with self.database.writing() as session:
                if time() - born(laid) > GRACE / 2:
                    raise ResourceError("The place for pictures was too slow; nothing was kept. Try again.")
                entered = self._enter(session, row, facts, laid)
        except BaseException as error:
            # An error in answer to COMMIT does not tell whether it happened (a full disk does): `sweep` looks later.
            if entered is None or isinstance(error, StorageFull):
                self._remove(laid, parts)
            raise
        if entered != laid:  # Somebody brought the same content at the same time, and was first.
            self._remove(laid, parts)

    def _enter(self, session: Session, row: Row, facts: Facts, laid: str | None) -> str:
        """Charge the visitor, hold the content, add the row; returns the name of the files that the content has.

        That is `laid` where nobody has the content yet. Raises `Gone` where it has no files at all.
        """
        charged = (
            self.database.insert(Visitor)
            .values(id=row["visitor"], used=facts.bytes, pictures=1)
            .on_conflict_do_update(
                index_elements=[Visitor.id],
                set_={"used": Visitor.used + facts.bytes, "pictures": Visitor.pictures + 1},
            )
            .returning(Visitor.used)
        )
        self._require_quota(session.execute(charged).scalar_one())
        if laid is not None:
            content = {"sha256": facts.sha256, "file": laid, "format": facts.format, "bytes": facts.bytes}
            size = {"width": facts.width, "height": facts.height}
            session.execute(self.database.insert(Content).values(**content, **size).on_conflict_do_nothing())
        file = session.scalar(select(Content.file).where(Content.sha256 == facts.sha256).with_for_update())
        if file is None:
            raise Gone
        session.execute(insert(Upload), row)
        return file

    def _require_quota(self, used: int) -> None:
        if used > self.most:
            raise QuotaFull(
                f"A visitor may keep {self.most / 2**20:.3g} MB, and this would be more; delete some pictures."
            )

    def _remove(self, name: str, parts: Iterable[str]) -> None:
        for part in parts:
            self.blobs.remove(name, part)
