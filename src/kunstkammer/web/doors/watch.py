"""The outermost door: counts, times and logs every answer without anybody's data, and lets no exception through."""

from __future__ import annotations

import logging
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kunstkammer.errors import KunstkammerError
from kunstkammer.web.problems import ProblemError, problem_of, retry_after

log = logging.getLogger("kunstkammer.web")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """What `GET /api/v1/metrics` tells."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        prefix = {"namespace": "kunstkammer", "registry": self.registry}
        self.requests = Counter("requests", "Answers by route.", ["method", "route", "status"], **prefix)  # type: ignore[arg-type]
        self.seconds = Histogram(
            "request_seconds",
            "From the head of a request to the end of its answer.",
            ["method", "route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            **prefix,  # type: ignore[arg-type]
        )
        self.uploads = Counter("uploads", "Pictures that were sent, by what became of them.", ["result"], **prefix)  # type: ignore[arg-type]
        self.answers = Counter("answers", "Pictures that a model was asked about.", ["model"], **prefix)  # type: ignore[arg-type]
        self.running = Gauge("requests_running", "Requests that are being answered.", **prefix)  # type: ignore[arg-type]
        self.waiting = Gauge("pictures_waiting", "Pictures that wait for a model.", **prefix)  # type: ignore[arg-type]

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self.registry)


class Watch:
    """Logs "METHOD route status milliseconds"; the route is its pattern, so that no id or name is written."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.running.inc()
        try:
            await self.app(scope, receive, send_seen)
        except ClientDisconnect:
            status = status or 499
        except Exception as error:
            if status or not isinstance(error, KunstkammerError | ProblemError):
                log.exception("A fault in %s %s", scope["method"], route_of(scope))
            if status:
                raise
            problem = error if isinstance(error, ProblemError) else _problem(error)
            await problem.response()(scope, receive, send_seen)
        finally:
            self.metrics.running.dec()
            took = time.monotonic() - began
            method = scope["method"] if scope["method"] in METHODS else "other"
            self.metrics.requests.labels(method, route_of(scope), status).inc()
            self.metrics.seconds.labels(method, route_of(scope)).observe(took)
            log.info("%s %s %d %.0f ms", method, route_of(scope), status, took * 1000)


def _problem(error: Exception) -> ProblemError:
    if isinstance(error, KunstkammerError):
        return problem_of(error)
    return ProblemError("fault", "Something that should not happen happened; it is in the server's log.")


def route_of(scope: Scope) -> str:
    """Return the pattern of the route that took a request, "none" where none did.

    A route of an included router may know its path below that router alone; what stands before is literal.
    """
    pattern = getattr(scope.get("route"), "path", None)
    if pattern is None:
        return "static" if scope["path"].startswith("/static/") else "none"
    before = scope["path"].split("/")[: -pattern.count("/") or None]
    return "/".join(before) + pattern


class Stopping:
    """Once the server stops, what is new is answered with 503; what runs goes on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["app"].state.stopping:
            problem = ProblemError(
                "busy", "The server is stopping.", headers={"Connection": "close", **retry_after(10)}
            )
            await problem.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)
