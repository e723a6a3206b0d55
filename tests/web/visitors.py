"""Visitors of an application in this process: with cookies and the session's token, as a browser's page has them."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from kunstkammer.web.app import create_app
from kunstkammer.web.settings import Settings
from tests.web.fakes import FakeDesk, FakeStore

API = "/api/v1"
PASSWORD = "open sesame"


def png(value: int = 200, size: tuple[int, int] = (40, 30)) -> bytes:
    """A grey picture; the desk in memory calls bright ones manga."""
    found = io.BytesIO()
    Image.new("L", size, value).save(found, "PNG")
    return found.getvalue()


class Visitor(httpx.AsyncClient):
    """A browser: keeps cookies, and sends the session's token once it `came`."""

    async def came(self) -> Visitor:
        found = await self.get(f"{API}/session")
        assert found.status_code == 200, found.text
        self.headers["X-CSRF-Token"] = found.json()["csrf"]
        return self

    async def sign_in(self, password: str = PASSWORD) -> httpx.Response:
        found = await self.put(f"{API}/session", json={"password": password})
        if found.status_code == 200:
            self.headers["X-CSRF-Token"] = found.json()["csrf"]
        return found

    async def upload(self, *pictures: bytes, name: str = "a.png") -> httpx.Response:
        return await self.post(f"{API}/pictures", files=[("files", (name, picture)) for picture in pictures])

    async def picture(self, value: int = 200) -> str:
        found = await self.upload(png(value))
        assert found.status_code == 201, found.text
        id: str = found.json()["pictures"][0]["id"]
        return id


class Place:
    """An application, its store and desk, and visitors to it."""

    def __init__(
        self, folder: Path, store: FakeStore | None = None, desk: FakeDesk | None = None, **settings: Any
    ) -> None:
        self.store, self.desk = store or FakeStore(), desk or FakeDesk()
        self.settings = Settings(folder=folder, admin_password=PASSWORD, **settings)
        self.app = create_app(self.settings, store=self.store, desk=self.desk)

    def visitor(self, base_url: str = "http://localhost:8000", client: str = "127.0.0.1") -> Visitor:
        transport = httpx.ASGITransport(self.app, client=(client, 5000))
        return Visitor(transport=transport, base_url=base_url)


@asynccontextmanager
async def place(folder: Path, **settings: Any) -> AsyncIterator[Place]:
    """Run an application for the block."""
    found = Place(folder, **settings)
    async with found.app.router.lifespan_context(found.app):
        yield found


def is_problem(found: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    """Hold an answer to be a problem document of a kind; return it."""
    assert found.status_code == status, found.text
    assert found.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = found.json()
    assert document["type"] == f"{API}/problems/{kind}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document
