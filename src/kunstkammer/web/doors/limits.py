"""How often one visitor, one address and all together may ask: token buckets in memory."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from kunstkammer.web.doors.sessions import STATE, Visit
from kunstkammer.web.problems import ProblemError, retry_after

KEPT = 20_000
"""Buckets that are remembered; the longest unused ones are forgotten first."""
PEOPLE = 20
"""So many times the rate of one visitor for an address: a school class sits behind one."""


class Buckets:
    """A bucket for each key: `rate` tokens a minute flow in, up to a minute's worth."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.clock = float(rate), clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, cost: float = 1.0) -> float:
        """Take from a bucket; returns 0, or the seconds until there is enough (and nothing was taken).

        >>> buckets = Buckets(60, clock=lambda: 0.0)
        >>> [buckets.take("a", 30), buckets.take("a", 30), buckets.take("a", 2), buckets.take("b", 1)]
        [0.0, 0.0, 2.0, 0.0]
        """
        now = self.clock()
        level, at = self._levels.pop(key, (self.rate, now))
        level = min(self.rate, level + (now - at) * self.rate / 60)
        enough = level >= cost
        self._levels[key] = (level - cost if enough else level, now)
        while len(self._levels) > KEPT:
            self._levels.popitem(last=False)
        return 0.0 if enough else (cost - level) * 60 / self.rate


def address_of(scope: Scope) -> str:
    """Return what stands for the place a request came from: an IPv4 address, or the /64 network of an IPv6 one.

    >>> address_of({"client": ("2001:db8:1:2:3:4:5:6", 1)})
    '2001:db8:1:2::/64'
    """
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def cost_of(scope: Scope) -> float:
    """Return what a request costs: nothing for parts of the page, little for small pictures and for health."""
    path: str = scope["path"]
    if scope["method"] not in ("GET", "HEAD"):
        return 1.0
    if path.startswith("/static/") or path == "/api/v1/health/live":
        return 0.0
    small = path.endswith("/thumbnail") or "/examples/" in path or path == "/api/v1/health"
    return 0.1 if small else 1.0


class RateLimit:
    """Answers 429 with Retry-After to who asks too often."""

    def __init__(self, app: ASGIApp, visitor_rate: int, all_rate: int) -> None:
        self.app = app
        self.visitors, self.everybody = Buckets(visitor_rate), Buckets(all_rate)
        self.addresses = Buckets(visitor_rate * PEOPLE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        cost = cost_of(scope) if scope["type"] == "http" else 0.0
        if cost:
            visit: Visit = scope[STATE]
            address = address_of(scope)
            # Who comes without a cookie that holds is counted by address: otherwise throwing cookies away would do.
            wait = self.visitors.take(f"visitor {visit.visitor}" if visit.known else f"address {address}", cost)
            wait = wait or self.addresses.take(address, cost) or self.everybody.take("", cost)
            if wait:
                problem = ProblemError(
                    "too-many-requests", f"Ask again in {wait:.0f} seconds.", headers=retry_after(wait)
                )
                await problem.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)
