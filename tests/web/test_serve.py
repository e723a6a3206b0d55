"""A real server on loopback: starting, stopping, slow visitors, hostile lines."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from kunstkammer.errors import RecipeError, ResourceError
from kunstkammer.web.serve import serve
from tests.web.live import live
from tests.web.visitors import png


def _answer(line: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one answer from a line until it is closed or whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = line.recv(65536)
        if not more:
            raise ConnectionError(f"closed after {data!r}")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (row.split(": ", 1) for row in rest)}
    while len(body) < int(headers.get("content-length", 0)):
        body += line.recv(65536)
    return int(first.split()[1]), headers, body


def test_it_says_where_it_is_and_stops_in_peace(tmp_path) -> None:
    with live(tmp_path) as server:
        assert server.url.startswith("http://127.0.0.1:")
        health = httpx.get(server.url + "/api/v1/health")
        assert health.status_code == 200
        assert "server" not in health.headers
        status, said = server.stop()
    assert status == 0
    assert said.rstrip().endswith("Stopped.")
    assert "GET /api/v1/health 200" in said
    assert "127.0.0.1" not in said, "no address in the log"


def test_what_runs_is_finished_before_it_stops(tmp_path) -> None:
    with live(tmp_path, seconds=1.5) as server:
        found: list[int] = []
        asking = threading.Thread(
            target=lambda: found.append(
                httpx.post(server.url + "/api/v1/predict", files={"files": ("a.png", png())}, timeout=20).status_code
            )
        )
        asking.start()
        time.sleep(0.7)
        status, _ = server.stop()
        asking.join()
    assert (found, status) == ([200], 0)


def test_a_port_that_is_taken_is_said_in_one_line(tmp_path) -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        line.listen()
        port = line.getsockname()[1]
        with pytest.raises(ResourceError, match=rf"Port {port} of 127.0.0.1 is taken; .* --port"):
            serve("run", port=port, folder=tmp_path)
    with pytest.raises(RecipeError, match="at least one run"):
        serve(folder=tmp_path)
    with pytest.raises(RecipeError, match="Did you mean 'port'"):
        serve("run", prot=1)


def test_an_open_server_without_a_password_is_loud(tmp_path) -> None:
    with live(tmp_path / "a", host="0.0.0.0") as server:
        assert "open to the network at 0.0.0.0" in server.stop()[1]
    with live(tmp_path / "b", host="0.0.0.0", admin_password="secret") as server:
        assert "open to the network" not in server.stop()[1]


def test_a_store_that_cannot_be_opened_is_said_in_one_line(tmp_path) -> None:
    (tmp_path / "file").write_text("no folder")
    command = [
        sys.executable,
        "-m",
        "kunstkammer",
        "serve",
        "nothing",
        "--folder",
        str(tmp_path / "file"),
        "--port",
        "0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Error: Cannot write" in done.stderr


def test_slow_visitors_are_let_go(tmp_path) -> None:
    with live(tmp_path, read_seconds=0.5) as server:
        address = (server.host, server.port)
        with (
            socket.create_connection(address, timeout=10) as silent,
            socket.create_connection(address, timeout=10) as slow,
        ):
            slow.sendall(b"GET /api/v1/health/live HTTP/1.1\r\nHost: localhost\r\n")
            began = time.monotonic()
            assert silent.recv(10) == b""
            assert slow.recv(10) == b""
            assert time.monotonic() - began < 5
        with socket.create_connection(address, timeout=10) as body:
            head = "POST /api/v1/pictures HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
            body.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n".encode())
            status, headers, text = _answer(body)
            assert (status, headers["content-type"]) == (408, "application/problem+json")
            assert json.loads(text)["type"].endswith("/too-slow")
        assert httpx.get(server.url + "/api/v1/health").status_code == 200


def _ask_for_ever(line: socket.socket) -> None:
    while True:
        line.sendall(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)


def test_who_reads_nothing_is_let_go(tmp_path) -> None:
    with live(tmp_path, read_seconds=0.5, all_rate=10**6, visitor_rate=10**6) as server:
        with socket.create_connection((server.host, server.port), timeout=20) as line, pytest.raises(ConnectionError):
            _ask_for_ever(line)
        assert httpx.get(server.url + "/api/v1/health").status_code == 200


def test_too_large_is_said_before_it_is_sent(tmp_path) -> None:
    with live(tmp_path, max_bytes=1000, max_files=2) as server:
        with socket.create_connection((server.host, server.port), timeout=10) as line:
            head = "POST /api/v1/pictures HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n"
            line.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
            status, _, text = _answer(line)
            assert status == 413
            assert json.loads(text)["status"] == 413
        with socket.create_connection((server.host, server.port), timeout=10) as line:
            head = "POST /api/v1/pictures HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
            line.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n".encode())
            part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
            line.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            for _ in range(20):  # the form may have a little more than 2**20 bytes here, and does not end
                line.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
            assert _answer(line)[0] == 413


@pytest.mark.parametrize(
    "head",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /api/v1/pictures HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /api/v1/pictures HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/v1/health\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_http_is_answered_with_a_problem(head, hostile) -> None:
    with socket.create_connection((hostile.host, hostile.port), timeout=10) as line:
        line.sendall(head)
        status, headers, text = _answer(line)
        assert status in (400, 404, 421)
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(text)["status"] == status


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    with live(tmp_path_factory.mktemp("hostile")) as server:
        yield server


def test_more_lines_than_hands_are_turned_away(tmp_path) -> None:
    with live(tmp_path, connections=3) as server:
        lines = [socket.create_connection((server.host, server.port), timeout=10) for _ in range(4)]
        status, headers, _ = _answer(lines[3])
        assert status == 503
        assert int(headers["retry-after"]) >= 1
        for line in lines:
            line.close()
        time.sleep(0.2)
        assert httpx.get(server.url + "/api/v1/health").status_code == 200
