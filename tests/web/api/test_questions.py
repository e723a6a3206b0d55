"""What models say through the API, and what happens when they cannot."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace

import pytest

from tests.web.fakes import CARD
from tests.web.visitors import API, is_problem, place, png

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_predict_keeps_nothing(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()
        files = [("files", ("dark.png", png(5))), ("files", ("x", b"?")), ("files", ("bright.png", png(250)))]
        found = (await web.post(f"{API}/predict", files=files)).json()
        assert [(one["index"], one["answer"]["labels"]) for one in found["predictions"]] == [
            (0, ["comic"]),
            (2, ["manga"]),
        ]
        assert [one["index"] for one in found["problems"]] == [1]
        assert not here.store.pictures
        is_problem(await web.post(f"{API}/predict", files=files[1:2]), 422, "picture")
        here.desk.busy = True
        busy = await web.post(f"{API}/predict", files=files[:1])
        is_problem(busy, 503, "busy")
        assert busy.headers["retry-after"] == "3"


async def test_a_heat_map_is_made_once(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()
        at = f"{API}/pictures/{await web.picture()}/explanations"
        first = await web.get(at, params={"method": "gradient", "target": "comic"})
        assert first.headers["content-type"] == "image/png"
        assert (await web.get(at, params={"method": "gradient", "target": "comic"})).content == first.content
        assert here.desk.explained == 1
        await web.get(at, params={"method": "gradient", "target": "comic", "versus": "manga"})
        assert here.desk.explained == 2
        wrong = is_problem(await web.get(at, params={"method": "gradint"}), 422, "unfit")
        assert "Did you mean 'gradient'?" in wrong["detail"]
        is_problem(await web.get(at, params={"target": "film"}), 422, "unfit")
        is_problem(await web.get(at, params={"versus": "film"}), 422, "unfit")


async def test_a_label_may_have_a_slash(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        here.desk.served["comics"] = replace(CARD, labels=("comic/manga", "film"))
        example = await web.get(f"{API}/models/comics/examples/comic%2Fmanga/0")
        assert example.headers["content-type"] == "image/jpeg"
        assert "/api/v1/models/{model}/examples/{label}/{n}" in (await web.get(f"{API}/openapi.json")).json()["paths"]


async def test_models_and_what_they_have(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        models = (await web.get(f"{API}/models")).json()["models"]
        assert [one["name"] for one in models] == ["comics", "old"]
        assert models[1]["broken"] == "config.json is missing"
        assert (await web.get(f"{API}/models/comics")).json() == models[0]
        guessed = is_problem(await web.get(f"{API}/models/comix"), 404, "not-there")
        assert "Did you mean 'comics'?" in guessed["detail"]
        example = await web.get(f"{API}/models/comics/examples/manga/0")
        assert example.headers["content-type"] == "image/jpeg"
        is_problem(await web.get(f"{API}/models/comics/examples/manga/20"), 404, "not-there")
        is_problem(await web.get(f"{API}/models/comics/examples/film/0"), 404, "not-there")
        is_problem(await web.get(f"{API}/models/comics/examples/manga/x"), 422, "invalid")
        report = await web.get(f"{API}/models/comics/report")
        assert report.headers["content-type"] == "text/html; charset=utf-8"
        assert "sandbox allow-scripts" in report.headers["content-security-policy"]
        assert "allow-same-origin" not in report.headers["content-security-policy"]
        is_problem(await web.get(f"{API}/models/old/report"), 404, "not-there")


async def test_one_broken_model_takes_no_other_down(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()
        at = f"{API}/pictures/{await web.picture()}"
        for answer in (
            await web.post(f"{at}/predictions", params={"model": "old"}),
            await web.get(f"{at}/explanations", params={"model": "old"}),
            await web.get(f"{at}/neighbours", params={"model": "old"}),
        ):
            is_problem(answer, 503, "model-broken")
            assert int(answer.headers["retry-after"]) >= 1
        assert (await web.post(f"{at}/predictions")).status_code == 200
        near = (await web.get(f"{at}/neighbours", params={"k": 2})).json()["neighbours"]
        assert [one["file"] for one in near] == ["0.png", "1.png"]
        assert near[0]["thumbnail"].startswith("data:image/jpeg;base64,")
        is_problem(await web.post(f"{at}/locations"), 501, "not-loaded")
        review = (await web.get(f"{API}/review")).json()["pictures"]
        assert review[0]["reason"] == "doubtful"


async def test_corrections_are_in_the_model_s_labels(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()
        at = f"{API}/pictures/{await web.picture()}/correction"
        for labels in (["film"], [], ["comic", "manga"]):
            is_problem(await web.put(at, json={"labels": labels}), 422, "unfit")
        for body in ({}, {"labels": "comic"}, {"labels": [1]}, {"labels": ["comic"], "more": 1}, []):
            is_problem(await web.put(at, json=body), 422, "invalid")
        is_problem(await web.put(at, content=b"{", headers={"Content-Type": "application/json"}), 422, "invalid")
        is_problem(
            await web.put(at, content=b'{"labels": ["comic"]}', headers={"Content-Type": "text/plain"}),
            415,
            "media-type",
        )
        is_problem(await web.put(at, content=b'"' + b"a" * 2**21 + b'"'), 413, "too-large")


async def test_the_admin_s_own(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web, here.visitor() as program:
        await web.came()
        for method, path in (
            ("POST", "/models"),
            ("DELETE", "/models/comics"),
            ("GET", "/tokens"),
            ("POST", "/tokens"),
            ("DELETE", "/tokens/1"),
            ("GET", "/corrections"),
        ):
            answer = await web.request(method, API + path, json={"run": "x", "name": "x"} if method == "POST" else None)
            is_problem(answer, 401 if method != "POST" else answer.status_code, "sign-in")
            assert answer.headers["www-authenticate"] == "Bearer"
        await web.sign_in()
        is_problem(await web.get(f"{API}/corrections"), 404, "not-there")
        id = await web.picture()
        await web.put(f"{API}/pictures/{id}/correction", json={"labels": ["comic"]})
        archive = await web.get(f"{API}/corrections")
        assert archive.headers["content-type"] == "application/zip"
        names = zipfile.ZipFile(io.BytesIO(archive.content)).namelist()
        assert "corrections/metadata.jsonl" in names
        (tmp_path / "good").mkdir()
        loaded = await web.post(f"{API}/models", json={"run": str(tmp_path / "good"), "name": "new"})
        assert (loaded.status_code, loaded.json()["name"]) == (201, "new")
        is_problem(await web.post(f"{API}/models", json={"run": "facebook/detr-resnet-50"}), 404, "not-there")
        is_problem(await web.post(f"{API}/models", json={"run": str(tmp_path)}), 422, "unfit")
        assert (await web.delete(f"{API}/models/new")).status_code == 204
        made = (await web.post(f"{API}/tokens", json={"name": "museum"})).json()
        assert [one["name"] for one in (await web.get(f"{API}/tokens")).json()["tokens"]] == ["museum"]
        program.headers["Authorization"] = f"Bearer {made['secret']}"
        assert (await program.upload(png())).status_code == 201
        is_problem(await program.get(f"{API}/tokens"), 403, "forbidden")
        assert (await web.delete(f"{API}/tokens/{made['id']}")).status_code == 204
        is_problem(await program.get(f"{API}/pictures"), 401, "sign-in")


async def test_health_and_figures(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as near, here.visitor(client="192.0.2.7") as far:
        assert (await far.get(f"{API}/health")).json()["ready"] is True
        here.store.broken = True
        assert is_problem(await far.get(f"{API}/health"), 503, "not-ready")["health"]["live"] is True
        assert (await far.get(f"{API}/health/live")).status_code == 200
        is_problem(await far.get(f"{API}/metrics"), 403, "forbidden")
        is_problem(await near.get(f"{API}/metrics", headers={"X-Forwarded-For": "192.0.2.7"}), 403, "forbidden")
        text = (await near.get(f"{API}/metrics")).text
        assert 'kunstkammer_requests_total{method="GET",route="/api/v1/health",status="503"} 1.0' in text
        kinds = (await far.get(f"{API}/problems")).json()["problems"]
        assert (await far.get(kinds[0]["type"])).json() == kinds[0]
        is_problem(await far.get(f"{API}/problems/none"), 404, "not-there")


async def test_addresses_and_methods_that_are_not(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()
        is_problem(await web.get(f"{API}/nothing"), 404, "not-there")
        is_problem(await web.get(f"{API}/pictures/"), 404, "not-there")
        is_problem(await web.get(f"{API}/pictures/../../etc/passwd"), 404, "not-there")
        is_problem(await web.get(f"{API}/pictures/{'0' * 31}%00"), 422, "invalid")
        wrong = await web.patch(f"{API}/pictures")
        is_problem(wrong, 405, "method")
        assert wrong.headers["allow"] == "DELETE, GET, HEAD, POST"
        head = await web.head(f"{API}/models")
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) > 0


async def test_a_fault_is_a_problem_that_tells_nothing(tmp_path) -> None:
    async with place(tmp_path) as here, here.visitor() as web:
        await web.came()

        def explode(*_: object) -> None:
            raise ZeroDivisionError("the secret of the house")

        here.store.get = explode
        answer = await web.get(f"{API}/pictures/{'0' * 32}")
        is_problem(answer, 500, "fault")
        assert "secret of the house" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
