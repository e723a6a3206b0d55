"""What goes between the parts of the web room: plain values, no database rows and no tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Score:
    """One label of an answer.

    Attributes:
        label: its name.
        probability: calibrated where the model has a calibration, 0 to 1.
        zero_r: the share of this label in what the model learnt from: what always saying the same would give; None
            where the model does not say.
        chosen: whether the model says it: the largest, or with many labels everyone above its threshold.
    """

    label: str
    probability: float
    zero_r: float | None
    chosen: bool


@dataclass(frozen=True)
class Answer:
    """What a model says of a picture.

    Attributes:
        model: the name it is served by.
        version: changes whenever other weights are served under that name (a hash).
        scores: every label, the likeliest first.
        calibrated: whether the probabilities are.
        doubt: how unsure the answer is, 0 (sure) to 1: entropy over its largest, of the mean label with many labels.
        novelty: how far the picture lies from the training pictures, as the share of them that lie closer to theirs,
            0 to 1; None without neighbours.
    """

    model: str
    version: str
    scores: tuple[Score, ...]
    calibrated: bool
    doubt: float
    novelty: float | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that the model says."""
        return tuple(score.label for score in self.scores if score.chosen)


@dataclass(frozen=True)
class Neighbour:
    """A training picture near to one that was asked about."""

    file: str
    labels: tuple[str, ...]
    likeness: float
    """Cosine of the features, -1 to 1."""
    thumbnail: bytes
    """WebP or JPEG."""


@dataclass(frozen=True)
class Facts:
    """What reading a picture told: nothing of it is believed from its name or from what the visitor says of it."""

    sha256: str
    format: str
    """"JPEG", "PNG", ..., by content."""
    width: int
    height: int
    """As shown: EXIF orientation applied."""
    bytes: int


@dataclass(frozen=True)
class Correction:
    """What a person says the picture shows, to one model's labels."""

    model: str
    labels: tuple[str, ...]
    at: datetime


@dataclass(frozen=True)
class Picture:
    """One upload of one visitor.

    Attributes:
        id: 32 hexadecimal digits, not to be guessed.
        visitor: whose it is.
        name: the file's name as the visitor gave it, cleaned of paths and control signs.
        facts: what reading it told.
        at, expires: when it came, and when it goes by itself (None: never), in UTC.
        answers: by model.
        corrections: by model.
    """

    id: str
    visitor: str
    name: str
    facts: Facts
    at: datetime
    expires: datetime | None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    corrections: Mapping[str, Correction] = field(default_factory=dict)


@dataclass(frozen=True)
class ResultPage(Generic[T]):
    """A page of a list: its items, how many there are in all, and what to ask for the next ones (None: no more)."""

    items: tuple[T, ...]
    total: int
    next: str | None


JobStatus = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True)
class Job:
    """Work that takes longer than a request.

    Attributes:
        id: 32 hexadecimal digits, not to be guessed.
        visitor: whose it is.
        kind: a member of the registry's kind "jobs".
        parameters: what it was asked, as JSON.
        status: what became of it so far.
        done, of: steps.
        message: how it ended, "" where there is nothing to say.
        created, started, finished, expires: in UTC; `expires` is when a finished one goes by itself.
        results, bytes: files that it made, and their size.
        cancelling: it was cancelled while it ran, and ends after the step that runs.
        deaths: how many workers died over it since its last finished step.
    """

    id: str
    visitor: str
    kind: str
    parameters: Mapping[str, Any]
    status: JobStatus
    done: int
    of: int
    message: str
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    expires: datetime | None = None
    results: int = 0
    bytes: int = 0
    cancelling: bool = False
    deaths: int = 0

    @property
    def open(self) -> bool:
        """Whether it is still to be done, or being done."""
        return self.status in ("waiting", "running")


@dataclass(frozen=True)
class Made:
    """What a step of a job made.

    Attributes:
        key: the step's, unique in the job.
        picture: the id of the picture that it is made of, which takes it along when it goes; None: of none.
        name: the file's in the archive, with folders.
        data: the file; None where the step failed.
        note: why it failed, in a sentence.
    """

    key: str
    picture: str | None
    name: str
    data: bytes | None
    note: str = ""


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model that is, or should be, served.

    Attributes:
        name: what it is served by: the run folder's name, made unique.
        version: see `Answer`; "" for one that could not be opened.
        labels: sorted, in the order of the logits.
        multi_label: whether a picture may have several.
        zero_r: label -> share in what it learnt from; {} if unknown.
        explainers: the methods that can explain it.
        calibrated, has_neighbours, has_detector, has_report: what else it has.
        broken: why it cannot answer, None where it can.
        facts: architecture, size of its pictures, metrics with intervals, and so on, as JSON.
        card: the model card, Markdown.
    """

    name: str
    version: str
    labels: tuple[str, ...]
    multi_label: bool
    zero_r: Mapping[str, float]
    explainers: tuple[str, ...]
    calibrated: bool
    has_neighbours: bool
    has_detector: bool
    has_report: bool
    broken: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    card: str = ""


@dataclass(frozen=True)
class Who:
    """Who asks.

    Attributes:
        visitor: the identity that pictures belong to.
        admin: whether the admin's password was given.
        token: whether it came with a token rather than a session cookie (no CSRF then).
        csrf: what an unsafe request of this session must carry.
    """

    visitor: str
    admin: bool = False
    token: bool = False
    csrf: str = ""
