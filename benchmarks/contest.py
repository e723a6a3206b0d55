"""Contests: the contestants take turns, a figure is a median over rounds, and what counts is the ratio in one round."""

from __future__ import annotations

import contextlib
import gc
import io
import operator
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Rounds = dict[str, list[float]]
Contestant = Callable[[], Mapping[str, float]]

_SENSES = {"<=": operator.le, ">=": operator.ge, "<": operator.lt}


@dataclass(frozen=True)
class Options:
    """What a benchmark is told.

    Attributes:
        data: a class-folder collection with one label a picture.
        scratch: an empty folder for what is written on the way.
        repeats: rounds of each contest; None for the benchmark's own number.
        pictures: use only so many pictures of the collection, evenly spread over it; None for all.
        epochs: epochs of a training that is timed, the first of which does not count.
        keras_python: a Python interpreter that has Keras, None for no comparison with it.
        counts: the two sizes of collection that `memory` compares.
        drawn, seeds: pictures drawn, and trainings of each precision, for `accuracy_precision`.
        compiled: let `loops` try torch.compile too.
        visitors, load_seconds: who ask the server of `serve` at once, and for how long.
    """

    data: Path
    scratch: Path
    repeats: int | None = None
    pictures: int | None = None
    epochs: int = 4
    keras_python: Path | None = None
    counts: tuple[int, int] = (1_000, 10_000)
    drawn: int = 400
    seeds: int = 4
    compiled: bool = False
    visitors: int = 200
    load_seconds: float = 60.0

    def rounds(self, usual: int) -> int:
        """Return how many rounds a contest has, `usual` where the user did not say."""
        return usual if self.repeats is None else self.repeats


@dataclass(frozen=True)
class Target:
    """What is to be reached: the ratio, or our own value, compared with a bound."""

    of: Literal["ratio", "value"]
    sense: Literal["<=", ">=", "<"]
    bound: float

    def __str__(self) -> str:
        return f"{'' if self.of == 'ratio' else 'ours '}{self.sense} {self.bound:.3g}"


@dataclass(frozen=True)
class Measure:
    """One line of the table.

    Attributes:
        job: the file that measured it.
        name: what was measured.
        unit: of `ours` and `peer`.
        ours, peer: medians over the rounds; no peer where there is nothing to compare with.
        ratio: the median of ours / peer in each round, which need not be the ratio of the medians.
        peer_name: what a person would use instead, or the work that cannot be avoided.
        target: what is to be reached, None where the figure is only reported.
        rounds: every single figure.
        note: a sentence more, where one is needed.
    """

    job: str
    name: str
    unit: str
    ours: float
    peer: float | None = None
    ratio: float | None = None
    peer_name: str = ""
    target: Target | None = None
    rounds: Rounds = field(default_factory=dict)
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached, None where there is none."""
        if self.target is None:
            return None
        reached = self.ratio if self.target.of == "ratio" else self.ours
        return reached is not None and bool(_SENSES[self.target.sense](reached, self.target.bound))

    @property
    def verdict(self) -> str:
        """Return "met", "MISSED", or "" where there is no target."""
        return {True: "met", False: "MISSED", None: ""}[self.met]

    def to_text(self) -> str:
        """Return the measure as a line of text.

        >>> Measure("startup", "--help", "s", 0.2, target=Target("value", "<", 0.3)).to_text()
        'startup: --help: 0.2 s (target: ours < 0.3, met)'
        """
        line = f"{self.job}: {self.name}: {self.ours:.4g} {self.unit}"
        if self.peer is not None:
            line += f"; {self.peer_name} {self.peer:.4g} {self.unit}"
        if self.ratio is not None:
            line += f"; ratio {self.ratio:.3f}"
        if self.target is not None:
            line += f" (target: {self.target}, {self.verdict})"
        return line + (f"; {self.note}" if self.note else "")

    def to_json(self) -> dict[str, Any]:
        """Return all of it, with the verdict."""
        return {**asdict(self), "target": None if self.target is None else str(self.target), "met": self.met}


@dataclass(frozen=True)
class Skipped:
    """A measure that could not be taken here, and why."""

    job: str
    name: str
    reason: str

    def to_text(self) -> str:
        """Return it as a line of text."""
        return f"{self.job}: {self.name}: not measured, {self.reason}"


Found = Measure | Skipped
Benchmark = Callable[[Options], Iterator[Found]]


def contest(contestants: Mapping[str, Contestant], rounds: int) -> Rounds:
    """Let every contestant run once a round; return its figures, a list a name with an entry a round.

    Who starts changes from round to round, so that neither a machine that warms up nor one that is disturbed favours
    one of them. A contestant returns one or several named figures.
    """
    found: Rounds = {}
    names = list(contestants)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            gc.collect()
            for series, value in contestants[name]().items():
                found.setdefault(series, []).append(value)
    return found


def compare(
    job: str,
    name: str,
    unit: str,
    rounds: Rounds,
    *,
    ours: str,
    peer: str,
    target: Target | None = None,
    note: str = "",
) -> Measure:
    """Return the measure of two series of a contest."""
    pairs = list(zip(rounds[ours], rounds[peer], strict=True))
    return Measure(
        job,
        name,
        unit,
        ours=statistics.median(rounds[ours]),
        peer=statistics.median(rounds[peer]),
        ratio=statistics.median(a / b for a, b in pairs),
        peer_name=peer,
        target=target,
        rounds={ours: rounds[ours], peer: rounds[peer]},
        note=note,
    )


def seconds(work: Callable[[], Any]) -> float:
    """Return how long a piece of work takes, in seconds of wall time; what it says on stderr is dropped."""
    with quietly():
        start = time.perf_counter()
        work()
        return time.perf_counter() - start


def processor_seconds(work: Callable[[], Any]) -> float:
    """Return how long a piece of work keeps the processor busy, in seconds; others disturb it little."""
    with quietly():
        start = time.process_time()
        work()
        return time.process_time() - start


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Drop the lines that long work prints on stderr; errors still come as exceptions."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
