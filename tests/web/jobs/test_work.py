"""What becomes of a job at a worker's hands: failures, kinds that cannot be repeated, too many deaths."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest

from kunstkammer import registry
from kunstkammer.errors import KunstkammerError, PictureError
from kunstkammer.web.errors import FileMissing, ModelBroken
from kunstkammer.web.jobs.explain_all import explain_all
from kunstkammer.web.jobs.kinds import Hands, KindOfJob, Order, Plan, Step
from kunstkammer.web.jobs.work import INTERRUPTED, MOST_DEATHS, ServerGone, Worker
from kunstkammer.web.records import Job, Made
from kunstkammer.web.settings import Settings
from kunstkammer.web.store import Store
from tests.web.fakes import CARD
from tests.web.store.conftest import put


@dataclass
class HandDesk:
    """A desk that answers with what it is told to, and stops the worker after the last step."""

    raises: dict[bytes, Exception] = field(default_factory=dict)
    asked: list[bytes] = field(default_factory=list)

    def cards(self):
        return (CARD,)

    def explain(self, model: str, data: bytes, method: str, name: str = "") -> bytes:
        self.asked.append(data)
        if data in self.raises:
            raise self.raises[data]
        return b"png of " + data


@pytest.fixture
def store(tmp_path):
    found = Store.open(Settings(folder=tmp_path))
    yield found
    found.close()


def work(store: Store, desk: HandDesk, **settings) -> Job:
    """Have a worker do the one job to its end."""
    stopping = threading.Event()
    worker = Worker("w", store, desk, Settings(folder="unused", **settings), stopping)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        for _ in range(400):
            (job,) = store.jobs.list("ada")
            if not job.open:
                return job
            threading.Event().wait(0.02)
        raise AssertionError(job)
    finally:
        stopping.set()
        thread.join()


def three(store: Store) -> list[str]:
    return [put(store, "ada", data, f"{data.decode()}.png").id for data in (b"one", b"two", b"three")]


def order(store: Store, kind: str = "explain") -> Job:
    return store.jobs.add("ada", kind, {"model": "comics", "methods": ["gradient"]}, 3)


def test_a_picture_that_cannot_be_explained_keeps_no_other_from_it(store) -> None:
    three(store)
    order(store)
    job = work(store, HandDesk({b"two": PictureError("two.png", "truncated")}))
    assert (job.status, job.done, job.of, job.results) == ("done", 3, 3, 2)
    assert job.message.startswith("1 of 3 could not be made.")
    assert "truncated" in job.message


def test_a_picture_whose_file_is_lost_keeps_no_other_from_it(store) -> None:
    ids = three(store)
    order(store)
    real = store.bytes_of

    def lost(visitor, id, kind="original"):
        if id == ids[1]:
            raise FileMissing(f"The original of the picture {id} is missing; upload it again.")
        return real(visitor, id, kind)

    store.bytes_of = lost
    job = work(store, HandDesk())
    assert (job.status, job.results) == ("done", 2)
    assert ids[1] in job.message


def test_a_model_that_is_replaced_meanwhile_ends_the_job(store) -> None:
    three(store)
    order(store)

    class Replaced(HandDesk):
        def cards(self):
            return (CARD if not self.asked else replace(CARD, version="another"),)

    job = work(store, Replaced())
    assert (job.status, job.results) == ("failed", 1)
    assert "was replaced while the job ran" in job.message


def test_where_nothing_can_be_made_the_job_has_failed(store) -> None:
    three(store)
    order(store)
    job = work(store, HandDesk({data: KunstkammerError("it is flat") for data in (b"one", b"two", b"three")}))
    assert (job.status, job.results, job.message) == ("failed", 0, "3 of 3 could not be made. The first: it is flat")


def test_a_broken_model_ends_the_job_and_keeps_what_was_made(store) -> None:
    three(store)
    order(store)
    desk = HandDesk({b"one": ModelBroken("comics: out of memory")})  # the newest picture is first
    job = work(store, desk)
    assert (job.status, job.results, job.message) == ("failed", 2, "comics: out of memory")
    assert desk.asked == [b"three", b"two", b"one"]


def test_the_quota_ends_the_job(tmp_path) -> None:
    store = Store.open(Settings(folder=tmp_path, visitor_bytes=11 + 14))
    three(store)
    order(store)
    job = work(store, HandDesk())
    assert (job.status, job.results) == ("failed", 1)
    assert "delete some pictures or jobs" in job.message
    store.close()


def test_pictures_that_come_and_go_meanwhile(store) -> None:
    ids = three(store)
    order(store)
    put(store, "ada", b"later")
    desk = HandDesk()
    desk.raises = {}
    gone = ids[0]
    explain = desk.explain

    def deleting(*words, **more):
        if desk.asked == []:
            store.delete("ada", gone)
        return explain(*words, **more)

    desk.explain = deleting
    job = work(store, desk)
    assert (job.status, job.done, job.of, job.results, job.message) == ("done", 3, 3, 2, "")
    assert b"later" not in desk.asked


def test_a_picture_that_goes_while_it_fails_keeps_no_other_from_it(store) -> None:
    ids = three(store)
    order(store)
    desk = HandDesk()
    explain = desk.explain

    def failing(model, data, *words, **more):
        if data == b"two":
            store.delete("ada", ids[1])
            raise KunstkammerError("it is flat")
        return explain(model, data, *words, **more)

    desk.explain = failing
    job = work(store, desk)
    assert (job.status, job.done, job.results, job.message) == ("done", 3, 2, "")


def test_a_job_that_kills_its_workers_fails_in_the_end(store) -> None:
    three(store)
    order(store)
    for i in range(MOST_DEATHS):
        assert store.jobs.claim(f"dead{i}") is not None
        store.jobs.abandon(f"dead{i}")
    job = work(store, HandDesk())
    assert (job.status, job.results) == ("failed", 0)
    assert job.message.startswith("3 attempts ended at the same step")


@pytest.fixture
def once():
    """A kind whose steps may not be repeated."""

    def plan(asked: Order) -> Plan:
        def make(hands: Hands) -> Made:
            hands.desk.explain("comics", b"once", "gradient")
            return Made("only", None, "only.txt", b"made")

        return Plan(asked.parameters, [Step("only", None, make)])

    registry.entries("jobs")
    shelf = registry._entries["jobs"]
    shelf["once"] = registry.Entry("once", "Once", KindOfJob(plan, repeatable=False))
    yield "once"
    del shelf["once"]


def test_a_kind_that_cannot_be_repeated_fails_after_a_death_and_only_then(store, once) -> None:
    job = order(store, once)
    store.jobs.claim("dead")
    store.jobs.abandon("dead")
    job = work(store, HandDesk())
    assert (job.status, job.results) == ("failed", 0)
    assert "cannot be gone on with" in job.message
    store.jobs.remove("ada", job.id)
    order(store, once)
    job = work(store, HandDesk())
    assert (job.status, job.results) == ("done", 1)


def test_a_server_that_goes_in_the_middle_of_a_step_ends_only_what_cannot_be_repeated(store, once) -> None:
    three(store)
    desk = HandDesk({data: ServerGone() for data in (b"once", b"two")})
    job = order(store)
    Worker("w", store, desk, Settings(), threading.Event()).run()
    found = store.jobs.get("ada", job.id)
    assert (found.status, found.done) == ("waiting", 1)
    store.jobs.cancel("ada", job.id)
    job = order(store, once)
    Worker("w", store, desk, Settings(), threading.Event()).run()
    assert (store.jobs.get("ada", job.id).status, store.jobs.get("ada", job.id).message) == ("failed", INTERRUPTED)


def test_an_unknown_kind_fails_by_its_name(store) -> None:
    order(store, "explian")
    assert "Did you mean 'explain'" in work(store, HandDesk()).message


def test_a_fault_in_a_kind_fails_its_job_alone(store, caplog) -> None:
    three(store)
    order(store)
    job = work(store, HandDesk({b"three": ZeroDivisionError("hidden")}))
    assert (job.status, "log" in job.message, "hidden" in job.message) == ("failed", True, False)


def test_the_plan_is_the_same_each_time(store) -> None:
    three(store)
    job = order(store)
    orders = [Order("ada", job.parameters, job.created, store, (CARD,)) for _ in range(2)]
    first, second = (explain_all(one) for one in orders)
    assert [step.key for step in first.steps] == [step.key for step in second.steps]
