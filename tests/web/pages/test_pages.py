"""The pages as a browser without JavaScript sees them."""

from __future__ import annotations

import html
import re

import pytest
from fastapi.testclient import TestClient

from kunstkammer.web.pages import assets
from tests.web.pages.conftest import PASSWORD
from tests.web.pages.house import drawing

PAGES = ("/", "/pictures", "/review", "/camera", "/models", "/models/comics", "/models/feelings", "/models/old",
         "/about", "/programs", "/login", "/nowhere")  # fmt: skip


def csrf(page: str) -> str:
    found = re.search(r'data-csrf="([0-9a-f]{64})"', page)
    assert found
    return found[1]


def send(visitor: TestClient, *files: tuple[str, bytes]):
    token = csrf(visitor.get("/").text)
    parts = [("pictures", file) for file in files]
    return visitor.post(f"/pictures?csrf={token}", files=parts)


def post(visitor: TestClient, address: str, **fields):
    return visitor.post(address, data={"csrf": csrf(visitor.get("/about").text), **fields})


@pytest.fixture
def id(visitor) -> str:
    """One picture that is here."""
    return send(visitor, ("dark one.png", drawing(0))).url.path.rpartition("/")[2]


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("address", PAGES)
def test_every_page_in_both_languages(visitor, address, language) -> None:
    answer = visitor.get(address, headers={"Accept-Language": f"{language}-AT, fr;q=0.3"})
    assert answer.status_code == (404 if address == "/nowhere" else 200)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-language"] == language
    assert f'<html lang="{language}"' in answer.text
    assert answer.text.count("<h1") == 1
    assert answer.text.count("<main") == 1
    assert "{{" not in answer.text


def test_the_whole_way_without_a_script(visitor, store, desk) -> None:
    page = send(visitor, ("dark one.png", drawing(0)))
    assert page.status_code == 200
    assert re.fullmatch(r"/pictures/[0-9a-f]{32}", page.url.path)
    assert "<h1>comic</h1>" in page.text
    id = page.url.path.rpartition("/")[2]
    page = visitor.get(f"/pictures/{id}?model=comics&method=gradient&target=manga&versus=comic")
    source = re.search(r'<img id="map"[^>]* src="([^"]+)"', page.text)
    assert source
    answer = visitor.get(html.unescape(source[1]))
    assert answer.headers["content-type"] == "image/png"
    assert desk.asked == [("comics", "gradient", "manga", "comic")]
    page = post(visitor, f"/pictures/{id}/corrections", model="comics", label="manga", back=f"/pictures/{id}")
    assert page.url.path == f"/pictures/{id}"
    assert store.get(None, id).corrections["comics"].labels == ("manga",)
    page = post(visitor, f"/pictures/{id}/corrections", model="comics", undo="1", back=f"/pictures/{id}")
    assert not store.get(None, id).corrections
    page = post(visitor, "/pictures/delete", id=id)
    assert id in store.pictures, "it asks first"
    assert "Delete for good?" in page.text
    page = post(visitor, "/pictures/delete", id=id, sure="1")
    assert "The picture is gone" in page.text
    assert visitor.get(f"/pictures/{id}").status_code == 404
    assert not store.pictures


def test_several_pictures_some_broken(visitor, store) -> None:
    page = send(visitor, ("a.png", drawing(0)), ("b.png", b"no picture"), ("c.png", drawing(1)))
    assert page.status_code == 200
    assert "<strong>b.png</strong>: The picture cannot be read." in page.text
    assert len(store.pictures) == 2
    assert send(visitor, ("b.png", b"no picture")).status_code == 422
    page = send(visitor, ("d.png", drawing(2)), ("e.png", drawing(3)))
    assert page.url.path == "/pictures"


def test_each_model_is_asked_and_the_broken_one_is_not(visitor, store, id) -> None:
    assert set(store.get(None, id).answers) == {"comics", "feelings"}
    page = visitor.get(f"/pictures/{id}?model=old")
    assert page.status_code == 200
    assert "This model cannot answer" in page.text


def test_a_new_version_is_asked_anew(visitor, store, desk, id) -> None:
    from dataclasses import replace

    desk.served["comics"] = replace(desk.served["comics"], version="another")
    old = store.get(None, id).answers["comics"].version
    visitor.get(f"/pictures/{id}?model=comics")
    # The fake answers with the version that it serves now.
    assert (old, store.get(None, id).answers["comics"].version) == ("a1b2c3d4", "another")


def test_busy_is_said_and_nothing_is_lost(visitor, store, desk) -> None:
    desk.busy = True
    page = send(visitor, ("a.png", drawing(0)))
    assert page.status_code == 200
    assert len(store.pictures) == 1
    assert "Too much is waiting" in page.text
    assert "Ask again" in page.text


