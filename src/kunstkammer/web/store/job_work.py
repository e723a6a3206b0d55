"""Jobs as workers see them: claimed by one at a time, under a lease that must be renewed, step by step."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast

from sqlalchemy import ColumnElement, and_, func, or_, select, text, update
from sqlalchemy.orm import Session

from kunstkammer.web.errors import JobLost, NotThere, QuotaFull, StorageFull
from kunstkammer.web.records import Job, JobStatus, Made
from kunstkammer.web.settings import Settings
from kunstkammer.web.store.blobs import Blobs, new_name
from kunstkammer.web.store.database import Database
from kunstkammer.web.store.tables import JobRow, JobStep, Upload, Visitor

OPEN = ("waiting", "running")
_QUEUE_LOCK = 0x6B756A6F62
"""Which of PostgreSQL's advisory locks is that of the queue."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Work:
    """What a worker asks of the queue. A job is its claimer's until the lease is over; then `JobLost`."""

    def __init__(
        self, database: Database, blobs: Blobs, settings: Settings, require_room: Callable[[int], None]
    ) -> None:
        self._database, self._blobs, self._require_room = database, blobs, require_room
        self._most_bytes = settings.visitor_bytes
        self._kept_for = timedelta(days=settings.job_days)
        self._lease = timedelta(seconds=settings.job_lease_seconds)

    def claim(self, worker: str) -> Job | None:
        """Return a job that is this worker's now, None where there is nothing to do.

        One that waits, or whose worker was not heard of for the time of a lease. Of several that of the visitor who
        has waited longest since one of theirs was taken up.
        """
        now = datetime.now(UTC)
        first = select(JobRow.id, JobRow.visitor).where(_claimable(now))
        first = first.order_by(func.coalesce(JobRow.turn, JobRow.created), JobRow.created, JobRow.id).limit(1)
        with self._database.reading() as session:
            if session.execute(first).first() is None:
                return None
        with self._database.writing() as session:
            self._lock_queue(session)
            found = session.execute(first).first()
            if found is None:
                return None
            theirs = select(JobRow).where(JobRow.visitor == found.visitor, JobRow.status.in_(OPEN))
            rows = {row.id: row for row in session.scalars(theirs.order_by(JobRow.id).with_for_update())}
            row = rows.get(found.id)
            if row is None or (row.status == "running" and row.lease is not None and row.lease > now):
                return None  # Cancelled or renewed a moment ago: the next look finds the next one.
            if row.cancelling:
                self._end(row, "cancelled", "")
                return None
            for other in rows.values():
                other.turn = now
            row.deaths += row.status == "running"
            row.status, row.worker, row.lease = "running", worker, now + self._lease
            row.started = row.started or now
        return job_of(row)

    def beat(self, worker: str, id: str) -> bool:
        """Renew the lease of a job; returns whether it was cancelled. Raises `JobLost`."""
        lease = datetime.now(UTC) + self._lease
        with self._database.writing() as session:
            renewed = update(JobRow).where(_of(worker, id)).values(lease=lease).returning(JobRow.cancelling)
            cancelling = session.scalar(renewed)
        if cancelling is None:
            raise _lost(id)
        return cancelling

    def finished_steps(self, id: str) -> dict[str, str]:
        """Return the keys of the steps that need not be done again, with why they failed, "" where they did not."""
        with self._database.reading() as session:
            steps = session.execute(select(JobStep.key, JobStep.note).where(JobStep.job == id))
            return {step.key: step.note for step in steps}

    def keep(self, worker: str, job: Job, made: Made, done: int, of: int) -> None:
        """Keep what a step made; it is on the disk when this returns.

        Raises `JobLost`, `NotThere` where its picture is gone, `QuotaFull`, `StorageFull`: nothing was kept then.
        """
        data = made.data or b""
        file = new_name(hashlib.sha256(data).hexdigest()) if made.data is not None else None
        entered = False
        try:
            if file is not None:
                self._require_room(len(data))
                self._blobs.put(file, {"result": data})
            with self._database.writing() as session:
                self._enter(session, worker, job, made, file)
                progress = {"done": done, "of": of, "deaths": 0, "lease": datetime.now(UTC) + self._lease}
                session.execute(update(JobRow).where(JobRow.id == job.id).values(**progress))
                entered = True
        except BaseException as error:
            # An error in answer to COMMIT does not tell whether it happened (a full disk does): `sweep` looks later.
            if file is not None and (not entered or isinstance(error, StorageFull)):
                self._blobs.remove(file, "result")
            raise

    def _enter(self, session: Session, worker: str, job: Job, made: Made, file: str | None) -> None:
        """Charge the visitor and add the row, in the order of locks that everybody keeps: visitor, then job."""
        size = len(made.data or b"")
        charged = (
            self._database.insert(Visitor)
            .values(id=job.visitor, used=size, pictures=0)
            .on_conflict_do_update(index_elements=[Visitor.id], set_={"used": Visitor.used + size})
            .returning(Visitor.used)
        )
        used = session.execute(charged).scalar_one()
        if session.scalar(select(JobRow.id).where(_of(worker, job.id)).with_for_update()) is None:
            raise _lost(job.id)
        whose = select(Upload.id).where(Upload.id == made.picture, Upload.visitor == job.visitor)
        if made.picture is not None and session.scalar(whose) is None:
            raise NotThere(f"There is no picture {made.picture!r} any more.")
        if size and used > self._most_bytes:
            raise QuotaFull(
                f"A visitor may keep {self._most_bytes / 2**20:.3g} MB, and the results would be more; "
                "delete some pictures or jobs."
            )
        step = JobStep(
            job=job.id, key=made.key, picture=made.picture, name=made.name, file=file, bytes=size, note=made.note
        )
        session.add(step)
        session.flush()

    def progress(self, worker: str, id: str, done: int, of: int) -> None:
        """Say how far a job is. Raises `JobLost`."""
        with self._database.writing() as session:
            moved = update(JobRow).where(_of(worker, id)).values(done=done, of=of).returning(JobRow.id)
            if session.scalar(moved) is None:
                raise _lost(id)

    def release(self, worker: str, id: str) -> None:
        """Let a job wait again, for another worker or another time. Nothing happens where it is another's."""
        with self._database.writing() as session:
            row = session.scalar(select(JobRow).where(_of(worker, id)).with_for_update())
            if row is not None and row.cancelling:
                self._end(row, "cancelled", "")
            elif row is not None:
                row.status, row.worker, row.lease = "waiting", None, None

    def finish(self, worker: str, id: str, status: JobStatus, message: str = "") -> None:
        """End a job; its results are kept for their time. Raises `JobLost`."""
        with self._database.writing() as session:
            row = session.scalar(select(JobRow).where(_of(worker, id)).with_for_update())
            if row is None:
                raise _lost(id)
            self._end(row, status, message)

    def abandon(self, worker: str) -> None:
        """Say that a worker died: what it had may be taken over at once."""
        with self._database.writing() as session:
            had = (JobRow.worker == worker, JobRow.status == "running")
            session.execute(update(JobRow).where(*had).values(lease=_LONG_AGO))

    def others_wait(self, visitor: str) -> bool:
        """Return whether a job of another visitor waits."""
        with self._database.reading() as session:
            waits = select(JobRow.id).where(JobRow.status == "waiting", JobRow.visitor != visitor)
            return session.scalar(waits.limit(1)) is not None

    def _end(self, row: JobRow, status: JobStatus, message: str) -> None:
        now = datetime.now(UTC)
        row.status, row.message, row.finished, row.expires = status, message[:1000], now, now + self._kept_for
        row.worker, row.lease, row.cancelling = None, None, False

    def _lock_queue(self, session: Session) -> None:
        if not self._database.sqlite:  # there a writing transaction is alone anyway
            session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _QUEUE_LOCK})


def _claimable(now: datetime) -> ColumnElement[bool]:
    return or_(JobRow.status == "waiting", and_(JobRow.status == "running", JobRow.lease <= now))


def _of(worker: str, id: str) -> ColumnElement[bool]:
    return and_(JobRow.id == id, JobRow.worker == worker, JobRow.status == "running")


def _lost(id: str) -> JobLost:
    return JobLost(f"The job {id} is not this worker's any more.")


def job_of(row: JobRow, results: int = 0, size: int = 0) -> Job:
    """Return a row as the value that leaves the store."""
    return Job(
        row.id, row.visitor, row.kind, row.parameters, cast(JobStatus, row.status), row.done, row.of, row.message,
        row.created, row.started, row.finished, row.expires, results, size, row.cancelling, row.deaths,
    )  # fmt: skip
