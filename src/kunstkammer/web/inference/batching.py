"""Pictures of all visitors together through the model: two threads, one that predicts and one that explains.

While one batch runs the next gathers, so that nobody waits for a batch to be full. Explaining has a network of its own
over the same weights (see `TorchEngine`) and gives way before each of its passes: predictions never stand behind it,
and it keeps a quarter of the time when there is no end of them.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kunstkammer.errors import KunstkammerError
from kunstkammer.web.errors import Busy, ModelBroken, Unfit
from kunstkammer.web.inference.engines import Engine, Floats, Plates

GATHER_SECONDS = 0.003
"""So long a batch that is not full waits for pictures that are being read just now."""

EXPLAINED_AT_ONCE = 8

EXPLAIN_SECONDS = 120.0
"""For a group of explanations, without what they gave way for."""

SHARE = 3.0
"""Explaining gives way for so many times what it took since it last did: a quarter of the time stays its own."""

log = logging.getLogger("kunstkammer.web")


def _plainly(logits: Floats, features: Floats | None) -> Sequence[Any]:
    return list(logits)


@dataclass(eq=False)
class Asked:
    """One picture before one model. `drop()` when the answer is not wanted any more."""

    engine: Engine
    plate: Plates
    future: Future[Any] = field(default_factory=Future)
    dropped: bool = False

    def drop(self) -> None:
        """Say that nobody waits any more: before its turn it costs nothing then, later it stops at the next pass."""
        self.dropped = True
        self.future.cancel()


@dataclass(eq=False)
class Prediction(Asked):
    """Answered with what `judge` makes of the logits (N, K) and features (N, D or None) of its batch, its own row.

    Attributes:
        judge: the same for all predictions of an engine.
        features: whether `judge` wants them; the same for all, too.
    """

    judge: Callable[[Floats, Floats | None], Sequence[Any]] = _plainly
    features: bool = False


@dataclass(eq=False)
class Explanation(Asked):
    """Answered with a heat map (h, w); see `Engine.explain`."""

    method: str = ""
    target: int | None = None
    versus: int | None = None


class _Dropped(Exception):  # noqa: N818
    """Nobody waits for these explanations any more."""


class Batcher:
    """Takes single pictures and gives them to the models in batches.

    Args:
        batch_size: pictures that go through a model together.
        explain_seconds: for a group of explanations.
    """

    def __init__(self, batch_size: int = 32, *, explain_seconds: float = EXPLAIN_SECONDS) -> None:
        self._batch_size, self._explain_seconds = batch_size, explain_seconds
        self._predictions: deque[Prediction] = deque()
        self._explanations: deque[Explanation] = deque()
        self._changed = threading.Condition()
        self._coming = 0
        self._under_way: list[Asked] = []
        self._predicting = False
        self._open = True
        self._threads = [
            threading.Thread(target=self._loop, args=(take, work), name=name, daemon=True)
            for take, work, name in (
                (self._next_predictions, self._predict, "kunstkammer-predict"),
                (self._next_explanations, self._explain, "kunstkammer-explain"),
            )
        ]
        for thread in self._threads:
            thread.start()

    def add(self, asked: Asked) -> Future[Any]:
        """Put a picture into the queue; its future is answered, or raises what went wrong."""
        with self._changed:
            if not self._open:
                raise Busy("The server is stopping.")
            if isinstance(asked, Explanation):
                self._explanations.append(asked)
            elif isinstance(asked, Prediction):
                self._predictions.append(asked)
            else:
                raise TypeError(f"{type(asked).__name__} is neither a prediction nor an explanation.")
            self._changed.notify_all()
        return asked.future

    def coming(self, count: int) -> None:
        """Say that `count` more pictures (fewer where negative) are being read and will be added in a moment."""
        with self._changed:
            self._coming += count
            self._changed.notify_all()

    def close(self, seconds: float) -> None:
        """Finish what waits, for so long; what is left then raises `Busy`."""
        deadline = time.monotonic() + seconds
        with self._changed:
            self._open = False
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            left = [*self._predictions, *self._explanations, *self._under_way]
            self._predictions.clear()
            self._explanations.clear()
        for asked in left:
            asked.dropped = True
            _fail([asked], Busy("The server is stopping."))

    def _loop(self, take: Callable[[], list[Any]], work: Callable[[list[Any]], None]) -> None:
        while batch := take():
            wanted = [asked for asked in batch if asked.future.set_running_or_notify_cancel()]
            if not wanted:
                continue
            with self._changed:
                self._under_way += wanted
            try:
                work(wanted)
            except _Dropped:
                _fail(wanted, Busy("Nobody waited for it any more."))
            except KunstkammerError as error:
                _fail(wanted, error)
            except Exception as error:
                log.exception("%s failed.", wanted[0].engine.folder.name)
                what = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
                _fail(wanted, ModelBroken(f"{wanted[0].engine.folder.name} failed ({what})."))
            finally:
                with self._changed:
                    self._under_way = [asked for asked in self._under_way if asked not in wanted]
                    self._changed.notify_all()
            del batch, wanted

    def _next_predictions(self) -> list[Prediction]:
        """Wait for predictions and return those of the model that has waited longest, [] when all is over."""
        with self._changed:
            self._predicting = False
            self._changed.notify_all()
            while not self._predictions:
                if not self._open:
                    return []
                self._changed.wait()
            self._predicting = True
            gathered = time.monotonic() + GATHER_SECONDS
            while self._open and self._coming and len(self._predictions) < self._batch_size:
                left = gathered - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            engine = self._predictions[0].engine
            return _taken(self._predictions, lambda asked: asked.engine is engine, self._batch_size)

    def _next_explanations(self) -> list[Explanation]:
        with self._changed:
            while not self._explanations:
                if not self._open:
                    return []
                self._changed.wait()
            first = self._explanations[0]
            alike = _kind(first)
            return _taken(self._explanations, lambda asked: _kind(asked) == alike, EXPLAINED_AT_ONCE)

    def _predict(self, batch: list[Prediction]) -> None:
        engine = batch[0].engine
        plates = np.stack([asked.plate for asked in batch])
        try:
            both = engine.logits_and_features(plates) if batch[0].features else (engine.logits(plates), None)
        except (MemoryError, RuntimeError):  # torch has no error of its own for want of memory
            if len(batch) == 1:
                raise
            half = len(batch) // 2
            self._predict(batch[:half])
            self._predict(batch[half:])
            return
        for asked, row in zip(batch, batch[0].judge(*both), strict=True):
            _answer(asked, row)

    def _explain(self, batch: list[Explanation]) -> None:
        watch = _Watch(self, batch)
        watch.pause()
        heats = batch[0].engine.explain(
            np.stack([asked.plate for asked in batch]),
            batch[0].method,
            [asked.target for asked in batch],
            [asked.versus for asked in batch],
            pause=watch.pause,
        )
        for asked, heat in zip(batch, heats, strict=True):
            _answer(asked, heat)

    def give_way(self, seconds: float) -> None:
        """Wait while there are predictions, but no longer than `seconds`."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._predicting or self._predictions:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return

    @property
    def explain_seconds(self) -> float:
        """What a group of explanations may take."""
        return self._explain_seconds