def test_names_and_labels_are_escaped(visitor) -> None:
    page = send(visitor, ('<img src=x onerror=alert(1)>".png', drawing(0)))
    assert "<img src=x" not in page.text
    page = visitor.get(str(page.url.path) + "?model=feelings")
    assert "<b>&" not in page.text
    assert "&lt;b&gt;&amp;" in page.text
    card = visitor.get("/models/comics").text
    assert "<script>alert" not in card
    assert "example.org/x.png" not in card
    assert 'href="javascript' not in card


def test_another_visitor_sees_nothing(app, visitor, id) -> None:
    other = TestClient(app, base_url="http://localhost", headers={"Accept": "text/html"})
    assert other.get(f"/pictures/{id}").status_code == 404
    assert id not in other.get("/pictures").text
    assert post(other, "/pictures/delete", id=id, sure="1").status_code == 404
    assert post(other, f"/pictures/{id}/corrections", model="comics", label="manga").status_code == 404
    assert visitor.get(f"/pictures/{id}").status_code == 200


def test_forms_need_the_token(visitor, store, id) -> None:
    assert visitor.post("/pictures/delete", data={"id": id, "sure": "1"}).status_code == 403
    assert visitor.post("/pictures", files=[("pictures", ("a.png", drawing(0)))]).status_code == 403
    assert visitor.post("/preferences", data={"language": "de"}).status_code == 403
    assert len(store.pictures) == 1


def test_filter_and_paging(visitor, store) -> None:
    for i in range(30):
        send(visitor, (f"picture {i:02}.png", drawing(i)))
    page = visitor.get("/pictures").text
    assert page.count('class="tile"') == 24
    older = html.unescape(re.search(r'rel="next" href="([^"]+)"', page)[1])
    assert visitor.get(older).text.count('class="tile"') == 6
    page = visitor.get("/pictures?text=picture 07").text
    assert page.count('class="tile"') == 1
    assert 'value="picture 07"' in page
    assert "None of your pictures" in visitor.get("/pictures?text=nothing").text
    assert visitor.get("/pictures?corrected=yes").text.count('class="tile"') == 0
    post(visitor, "/pictures/delete-all", sure="1")
    assert not store.pictures


def test_language_and_colours_are_remembered_and_nobody_is_sent_away(visitor) -> None:
    token = csrf(visitor.get("/models").text)
    page = visitor.post("/preferences", data={"csrf": token, "language": "de", "theme": "dark", "back": "/models"})
    assert page.url.path == "/models"
    assert '<html lang="de" data-theme="dark">' in visitor.get("/about").text
    for back in ("https://evil.example/", "//evil.example", "/\\evil.example"):
        page = visitor.post("/preferences", data={"csrf": token, "back": back}, follow_redirects=False)
        assert page.headers["location"] == "/"
    visitor.post("/preferences", data={"csrf": token, "language": "fr", "theme": "<x>"})
    assert '<html lang="de" data-theme="dark">' in visitor.get("/about").text


def test_static_files_are_kept_for_a_year_under_their_hash(visitor) -> None:
    for name in assets.files():
        answer = visitor.get(assets.url(name))
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert visitor.get("/static/old/base.css").headers["cache-control"] == "no-store"
    for name in ("../routes.py", "%2e%2e/routes.py", "..%2froutes.py", "none.css"):
        assert visitor.get(f"/static/{assets.key()}/{name}").status_code == 404


def test_problems_are_pages_for_people_and_documents_for_programs(app, visitor) -> None:
    answer = visitor.get("/pictures/" + "0" * 32, headers={"Accept-Language": "de"})
    assert answer.status_code == 404
    assert "Hier ist nichts" in answer.text
    answer = visitor.get("/pictures/" + "0" * 32, headers={"Accept": "*/*"})
    assert answer.headers["content-type"] == "application/problem+json"
    answer = visitor.get("/api/v1/pictures/" + "0" * 32)
    assert answer.headers["content-type"] == "application/problem+json"
    answer = visitor.post("/pictures", headers={"X-Fragment": "1"})
    assert answer.headers["content-type"] == "application/problem+json"
    answer = visitor.put("/about")
    assert answer.status_code in (403, 405)
    assert "<h1>" in answer.text


def test_who_asks_too_often_is_told_when_to_come_back(tmp_path, store, desk) -> None:
    from kunstkammer.web.app import create_app
    from kunstkammer.web.settings import Settings

    app = create_app(Settings(folder=tmp_path, visitor_rate=3), store=store, desk=desk)
    with TestClient(app, base_url="http://localhost", headers={"Accept": "text/html"}) as visitor:
        answers = [visitor.get("/about") for _ in range(6)]
    assert answers[-1].status_code == 429
    assert "That was a lot at once" in answers[-1].text
    assert re.search(r"Try again in \d+ seconds\.", answers[-1].text)
    assert answers[-1].headers["retry-after"]


