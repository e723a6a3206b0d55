"""axe-core over every page, light and dark, on a desktop and on a phone of 320 pixels: nothing to complain of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kunstkammer.web.app import create_app
from kunstkammer.web.settings import Settings
from tests.web.fakes import FakeStore
from tests.web.pages.browser import DESKTOP, PHONE, chromium, served, visit
from tests.web.pages.house import Desk, drawing

PASSWORD = "open sesame"
RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}
PAGES = ("/", "/pictures", "/pictures?text=nothing", "/pictures/ID", "/pictures/ID?model=feelings",
         "/pictures/ID?model=old", "/pictures/ID?model=comics&method=grad-cam&near=1", "/review", "/camera", "/models",
         "/models/comics", "/models/feelings", "/models/old", "/about", "/programs", "/admin", "/nowhere")  # fmt: skip


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    settings = Settings(folder=tmp_path_factory.mktemp("web"), admin_password=PASSWORD, visitor_rate=100_000)
    with served(create_app(settings, store=FakeStore(), desk=Desk())) as address:
        yield address


@pytest.fixture(scope="module")
def axe() -> str:
    found = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return (Path(found.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def complaints(page, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate(f"() => axe.run(document, {json.dumps(RULES)})")
    return [
        f"{one['impact']} {one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theme", "size", "language"),
    [("light", DESKTOP, "en"), ("dark", PHONE, "de"), ("light", PHONE, "de"), ("dark", DESKTOP, "en")],
    ids=["light-desktop-en", "dark-phone-de", "light-phone-de", "dark-desktop-en"],
)
def test_axe_finds_nothing(browser, base, axe, theme, size, language) -> None:
    with visit(browser, base, language=language, color_scheme=theme, viewport=size, reduced_motion="reduce") as watched:
        watched.expected = {404, 401, 422}
        page = watched.open("/")
        found = {"/ (empty)": complaints(page, axe)}
        files = [{"name": f"{i}.png", "mimeType": "image/png", "buffer": drawing(i)} for i in range(3)]
        page.set_input_files(
            "#files", [*files, {"name": "broken.png", "mimeType": "image/png", "buffer": b"no picture"}]
        )
        page.locator(".result[data-picture]").nth(2).wait_for()
        page.locator(".result[data-state=failed]").wait_for()
        found["/ (answers)"] = complaints(page, axe)
        id = page.locator(".result[data-picture]").first.get_attribute("data-picture")
        page = watched.open("/login")
        found["/login"] = complaints(page, axe)
        page.locator("#password").fill(PASSWORD)
        page.locator("main button").click()
        page.wait_for_url("**/admin")
        for address in PAGES:
            page = watched.open(address.replace("ID", id))
            found[address] = complaints(page, axe)
            wide = page.evaluate("() => document.documentElement.scrollWidth - window.innerWidth")
            if wide > 0:
                found[address].append(f"{wide} pixels too wide")
        page = watched.open(f"/pictures/{id}")
        page.locator(".correct button").first.click()
        page.locator(".correct .notice").wait_for()
        page.locator(".deleting button").click()
        page.get_by_role("dialog").wait_for()
        found["dialog"] = complaints(page, axe)
    assert not {address: said for address, said in found.items() if said}
