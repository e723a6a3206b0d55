"""Pictures through the API: sent, listed, fetched, deleted, and everything that can be wrong with them."""

from __future__ import annotations

import pytest

from kunstkammer.errors import ResourceError
from tests.pictures.picture_files import bomb, one_of_each
from tests.web.fakes import FakeDesk
from tests.web.visitors import API, PASSWORD, is_problem, place, png

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_the_whole_way(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()
        made = await web.upload(png(), b"no picture")
        assert made.status_code == 201
        (kept,), (problem,) = made.json()["pictures"], made.json()["problems"]
        assert (kept["media_type"], kept["width"], kept["height"], kept["name"]) == ("image/png", 40, 30, "a.png")
        assert "visitor" not in kept
        assert (problem["index"], problem["status"], problem["name"]) == (1, 422, "a.png")
        at = f"{API}/pictures/{kept['id']}"
        said = (await web.post(f"{at}/predictions", params={"model": "comics"})).json()
        assert said["labels"] == ["manga"]
        assert [score["label"] for score in said["scores"]] == ["manga", "comic"]
        corrected = await web.put(f"{at}/correction", json={"labels": ["comic"]})
        assert corrected.json()["labels"] == ["comic"]
        found = (await web.get(at)).json()
        assert found["answers"]["comics"] == said
        assert found["corrections"]["comics"] == corrected.json()
        assert (await web.delete(f"{at}/correction")).status_code == 204
        is_problem(await web.delete(f"{at}/correction"), 404, "not-there")
        assert (await web.delete(at)).status_code == 204
        for path in (at, f"{at}/original", f"{at}/thumbnail", f"{at}/neighbours", f"{at}/explanations"):
            is_problem(await web.get(path), 404, "not-there")
        assert not here.store.pictures


async def test_every_format_is_served_as_what_it_is(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()
        for name, data in one_of_each().items():
            made = await web.upload(data, name="<script>alert(1)</script>.html")
            kept = made.json()["pictures"][0]
            found = await web.get(f"{API}/pictures/{kept['id']}/original")
            assert found.content == data
            assert found.headers["content-type"] == kept["media_type"]
            assert kept["media_type"].split("/")[1].upper() == name.split()[0]
            assert found.headers["content-disposition"].startswith("attachment; ")
            small = await web.get(f"{API}/pictures/{kept['id']}/thumbnail")
            assert small.headers["content-type"] == "image/webp"


@pytest.mark.parametrize(
    "name",
    ['a"\r\nSet-Cookie: x=1.png', "../../etc/passwd", "\u202egnp.exe", "naïve — 漫画.png", "x" * 3000 + ".png", "\x00"],
)
async def test_no_name_breaks_out_of_a_header(tmp_path, name) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()
        head = b'Content-Disposition: form-data; name="files"; filename="' + name.replace('"', "%22").encode() + b'"'
        body = b"--x\r\n" + head.replace(b"\r\n", b" ") + b"\r\n\r\n" + png() + b"\r\n--x--\r\n"
        made = await web.post(
            f"{API}/pictures", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
        assert made.status_code == 201, made.text
        kept = made.json()["pictures"][0]
        assert 0 < len(kept["name"]) <= 200
        assert not set(kept["name"]) & set("/\\\r\n\x00\u202e")
        found = await web.get(f"{API}/pictures/{kept['id']}/original")
        assert "\n" not in found.headers["content-disposition"]
        assert "set-cookie" not in found.headers
        assert found.headers["content-disposition"].isascii()


async def test_the_status_of_a_bad_upload_is_that_of_its_problem(tmp_path) -> None:
    async with place(tmp_path, max_bytes=5000, desk=FakeDesk(max_pixels=10**6)) as here, here.visitor() as web:
        await web.came()
        document = is_problem(await web.upload(b"no picture"), 422, "picture")
        assert document["problems"][0]["name"] == "a.png"
        is_problem(await web.upload(bomb()[:5000]), 422, "picture")
        large = is_problem(await web.upload(png() + bytes(6000)), 413, "too-large")
        assert "5,000 bytes" in large["detail"]
        both = is_problem(await web.upload(b"no picture", bytes(6000)), 422, "picture")
        assert [one["status"] for one in both["problems"]] == [422, 413]
        here.store.full = True
        is_problem(await web.upload(png()), 507, "storage-full")
        here.store.full, here.store.quota = False, 10
        is_problem(await web.upload(png()), 413, "quota-full")
        assert not here.store.pictures


async def test_a_database_that_is_gone_is_no_full_disk_and_tells_no_secrets(tmp_path, monkeypatch, caplog) -> None:
    def gone(*_arguments, **_options) -> None:
        raise ResourceError("The database postgresql://inner-host/name does not answer.")

    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()
        monkeypatch.setattr(here.store, "list", gone)
        found = await web.get(f"{API}/pictures")
        is_problem(found, 503, "storage-down")
        assert found.headers["retry-after"] == "10"
        assert "inner-host" not in found.text
        assert "inner-host" in caplog.text


async def test_what_is_no_form_of_files(tmp_path) -> None:
    async with place(tmp_path, max_files=2) as here, here.visitor() as web:
        await web.came()
        at = f"{API}/pictures"
        is_problem(await web.post(at, content=png(), headers={"Content-Type": "image/png"}), 415, "media-type")
        is_problem(await web.post(at, json={"files": []}), 415, "media-type")
        is_problem(await web.post(at, content=b"x", headers={"Content-Type": "multipart/form-data"}), 415, "media-type")
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        for body in (
            b"",
            b"rubbish",
            b"--x\r\n",
            b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nabc',
        ):
            is_problem(await web.post(at, content=body, headers=form), 400, "bad-request")
        is_problem(await web.post(at, files={"files": ("", b"")}), 400, "bad-request")
        is_problem(await web.post(at, data={"a": "b"}, files={"none": (None, "c")}), 400, "bad-request")
        many = await web.upload(png(), png(), png(), png())
        assert many.status_code == 201
        assert [one["index"] for one in many.json()["problems"]] == [2]
        assert "2 pictures at most" in many.json()["problems"][0]["detail"]
        assert len(here.store.pictures) == 2
        cut = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + png() + b"\r\n--x\r\n"
        half = await web.post(at, content=cut, headers=form)
        assert half.status_code == 201
        assert half.json()["problems"][0]["status"] == 400


async def test_a_list_is_filtered_and_paged(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()
        ids = [await web.picture(20 * k) for k in range(5)]
        first = (await web.get(f"{API}/pictures", params={"limit": 2})).json()
        assert [one["id"] for one in first["pictures"]] == ids[:2:-1]
        assert first["total"] == 5
        second = (await web.get(f"{API}/pictures", params={"limit": 3, "after": first["next"]})).json()
        assert [one["id"] for one in second["pictures"]] == ids[2::-1]
        assert second["next"] is None
        await web.post(f"{API}/pictures/{ids[4]}/predictions")
        labelled = (await web.get(f"{API}/pictures", params={"label": "comic"})).json()
        assert [one["id"] for one in labelled["pictures"]] == [ids[4]]
        assert (await web.get(f"{API}/pictures", params={"text": "A.P"})).json()["total"] == 5
        assert (await web.get(f"{API}/pictures", params={"corrected": "true"})).json()["total"] == 0
        for wrong in ({"limit": 0}, {"limit": "x"}, {"after": "x"}, {"text": "\x00"}, {"corrected": "perhaps"}):
            document = is_problem(await web.get(f"{API}/pictures", params=wrong), 422, "invalid")
            assert document["errors"][0]["location"] == ["query", next(iter(wrong))]
        assert (await web.delete(f"{API}/pictures")).json() == {"deleted": 5}
        assert not here.store.pictures


async def test_nobody_sees_another_s_pictures_but_the_admin(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as one, here.visitor() as other:
        await one.came()
        await other.came()
        id = await one.picture()
        at = f"{API}/pictures/{id}"
        for method, path in (("GET", at), ("GET", f"{at}/original"), ("DELETE", at), ("POST", f"{at}/predictions")):
            is_problem(await other.request(method, path), 404, "not-there")
        assert (await other.get(f"{API}/pictures")).json()["total"] == 0
        is_problem(await other.get(f"{API}/pictures", params={"everyone": True}), 403, "forbidden")
        is_problem(await other.sign_in("wrong"), 401, "sign-in")
        assert (await other.sign_in(PASSWORD)).json()["admin"] is True
        assert (await other.get(at)).status_code == 200
        assert (await other.get(f"{API}/pictures")).json()["total"] == 0
        assert (await other.get(f"{API}/pictures", params={"everyone": True})).json()["total"] == 1
        assert (await other.delete(f"{API}/session")).status_code == 204
        is_problem(await other.get(at), 404, "not-there")


async def test_a_picture_that_is_gone_is_never_shown_from_memory(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()
        id = await web.picture()
        for what in ("original", "thumbnail", "explanations"):
            first = await web.get(f"{API}/pictures/{id}/{what}")
            assert first.headers["cache-control"] == "private, no-cache"
            assert "Cookie" in first.headers["vary"]
            tag = {"If-None-Match": first.headers["etag"]}
            again = await web.get(f"{API}/pictures/{id}/{what}", headers=tag)
            assert (again.status_code, again.content) == (304, b"")
            assert (await web.get(f"{API}/pictures/{id}/{what}", headers={"If-None-Match": '"x"'})).status_code == 200
        assert (await web.get(f"{API}/pictures/{id}")).headers["cache-control"] == "no-store"
        await web.delete(f"{API}/pictures/{id}")
        is_problem(await web.get(f"{API}/pictures/{id}/thumbnail", headers=tag), 404, "not-there")
