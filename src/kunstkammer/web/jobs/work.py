"""Doing jobs, one at a time: claim, plan, the steps that are not done yet, the end."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from kunstkammer import registry
from kunstkammer.errors import KunstkammerError, ResourceError
from kunstkammer.web.errors import FileMissing, JobLost, ModelBroken, NoModel, NotThere, QuotaFull, StorageFull
from kunstkammer.web.house import StoreLike
from kunstkammer.web.jobs.kinds import Hands, KindOfJob, Plan, SteadyDesk, Step, plan_of
from kunstkammer.web.records import Job, Made, ModelCard
from kunstkammer.web.settings import Settings

LOOK_EVERY = 0.5
"""Seconds between two looks into an empty queue."""
MOST_DEATHS = 3
"""Of workers over one step, or its storage's: then the job has failed, rather than be tried for ever."""
INTERRUPTED = "The server ended in the middle of it, and it cannot be gone on with. Start it again."
_FATAL = (QuotaFull, StorageFull, NoModel, ModelBroken)
"""What ends a job: the next step would meet it too."""

log = logging.getLogger("kunstkammer.web")


class Cards(SteadyDesk, Protocol):
    """The desk as a worker sees it."""

    def cards(self) -> tuple[ModelCard, ...]:
        """Return the models that are served now."""
        ...


class ServerGone(Exception):  # noqa: N818
    """Nobody is there to ask the models for us any more, or the server stops: let the job wait."""


class _Interrupted(Exception):  # noqa: N818
    """As `ServerGone`, in the middle of a step."""


def _make(step: Step, hands: Hands) -> Made:
    """Do a step; what keeps this one from being made, and not the next, is in its note."""
    try:
        return step.make(hands)
    except ServerGone as gone:
        raise _Interrupted from gone
    except FileMissing as error:
        return Made(step.key, step.picture, "", None, str(error))
    except (NotThere, JobLost, ResourceError, *_FATAL):
        raise
    except KunstkammerError as error:
        return Made(step.key, step.picture, "", None, str(error) or type(error).__name__)


@dataclass
class Worker:
    """Does jobs under a name until `stopping` is set or the server is gone; keeps nothing but in the store."""

    name: str
    store: StoreLike
    desk: Cards
    settings: Settings
    stopping: threading.Event

    def run(self) -> None:
        """Go on until told to stop."""
        while not self.stopping.is_set():
            try:
                job = self.store.jobs.claim(self.name)
                if job is None:
                    self.stopping.wait(LOOK_EVERY)
                    continue
                self._do(job)
            except ServerGone:
                return
            except JobLost as error:
                log.warning("%s", error)
            except (ResourceError, OSError) as error:
                # The job's lease runs out meanwhile, and it is taken up again.
                log.error("A job could not be gone on with: %s", error)
                self.stopping.wait(1.0)

    def _do(self, job: Job) -> None:
        """Go on with a job to its end, to another visitor's turn, or until the server stops."""
        try:
            with self._beating(job):
                known: KindOfJob = registry.get("jobs", job.kind)
                if job.deaths and not known.repeatable:
                    self._fail(job, INTERRUPTED)
                elif job.deaths >= MOST_DEATHS:
                    self._fail(job, f"{job.deaths} attempts ended at the same step; see the server's log.")
                else:
                    self._steps(job, self._plan(job))
        except _Interrupted as gone:
            if registry.get("jobs", job.kind).repeatable:
                self.store.jobs.release(self.name, job.id)
            else:
                self._fail(job, INTERRUPTED)
            raise ServerGone from gone
        except ServerGone:
            self.store.jobs.release(self.name, job.id)
            raise
        except _FATAL as error:
            self._fail(job, str(error))
        except (JobLost, ResourceError):
            raise
        except KunstkammerError as error:
            self._fail(job, str(error))
        except Exception:
            log.exception("A fault in a job of kind %s", job.kind)
            self._fail(job, "Something that should not happen happened; it is in the server's log.")

    def _plan(self, job: Job) -> Plan:
        cards = self.desk.cards()
        most = self.settings.job_steps
        return plan_of(job.kind, job.visitor, job.parameters, self.store, cards, most=most, before=job.created)

    def _steps(self, job: Job, plan: Plan) -> None:
        jobs, hands = self.store.jobs, Hands(self.store, self.desk)
        notes = jobs.finished_steps(job.id)
        began, of = time.monotonic(), len(plan.steps)
        done = sum(step.key in notes for step in plan.steps)
        jobs.progress(self.name, job.id, done, of)
        for step in plan.steps:
            if step.key in notes:
                continue
            if self.stopping.is_set():
                raise ServerGone
            if jobs.beat(self.name, job.id):
                jobs.finish(self.name, job.id, "cancelled")
                return
            if time.monotonic() - began > self.settings.job_turn_seconds and jobs.others_wait(job.visitor):
                jobs.release(self.name, job.id)
                return
            if gone := self._replaced(plan):
                self._fail(job, f"The model {gone} was replaced while the job ran; order it again.")
                return
            done += 1
            try:
                made = _make(step, hands)
                jobs.keep(self.name, job, made, done, of)
                notes[step.key] = made.note
            except NotThere:  # its picture went meanwhile
                jobs.progress(self.name, job.id, done, of)
        self._end(job, notes)

    def _replaced(self, plan: Plan) -> str:
        """Return the name of a model of the plan that another one has taken since; "" for none."""
        now = {card.name: card.version for card in self.desk.cards()}
        return next((name for name, version in plan.models.items() if now.get(name, version) != version), "")

    def _end(self, job: Job, notes: Mapping[str, str]) -> None:
        troubles = [note for note in notes.values() if note]
        message = f"{len(troubles)} of {len(notes)} could not be made. The first: {troubles[0]}" if troubles else ""
        failed = bool(troubles) and len(troubles) == len(notes)
        self.store.jobs.finish(self.name, job.id, "failed" if failed else "done", message)

    def _fail(self, job: Job, message: str) -> None:
        with contextlib.suppress(JobLost):
            self.store.jobs.finish(self.name, job.id, "failed", message)

    @contextlib.contextmanager
    def _beating(self, job: Job) -> Iterator[None]:
        """Renew the lease in a thread of its own, however long a step takes."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(self.settings.job_lease_seconds / 3):
                try:
                    self.store.jobs.beat(self.name, job.id)
                except JobLost:
                    return
                except (KunstkammerError, OSError) as error:
                    log.warning("The lease of a job could not be renewed, it is tried again: %s", error)

        thread = threading.Thread(target=beat, name="kunstkammer-beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
