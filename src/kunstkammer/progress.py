"""Progress of long work: a bar with the time left on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

Advance = Callable[[int], None]

PLAIN_SECONDS = 10.0


@contextlib.contextmanager
def progress(description: str, total: int) -> Iterator[Advance]:
    """Yield `advance(n)`; call it as n more of `total` are done.

    On a terminal a bar with the time left is drawn; elsewhere a line is printed at most every ten seconds, so that a
    log stays readable and quick work prints nothing.
    """
    if sys.stderr.isatty():
        yield from _bar(description, total)
    else:
        yield from _lines(description, total)


def _bar(description: str, total: int) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda n: bar.advance(task, n)


def _lines(description: str, total: int) -> Iterator[Advance]:
    start = last = time.monotonic()
    done = 0

    def advance(n: int) -> None:
        nonlocal done, last
        done += n
        now = time.monotonic()
        if now - last >= PLAIN_SECONDS and done:
            left = (now - start) / done * max(total - done, 0)
            say(f"{description}: {done} of {total}, about {left:.0f} s left")
            last = now

    yield advance


def say(message: str) -> None:
    """Print one line to stderr, where all that is not a result goes."""
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - the one place that prints progress
