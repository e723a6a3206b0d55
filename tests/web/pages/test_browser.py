"""The pages in a real Chromium: every way of giving pictures, answers in place, keys, the camera, both languages."""

from __future__ import annotations

import re

import pytest

from kunstkammer.web.app import create_app
from kunstkammer.web.pages.language import Words
from kunstkammer.web.settings import Settings
from tests.web.fakes import FakeStore
from tests.web.pages.browser import PHONE, Watched, chromium, served, visit
from tests.web.pages.house import Desk, drawing

FILES = '[data-picture]:not([data-picture=""])'


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    store, desk = FakeStore(), Desk()
    settings = Settings(folder=tmp_path_factory.mktemp("web"), admin_password="open sesame", visitor_rate=100_000)
    with served(create_app(settings, store=store, desk=desk)) as base:
        yield base, store, desk


@pytest.fixture
def base(house) -> str:
    return house[0]


@pytest.fixture
def store(house) -> FakeStore:
    return house[1]


def file(name: str, data: bytes) -> dict[str, object]:
    return {"name": name, "mimeType": "image/png", "buffer": data}


def give(watched: Watched, *files: tuple[str, bytes]) -> list[str]:
    """Choose files on the first page; returns the ids of the pictures once all are answered."""
    page = watched.open("/")
    page.set_input_files("#files", [file(*one) for one in files])
    page.locator(".result[data-picture]").nth(len(files) - 1).wait_for()
    return page.eval_on_selector_all(".result[data-picture]", "found => found.map(one => one.dataset.picture)")


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_whole_way(browser, base, store, language) -> None:
    t = Words(language)
    with visit(browser, base, language=language) as watched:
        page = watched.open("/")
        assert page.locator("html").get_attribute("lang") == language
        page.set_input_files("#files", [file("a drawing.png", drawing(0))])
        page.locator(".result-said", has_text="comic").first.wait_for()
        page.get_by_text(t("js.counted", done=1, all=1)).wait_for()
        page.get_by_role("link", name=t("result.why")).click()
        page.get_by_role("heading", level=1, name="comic").wait_for()
        id = page.url.rpartition("/")[2]
        # why
        page.get_by_label(t("why.method")).select_option("gradient")
        page.get_by_label(t("why.target"), exact=True).select_option("manga")
        page.get_by_label(t("why.versus"), exact=True).select_option("comic")
        page.get_by_role("button", name=t("why.show")).click()
        heat = page.locator("#map")
        heat.wait_for(state="visible")
        assert heat.evaluate("one => one.naturalWidth") > 0
        assert heat.get_attribute("alt") == t("js.map_alt", method=t.explainer("gradient"), target="manga")
        assert heat.bounding_box() == page.locator("#picture").bounding_box()
        page.get_by_label(t("why.opacity")).fill("25")
        assert heat.evaluate("one => getComputedStyle(one).opacity") == "0.25"
        page.get_by_role("button", name=t("why.hide")).click()
        heat.wait_for(state="hidden")
        # near
        page.locator("#near").scroll_into_view_if_needed()
        page.locator("#near img").nth(7).wait_for()
        # correct, undo, correct
        page.locator(".correct").get_by_role("button", name="manga").click()
        page.get_by_text(t("correct.said")).wait_for()
        assert store.get(None, id).corrections["comics"].labels == ("manga",)
        page.get_by_role("button", name=t("correct.undo")).click()
        page.get_by_text(t("correct.said")).wait_for(state="detached")
        assert not store.get(None, id).corrections
        page.locator(".correct").get_by_role("button", name="manga").click()
        page.get_by_text(t("correct.said")).wait_for()
        # delete: not at first, then for good
        page.get_by_role("button", name=t("delete.button"), exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name=t("delete.no")).click()
        assert id in store.pictures
        page.get_by_role("button", name=t("delete.button"), exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name=t("delete.yes")).click()
        page.get_by_text(t("delete.gone", n=1)).wait_for()
        assert id not in store.pictures


