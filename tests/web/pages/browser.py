"""A real Chromium, and a real server on loopback in a thread, for tests of the pages."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi import FastAPI

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 320, "height": 640}


@contextlib.contextmanager
def chromium(*more: str) -> Iterator[Browser]:
    """Start the browser. Its fake camera shows a moving pattern.

    Of one module, not of the session: Playwright's loop runs in this thread, where `asyncio.run` of other tests would
    find it.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    arguments = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", *more]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve an application on a free port; yields its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 60
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < until, "the server did not start in time"
            time.sleep(0.02)
        yield f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


@dataclass
class Watched:
    """A page that must not complain, break its own policy or ask another host for anything.

    Attributes:
        page: it; base: the server's address; expected: statuses of answers that are no complaint in this test.
    """

    page: Page
    base: str
    expected: set[int] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if any(f"status of {status}" in message.text for status in self.expected):
            return
        self.complaints.append(f"{message.type}: {message.text}")

    def _on_request(self, request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and f"{parts.scheme}://{parts.netloc}" != self.base:
            self.complaints.append(f"another host: {request.url}")

    def open(self, address: str) -> Page:
        """Go to a page of the server."""
        self.page.goto(self.base + address)
        return self.page

    def check(self) -> None:
        """Fail where something was not as it should be."""
        assert not self.complaints, self.complaints
        wide = self.page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"the page is {wide} pixels wider than the window"


@contextlib.contextmanager
def visit(browser: Browser, base: str, *, language: str = "en", **options) -> Iterator[Watched]:
    """Be a new visitor with a browser of one's own; at the end nothing may have gone wrong."""
    options = {"viewport": DESKTOP, "locale": f"{language}-{language.upper()}", **options}
    context: BrowserContext = browser.new_context(**options)
    context.set_default_timeout(20_000)
    try:
        watched = Watched(context.new_page(), base)
        yield watched
        watched.check()
    finally:
        context.close()
