"""kill -9 in the middle of a job, of the worker and of the server: it goes on where it was, and ends as it should."""

from __future__ import annotations

import io
import os
import signal
import time
import zipfile
from pathlib import Path

import httpx
import pytest

from kunstkammer.web.settings import Settings
from kunstkammer.web.store.store import Store
from tests.web.live import Live, live
from tests.web.visitors import API, png

LIMITS = {"visitor_rate": 10**7, "all_rate": 10**7, "job_lease_seconds": 1.5}
PICTURES, METHODS = 4, ["gradient", "grad-cam"]


def client(server: Live, secret: str) -> httpx.Client:
    return httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {secret}"}, timeout=30)


def tokens(folder: Path, *names: str) -> list[str]:
    store = Store.open(Settings(folder=folder))
    secrets = [store.make_token(name)[1] for name in names]
    store.close()
    return secrets


def order(web: httpx.Client, pictures: int = PICTURES, methods: list[str] = METHODS) -> str:
    files = [("files", (f"{i}.png", png(20 * i))) for i in range(pictures)]
    if pictures:
        assert web.post(f"{API}/pictures", files=files).status_code == 201
    found = web.post(f"{API}/jobs", json={"kind": "explain", "parameters": {"methods": methods}})
    assert found.status_code == 202, found.text
    assert found.headers["location"] == f"{API}/jobs/{found.json()['id']}"
    return found.headers["location"]


def wait(web: httpx.Client, address: str, until, seconds: float = 40.0) -> dict:
    end = time.monotonic() + seconds
    while True:
        job = web.get(address).json()
        if until(job):
            return job
        assert time.monotonic() < end, job
        time.sleep(0.03)


def ended(job: dict) -> bool:
    return job["status"] not in ("waiting", "running")