def test_many_labels_are_toggled_and_saved(browser, base, store) -> None:
    with visit(browser, base) as watched:
        (id,) = give(watched, ("a.png", drawing(3)))
        page = watched.open(f"/pictures/{id}?model=feelings")
        for label in ("anger", "calm", "fear", "joy", "surprise"):
            page.get_by_role("checkbox", name=label).set_checked(label in ("calm", "joy"))
        page.get_by_role("checkbox", name="<b>").set_checked(True)
        page.get_by_role("button", name="Save").click()
        page.get_by_text("You say:").wait_for()
        assert store.get(None, id).corrections["feelings"].labels == ("<b>&\"'", "calm", "joy")
        page.get_by_label("Model").select_option("comics")
        page.wait_for_url("**model=comics**")


def test_several_at_once_with_a_broken_one(browser, base, store) -> None:
    with visit(browser, base) as watched:
        watched.expected = {422}
        page = watched.open("/")
        files = [file(f"{i}.png", drawing(i)) for i in range(4)]
        page.set_input_files("#files", [*files, file("broken.png", b"no picture")])
        page.get_by_text("4 of 5 answered, 1 not").wait_for()
        failed = page.locator(".result[data-state=failed]")
        assert "The picture cannot be read" in failed.inner_text()
        assert "broken.png" in failed.inner_text()
        page.locator(".result[data-picture]").first.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.locator(".result[data-picture]").nth(3).wait_for(state="detached")


def test_too_large_is_said_before_it_is_sent(browser, base) -> None:
    with visit(browser, base) as watched:
        page = watched.open("/")
        page.locator("#upload").evaluate("form => { form.dataset.maxBytes = '100'; }")
        page.set_input_files("#files", [file("large.png", drawing(0))])
        page.get_by_text("Larger than 100 B").wait_for()


def test_who_is_too_quick_waits_its_turn(browser, base) -> None:
    with visit(browser, base) as watched:
        watched.expected = {429}
        page = watched.open("/")
        answers = []

        def once_too_often(route) -> None:
            answers.append(route.request.method)
            if len(answers) == 1:
                route.fulfill(
                    status=429, headers={"Retry-After": "1"}, json={"type": "/api/v1/problems/too-many-requests"}
                )
            else:
                route.continue_()

        page.route("**/pictures", once_too_often)
        page.set_input_files("#files", [file("a.png", drawing(0))])
        page.get_by_text("Waiting its turn").wait_for()
        page.locator(".result[data-picture]").wait_for()
        assert answers == ["POST", "POST"]


def test_no_connection_is_said(browser, base) -> None:
    with visit(browser, base) as watched:
        page = watched.open("/")
        page.route("**/pictures", lambda route: route.abort())
        page.set_input_files("#files", [file("a.png", drawing(0))])
        page.get_by_text("The server cannot be reached").wait_for()
        watched.complaints = [one for one in watched.complaints if "ERR_FAILED" not in one]
        page.unroute("**/pictures")
        page.get_by_role("button", name="Try again").click()
        page.locator(".result[data-picture]").wait_for()


DATA = """async ([kind, bytes]) => {
  const given = new DataTransfer();
  given.items.add(new File([new Uint8Array(bytes)], "given.png", { type: "image/png" }));
  const target = kind === "paste" ? document : document.querySelector(".drop-field");
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: given, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true });
  if (kind === "drop") { target.dispatchEvent(new DragEvent("dragenter", { dataTransfer: given, bubbles: true })); }
  const marked = document.getElementById("upload").classList.contains("over");
  target.dispatchEvent(event);
  return marked;
}"""


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_drop_and_paste(browser, base, kind) -> None:
    with visit(browser, base) as watched:
        page = watched.open("/")
        assert page.evaluate(DATA, [kind, list(drawing(0))]) is (kind == "drop")
        page.locator(".result[data-picture]").wait_for()
        assert "given.png" in page.locator(".result").inner_text()


