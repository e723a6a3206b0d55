"""The parts of one server together, and what doors, API and pages may ask of each (docs/architecture.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol

from kunstkammer.web.records import (
    Answer,
    Correction,
    Facts,
    Job,
    JobStatus,
    Made,
    ModelCard,
    Neighbour,
    Picture,
    ResultPage,
    Who,
)
from kunstkammer.web.settings import Settings

Kind = Literal["original", "thumbnail"]


class Reading(Protocol):
    """What reading a picture gives: its facts and a small copy of it."""

    @property
    def facts(self) -> Facts:
        """What reading told."""
        ...

    @property
    def thumbnail(self) -> bytes:
        """WebP or JPEG."""
        ...


class TokenRow(Protocol):
    """What is known of a token, its secret excepted."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def admin(self) -> bool: ...
    @property
    def at(self) -> datetime: ...


class JobsLike(Protocol):
    """The queue of jobs; a visitor None is the admin. Synchronous."""

    def add(self, visitor: str, kind: str, parameters: Mapping[str, Any], of: int) -> Job:
        """Put a job of `of` steps into the queue. `Busy`, `TooManyJobs`."""
        ...

    def get(self, visitor: str | None, id: str) -> Job:
        """Return one. `NotThere`."""
        ...

    def list(self, visitor: str) -> tuple[Job, ...]:
        """Return a visitor's, the newest first."""
        ...

    def cancel(self, visitor: str | None, id: str) -> Job:
        """End one: at once if it waits, after the step that runs if it runs. `NotThere`."""
        ...

    def remove(self, visitor: str | None, id: str) -> None:
        """Let one go with its results. `NotThere`."""

    def results(self, visitor: str | None, id: str) -> Iterator[tuple[str, bytes]]:
        """Go over the files that one made: name and content. `NotThere`."""
        ...

    def claim(self, worker: str) -> Job | None:
        """Return one that is this worker's now, None where there is nothing to do."""
        ...

    def beat(self, worker: str, id: str) -> bool:
        """Renew a lease; returns whether the job was cancelled. `JobLost`."""
        ...

    def finished_steps(self, id: str) -> dict[str, str]:
        """Return the keys of finished steps, with why they failed ("": they did not)."""
        ...

    def keep(self, worker: str, job: Job, made: Made, done: int, of: int) -> None:
        """Keep what a step made. `JobLost`, `NotThere`, `QuotaFull`, `StorageFull`."""

    def progress(self, worker: str, id: str, done: int, of: int) -> None:
        """Say how far a job is. `JobLost`."""

    def release(self, worker: str, id: str) -> None:
        """Let a job wait again."""

    def finish(self, worker: str, id: str, status: JobStatus, message: str = "") -> None:
        """End a job. `JobLost`."""

    def abandon(self, worker: str) -> None:
        """Say that a worker died."""

    def others_wait(self, visitor: str) -> bool:
        """Return whether a job of another visitor waits."""
        ...


