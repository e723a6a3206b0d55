"""Visitors who ask a server as fast as it answers: one line and one session each, little work between two requests."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

API = "/api/v1"
BOUNDARY = b"kunstkammer-benchmark"


@dataclass
class Load:
    """What came of it.

    Attributes:
        seconds: from the first request after the sessions to the last answer.
        waits: seconds that each good answer took; statuses: how often each came.
    """

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return len(self.waits) / self.seconds

    def percentile(self, share: float) -> float:
        """Return the seconds within which this share of the good answers came."""
        return sorted(self.waits)[min(int(share * len(self.waits)), len(self.waits) - 1)]


class Line:
    """One connection that stays open, with its session."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.head = b""

    async def come(self) -> None:
        """Connect and begin a session."""
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port, limit=2**20)
        self.head = f"Host: {self.host}:{self.port}\r\n".encode()
        _, headers, body = await self.ask(b"GET", f"{API}/session")
        cookie = headers[b"set-cookie"].partition(b";")[0]
        self.head += b"Cookie: " + cookie + b"\r\nX-CSRF-Token: " + json.loads(body)["csrf"].encode() + b"\r\n"

    async def ask(self, method: bytes, path: str, body: bytes = b"") -> tuple[int, dict[bytes, bytes], bytes]:
        """Send a request; return status, headers and body of its answer."""
        kind = b"Content-Type: multipart/form-data; boundary=" + BOUNDARY + b"\r\n" if body else b""
        head = b"%s %s HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n" % (method, path.encode(), self.head, kind, len(body))
        self.writer.write(head + body)
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in lines if line)
        for line in lines:
            if line.lower().startswith(b"set-cookie: "):  # whose case matters
                headers[b"set-cookie"] = line.split(b": ", 1)[1]
        return int(first.split()[1]), headers, await self.reader.readexactly(int(headers.get(b"content-length", 0)))

    def leave(self) -> None:
        """Close the line."""
        self.writer.close()


def form(picture: bytes) -> bytes:
    """Return a picture as a form, with bytes after its end that no two have: the server cannot know it already."""
    head = b'--%s\r\nContent-Disposition: form-data; name="files"; filename="page.jpg"\r\n\r\n' % BOUNDARY
    return head + picture + os.urandom(16) + b"\r\n--" + BOUNDARY + b"--\r\n"


async def _predict(line: Line, picture: bytes) -> int:
    return (await line.ask(b"POST", f"{API}/predict", form(picture)))[0]


async def _whole_way(line: Line, picture: bytes) -> int:
    """Upload, ask, delete; the first status that is not as it should be."""
    status, _, body = await line.ask(b"POST", f"{API}/pictures", form(picture))
    if status != 201:
        return status
    at = f"{API}/pictures/{json.loads(body)['pictures'][0]['id']}"
    status, _, _ = await line.ask(b"POST", f"{at}/predictions")
    deleted, _, _ = await line.ask(b"DELETE", at)
    return status if status != 200 else {204: 200}.get(deleted, deleted)


WAYS = {"predict": _predict, "upload, predict, delete": _whole_way}


async def _visitor(line: Line, way: str, pictures: Sequence[bytes], first: int, until: float, load: Load) -> None:
    number = first
    while time.perf_counter() < until:
        began = time.perf_counter()
        status = await WAYS[way](line, pictures[number % len(pictures)])
        load.statuses[status] += 1
        if status == 200:
            load.waits.append(time.perf_counter() - began)
        else:
            await asyncio.sleep(1)
        number += 1


async def _all(host: str, port: int, way: str, pictures: Sequence[bytes], visitors: int, seconds: float) -> Load:
    lines = [Line(host, port) for _ in range(visitors)]
    for line in lines:
        await line.come()
    load, began = Load(), time.perf_counter()
    step = max(1, len(pictures) // visitors)
    await asyncio.gather(
        *(_visitor(line, way, pictures, step * k, began + seconds, load) for k, line in enumerate(lines))
    )
    load.seconds = time.perf_counter() - began
    for line in lines:
        line.leave()
    return load


def visit(host: str, port: int, way: str, pictures: Sequence[bytes], visitors: int, seconds: float) -> Load:
    """Let so many visitors ask for so long, each waiting for an answer before the next request; way: see `WAYS`."""
    return asyncio.run(_all(host, port, way, pictures, visitors, seconds))
