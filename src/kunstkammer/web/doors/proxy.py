"""What one's own proxy says about the visitor, where `trusted_proxy` is set; else nothing of it is believed."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send


class TrustedProxy:
    """Takes address and scheme from the last entry of X-Forwarded-For and -Proto: the one that our proxy wrote."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            address = _last(headers, "x-forwarded-for")
            if address:
                scope["client"] = (address, 0)
            if _last(headers, "x-forwarded-proto") in ("http", "https"):
                scope["scheme"] = _last(headers, "x-forwarded-proto")
            host = _last(headers, "x-forwarded-host")
            if host:
                kept = [(name, value) for name, value in scope["headers"] if name != b"host"]
                scope["headers"] = [*kept, (b"host", host.encode("latin-1"))]
        await self.app(scope, receive, send)


def _last(headers: Headers, name: str) -> str:
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()