class _Watch:
    """Called before each pass of a group of explanations: gives way, and stops what takes too long or nobody wants."""

    def __init__(self, batcher: Batcher, batch: list[Explanation]) -> None:
        self._batcher, self._batch = batcher, batch
        self._since = time.monotonic()
        self._used = 0.0

    def pause(self) -> None:
        took = time.monotonic() - self._since
        self._used += took
        if all(asked.dropped for asked in self._batch):
            raise _Dropped
        if self._used > self._batcher.explain_seconds:
            raise Unfit(
                f"{self._batch[0].method} takes more than {self._batcher.explain_seconds:g} seconds with this model "
                "here; choose a quicker method."
            )
        self._batcher.give_way(max(0.05, SHARE * took))
        self._since = time.monotonic()


def _kind(asked: Explanation) -> tuple[int, str, bool]:
    return id(asked.engine), asked.method, asked.versus is None


def _taken(queue: deque[Any], fits: Callable[[Any], bool], most: int) -> list[Any]:
    """Take the first `most` that fit out of a queue; the others keep their order."""
    taken: list[Any] = []
    left = []
    while queue:
        asked = queue.popleft()
        if len(taken) < most and fits(asked):
            taken.append(asked)
        else:
            left.append(asked)
    queue.extend(left)
    return taken


def _answer(asked: Asked, value: Any) -> None:
    with contextlib.suppress(InvalidStateError):  # the server stopped meanwhile, and has said so
        asked.future.set_result(value)


def _fail(batch: list[Any], error: Exception) -> None:
    for asked in batch:
        with contextlib.suppress(InvalidStateError):
            asked.future.set_exception(error)