class StoreLike(Protocol):
    """What is remembered. Synchronous: call it with `anyio.to_thread.run_sync`."""

    @property
    def jobs(self) -> JobsLike:
        """The queue of jobs."""
        ...

    def close(self) -> None:
        """Let go of the database."""

    def add(self, visitor: str, data: bytes, facts: Facts, *, name: str, thumbnail: bytes) -> Picture:
        """Keep a picture; it is on the disk when this returns. `StorageFull`, `QuotaFull`."""
        ...

    def get(self, visitor: str | None, id: str) -> Picture:
        """Return a picture of this visitor, of anybody if None. `NotThere`."""
        ...

    def list(
        self,
        visitor: str | None,
        *,
        model: str | None = None,
        label: str | None = None,
        corrected: bool | None = None,
        text: str | None = None,
        after: str | None = None,
        limit: int = 24,
    ) -> ResultPage[Picture]:
        """Return pictures, newest first."""
        ...

    def bytes_of(self, visitor: str | None, id: str, kind: Kind = "original") -> bytes:
        """Return a picture's file. `NotThere`."""
        ...

    def delete(self, visitor: str | None, id: str) -> None:
        """Let a picture go with all that was made of it. `NotThere`."""

    def delete_all(self, visitor: str) -> int:
        """Let all pictures of a visitor go; returns how many."""
        ...

    def put_answer(self, visitor: str | None, id: str, answer: Answer) -> None:
        """Remember what a model said. `NotThere`."""

    def correct(self, visitor: str | None, id: str, model: str, labels: Sequence[str]) -> Correction:
        """Remember what a person says. `NotThere`."""
        ...

    def uncorrect(self, visitor: str | None, id: str, model: str) -> None:
        """Forget a correction. `NotThere`."""

    def put_map(self, sha256: str, key: str, png: bytes) -> None:
        """Keep a heat map beside a content; nothing happens where no picture has it any more."""

    def get_map(self, sha256: str, key: str) -> bytes | None:
        """Return a heat map that was kept."""
        ...

    def corrections(self, model: str | None = None, visitor: str | None = None) -> Iterator[tuple[Picture, Correction]]:
        """Go over what people said."""
        ...

    def expire(self, now: datetime | None = None) -> int:
        """Let go what is past its time."""
        ...

    def sweep(self) -> int:
        """Remove files that no row knows."""
        ...

    def make_token(self, name: str, *, admin: bool = False) -> tuple[str, str]:
        """Return the id and the secret of a new token; the secret is not kept."""
        ...

    def token(self, secret: str) -> Who | None:
        """Say whose token this is."""
        ...

    def tokens(self) -> Sequence[TokenRow]:
        """Return all tokens."""
        ...

    def drop_token(self, id: str) -> None:
        """Let a token hold no more. `NotThere`."""

    def healthy(self) -> None:
        """Raise where the database or the place for pictures does not answer."""


class DeskLike(Protocol):
    """The models and the one worker. Asynchronous."""

    async def start(self) -> None:
        """Open the models."""

    async def stop(self, seconds: float) -> None:
        """Finish what runs, for so long."""

    def cards(self) -> tuple[ModelCard, ...]:
        """Return every model that is, or should be, served."""
        ...

    def card(self, name: str) -> ModelCard:
        """Return one. `NoModel`."""
        ...

    async def load(self, run: str, name: str | None = None) -> ModelCard:
        """Serve another model, or other weights under a name, without stopping. `ModelError`."""
        ...

    async def unload(self, name: str) -> None:
        """Serve a model no more. `NoModel`."""

    async def read(self, data: bytes, name: str, *, thumbnail: bool = True) -> Reading:
        """Read a picture in a process that may die. `PictureError`, `Busy`."""
        ...

    async def predict(self, model: str, data: bytes, name: str = "") -> Answer:
        """Ask a model. `NoModel`, `ModelBroken`, `Busy`, `PictureError`."""
        ...

    async def explain(
        self, model: str, data: bytes, method: str, target: str | None = None, versus: str | None = None, name: str = ""
    ) -> bytes:
        """Return a heat map as PNG with transparency. `Unfit` for a method or label that the model has not."""
        ...

    async def neighbours(self, model: str, data: bytes, k: int = 8, name: str = "") -> tuple[Neighbour, ...]:
        """Return the nearest training pictures. `Unfit` where the model has none."""
        ...

    def depth(self) -> int:
        """Return how many pictures wait."""
        ...

    def examples(self, model: str, label: str, k: int) -> tuple[bytes, ...]:
        """Return small pictures of a label from the training collection; () where there are none."""
        ...

    def report(self, model: str) -> bytes:
        """Return the report, one HTML file that needs nothing else. `NotThere` where `has_report` is false."""
        ...

    def next_to_look_at(self, pictures: Iterable[Picture], limit: int) -> list[tuple[Picture, str]]:
        """Return what a person should look at first, and why."""
        ...


@dataclass(frozen=True)
class House:
    """One server's parts; `request.app.state.house`."""

    settings: Settings
    store: StoreLike
    desk: DeskLike
