"""The queue of jobs, on both databases: who is next, whose it is, what counts, what goes with what."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command

from kunstkammer.web.errors import Busy, JobLost, NotThere, QuotaFull, TooManyJobs
from kunstkammer.web.records import Made
from kunstkammer.web.store import Store
from kunstkammer.web.store import migrate as migration
from tests.web.store.conftest import files_in, put


def made(picture: str | None, key: str = "k", data: bytes | None = b"a heat map") -> Made:
    return Made(key, picture, f"{key}.png", data, "" if data else "it could not be")


def used(store: Store, visitor: str) -> int:
    with store._database.reading() as session:
        return session.execute(sa.text("SELECT used FROM visitors WHERE id = :v"), {"v": visitor}).scalar() or 0


def test_a_job_from_order_to_end(store) -> None:
    job = store.jobs.add("ada", "explain", {"methods": ["x", "é"]}, 2)
    assert (job.status, job.done, job.of, job.parameters) == ("waiting", 0, 2, {"methods": ["x", "é"]})
    assert store.jobs.list("ada") == (job,)
    assert store.jobs.list("bob") == ()
    with pytest.raises(NotThere):
        store.jobs.get("bob", job.id)
    taken = store.jobs.claim("w")
    assert (taken.id, taken.status, taken.deaths) == (job.id, "running", 0)
    assert store.jobs.claim("v") is None
    store.jobs.keep("w", taken, made(None, "one"), 1, 2)
    store.jobs.keep("w", taken, made(None, "two", None), 2, 2)
    assert store.jobs.finished_steps(job.id) == {"one": "", "two": "it could not be"}
    store.jobs.finish("w", job.id, "done", "one was left out")
    found = store.jobs.get("ada", job.id)
    assert (found.status, found.done, found.message, found.results, found.bytes) == (
        "done", 2, "one was left out", 1, 10
    )  # fmt: skip
    assert found.expires - found.finished == timedelta(days=7)
    assert dict(store.jobs.results("ada", job.id)) == {"one.png": b"a heat map"}
    for visitor in ("bob", "ada\0"):
        with pytest.raises(NotThere):
            list(store.jobs.results(visitor, job.id))
    store.jobs.remove("ada", job.id)
    assert store.jobs.list("ada") == ()
    assert used(store, "ada") == 0


def test_of_many_workers_one_gets_a_job(open_store) -> None:
    stores = [open_store() for _ in range(4)]
    wanted = {stores[0].jobs.add(f"v{i}", "explain", {}, 1).id for i in range(12)}
    got: list[str] = []

    def work(store: Store, name: str) -> None:
        empty = 0
        while empty < 3:
            job = store.jobs.claim(name)
            empty = empty + 1 if job is None else 0
            if job is not None:
                got.append(job.id)

    threads = [threading.Thread(target=work, args=(store, f"w{i}")) for i, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(got) == Counter(wanted)


def test_a_job_whose_worker_is_silent_is_taken_over_and_nothing_more_of_the_old_one_is_kept(open_store) -> None:
    store = open_store(job_lease_seconds=0.2)
    picture = put(store, "ada", b"one")
    job = store.jobs.add("ada", "explain", {}, 2)
    old = store.jobs.claim("old")
    store.jobs.keep("old", old, made(picture.id, "one"), 1, 2)
    assert store.jobs.claim("new") is None
    threading.Event().wait(0.25)
    new = store.jobs.claim("new")
    assert (new.id, new.deaths, new.done) == (job.id, 1, 1)
    before = files_in(store._blobs.folder)
    for late in (
        lambda: store.jobs.keep("old", old, made(picture.id, "two"), 2, 2),
        lambda: store.jobs.beat("old", job.id),
        lambda: store.jobs.finish("old", job.id, "done"),
        lambda: store.jobs.progress("old", job.id, 2, 2),
    ):
        with pytest.raises(JobLost):
            late()
    store.jobs.release("old", job.id)
    assert store.jobs.get("ada", job.id).status == "running"
    assert files_in(store._blobs.folder) == before
    assert store.jobs.finished_steps(job.id) == {"one": ""}


def test_a_beat_holds_a_job_and_a_death_that_is_known_lets_it_go_at_once(open_store) -> None:
    store = open_store(job_lease_seconds=60)
    job = store.jobs.add("ada", "explain", {}, 1)
    store.jobs.claim("w")
    assert store.jobs.beat("w", job.id) is False
    store.jobs.abandon("another")
    assert store.jobs.claim("v") is None
    store.jobs.abandon("w")
    assert store.jobs.claim("v").deaths == 1


def test_visitors_take_turns(store, open_store) -> None:
    store = open_store(visitor_jobs=9)
    for _ in range(3):
        store.jobs.add("ada", "explain", {}, 1)
    for _ in range(2):
        store.jobs.add("bob", "explain", {}, 1)
    turns = []
    for _ in range(5):
        job = store.jobs.claim("w")
        turns.append(job.visitor)
        assert store.jobs.others_wait(job.visitor) == (len(turns) < 5)
        store.jobs.finish("w", job.id, "done")
    assert turns == ["ada", "bob", "ada", "bob", "ada"]


def test_the_queue_and_each_visitors_part_of_it_have_an_end(open_store) -> None:
    store = open_store(job_queue=3, visitor_jobs=2)
    first = store.jobs.add("ada", "explain", {}, 1)
    store.jobs.add("ada", "explain", {}, 1)
    with pytest.raises(TooManyJobs, match="2 unfinished"):
        store.jobs.add("ada", "explain", {}, 1)
    store.jobs.add("bob", "explain", {}, 1)
    with pytest.raises(Busy) as caught:
        store.jobs.add("cid", "explain", {}, 1)
    assert caught.value.retry_after == 30
    store.jobs.cancel("ada", first.id)
    store.jobs.add("cid", "explain", {}, 1)


def test_cancelling(open_store) -> None:
    store = open_store(job_lease_seconds=60)
    job = store.jobs.add("ada", "explain", {}, 1)
    with pytest.raises(NotThere):
        store.jobs.cancel("bob", job.id)
    assert store.jobs.cancel("ada", job.id).status == "cancelled"
    assert store.jobs.claim("w") is None
    job = store.jobs.add("ada", "explain", {}, 1)
    store.jobs.claim("w")
    assert (store.jobs.cancel("ada", job.id).status, store.jobs.get("ada", job.id).cancelling) == ("running", True)
    assert store.jobs.beat("w", job.id) is True
    store.jobs.abandon("w")  # it died before it could: whoever looks next ends it
    assert store.jobs.claim("v") is None
    assert store.jobs.get("ada", job.id).status == "cancelled"


def test_results_count_as_pictures_do(open_store) -> None:
    store = open_store(visitor_bytes=100)
    picture = put(store, "ada", b"x" * 40)
    job = store.jobs.add("ada", "explain", {}, 3)
    job = store.jobs.claim("w")
    store.jobs.keep("w", job, made(picture.id, "one", b"m" * 50), 1, 2)
    before = files_in(store._blobs.folder)
    with pytest.raises(QuotaFull, match="results"):
        store.jobs.keep("w", job, made(picture.id, "two", b"n" * 50), 2, 2)
    assert files_in(store._blobs.folder) == before
    with pytest.raises(QuotaFull):
        put(store, "ada", b"y" * 20)
    assert used(store, "ada") == 90
    store.jobs.remove("ada", job.id)
    assert used(store, "ada") == 40
    with pytest.raises(JobLost):
        store.jobs.keep("w", job, made(picture.id, "two", b"n"), 2, 2)


def test_what_is_made_of_a_picture_goes_with_it(store) -> None:
    one, two = put(store, "ada", b"one"), put(store, "ada", b"two")
    job = store.jobs.add("ada", "explain", {}, 2)
    job = store.jobs.claim("w")
    for picture in (one, two):
        store.jobs.keep("w", job, made(picture.id, picture.id), 1, 2)
    store.delete("ada", one.id)
    assert [name for name, _ in store.jobs.results("ada", job.id)] == [f"{two.id}.png"]
    assert used(store, "ada") == 3 + 10
    with pytest.raises(NotThere):
        store.jobs.keep("w", job, made(one.id, "late"), 2, 2)
    assert store.delete_all("ada") == 1
    assert store.jobs.list("ada") == ()
    assert files_in(store._blobs.folder) == set()
    with store._database.reading() as session:
        assert session.execute(sa.text("SELECT count(*) FROM visitors")).scalar() == 0


def test_finished_jobs_expire_and_others_do_not(open_store) -> None:
    store = open_store(job_days=1)
    picture = put(store, "ada", b"one")
    job, waiting = store.jobs.add("ada", "explain", {}, 1), store.jobs.add("ada", "explain", {}, 1)
    job = store.jobs.claim("w")
    store.jobs.keep("w", job, made(picture.id), 1, 1)
    store.jobs.finish("w", job.id, "done")
    assert store.jobs.expire() == 0
    store.expire(datetime.now(UTC) + timedelta(days=2))
    assert [one.id for one in store.jobs.list("ada")] == [waiting.id]
    assert used(store, "ada") == 3
    assert not [file for file in files_in(store._blobs.folder) if file.endswith("result")]


def test_the_sweep_leaves_results(store, monkeypatch) -> None:
    from kunstkammer.web.store import deleting

    job = store.jobs.add("ada", "explain", {}, 1)
    store.jobs.keep("w", store.jobs.claim("w"), made(None), 1, 1)
    store._blobs.put("cd" * 32 + "." + "0" * 24, {"result": b"left by a kill"})
    monkeypatch.setattr(deleting, "GRACE", -1.0)
    assert store.sweep() == 1
    assert len(list(store.jobs.results("ada", job.id))) == 1


def test_a_database_of_the_first_form_is_brought_forward_with_what_it_holds(open_store, database, monkeypatch) -> None:
    upgrade = command.upgrade
    monkeypatch.setattr(migration.command, "upgrade", lambda config, _to: upgrade(config, "0001"))
    store = open_store()
    monkeypatch.undo()
    with store._database.connection() as connection:
        assert migration.current(connection) == {"0001"}
        assert "jobs" not in sa.inspect(connection).get_table_names()
        connection.execute(sa.text("INSERT INTO visitors (id, used, pictures) VALUES ('ada', 3, 0)"))
    store.close()
    store = open_store()
    with store._database.connection() as connection:
        assert migration.current(connection) == {"0002"}
    assert used(store, "ada") == 3
    job = store.jobs.add("ada", "explain", {}, 1)
    assert store.jobs.claim("w").id == job.id
