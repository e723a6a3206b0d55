"""The loop over many pictures: in order, bounded, in turns where asked for, and without threads left behind."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from kunstkammer.data.decoding import in_order, in_windows
from kunstkammer.errors import PictureError


@pytest.mark.parametrize("turns", [False, True])
@pytest.mark.parametrize("held", [1, 3, 100])
def test_results_come_in_order_and_only_so_many_are_held(held: int, turns: bool) -> None:
    begun: list[int] = []

    def work(i: int) -> int:
        begun.append(i)
        time.sleep(0.002 * (i % 3))
        return i * i

    taken = 0
    for result in in_order(work, range(20), held=held, turns=turns, workers=4):
        assert result == taken * taken
        taken += 1
        assert len(begun) <= taken + held
    assert taken == 20


def test_in_turns_nothing_is_worked_on_while_results_are_used() -> None:
    busy = 0
    lock = threading.Lock()
    begun: list[int] = []

    def work(i: int) -> int:
        nonlocal busy
        with lock:
            busy += 1
            begun.append(i)
        time.sleep(0.003)
        with lock:
            busy -= 1
        return i

    for i in in_order(work, range(10), held=4, turns=True, workers=4):
        time.sleep(0.002)
        assert busy == 0
        assert len(begun) == min((i // 4 + 1) * 4, 10)


@pytest.mark.parametrize("ahead", [False, True])
def test_windows_leave_out_what_cannot_be_read(ahead: bool) -> None:
    def work(i: int) -> str:
        if i % 5 == 2:
            raise PictureError(f"{i}.jpg", "truncated")
        return str(i)

    errors: list[PictureError] = []
    found = list(in_windows(work, 11, 4, errors, ahead=ahead, workers=3))
    assert found == [
        [(0, "0"), (1, "1"), (3, "3")],
        [(4, "4"), (5, "5"), (6, "6")],
        [(8, "8"), (9, "9"), (10, "10")],
    ]
    assert [error.file for error in errors] == ["2.jpg", "7.jpg"]
    assert list(in_windows(work, 0, 4, errors)) == []


def test_with_ahead_the_next_window_is_under_way_while_one_is_used() -> None:
    second = threading.Event()

    def work(i: int) -> int:
        if i >= 2:
            second.set()
        return i

    for _ in in_windows(work, 4, 2, [], ahead=True, workers=2):
        assert second.wait(5)


def test_leaving_early_and_errors_end_the_threads() -> None:
    before = threading.active_count()
    with closing(in_order(abs, range(50), held=5)) as results:
        next(results)
    assert threading.active_count() == before

    def fails(i: int) -> int:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        list(in_windows(fails, 9, 3, []))
    assert threading.active_count() == before
