"""The application as a whole: the way of a picture through the API."""

from __future__ import annotations

import io

import httpx
import pytest
from PIL import Image

from kunstkammer.web.app import create_app
from kunstkammer.web.settings import Settings
from tests.web.fakes import FakeDesk, FakeStore


def png(value: int = 200, size: tuple[int, int] = (40, 30)) -> bytes:
    found = io.BytesIO()
    Image.new("L", size, value).save(found, "PNG")
    return found.getvalue()


@pytest.mark.anyio
async def test_the_whole_way(tmp_path) -> None:
    app = create_app(Settings(folder=tmp_path), store=FakeStore(), desk=FakeDesk())
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as web,
    ):
        web.headers["X-CSRF-Token"] = (await web.get("/api/v1/session")).json()["csrf"]
        files = [("files", ("a.png", png())), ("files", ("b.png", b"no picture"))]
        made = await web.post("/api/v1/pictures", files=files)
        assert made.status_code == 201, made.text
        id = made.json()["pictures"][0]["id"]
        said = await web.post(f"/api/v1/pictures/{id}/predictions")
        assert said.json()["labels"] == ["manga"]
        seen = await web.get(f"/api/v1/pictures/{id}/explanations", params={"method": "grad-cam"})
        assert seen.headers["content-type"] == "image/png"
        put = await web.put(f"/api/v1/pictures/{id}/correction", json={"labels": ["comic"]})
        assert put.json()["labels"] == ["comic"], put.text
        assert (await web.delete(f"/api/v1/pictures/{id}")).status_code == 204
        assert (await web.get(f"/api/v1/pictures/{id}")).status_code == 404
        metrics = (await web.get("/api/v1/metrics")).text
        assert 'route="/api/v1/pictures/{id}"' in metrics