def names(web: httpx.Client, address: str) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(web.get(f"{address}/result").content)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def worker_of(server: Live) -> int:
    """Return the process id of the server's child that does jobs."""
    tasks = Path(f"/proc/{server.process.pid}/task").glob("*/children")
    children = [int(pid) for task in tasks for pid in task.read_text().split()]
    (found,) = [pid for pid in children if b"jobs.process" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return found


def test_the_worker_is_killed_and_the_job_ends_all_the_same(tmp_path) -> None:
    (secret,) = tokens(tmp_path, "ada")
    with live(tmp_path, 0.15, **(LIMITS | {"job_lease_seconds": 60})) as server, client(server, secret) as web:
        address = order(web)
        half = wait(web, address, lambda job: job["done"] >= 3)
        assert half["status"] == "running"
        os.kill(worker_of(server), signal.SIGKILL)
        job = wait(web, address, ended)
        assert (job["status"], job["done"], job["of"], job["results"], job["message"]) == ("done", 8, 8, 8, "")
        assert len(set(names(web, address))) == 8
        assert "another one is started" in server.said()


def test_the_server_is_killed_and_the_job_goes_on_after_the_next_start(tmp_path) -> None:
    (secret,) = tokens(tmp_path, "ada")
    with live(tmp_path, 0.15, **LIMITS) as server, client(server, secret) as web:
        address = order(web)
        wait(web, address, lambda job: job["done"] >= 3)
        worker = worker_of(server)
        server.kill()
        end = time.monotonic() + 10
        while Path(f"/proc/{worker}").exists():  # it does not outlive the server
            assert time.monotonic() < end
            time.sleep(0.02)
    store = Store.open(Settings(folder=tmp_path))
    kept = store.jobs.finished_steps(address.rsplit("/", 1)[-1])
    store.close()
    assert 3 <= len(kept) < 8
    with live(tmp_path, 0.05, **LIMITS) as server, client(server, secret) as web:
        job = wait(web, address, ended)
        assert (job["status"], job["done"], job["results"]) == ("done", 8, 8)
        assert len(set(names(web, address))) == 8


def test_server_and_worker_are_killed_together(tmp_path) -> None:
    (secret,) = tokens(tmp_path, "ada")
    with live(tmp_path, 0.15, **LIMITS) as server, client(server, secret) as web:
        address = order(web)
        wait(web, address, lambda job: job["done"] >= 2)
        os.kill(server.process.pid, signal.SIGSTOP)  # it cannot notice
        os.kill(worker_of(server), signal.SIGKILL)
        server.kill()
    with live(tmp_path, 0.02, **LIMITS) as server, client(server, secret) as web:
        found = web.get(address).json()
        assert found["status"] == "running"  # nobody knows yet: when its lease is over it is taken up
        job = wait(web, address, ended)
        assert (job["status"], job["done"], job["results"]) == ("done", 8, 8)


def test_a_stop_leaves_the_job_waiting_and_waits_for_no_lease(tmp_path) -> None:
    (secret,) = tokens(tmp_path, "ada")
    limits = LIMITS | {"job_lease_seconds": 600}
    with live(tmp_path, 0.15, **limits) as server, client(server, secret) as web:
        address = order(web)
        wait(web, address, lambda job: job["done"] >= 2)
        status, said = server.stop()
        assert (status, "Traceback" in said) == (0, False), said
    store = Store.open(Settings(folder=tmp_path))
    assert store.jobs.get(None, address.rsplit("/", 1)[-1]).status == "waiting"
    store.close()
    with live(tmp_path, 0.02, **limits) as server, client(server, secret) as web:
        assert wait(web, address, ended)["results"] == 8


def test_two_visitors_take_turns_and_cannot_see_each_others_jobs(tmp_path) -> None:
    ada, bob = tokens(tmp_path, "ada", "bob")
    limits = LIMITS | {"job_turn_seconds": 0.3}
    with live(tmp_path, 0.1, **limits) as server, client(server, ada) as hers, client(server, bob) as his:
        long = order(hers, 16)
        wait(hers, long, lambda job: job["done"] >= 2)
        short = order(his, 2)
        assert his.get(long).status_code == his.get(f"{long}/result").status_code == his.delete(long).status_code == 404
        assert [job["id"] for job in his.get(f"{API}/jobs").json()["jobs"]] == [short.rsplit("/", 1)[-1]]
        wait(his, short, ended)
        behind = hers.get(long).json()
        assert not ended(behind)
        assert wait(hers, long, ended)["results"] == 32


def test_cancelling_and_removing(tmp_path) -> None:
    (secret,) = tokens(tmp_path, "ada")
    with live(tmp_path, 0.2, **LIMITS) as server, client(server, secret) as web:
        running = order(web, 4)
        waiting = order(web, 0)
        wait(web, running, lambda job: job["done"] >= 1)
        found = web.delete(waiting)
        assert (found.status_code, found.json()["status"]) == (200, "cancelled")
        found = web.delete(running)
        assert (found.status_code, found.json()["status"], found.json()["cancelling"]) == (200, "running", True)
        job = wait(web, running, ended)
        assert job["status"] == "cancelled"
        assert 1 <= job["done"] < 8
        assert len(names(web, running)) == job["results"] == job["done"]
        assert web.delete(running).status_code == 204
        assert web.get(running).status_code == 404
        assert web.get(f"{waiting}/result").status_code == 404


@pytest.mark.parametrize(
    ("parameters", "status", "detail"),
    [
        ({"methods": ["grad-cma"]}, 422, "Did you mean 'grad-cam'"),
        ({"model": "comix"}, 404, "no model 'comix'"),
        ({"model": "old"}, 503, "config.json is missing"),
        ({"methods": []}, 422, "parameters.methods"),
        ({"pictures": 1}, 422, "parameters.pictures"),
    ],
)
def test_orders_that_cannot_be(app_of_one_picture, parameters, status, detail) -> None:
    found = app_of_one_picture.post(f"{API}/jobs", json={"kind": "explain", "parameters": parameters})
    assert found.status_code == status, found.text
    assert detail in found.json()["detail"]


@pytest.fixture(scope="module")
def app_of_one_picture(tmp_path_factory):
    folder = tmp_path_factory.mktemp("orders")
    (secret,) = tokens(folder, "ada")
    with live(folder, 0.5, **(LIMITS | {"visitor_jobs": 1, "job_steps": 3})) as server, client(server, secret) as web:
        found = web.post(f"{API}/jobs", json={"kind": "explain"})
        assert (found.status_code, "no pictures" in found.json()["detail"]) == (422, True)
        assert web.post(f"{API}/pictures", files={"files": ("a.png", png())}).status_code == 201
        yield web


def test_an_unknown_kind_a_long_job_and_one_too_many(app_of_one_picture) -> None:
    web = app_of_one_picture
    found = web.post(f"{API}/jobs", json={"kind": "explian"})
    assert (found.status_code, "Did you mean 'explain'" in found.json()["detail"]) == (422, True)
    assert web.post(f"{API}/jobs", json={"kind": "explain"}).status_code == 202
    found = web.post(f"{API}/jobs", json={"kind": "explain"})
    assert (found.status_code, found.headers["retry-after"]) == (429, "30")
    assert web.post(f"{API}/pictures", files=[("files", ("b.png", png(1)))]).status_code == 201
    found = web.post(f"{API}/jobs", json={"kind": "explain"})
    assert (found.status_code, "4 steps" in found.json()["detail"]) == (422, True)


def test_a_full_queue_says_when_to_come_back(tmp_path) -> None:
    ada, bob = tokens(tmp_path, "ada", "bob")
    with live(tmp_path, 0.3, **(LIMITS | {"job_queue": 1})) as server:
        with client(server, ada) as web:
            order(web, 4)
        with client(server, bob) as web:
            assert web.post(f"{API}/pictures", files={"files": ("a.png", png())}).status_code == 201
            found = web.post(f"{API}/jobs", json={"kind": "explain"})
            assert (found.status_code, found.headers["retry-after"]) == (503, "30")
            assert found.json()["type"].endswith("/busy")
