"""The pages over a store and a desk in memory: asked by a client, or by a browser over a real server on loopback."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from kunstkammer.web.app import create_app
from kunstkammer.web.settings import Settings
from tests.web.fakes import FakeStore
from tests.web.pages.house import Desk

PASSWORD = "open sesame"


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def app(tmp_path, store, desk):
    settings = Settings(folder=tmp_path / "web", admin_password=PASSWORD, visitor_rate=100_000, all_rate=1_000_000)
    return create_app(settings, store=store, desk=desk)


@pytest.fixture
def visitor(app):
    """A browser without JavaScript: keeps cookies, follows redirects, asks for HTML."""
    with TestClient(app, base_url="http://localhost", headers={"Accept": "text/html"}) as client:
        yield client
