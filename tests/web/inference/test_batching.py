"""Many pictures before one model: they go together, nobody waits for a full batch, explaining gives way."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, wait

import numpy as np
import pytest

from kunstkammer.errors import ModelError
from kunstkammer.pictures.plate import PlateSettings
from kunstkammer.web.errors import Busy, ModelBroken, Unfit
from kunstkammer.web.inference.batching import Batcher, Explanation, Prediction


class Slow:
    """An engine that says each plate's mean, sums up what it was given, and can be held and made to fail."""

    labels, multi_label, has_features = ("a", "b"), False, True
    plate_settings = PlateSettings(4, 4)

    def __init__(self, folder, seconds=0.0):
        self.folder, self.seconds = folder, seconds
        self.batches: list[int] = []
        self.passes = 0
        self.go = threading.Event()
        self.go.set()
        self.error: Exception | None = None
        self.most = 10**9

    def logits(self, plates):
        self.go.wait(10)
        time.sleep(self.seconds)
        self.batches.append(len(plates))
        if self.error is not None:
            raise self.error
        if len(plates) > self.most:
            raise RuntimeError("not enough memory")
        return plates.mean((1, 2, 3), dtype=np.float32)[:, None] * np.ones((1, 2), np.float32)

    def logits_and_features(self, plates):
        return self.logits(plates), np.ones((len(plates), 3), np.float32)

    def explain(self, plates, method, targets, versus, *, pause=None):
        heats = []
        for plate, target in zip(plates, targets, strict=True):
            for _ in range(20 if method == "slow" else 1):
                pause()
                time.sleep(0.01)
                self.passes += 1
            heats.append(plate[0].astype(np.float32) + (target or 0))
        return heats


@pytest.fixture
def engine(tmp_path):
    return Slow(tmp_path / "slow")


@pytest.fixture
def batcher():
    batcher = Batcher(8, explain_seconds=5)
    yield batcher
    batcher.close(2)


def plate(value):
    return np.full((3, 4, 4), value, np.uint8)


def test_while_one_batch_runs_the_next_gathers(batcher, engine):
    engine.go.clear()
    first = batcher.add(Prediction(engine, plate(0)))
    while not first.running():
        time.sleep(0.001)
    others = [batcher.add(Prediction(engine, plate(i))) for i in range(1, 20)]
    engine.go.set()
    assert [future.result(5)[0] for future in [first, *others]] == list(range(20))
    assert engine.batches == [1, 8, 8, 3]


def test_it_waits_a_moment_only_for_what_is_coming(batcher, engine):
    batcher.coming(2)
    first = batcher.add(Prediction(engine, plate(1)))
    batcher.add(Prediction(engine, plate(2)))
    batcher.coming(-2)
    first.result(5)
    batcher.coming(1)  # and if it never comes, nobody waits for it
    assert batcher.add(Prediction(engine, plate(3))).result(5)[0] == 3
    batcher.coming(-1)


def test_each_model_has_its_own_batches_in_the_order_of_asking(batcher, engine, tmp_path):
    other = Slow(tmp_path / "other")
    engine.go.clear()
    first = batcher.add(Prediction(engine, plate(0)))
    while not first.running():
        time.sleep(0.001)
    asked = [batcher.add(Prediction(one, plate(i))) for i, one in enumerate([other, engine, other, engine, engine])]
    engine.go.set()
    assert [future.result(5)[0] for future in asked] == [0, 1, 2, 3, 4]
    assert (other.batches, engine.batches) == ([2], [1, 3])


def test_what_nobody_waits_for_is_left_out(batcher, engine):
    engine.go.clear()
    first = batcher.add(Prediction(engine, plate(0)))
    while not first.running():
        time.sleep(0.001)
    waiting = [Prediction(engine, plate(i)) for i in range(4)]
    futures = [batcher.add(asked) for asked in waiting]
    for asked in waiting[1:]:
        asked.drop()
    engine.go.set()
    assert futures[0].result(5)[0] == 0
    with pytest.raises(CancelledError):
        futures[1].result(5)
    assert engine.batches == [1, 1]
    long = Explanation(engine, plate(1), method="slow")
    future = batcher.add(long)
    while engine.passes < 2:
        time.sleep(0.001)
    long.drop()
    with pytest.raises((Busy, CancelledError)):
        future.result(5)
    assert engine.passes < 20


def test_explanations_of_one_kind_go_together(batcher, engine):
    asked = [Explanation(engine, plate(i), method="quick", target=i % 2) for i in range(5)]
    heats = [batcher.add(one) for one in asked]
    assert [float(heat.result(5)[0, 0]) for heat in heats] == [0, 2, 2, 4, 4]


def test_explaining_gives_way_and_is_not_starved(batcher, engine):
    engine.seconds = 0.01
    long = batcher.add(Explanation(engine, plate(1), method="slow"))
    while engine.passes < 1:
        time.sleep(0.001)
    deadline, most = time.monotonic() + 30, 0.0
    while not long.done() and time.monotonic() < deadline:
        start = time.monotonic()
        wait([batcher.add(Prediction(engine, plate(i))) for i in range(8)], timeout=10)
        most = max(most, time.monotonic() - start)
    assert long.done()
    assert len(engine.batches) > 10
    assert most < 5


def test_an_explanation_that_takes_too_long_is_stopped(engine):
    batcher = Batcher(8, explain_seconds=0.05)
    with pytest.raises(Unfit, match=r"slow takes more than 0\.05 seconds"):
        batcher.add(Explanation(engine, plate(1), method="slow")).result(5)
    assert batcher.add(Explanation(engine, plate(1), method="quick")).result(5).shape == (4, 4)
    batcher.close(1)


def test_a_failing_model_says_so_and_the_others_go_on(batcher, engine, tmp_path):
    engine.error = ZeroDivisionError("division\nby zero")
    with pytest.raises(ModelBroken, match=r"slow failed \(ZeroDivisionError: division by zero\)"):
        batcher.add(Prediction(engine, plate(1))).result(5)
    engine.error = ModelError("It cannot.")
    with pytest.raises(ModelError, match="It cannot"):
        batcher.add(Prediction(engine, plate(1))).result(5)
    assert batcher.add(Prediction(Slow(tmp_path / "fine"), plate(7))).result(5)[0] == 7


def test_a_batch_too_large_for_the_memory_goes_in_halves(batcher, engine):
    engine.most = 2
    engine.go.clear()
    futures = [batcher.add(Prediction(engine, plate(i))) for i in range(9)]
    engine.go.set()
    assert [future.result(5)[0] for future in futures] == list(range(9))


def test_features_are_judged_a_batch_at_a_time(batcher, engine):
    seen = []

    def judge(logits, features):
        seen.append((logits.shape, features.shape))
        return [float(x) for x in logits[:, 0]]

    assert batcher.add(Prediction(engine, plate(5), judge=judge, features=True)).result(5) == 5
    assert seen == [((1, 2), (1, 3))]


def test_stopping_finishes_what_waits_or_says_that_it_did_not(engine):
    batcher = Batcher(2)
    engine.seconds = 0.02
    futures = [batcher.add(Prediction(engine, plate(i))) for i in range(9)]
    batcher.close(10)
    assert [future.result(0)[0] for future in futures] == list(range(9))
    with pytest.raises(Busy, match="stopping"):
        batcher.add(Prediction(engine, plate(0)))
    batcher = Batcher(2)
    engine.go.clear()
    held = [batcher.add(Prediction(engine, plate(i))) for i in range(5)]
    batcher.close(0.1)
    for future in held:
        with pytest.raises(Busy, match="stopping"):
            future.result(0)
    engine.go.set()
