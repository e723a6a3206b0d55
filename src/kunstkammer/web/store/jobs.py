"""Jobs as their visitors see them: asked for, listed, cancelled, fetched, removed. What workers do is in `job_work`."""

from __future__ import annotations

import builtins
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from kunstkammer.web.errors import Busy, NotThere, TooManyJobs
from kunstkammer.web.records import Job
from kunstkammer.web.settings import Settings
from kunstkammer.web.store.blobs import Blobs
from kunstkammer.web.store.database import Database
from kunstkammer.web.store.job_work import OPEN, Work, job_of
from kunstkammer.web.store.names import sayable
from kunstkammer.web.store.tables import JobRow, JobStep, Visitor

RETRY_SECONDS = 30.0
LISTED = 100
_ID = re.compile(r"[0-9a-f]{32}")


class Jobs(Work):
    """The queue. Where a method takes a visitor, None is the admin; another visitor's job is `NotThere`.

    Locks are taken in the order queue, visitor, jobs by id, as everywhere in the store.
    """

    def __init__(
        self, database: Database, blobs: Blobs, settings: Settings, require_room: Callable[[int], None]
    ) -> None:
        super().__init__(database, blobs, settings, require_room)
        self._most, self._most_each = settings.job_queue, settings.visitor_jobs

    def add(self, visitor: str, kind: str, parameters: Mapping[str, Any], of: int) -> Job:
        """Put a job of `of` steps into the queue. Raises `Busy` where it is full, `TooManyJobs`."""
        row = JobRow(
            id=secrets.token_hex(16), visitor=visitor, kind=kind, parameters=dict(parameters), status="waiting",
            done=0, of=of, message="", created=datetime.now(UTC), cancelling=False, deaths=0,
        )  # fmt: skip
        with self._database.writing() as session:
            self._lock_queue(session)
            waiting = session.scalars(select(JobRow.visitor).where(JobRow.status.in_(OPEN))).all()
            if waiting.count(visitor) >= self._most_each:
                raise TooManyJobs(f"You have {self._most_each} unfinished jobs already; wait for one, or cancel it.")
            if len(waiting) >= self._most:
                raise Busy("Too many jobs are waiting; try again later.", RETRY_SECONDS)
            session.add(row)
        return job_of(row)

    def get(self, visitor: str | None, id: str) -> Job:
        """Return a job. Raises `NotThere`."""
        with self._database.reading() as session:
            return self._told(session, [_row(session, visitor, id)])[0]

    def list(self, visitor: str) -> tuple[Job, ...]:
        """Return a visitor's newest jobs, at most `LISTED`, the newest first."""
        if not sayable(visitor):
            return ()
        alive = or_(JobRow.expires.is_(None), JobRow.expires > datetime.now(UTC))
        query = select(JobRow).where(JobRow.visitor == visitor, alive)
        query = query.order_by(JobRow.created.desc(), JobRow.id).limit(LISTED)
        with self._database.reading() as session:
            return tuple(self._told(session, session.scalars(query).all()))

    def cancel(self, visitor: str | None, id: str) -> Job:
        """End a job: at once if it waits, after the step that runs if it runs. Raises `NotThere`."""
        with self._database.writing() as session:
            row = _row(session, visitor, id, lock=True)
            if row.status == "waiting":
                self._end(row, "cancelled", "")
            elif row.status == "running":
                row.cancelling = True
        return self.get(visitor, id)

    def remove(self, visitor: str | None, id: str) -> None:
        """Let a job go with its results, whatever it is at. Raises `NotThere`."""
        with self._database.reading() as session:
            owner = _row(session, visitor, id).visitor
        self._remove(owner, [id])

    def remove_all(self, visitor: str) -> None:
        """Let all jobs of a visitor go, with their results."""
        with self._database.reading() as session:
            ids = session.scalars(select(JobRow.id).where(JobRow.visitor == visitor)).all()
        if ids:
            self._remove(visitor, ids)

    def expire(self, now: datetime | None = None) -> int:
        """Let finished jobs go that are past their time; returns how many."""
        query = select(JobRow.visitor, JobRow.id).where(JobRow.expires <= (now or datetime.now(UTC)))
        with self._database.reading() as session:
            rows = session.execute(query.order_by(JobRow.visitor, JobRow.id)).all()
        for row in rows:
            self._remove(row.visitor, [row.id])
        return len(rows)

    def results(self, visitor: str | None, id: str) -> Iterator[tuple[str, bytes]]:
        """Go over the files that a job made: name and content, sorted by name. Raises `NotThere`.

        One that goes meanwhile, with its picture, is left out.
        """
        with self._database.reading() as session:
            _row(session, visitor, id)
            query = select(JobStep.name, JobStep.file).where(JobStep.job == id, JobStep.file.is_not(None))
            rows = session.execute(query.order_by(JobStep.name, JobStep.key)).all()
        for row in rows:
            data = self._blobs.get(row.file, "result")
            if data is not None:
                yield row.name, data

    def _remove(self, visitor: str, ids: Sequence[str]) -> None:
        with self._database.writing() as session:
            session.execute(select(Visitor.id).where(Visitor.id == visitor).with_for_update())
            session.execute(select(JobRow.id).where(JobRow.id.in_(ids)).order_by(JobRow.id).with_for_update())
            steps = session.execute(
                select(JobStep.file, JobStep.bytes).where(JobStep.job.in_(ids), JobStep.file.is_not(None))
            ).all()
            session.execute(delete(JobRow).where(JobRow.id.in_(ids)))
            used = sum(step.bytes for step in steps)
            session.execute(update(Visitor).where(Visitor.id == visitor).values(used=Visitor.used - used))
            session.execute(delete(Visitor).where(Visitor.id == visitor, Visitor.pictures == 0, Visitor.used == 0))
        for step in steps:
            self._blobs.remove(step.file, "result")

    def _told(self, session: Session, rows: Sequence[JobRow]) -> builtins.list[Job]:
        """Return rows as values, with what they made."""
        count = select(JobStep.job, func.count(), func.sum(JobStep.bytes)).where(
            JobStep.job.in_([row.id for row in rows]), JobStep.file.is_not(None)
        )
        made = {job: (number, int(size)) for job, number, size in session.execute(count.group_by(JobStep.job))}
        return [job_of(row, *made.get(row.id, (0, 0))) for row in rows]


def _row(session: Session, visitor: str | None, id: str, *, lock: bool = False) -> JobRow:
    """Return a job's row, one whose time is over excepted; raise `NotThere`."""
    query = select(JobRow).where(JobRow.id == id)
    row = session.scalar(query.with_for_update() if lock else query) if _ID.fullmatch(id) else None
    over = row is not None and row.expires is not None and row.expires <= datetime.now(UTC)
    if row is None or over or visitor not in (None, row.visitor):
        raise NotThere(f"There is no job {id[:40]!r}.")
    return row
