"""The process that does jobs: `python -m kunstkammer.web.jobs.process`, started and told through pipes by `keeper`.

It opens the store itself, and asks the server's desk for whatever needs a model: so there is one set of weights, what
visitors ask goes first as it does before other explanations, and a heat map of a job is the one of a request. It may
die at any moment; what it had not finished is taken up again.

A frame is a length and a pickle. The first one says who it is and how to open the store; then it asks, and is answered;
"stop" may come at any time. When the server is gone it puts down what it has, and ends.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import struct
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from kunstkammer.web.errors import Busy
from kunstkammer.web.house import StoreLike
from kunstkammer.web.jobs.work import ServerGone, Worker
from kunstkammer.web.records import ModelCard
from kunstkammer.web.settings import Settings

LENGTH = struct.Struct("<Q")
LONGEST_WAIT = 5.0
"""Seconds after which a busy desk is asked again."""
NICENESS = 5
"""Below that of the process that answers visitors."""


@dataclass(frozen=True)
class Hello:
    """The first frame: the worker's name, and how it opens the store."""

    name: str
    open_store: Callable[[Settings], StoreLike]
    settings: Settings


def put(pipe: BinaryIO, value: Any) -> None:
    """Write a frame. Raises `OSError` where the other side is gone."""
    body = pickle.dumps(value)
    pipe.write(LENGTH.pack(len(body)) + body)
    pipe.flush()


def take(pipe: BinaryIO) -> Any:
    """Read a frame. Raises `EOFError` where the other side is gone."""
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    body = pipe.read(length)
    if len(body) < length:
        raise EOFError
    return pickle.loads(body)  # noqa: S301 - of our own other half, which reads no picture


class AskedDesk:
    """The server's desk at the other end of the pipes; used by one thread. Raises `ServerGone` where it is gone."""

    def __init__(self, outward: BinaryIO, answers: queue.SimpleQueue[Any], stopping: threading.Event) -> None:
        self._outward, self._answers, self._stopping = outward, answers, stopping

    def cards(self) -> tuple[ModelCard, ...]:
        """Return the models that are served now."""
        found: tuple[ModelCard, ...] = self._asked("cards")
        return found

    def explain(self, model: str, data: bytes, method: str, name: str = "") -> bytes:
        """Return a heat map, however often the desk is too busy."""
        while True:
            try:
                found: bytes = self._asked("explain", model, data, method, name)
                return found
            except Busy as busy:
                wait = min(max(busy.retry_after, 0.1), LONGEST_WAIT)
                if self._stopping.wait(wait):
                    raise ServerGone from busy

    def _asked(self, *what: Any) -> Any:
        try:
            put(self._outward, what)
        except OSError as error:
            raise ServerGone from error
        answer = self._answers.get()
        if answer is None:
            raise ServerGone
        told, value = answer
        if told == "busy":
            raise Busy(*value)
        if told == "error":
            kind, message = value
            raised = kind.__new__(kind)  # whatever else it holds: the message is what counts here
            Exception.__init__(raised, message)
            raise raised
        return value


def main() -> None:
    """Do jobs until the server says stop, or is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the server finishes what runs, and then says so
        signal.signal(number, signal.SIG_IGN)
    inward, outward = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is for the log
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICENESS)
    hello: Hello = take(inward)
    stopping, answers = threading.Event(), queue.SimpleQueue[Any]()

    def listen() -> None:
        try:
            while (told := take(inward)) != "stop":
                answers.put(told)
            stopping.set()
            while True:  # what was asked before is still answered
                answers.put(take(inward))
        except (EOFError, OSError):
            stopping.set()
            answers.put(None)

    threading.Thread(target=listen, name="kunstkammer-listen", daemon=True).start()
    store = hello.open_store(hello.settings)
    try:
        Worker(hello.name, store, AskedDesk(outward, answers, stopping), hello.settings, stopping).run()
    finally:
        store.close()


if __name__ == "__main__":
    try:
        main()
    except EOFError:
        sys.exit(0)
