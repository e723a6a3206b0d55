"""Jobs over a real run: the heat maps are those of the request path, byte for byte."""

from __future__ import annotations

import asyncio
import io
import zipfile

import httpx

from kunstkammer.web.app import create_app
from kunstkammer.web.settings import Settings
from tests.web.visitors import API, Visitor

METHODS = ["grad-cam", "lrp-composite", "gradient"]


async def _ended(web: Visitor, address: str) -> dict:
    for _ in range(600):
        job: dict = (await web.get(address)).json()
        if job["status"] not in ("waiting", "running"):
            return job
        await asyncio.sleep(0.1)
    raise AssertionError(job)


def test_heat_maps_of_a_job_are_those_of_requests(trained, pages, tmp_path) -> None:
    asyncio.run(_compare(trained, sorted((pages / "test" / "manga").glob("*.jpg"))[:3], tmp_path))


async def _compare(run, files, folder) -> None:
    settings = {"runs": (str(run),), "visitor_rate": 10**6, "all_rate": 10**6}
    job_app = create_app(Settings(folder=folder / "jobs", **settings))
    request_app = create_app(Settings(folder=folder / "requests", **settings))
    async with job_app.router.lifespan_context(job_app), request_app.router.lifespan_context(request_app):
        hers, his = [
            await Visitor(transport=httpx.ASGITransport(app), base_url="http://localhost:8000").came()
            for app in (job_app, request_app)
        ]
        parts = [("files", (file.name, file.read_bytes())) for file in files]
        mine = [one["id"] for one in (await hers.post(f"{API}/pictures", files=parts)).json()["pictures"]]
        theirs = [one["id"] for one in (await his.post(f"{API}/pictures", files=parts)).json()["pictures"]]
        found = await hers.post(f"{API}/jobs", json={"kind": "explain", "parameters": {"methods": METHODS}})
        assert found.status_code == 202, found.text
        assert found.json()["parameters"] == {"model": run.name, "methods": METHODS}
        job = await _ended(hers, found.headers["location"])
        assert (job["status"], job["results"], job["message"]) == ("done", 9, "")
        result = await hers.get(f"{found.headers['location']}/result")
        assert result.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(result.content)) as archive:
            made = {name: archive.read(name) for name in archive.namelist()}
        assert len(made) == 9
        for here, there, file in zip(mine, theirs, files, strict=True):
            for method in METHODS:
                png = made[f"{here[:8]} {file.name}/{run.name} {method}.png"]
                asked = await his.get(f"{API}/pictures/{there}/explanations?method={method}")
                assert asked.status_code == 200
                assert png == asked.content, (file.name, method)
                # and what the job made is there for requests, without being made again
                assert (await hers.get(f"{API}/pictures/{here}/explanations?method={method}")).content == png
        await hers.delete(f"{API}/pictures/{mine[0]}")
        with zipfile.ZipFile(io.BytesIO((await hers.get(f"{found.headers['location']}/result")).content)) as archive:
            assert not [name for name in archive.namelist() if name.startswith(mine[0][:8])]
        assert (await hers.delete(f"{API}/pictures")).json() == {"deleted": 2}
        assert (await hers.get(f"{API}/jobs")).json() == {"jobs": []}
        assert (await hers.get(found.headers["location"])).status_code == 404
        await hers.aclose()
        await his.aclose()
    assert not [path for path in (folder / "jobs" / "pictures").rglob("*") if path.is_file()]
