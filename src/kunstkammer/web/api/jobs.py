"""Jobs: work longer than a request, asked for now and fetched later."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi import Path as PathParameter
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from kunstkammer.files import disk_errors
from kunstkammer.web.api.describe import PREFIX, problems
from kunstkammer.web.api.schemas import JobIn, JobOut, JobsOut
from kunstkammer.web.api.shared import JSON, TheHouse, wait_for, wait_to_write
from kunstkammer.web.doors.identity import Visitor, owner
from kunstkammer.web.house import House
from kunstkammer.web.jobs.archive import write_archive
from kunstkammer.web.jobs.kinds import plan_of
from kunstkammer.web.problems import ProblemError
from kunstkammer.web.records import Job

router = APIRouter(prefix="/jobs", tags=["jobs"])
JobId = Annotated[str, PathParameter(pattern="^[0-9a-f]{32}$", description="The job's id.")]
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"headers": {"Location": {"description": "Where to look how far it is.", "schema": {"type": "string"}}}}
}
ZIP: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "All files that it made so far, zipped.",
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
    }
}
REMOVED: dict[int | str, dict[str, Any]] = {204: {"description": "It was finished, and is gone with its results."}}


async def order(house: House, visitor: str, kind: str, parameters: dict[str, Any]) -> Job:
    """Put a job into the queue. Raises what its kind refuses, `Busy`, `TooManyJobs`."""
    most, cards = house.settings.job_steps, house.desk.cards()
    plan = await wait_for(plan_of, kind, visitor, parameters, house.store, cards, most=most)
    return await wait_to_write(house.store.jobs.add, visitor, kind, plan.parameters, len(plan.steps))


@router.post(
    "",
    status_code=202,
    dependencies=JSON,
    responses=problems(
        "not-there", "invalid", "unfit", "media-type", "forbidden", "too-large", "model-broken", "storage-full",
        besides=ACCEPTED,
    ),
)  # fmt: skip
async def start_job(house: TheHouse, who: Visitor, said: JobIn, response: Response) -> JobOut:
    """Order a job. It is in the queue when this answers, and survives a restart of the server."""
    job = await order(house, who.visitor, said.kind, said.parameters)
    response.headers["Location"] = f"{PREFIX}/jobs/{job.id}"
    return JobOut.model_validate(job)


@router.get("", responses=problems())
async def list_jobs(house: TheHouse, who: Visitor) -> JobsOut:
    """List your newest jobs, a hundred at most."""
    return JobsOut(jobs=[JobOut.model_validate(job) for job in await wait_for(house.store.jobs.list, who.visitor)])


@router.get("/{id}", responses=problems("not-there", "invalid"))
async def job(house: TheHouse, who: Visitor, id: JobId) -> JobOut:
    """Say how far a job is."""
    return JobOut.model_validate(await wait_for(house.store.jobs.get, owner(who), id))


@router.delete(
    "/{id}",
    response_model=JobOut,
    responses=problems("not-there", "invalid", "forbidden", "storage-full", besides=REMOVED),
)
async def end_job(house: TheHouse, who: Visitor, id: JobId) -> Job | Response:
    """Cancel a job that is not finished (200: at once where it waits, after the step that runs else); remove one that
    is, with its results (204)."""
    found = await wait_for(house.store.jobs.get, owner(who), id)
    if found.open:
        return await wait_to_write(house.store.jobs.cancel, owner(who), id)
    await wait_to_write(house.store.jobs.remove, owner(who), id)
    return Response(status_code=204)


class WholeFile(FileResponse):
    """A file that is always sent whole: it is made for each request, so a part of it would cost as much as all."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it, whatever range was asked for."""
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in (b"range", b"if-range")]
        await super().__call__({**scope, "headers": headers}, receive, send)


def _written(files: Any, path: Path) -> int:
    with disk_errors(path):
        return write_archive(files, path)


@router.get(
    "/{id}/result", response_class=FileResponse, responses=problems("not-there", "invalid", "storage-full", besides=ZIP)
)
async def job_result(house: TheHouse, who: Visitor, id: JobId) -> FileResponse:
    """Return what a job made so far as one ZIP; 404 where there is nothing, or nothing any more."""
    found = await wait_for(house.store.jobs.get, owner(who), id)
    folder = await wait_for(tempfile.TemporaryDirectory, prefix="kunstkammer-job-")
    try:
        path = Path(folder.name) / "result.zip"
        files = house.store.jobs.results(owner(who), id)
        if not await wait_for(_written, files, path):
            raise ProblemError("not-there", "This job has made nothing, or its pictures are gone.")
    except BaseException:
        await wait_for(folder.cleanup)
        raise
    return WholeFile(
        path,
        media_type="application/zip",
        filename=f"{found.kind}-{found.id[:8]}.zip",
        headers={"Cache-Control": "private, no-store"},
        background=BackgroundTask(folder.cleanup),
    )
