"""The full way over the real store and the real desk, in a real browser, in both languages."""

from __future__ import annotations

import shutil
import zipfile

import pytest

import kunstkammer as kk
from kunstkammer.web.app import create_app
from kunstkammer.web.pages.language import Words
from kunstkammer.web.settings import Settings
from tests.web.pages.browser import chromium, served, visit


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def house(trained, trained_of_many, pages, tmp_path_factory):
    """A server over a copy of two runs, one with its training pictures beside it, and one that is broken."""
    place = tmp_path_factory.mktemp("real")
    runs = [shutil.copytree(run, place / run.name) for run in (trained, trained_of_many)]
    kk.fit_neighbours(runs[0], pages)
    broken = shutil.copytree(trained, place / "broken")
    (broken / "model.safetensors").write_bytes(b"damaged")
    settings = Settings(
        runs=(*map(str, runs), str(broken)), folder=place / "web", admin_password="x", visitor_rate=100_000
    )
    app = create_app(settings)
    with served(app) as base:
        yield base, app.state.house, place / "web"


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "de"])
def test_the_whole_way(browser, house, pages, language) -> None:
    base, parts, folder = house
    t = Words(language)
    before = kept_files(folder)
    picture = sorted((pages / "test" / "manga").glob("*.jpg"))[0]
    with visit(browser, base, language=language) as watched:
        page = watched.open("/")
        page.set_input_files("#files", str(picture))
        page.locator(".result[data-picture] .result-said").nth(1).wait_for()
        page.get_by_role("link", name=t("result.why")).click()
        id = page.url.rpartition("/")[2].partition("?")[0]
        said = page.locator("h1").inner_text()
        assert said in ("comic", "manga")
        right = "manga" if said == "comic" else "comic"
        for method in ("grad-cam", "lrp-composite"):
            page.get_by_label(t("why.method")).select_option(method)
            page.get_by_role("button", name=t("why.show")).click()
            page.locator(f"#map[alt*='{t.explainer(method)}']").wait_for(state="visible")
        sizes = page.evaluate("() => ['map', 'picture'].map(id => document.getElementById(id).naturalWidth)")
        assert min(sizes) > 0
        page.locator("#near").scroll_into_view_if_needed()
        page.locator("#near img").nth(7).wait_for()
        page.locator(".correct").get_by_role("button", name=right).click()
        page.get_by_text(t("correct.said")).wait_for()
        assert parts.store.get(None, id).corrections["comic-manga"].labels == (right,)
        page = watched.open(f"/pictures/{id}?model=many-labels")
        page.get_by_role("button", name=t("correct.save")).click()
        page.get_by_text(t("correct.said")).wait_for()
        page = watched.open("/pictures")
        assert right in page.locator(".tile-said").inner_text()
        page = watched.open("/models/comic-manga")
        assert page.locator(".strip img").count() == 8
        page.locator(".strip img").last.scroll_into_view_if_needed()
        page = watched.open("/models/broken")
        assert (
            "model.safetensors" in page.locator(".notice").inner_text()
            or "weights" in page.locator(".notice").inner_text()
        )
        page = watched.open(f"/pictures/{id}")
        page.get_by_role("button", name=t("delete.button"), exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name=t("delete.yes")).click()
        page.get_by_text(t("delete.gone", n=1)).wait_for()
    assert kept_files(folder) == before, "picture, thumbnail and heat maps are gone from the disk"


@pytest.mark.slow
def test_the_admin_takes_the_corrections_along(browser, house, pages) -> None:
    with visit(browser, house[0]) as watched:
        watched.expected = {404}
        page = watched.open("/login")
        page.get_by_label("Password").fill("x")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url("**/admin")
        page = watched.open("/")
        page.set_input_files("#files", str(sorted((pages / "test" / "comic").glob("*.jpg"))[0]))
        page.get_by_role("link", name="Why? Is it right?").click()
        page.locator(".correct").get_by_role("button", name="manga").click()
        page.get_by_text("You say:").wait_for()
        page = watched.open("/admin")
        with page.expect_download() as found:
            page.get_by_role("button", name="Download as ZIP").click()
        with zipfile.ZipFile(found.value.path()) as archive:
            table = archive.read("corrections/metadata.jsonl").decode()
        assert '"manga"' in table
        page.get_by_label("Run folder on the server").fill("/nowhere")
        page.get_by_role("button", name="Load", exact=True).click()
        page.get_by_role("alert").wait_for()


def kept_files(folder) -> set[str]:
    """Return what the server keeps on the disk, its database and secret excepted."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and ".db" not in path.name and ".sqlite" not in path.name and path.name != "secret"
    }


@pytest.mark.slow
def test_the_report_opens_and_can_reach_nothing(browser, house) -> None:
    with visit(browser, house[0]) as watched:
        page = watched.open("/models/comic-manga")
        page.get_by_role("link", name="Open the whole report").click()
        page.locator("h1").wait_for()
        assert page.evaluate("() => window.origin") == "null"