def test_a_photograph_is_offered(browser, base) -> None:
    with visit(browser, base, viewport=PHONE, is_mobile=True, has_touch=True) as watched:
        page = watched.open("/")
        assert page.locator("#shot").get_attribute("capture") == "environment"
        page.set_input_files("#shot", [file("shot.png", drawing(1))])
        page.locator(".result[data-picture]").wait_for()


def test_without_a_script(browser, base) -> None:
    with visit(browser, base, java_script_enabled=False) as watched:
        page = watched.page
        page.goto(base)
        page.set_input_files("#files", [file("plain.png", drawing(0))])
        page.get_by_role("button", name="Ask", exact=True).click()
        page.get_by_role("heading", level=1, name="comic").wait_for()
        page.get_by_role("button", name="Show", exact=True).click()
        assert page.locator("#map").is_visible()
        page.locator(".correct").get_by_role("button", name="manga").click()
        page.get_by_text("You say:").wait_for()
        page.get_by_role("link", name="Show them").click()
        page.locator("#near img").first.wait_for()
        page.get_by_role("button", name="Deutsch").click()
        page.get_by_role("button", name="Löschen").click()
        page.get_by_role("heading", name="Endgültig löschen?").wait_for()
        page.get_by_role("button", name="Löschen").click()
        page.get_by_text("Das Bild ist fort").wait_for()


def test_gallery(browser, base, store) -> None:
    with visit(browser, base) as watched:
        give(watched, *((f"picture {i}.png", drawing(i)) for i in range(5)))
        page = watched.open("/pictures")
        assert page.get_by_role("button", name="Delete the chosen ones").is_disabled()
        page.get_by_role("checkbox", name="Choose picture 1.png").check()
        page.get_by_role("checkbox", name="Choose picture 3.png").check()
        page.get_by_role("button", name="Delete 2 chosen").click()
        page.get_by_role("dialog").get_by_text("2 pictures").wait_for()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.get_by_text("2 pictures are gone").wait_for()
        page.get_by_label("File name").fill("picture 4")
        page.get_by_role("button", name="Filter").click()
        page.get_by_text("1 picture", exact=True).wait_for()
        page.get_by_role("link", name="Show all").click()
        page.get_by_label("Choose all on this page").check()
        page.get_by_role("button", name="Delete 3 chosen").wait_for()
        page.get_by_role("button", name="Delete all of mine").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        page.get_by_text("3 pictures are gone").wait_for()
        page.get_by_role("link", name="Ask about a picture").wait_for()


def test_review_by_keys(browser, base, store) -> None:
    with visit(browser, base) as watched:
        ids = give(watched, *((f"{i}.png", drawing(i)) for i in range(3)))
        for id in ids:  # the model with buttons is the one in doubt
            store.pictures[id].answers.pop("feelings")
        page = watched.open("/review")
        first = page.locator(".review").first
        page.keyboard.press("n")
        assert first.evaluate("one => document.activeElement === one")
        page.keyboard.press("1")
        first.get_by_text("You say:").wait_for()
        done = first.get_attribute("data-picture")
        assert store.get(None, done).corrections["comics"].labels == ("comic",)
        page.keyboard.press("n")
        page.keyboard.press("2")
        page.locator(".review").nth(1).get_by_text("You say:").wait_for()
        page.keyboard.press("p")
        page.keyboard.press("u")
        first.get_by_text("You say:").wait_for(state="detached")
        assert not store.get(None, done).corrections
        page.get_by_label("Keys are on").uncheck()
        page.keyboard.press("1")
        page.wait_for_timeout(300)
        assert not store.get(None, done).corrections, "keys that are off do nothing"
        page.reload()
        assert not page.locator("#keys-on").is_checked()


