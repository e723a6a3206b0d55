"""How much a request may bring, and how slowly: decided before it is read, and again while it is."""

from __future__ import annotations

import time

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kunstkammer.web.problems import ProblemError
from kunstkammer.web.settings import Settings

PLAIN_BYTES = 2**20
"""Of a request that brings no files."""
PART_BYTES = 2**14
"""Of the head of one part of a multipart request."""
SLOWEST = 1024.0
"""Bytes a second, on the average, once `read_seconds` have gone by twice."""


def largest(settings: Settings, content_type: str) -> int:
    """Return how many bytes a request of a content type may bring."""
    if content_type.lower().startswith("multipart/form-data"):
        return PLAIN_BYTES + settings.max_files * (settings.max_bytes + PART_BYTES)
    return PLAIN_BYTES


class BodyLimits:
    """Answers 413 before reading what says that it is too large, and stops what turns out so; 408 for the slow."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = largest(self.settings, headers.get("content-type", ""))
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > limit:
            await _too_large(limit).response()(scope, receive, send)
            return
        await self.app(scope, _Bounded(receive, limit, self.settings.read_seconds), send)


class _Bounded:
    """`receive`, with a count and a clock."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self.receive, self.limit, self.seconds = receive, limit, seconds
        self.bytes, self.waited, self.whole = 0, 0.0, False

    async def __call__(self) -> Message:
        if self.whole:
            return await self.receive()  # waits for the visitor to go: as long as it takes
        began = time.monotonic()
        try:
            with anyio.fail_after(self.seconds):
                message = await self.receive()
        except TimeoutError:
            raise _too_slow() from None
        # Only the time spent waiting counts: what the server does between two parts is not the visitor's fault.
        self.waited += time.monotonic() - began
        if message["type"] == "http.request":
            self.bytes += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self.bytes > self.limit:
                raise _too_large(self.limit)
            if self.waited > 2 * self.seconds and self.bytes < SLOWEST * self.waited:
                raise _too_slow()
        return message


def _too_large(limit: int) -> ProblemError:
    return ProblemError("too-large", f"A request may bring {limit:,} bytes at most.")


def _too_slow() -> ProblemError:
    return ProblemError("too-slow", "The request arrived too slowly.", headers={"Connection": "close"})
