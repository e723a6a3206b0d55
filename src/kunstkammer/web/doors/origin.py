"""From where a request comes and whom it means: other sites' requests and other hosts' names are turned away."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from kunstkammer.web.doors.identity import SAFE
from kunstkammer.web.problems import ProblemError


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach what listens at a host.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "192.168.1.4", "::ffff:127.0.0.1")]
    [True, True, True, False, False, True]
    """
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def host_name(header: str) -> str | None:
    """Return the name in a Host header without its port, lower case; None where it is no host.

    >>> [host_name(text) for text in ("Localhost:80", "[::1]:80", "a b", "", "evil.example:x")]
    ['localhost', '::1', None, None, None]
    """
    if not header or any(sign in header for sign in " /\\@?#,;'\"<>") or not header.isascii():
        return None
    try:
        parts = urlsplit("//" + header)
        return parts.hostname if parts.port is None or parts.port >= 0 else None
    except ValueError:
        return None


class HostCheck:
    """Where only this machine may come in, only this machine's names are answered (DNS rebinding)."""

    def __init__(self, app: ASGIApp, names: Iterable[str] | None) -> None:
        self.app, self.names = app, None if names is None else {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            header = Headers(scope=scope).get("host")
            name = host_name(header or "")
            # HTTP/1.0 knows no Host, and health checks still speak it; no browser does.
            if name is None and not (header is None and self.names is None):
                await _refuse("bad-request", "The Host header names no host.", scope, receive, send)
                return
            if self.names is not None and name not in self.names and not is_loopback(name or ""):
                await _refuse("wrong-host", "This server answers this machine alone.", scope, receive, send)
                return
        await self.app(scope, receive, send)


class SameOrigin:
    """Unsafe requests that a page of another site makes are turned away; what no browser sent says nothing of it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["method"] not in SAFE and not _ours(scope):
            await _refuse("forbidden", "A page of another site asked for this.", scope, receive, send)
            return
        await self.app(scope, receive, send)


def _ours(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or origin.lower() == f"{scope['scheme']}://{headers.get('host', '')}".lower()


async def _refuse(kind: str, detail: str, scope: Scope, receive: Receive, send: Send) -> None:
    await ProblemError(kind, detail).response()(scope, receive, send)