def test_camera(browser, base, store) -> None:
    with visit(browser, base, permissions=["camera"]) as watched:
        before = len(store.pictures)
        page = watched.open("/camera")
        asked: list[str] = []
        page.on("request", lambda one: asked.append(one.url) if "/predict" in one.url else None)
        page.get_by_role("button", name="Start the camera").click()
        page.locator("#live-bars .bar").nth(1).wait_for()
        page.get_by_text("frames a second").wait_for()
        assert re.fullmatch("comic|manga", page.locator("#said").inner_text())
        assert page.locator("video").evaluate("one => one.videoWidth") > 0
        page.get_by_role("button", name="Stop the camera").click()
        page.get_by_text("The camera is off.").wait_for()
        page.wait_for_timeout(600)
        count = len(asked)
        page.wait_for_timeout(900)
        assert len(asked) == count >= 3, "once stopped, nothing is sent"
        assert len(store.pictures) == before, "nothing is kept"


def test_camera_stops_when_hidden(browser, base) -> None:
    hide = """() => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    with visit(browser, base, permissions=["camera"]) as watched:
        page = watched.open("/camera")
        page.get_by_role("button", name="Start the camera").click()
        page.locator("#live-bars .bar").first.wait_for()
        page.evaluate(hide)
        page.get_by_text("Stopped, because the tab was hidden").wait_for()
        assert page.locator("video").evaluate("one => one.srcObject") is None


def test_camera_denied(browser, base) -> None:
    with visit(browser, base) as watched:
        page = watched.open("/camera")
        page.evaluate(
            "() => { navigator.mediaDevices.getUserMedia = () =>"
            " Promise.reject(new DOMException('no', 'NotAllowedError')); }"
        )
        page.get_by_role("button", name="Start the camera").click()
        page.get_by_role("alert").get_by_text("The camera may not be used.").wait_for()
        page.get_by_role("button", name="Start the camera").wait_for()


def test_camera_waits_while_the_server_is_busy(browser, base, house) -> None:
    with visit(browser, base, permissions=["camera"]) as watched:
        watched.expected = {503}
        page = watched.open("/camera")
        house[2].busy = True
        try:
            page.get_by_role("button", name="Start the camera").click()
            page.get_by_text("The server is busy; the next frame goes in 3 s").wait_for()
        finally:
            house[2].busy = False
        page.locator("#live-bars .bar").first.wait_for()


def test_keyboard_and_focus(browser, base) -> None:
    with visit(browser, base) as watched:
        page = watched.open("/")
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("() => document.activeElement.id") == "main"
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.id") == "files"
        assert page.locator(".file-button").first.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"


def test_colours_change_at_once_and_stay(browser, base) -> None:
    with visit(browser, base, color_scheme="light") as watched:
        page = watched.open("/about")
        light = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        with page.expect_response("**/preferences"):
            page.get_by_role("button", name="Dark").click()
        assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") != light
        page.reload()
        assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(24, 23, 21)"
        page.get_by_role("button", name="Deutsch").click()
        page.get_by_role("heading", level=1, name="Was gespeichert wird").wait_for()


def test_what_the_server_cannot_do_is_said(browser, base, house) -> None:
    with visit(browser, base) as watched:
        watched.expected = {404, 507}
        store = house[1]
        store.full = True
        try:
            page = watched.open("/")
            page.set_input_files("#files", [file("a.png", drawing(0))])
            page.get_by_text("There is no room left").wait_for()
            page.get_by_role("button", name="Try again").wait_for()
        finally:
            store.full = False
        page.get_by_role("button", name="Try again").click()
        page.locator(".result[data-picture]").wait_for()
        id = page.locator(".result").get_attribute("data-picture")
        page = watched.open(f"/pictures/{id}")
        store.delete(None, id)
        page.locator(".correct").get_by_role("button", name="manga").click()
        page.get_by_role("alert").get_by_text("There is nothing here").wait_for()


def test_an_empty_map_is_said(browser, base, house) -> None:
    with visit(browser, base) as watched:
        id = give(watched, ("a.png", drawing(42)))[0]
        page = watched.open(f"/pictures/{id}")
        house[2].flat = True
        try:
            page.get_by_role("button", name="Show", exact=True).click()
            page.get_by_role("alert").get_by_text("its map is empty").wait_for()
        finally:
            house[2].flat = False
        page.get_by_label("Method").select_option("gradient")
        page.get_by_role("alert").wait_for(state="hidden")