def test_the_admin(visitor, store, desk) -> None:
    assert visitor.get("/admin").status_code == 401
    wrong = post(visitor, "/login", password="wrong")
    assert wrong.status_code == 401
    assert "not the password" in wrong.text
    page = post(visitor, "/login", password=PASSWORD)
    assert page.url.path == "/admin"
    page = post(visitor, "/admin/tokens", name="museum <b>")
    secret = re.search(r"<pre[^>]*>([^<]+)</pre>", page.text)[1]
    assert store.token(secret) is not None
    assert secret not in visitor.get("/admin").text
    token = store.tokens()[0].id
    assert "holds no more" in post(visitor, "/admin/tokens/drop", id=token).text
    assert not store.tokens()
    assert post(visitor, "/admin/load", run="/nowhere").status_code == 404
    assert "no longer served" in post(visitor, "/admin/unload", model="old").text
    assert [card.name for card in desk.cards()] == ["comics", "feelings"]
    post(visitor, "/logout")
    assert visitor.get("/admin").status_code == 401


def test_the_broken_model_says_why(visitor) -> None:
    assert "config.json is missing" in visitor.get("/models").text
    assert "config.json is missing" in visitor.get("/models/old").text


def test_without_models_the_pages_stand(visitor, desk) -> None:
    desk.served.clear()
    for address in ("/", "/models", "/camera", "/programs", "/review"):
        assert visitor.get(address).status_code == 200
    assert "No model that could answer" in visitor.get("/").text


def test_neighbours(visitor, id) -> None:
    page = visitor.get(f"/pictures/{id}?model=comics&near=1")
    sources = [html.unescape(s) for s in re.findall(r'src="(/pictures/[^"]+/near/[^"]+)"', page.text)]
    assert len(sources) == 8
    answer = visitor.get(sources[3])
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content == drawing(3, (96, 96), "JPEG")
    assert visitor.get(f"/pictures/{id}/near?model=feelings").status_code == 200


def test_the_place_of_boxes_is_there_for_a_detector_alone(visitor, desk, id) -> None:
    from dataclasses import replace

    address = f"/pictures/{id}?model=comics"
    assert 'id="boxes"' not in visitor.get(address).text
    desk.served["comics"] = replace(desk.served["comics"], has_detector=True)
    assert 'id="boxes"' in visitor.get(address).text


def test_a_picture_no_browser_shows_is_shown_by_its_small_copy(visitor) -> None:
    page = send(visitor, ("scan.tiff", drawing(0, form="TIFF")))
    assert re.search(r'id="picture" src="/api/v1/pictures/[0-9a-f]{32}/thumbnail"', page.text)
    page = send(visitor, ("scan.png", drawing(0)))
    assert re.search(r'id="picture" src="/api/v1/pictures/[0-9a-f]{32}/original"', page.text)


def test_reasons_to_look_again_are_told_in_both_languages(visitor, desk) -> None:
    from kunstkammer.web.inference.review import REASONS
    from kunstkammer.web.pages.language import LANGUAGES, Words

    assert all(f"reason.{reason}" in Words(language) for language in LANGUAGES for reason in REASONS)
    for i in range(3):
        send(visitor, (f"{i}.png", drawing(i)))
    page = visitor.get("/review").text
    assert "is not sure." in page
    assert "The models disagree." in page
    assert "It looks unlike what" in page
    page = visitor.get("/review", headers={"Accept-Language": "de"}).text
    assert "Die Modelle sind sich nicht einig." in page


def test_the_examples_for_programs_run(visitor, tmp_path) -> None:
    """The commands of the page are taken apart and sent: each address and method is one that the API knows."""
    import shlex

    page = visitor.get("/programs").text
    commands = [html.unescape(text) for text in re.findall(r"<code>(.*?)</code>", page, re.DOTALL)]
    lines = [line for text in commands for line in text.replace("\\\n", " ").splitlines()]
    assert len(lines) == 8
    token = post(visitor, "/login", password=PASSWORD) and post(visitor, "/admin/tokens", name="a program").text
    secret = re.search(r"<pre[^>]*>([^<]+)</pre>", token)[1]
    known = ""
    for line in lines:
        words = shlex.split(line.replace("TOKEN", secret).replace("ID", known).replace("LABEL", "manga"))
        address = next(word for word in words if word.startswith("http")).partition("localhost")[2]
        headers = dict(words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H")
        body = {"files": {"file": ("picture.png", drawing(1))}} if "-F" in words else {}
        body |= {"content": words[words.index("-d") + 1]} if "-d" in words else {}
        method = words[words.index("-X") + 1] if "-X" in words else "POST" if body else "GET"
        program = TestClient(visitor.app, base_url="http://localhost", headers=headers)
        answer = program.request(method, address, **body)
        assert answer.is_success, (line, answer.text)
        if method == "POST" and address.endswith("/pictures"):
            known = answer.json()["pictures"][0]["id"]
