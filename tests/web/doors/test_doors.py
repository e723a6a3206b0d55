"""Each door by itself: who comes in, from where, how often, with how much."""

from __future__ import annotations

import re

import anyio
import httpx
import pytest

from kunstkammer.errors import ResourceError
from kunstkammer.web import app
from kunstkammer.web.doors.limits import Buckets, address_of, cost_of
from kunstkammer.web.doors.secret import server_secret
from kunstkammer.web.doors.sessions import LASTS, Sessions, Visit
from kunstkammer.web.doors.uploads import Budget
from kunstkammer.web.errors import Busy
from kunstkammer.web.settings import Settings
from tests.web.fakes import FakeStore
from tests.web.visitors import API, PASSWORD, is_problem, place, png

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_the_secret_is_made_once_and_nobody_else_may_read_it(tmp_path) -> None:
    settings = Settings(folder=tmp_path / "new")
    secret = server_secret(settings)
    path = tmp_path / "new" / "secret"
    assert len(secret) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    assert server_secret(settings) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["secret"]
    path.write_bytes(b"short")
    with pytest.raises(ResourceError, match="too short to be a secret"):
        server_secret(settings)
    assert server_secret(Settings(folder=tmp_path, secret="given")) == server_secret(Settings(secret="given"))


def test_a_cookie_holds_only_as_it_was_written(monkeypatch) -> None:
    sessions, others = Sessions(b"a" * 32), Sessions(b"b" * 32)
    cookie = sessions.write(Visit("0" * 32), secure=False)
    assert re.fullmatch(r"kunstkammer-[0-9a-f]{8}=[\w.-]+; Max-Age=\d+; Path=/; HttpOnly; SameSite=Lax", cookie)
    value = cookie.partition(";")[0]
    assert sessions.read(value, secure=False) == Visit("0" * 32, known=True)
    assert sessions.read(f"bad cookie=[x]; {value}; other=1", secure=False).known
    assert sessions.name != others.name, "two servers on one machine share their cookies"
    for wrong in (value[:-1], value.replace(sessions.name, others.name), "", value + "x", sessions.name + "=\x00"):
        assert not sessions.read(wrong, secure=False).known
    assert not others.read(value.replace(sessions.name, others.name), secure=False).known
    assert not sessions.read(value, secure=True).known, "a cookie of HTTP is none of HTTPS"
    secure = sessions.write(Visit("0" * 32), secure=True)
    assert secure.startswith("__Host-kunstkammer-")
    assert secure.endswith("; Secure")
    import time

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2 * 86400)
    assert sessions.read(value, secure=False).due, "renewed once a day"
    monkeypatch.setattr(time, "time", lambda: now + LASTS + 10)
    assert not sessions.read(value, secure=False).known


