"""The one loop over many pictures: threads work on them, results come in order, and only so many are held at a time.

Decoders, scaling and hashing all let go of Python's lock, so threads keep every processor busy.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

from kunstkammer.errors import PictureError

Item = TypeVar("Item")
Result = TypeVar("Result")


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    held: int,
    turns: bool = False,
    workers: int | None = None,
) -> Generator[Result, None, None]:
    """Yield the result of each item, in the order of `items`.

    Args:
        work: runs in many threads at once. What it raises is raised here, and ends the loop.
        items: what to work on.
        held: how many results there are at most, under way or waiting to be taken.
        turns: work on the next `held` items only when all results before them have been used, and hand out none before
            the last is there. So the threads and whoever takes the results have the processors in turn.
        workers: how many threads; as many as there are processors when not given.

    Close it (`contextlib.closing`) where it may be left early: that ends the threads.

    >>> list(in_order(abs, [-3, 1, -2], held=2))
    [3, 1, 2]
    """
    coming = iter(items)
    under_way: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers or processors(), thread_name_prefix="kunstkammer-decode")

    def fill() -> None:
        under_way.extend(pool.submit(work, item) for item in islice(coming, held - len(under_way)))
        if turns:
            wait(under_way)

    try:
        fill()
        while under_way:
            result = under_way.popleft().result()
            if not turns:
                fill()
            yield result
            if turns and not under_way:
                fill()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_windows(
    work: Callable[[int], Result],
    count: int,
    window: int,
    errors: list[PictureError],
    *,
    ahead: bool = False,
    workers: int | None = None,
) -> Iterator[list[tuple[int, Result]]]:
    """Yield the numbers 0 to `count` - 1 with their results, `window` at a time; unreadable pictures go to `errors`.

    With `ahead` the next window is worked on while this one is used, which pays where it is used on another device. On
    the processor itself the two would only take the cores from each other, and a model's threads that wait for one of
    them all wait; so there they take turns, each with all cores.
    """

    def tried(number: int) -> Result | PictureError:
        try:
            return work(number)
        except PictureError as error:
            return error

    with contextlib.closing(in_order(tried, range(count), held=window, turns=not ahead, workers=workers)) as results:
        for start in range(0, count, window):
            found: list[tuple[int, Result]] = []
            for number, result in enumerate(islice(results, window), start):
                if isinstance(result, PictureError):
                    errors.append(result)
                else:
                    found.append((number, result))
            yield found
