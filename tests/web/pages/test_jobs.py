"""The pages of jobs over the real store and the real worker process: in Chromium, without JavaScript, by axe-core."""

from __future__ import annotations

import asyncio
import re
import time
import zipfile

import pytest
from fastapi.testclient import TestClient

from kunstkammer.web.app import create_app
from kunstkammer.web.pages.language import Words
from kunstkammer.web.settings import Settings
from tests.web.pages.browser import DESKTOP, PHONE, chromium, served, visit
from tests.web.pages.house import Desk, drawing
from tests.web.pages.test_accessible import axe, complaints
from tests.web.pages.test_pages import csrf, send

__all__ = ["axe"]


class SlowDesk(Desk):
    """Each heat map takes a moment, a long one where `held`."""

    held = False

    async def explain(self, *words, **more) -> bytes:
        await asyncio.sleep(0.2)
        while self.held:
            await asyncio.sleep(0.05)
        return await super().explain(*words, **more)


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    desk = SlowDesk()
    settings = Settings(folder=tmp_path_factory.mktemp("web"), visitor_rate=100_000, visitor_jobs=9)
    with served(create_app(settings, desk=desk)) as base:
        yield base, desk


@pytest.fixture
def desk(house):
    yield house[1]
    house[1].held = False


def give(page, n: int, seed: int = 0) -> None:
    """Give pictures of one's own: heat maps are kept by content, and those of others would be there already."""
    files = [{"name": f"{i}.png", "mimeType": "image/png", "buffer": drawing(seed + i)} for i in range(n)]
    page.set_input_files("#files", files)
    page.locator(".result[data-picture]").nth(n - 1).wait_for()


@pytest.mark.parametrize("language", ["en", "de"])
def test_from_the_gallery_to_the_download(browser, house, desk, language) -> None:
    t = Words(language)
    with visit(browser, house[0], language=language) as watched:
        page = watched.open("/")
        give(page, 3)
        page = watched.open("/pictures")
        assert page.locator(".explaining input:checked").count() == 2  # all that this model has
        page.get_by_role("button", name=t("jobs.start")).click()
        page.wait_for_url("**/jobs")
        page.get_by_text(t("jobs.progress", done=6, of=6)).wait_for()
        page.get_by_text(t("jobs.status.done")).wait_for()
        page.locator("#told", has_text=t("js.job_done")).wait_for(state="attached")
        with page.expect_download() as found:
            page.get_by_role("link", name=re.compile(t("jobs.download", n=6, size="").split("(")[0])).click()
        with zipfile.ZipFile(found.value.path()) as archive:
            assert len(archive.namelist()) == 6
            assert archive.read(archive.namelist()[0]).startswith(b"\x89PNG")
        assert found.value.suggested_filename.endswith(".zip")
        page.get_by_role("button", name=t("jobs.delete")).click()
        page.get_by_text(t("jobs.none")).wait_for()


def test_cancelling_with_the_keyboard_keeps_the_focus(browser, house, desk) -> None:
    desk.held = True
    with visit(browser, house[0]) as watched:
        page = watched.open("/")
        give(page, 2, 10)
        page = watched.open("/jobs/new?model=feelings")
        page.get_by_role("button", name="Explain all").click()
        page.wait_for_url("**/jobs")
        page.locator("[data-status=running]").wait_for()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Ending after this step.").wait_for()
        desk.held = False
        page.locator("[data-status=cancelled]").wait_for()
        assert page.get_by_role("link", name=re.compile("Download 1 heat map")).count() == 1


def test_without_javascript(tmp_path) -> None:
    app = create_app(Settings(folder=tmp_path, visitor_rate=100_000), desk=SlowDesk())
    with TestClient(app, base_url="http://localhost", headers={"Accept": "text/html"}) as visitor:
        assert "There is no job" in visitor.get("/jobs").text
        assert "There is nothing here yet" in visitor.get("/jobs/new").text
        send(visitor, ("a.png", drawing(0)))
        token = csrf(visitor.get("/pictures").text)
        found = visitor.post("/jobs", data={"csrf": token, "model": "comics", "method": ["gradient", "grad-cam"]})
        assert found.url.path == "/jobs"
        assert 'href="/jobs">See how far' in found.text
        for _ in range(200):
            page = visitor.get("/jobs").text
            if 'data-status="done"' in page:
                break
            time.sleep(0.05)
        assert "2 of 2 steps" in page
        result = re.search(r'href="(/api/v1/jobs/\w+/result)"', page)
        assert visitor.get(result[1]).content.startswith(b"PK")
        assert visitor.post("/jobs", data={"csrf": token, "model": "comics"}).status_code == 422
        assert visitor.post("/jobs", data={"model": "comics"}).status_code == 403
        with TestClient(app, base_url="http://localhost") as other:  # another visitor of the same server
            assert other.get(result[1]).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theme", "size", "language"), [("light", DESKTOP, "en"), ("dark", PHONE, "de"), ("light", PHONE, "de")]
)
def test_axe_finds_nothing(browser, house, desk, axe, theme, size, language) -> None:
    found = {}
    with visit(
        browser, house[0], language=language, color_scheme=theme, viewport=size, reduced_motion="reduce"
    ) as seen:
        page = seen.open("/")
        give(page, 2, 20 + 10 * ["light", "dark"].index(theme) + 5 * (size is PHONE))
        for address in ("/jobs", "/jobs/new", "/pictures"):
            found[address] = complaints(seen.open(address), axe)
            seen.check()
        page.locator(".explaining button").click()
        page.locator("[data-status=done]").wait_for()
        desk.held = True
        page = seen.open("/jobs/new?model=feelings")
        page.locator(".explaining button").click()
        page.locator("[data-status=running]").wait_for()
        found["open and done"] = complaints(page, axe)
        seen.check()
        page.locator("[data-status=running] button").click()
        found["cancelling"] = complaints(page, axe)
    assert not {address: said for address, said in found.items() if said}