async def test_what_changes_something_needs_the_session_s_token(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web, here.visitor() as other:
        first = await web.upload(png())
        assert first.status_code == 201, "nobody in particular has nothing to protect"
        is_problem(await web.upload(png()), 403, "forbidden")
        await other.came()
        web.headers["X-CSRF-Token"] = other.headers["X-CSRF-Token"]
        is_problem(await web.upload(png()), 403, "forbidden")
        is_problem(await web.delete(f"{API}/pictures"), 403, "forbidden")
        await web.came()
        assert (await web.upload(png())).status_code == 201
        before = web.headers["X-CSRF-Token"]
        await web.sign_in()
        web.headers["X-CSRF-Token"] = before
        is_problem(await web.upload(png()), 403, "forbidden")


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://localhost:8000"}, True),
        ({"Origin": "http://localhost:9000"}, False),
        ({"Origin": "https://localhost:8000"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({}, True),
    ],
)
async def test_other_sites_change_nothing(tmp_path, headers, passes) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        answer = await web.post(f"{API}/pictures", files={"files": ("a.png", png())}, headers=headers)
        if passes:
            assert answer.status_code == 201
        else:
            is_problem(answer, 403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers
        assert (await web.get(f"{API}/models", headers=headers)).status_code == 200


async def test_on_loopback_other_names_are_not_answered(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        for name in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert (await web.get(f"{API}/models", headers={"Host": name})).status_code == 200
        for name in ("evil.example", "localhost.evil.example", "192.168.0.7:8000"):
            is_problem(await web.get(f"{API}/models", headers={"Host": name}), 421, "wrong-host")
        for name in ("", "a b", "evil.example/x", "user@localhost", "localhost:x"):
            is_problem(await web.get(f"{API}/models", headers={"Host": name}), 400, "bad-request")
    async with place(tmp_path, host="0.0.0.0") as here, here.visitor() as web:
        assert (await web.get(f"{API}/models", headers={"Host": "museum.example"})).status_code == 200
        is_problem(await web.get(f"{API}/models", headers={"Host": "a b"}), 400, "bad-request")


async def test_behind_one_s_own_proxy(tmp_path) -> None:
    async with place(tmp_path, trusted_proxy=True, visitor_rate=1) as here, here.visitor() as web:
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "6.6.6.6, 192.0.2.7", "Host": "museum.example"}
        answer = await web.get(f"{API}/session", headers=forwarded)
        assert answer.headers["set-cookie"].startswith("__Host-kunstkammer-")
        assert "; Secure" in answer.headers["set-cookie"]
        web.cookies.clear()
        forged = {**forwarded, "X-Forwarded-For": "7.7.7.7, 192.0.2.7"}
        is_problem(await web.get(f"{API}/session", headers=forged), 429, "too-many-requests")
    async with place(tmp_path, visitor_rate=1) as here, here.visitor() as web:
        assert (
            "Secure"
            not in (await web.get(f"{API}/session", headers={"X-Forwarded-Proto": "https"})).headers["set-cookie"]
        )
        web.cookies.clear()
        forged = {"X-Forwarded-For": "7.7.7.7"}
        is_problem(await web.get(f"{API}/session", headers=forged), 429, "too-many-requests")


async def test_too_many_requests_of_one_or_of_all(tmp_path) -> None:
    async with place(tmp_path, visitor_rate=5) as here, here.visitor() as web, here.visitor() as other:
        await web.came()
        answers = [await web.get(f"{API}/models") for _ in range(7)]
        assert [one.status_code for one in answers] == [200] * 5 + [429] * 2
        is_problem(answers[-1], 429, "too-many-requests")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 12
        assert (await web.get(f"{API}/health/live")).status_code == 200
        await other.came()
        assert (await other.get(f"{API}/models")).status_code == 200
    async with place(tmp_path, all_rate=3) as here:
        codes = []
        for k in range(4):
            async with here.visitor(client=f"192.0.2.{k}") as web:
                codes.append((await web.get(f"{API}/models")).status_code)
        assert codes == [200, 200, 200, 429]


async def test_passwords_are_not_tried_for_ever(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web, here.visitor(client="192.0.2.9") as far:
        await web.came()
        for _ in range(6):
            is_problem(await web.sign_in("wrong"), 401, "sign-in")
        is_problem(await web.sign_in(PASSWORD), 429, "too-many-requests")
        assert (await far.sign_in(PASSWORD)).status_code == 200


async def test_signing_out_holds_for_a_copied_cookie_too(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web, here.visitor() as thief:
        await web.sign_in()
        thief.cookies = httpx.Cookies(web.cookies)
        assert (await thief.get(f"{API}/tokens")).status_code == 200
        assert (await web.delete(f"{API}/session")).status_code == 204
        is_problem(await thief.get(f"{API}/tokens"), 401, "sign-in")


async def test_every_answer_says_what_it_may_do(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        for answer in (
            await web.get(f"{API}/models"),
            await web.get(f"{API}/nothing"),
            await web.get(f"{API}/models", headers={"Host": "evil.example"}),
            await web.post(f"{API}/pictures", content=b"x"),
        ):
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert "camera=(self)" in answer.headers["permissions-policy"]
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"


async def test_too_much_is_refused_before_it_is_read(tmp_path) -> None:
    async with place(tmp_path, max_bytes=1000, max_files=2, buffer_bytes=1500) as here, here.visitor() as web:

        async def never():
            raise AssertionError("the body was read")
            yield b""

        form = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(10**9)}
        is_problem(await web.post(f"{API}/pictures", content=never(), headers=form), 413, "too-large")

        async def flood():
            yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
            for _ in range(100):
                yield bytes(2**16)

        form = {"Content-Type": "multipart/form-data; boundary=x"}
        is_problem(await web.post(f"{API}/pictures", content=flood(), headers=form), 413, "too-large")
        assert here.app.state.budget.used == 0
        here.app.state.budget.take(1000)
        await web.came()
        busy = await web.upload(bytes(900))
        is_problem(busy, 503, "busy")
        assert here.app.state.budget.used == 1000


def test_a_budget_counts() -> None:
    budget = Budget(10)
    budget.take(6)
    with pytest.raises(Busy):
        budget.take(5)
    budget.give(6)
    budget.take(10)


def test_buckets_fill_again_and_forget_the_oldest() -> None:
    now = 0.0
    buckets = Buckets(60, clock=lambda: now)
    assert buckets.take("a", 60) == 0.0
    assert buckets.take("a") == 1.0
    now = 1.0
    assert buckets.take("a") == 0.0
    for k in range(30_000):
        buckets.take(str(k))
    assert len(buckets._levels) <= 20_000


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8::1", 1), "2001:db8::/64"),
        (("rubbish", 1), "rubbish"),
        (None, ""),
    ],
)
def test_where_a_request_came_from(client, address) -> None:
    assert address_of({"client": client}) == address


def test_parts_of_the_page_cost_nothing_and_questions_do() -> None:
    assert cost_of({"path": "/static/a.css", "method": "GET"}) == 0.0
    assert cost_of({"path": "/static/a.css", "method": "POST"}) == 1.0
    assert cost_of({"path": f"{API}/pictures/1/thumbnail", "method": "GET"}) == 0.1
    assert cost_of({"path": f"{API}/pictures/1/explanations", "method": "GET"}) == 1.0


async def test_what_is_new_is_refused_once_the_server_stops(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        here.app.state.stopping = True
        answer = await web.get(f"{API}/health/live")
        is_problem(answer, 503, "busy")
        assert answer.headers["connection"] == "close"
        assert int(answer.headers["retry-after"]) >= 1
    assert here.desk.stopped == here.settings.stop_seconds
    assert here.store.closed


async def test_old_pictures_are_let_go_now_and_then(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(app, "EXPIRE_EVERY", 0.01)
    monkeypatch.setattr(app, "SWEEP_EVERY", 0.03)
    store = FakeStore()
    done: list[str] = []

    def expire() -> int:
        done.append("expire")
        if done.count("expire") == 2:
            raise ResourceError("The disk sleeps.")
        return 0

    store.expire, store.sweep = expire, lambda: done.append("sweep") or 0
    async with place(tmp_path, store=store):
        await anyio.sleep(0.5)
    assert done[:2] == ["expire", "sweep"]
    assert done.count("expire") > done.count("sweep") > 2, "one failure ends nothing"
