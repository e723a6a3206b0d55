"""The line itself: who dawdles, who reads nothing, and more lines than the server has hands for."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from kunstkammer.web.problems import MEDIA_TYPE, ProblemError, retry_after

LINGER = 5.0
"""Seconds in which a visitor may go on sending after the answer, so that they read it rather than a reset."""


class PatientProtocol(H11Protocol):
    """Uvicorn's HTTP/1.1, with an end to patience.

    `seconds` are what a visitor has to send the head of a request (all of it), and to take what was written to them.
    Bodies have their own clock (`bodies`). Past `most` lines a new one is answered with 503 and closed.
    """

    def __init__(self, *args: Any, seconds: float, most: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seconds, self.most = seconds, most
        self._head: asyncio.TimerHandle | None = None
        self._drain: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, or turn the line away."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(ProblemError("busy", "Too many lines are open.", headers=retry_after(5)))
        else:
            self._head = self.loop.call_later(self.seconds, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clocks."""
        self._stop_head()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on, and see whether a head is whole or another began."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_head()
        elif self._head is None and not self.transport.is_closing():
            self._head = self.loop.call_later(self.seconds, self._give_up)

    def on_response_complete(self) -> None:
        """Wait for the next head; for the rest of a body that nobody read only a little."""
        self._stop_head()
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            self._head = self.loop.call_later(LINGER, self._give_up)

    def pause_writing(self) -> None:
        """The visitor reads more slowly than we write."""
        super().pause_writing()
        self._drain = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The visitor reads again."""
        if self._drain is not None:
            self._drain.cancel()
            self._drain = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._refuse(ProblemError("bad-request", "This is no HTTP request."))
        else:
            self.transport.close()

    def _refuse(self, problem: ProblemError) -> None:
        body = problem.body()
        headers = {
            **(problem.headers or {}),
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
        }
        for event in (
            h11.Response(status_code=problem.status_code, headers=list(headers.items())),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _stop_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _give_up(self) -> None:
        self._head = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
