"""What people say the pictures show."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from kunstkammer.errors import guess
from kunstkammer.web.api.describe import problems
from kunstkammer.web.api.schemas import CorrectionIn, CorrectionOut
from kunstkammer.web.api.shared import (
    ADMIN,
    JSON,
    NO_NUL,
    ModelQuery,
    PictureId,
    TheHouse,
    model_named,
    wait_for,
    wait_to_write,
)
from kunstkammer.web.doors.identity import Admin, Visitor, owner
from kunstkammer.web.house import House
from kunstkammer.web.problems import ProblemError
from kunstkammer.web.records import ModelCard

router = APIRouter(tags=["corrections"])
ZIP = {
    "description": "A collection, zipped.",
    "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
}


@router.put(
    "/pictures/{id}/correction",
    dependencies=JSON,
    responses=problems("not-there", "invalid", "unfit", "media-type", "forbidden", "too-large", "storage-full"),
)
async def correct(
    house: TheHouse, who: Visitor, id: PictureId, said: CorrectionIn, model: ModelQuery = None
) -> CorrectionOut:
    """Say what a picture shows, in a model's labels."""
    card = house.desk.card(model_named(house, model))
    labels = _checked(card, said.labels)
    found = await wait_to_write(house.store.correct, owner(who), id, card.name, labels)
    return CorrectionOut.model_validate(found)


@router.delete(
    "/pictures/{id}/correction",
    status_code=204,
    responses=problems("not-there", "invalid", "forbidden", "storage-full"),
)
async def uncorrect(house: TheHouse, who: Visitor, id: PictureId, model: ModelQuery = None) -> None:
    """Take back what you said a picture shows."""
    name = model if model is not None else model_named(house, None)
    await wait_to_write(house.store.uncorrect, owner(who), id, name)


def _checked(card: ModelCard, labels: list[str]) -> tuple[str, ...]:
    for label in labels:
        if label not in card.labels:
            raise ProblemError("unfit", f"The model knows no label '{label}'.{guess(label, card.labels)}")
    if not card.multi_label and len(labels) != 1:
        raise ProblemError("unfit", f"A picture has exactly one of this model's labels; {len(labels)} were sent.")
    return tuple(sorted(set(labels)))


@router.get(
    "/corrections",
    response_class=FileResponse,
    responses=problems("forbidden", "not-there", "invalid", "storage-full", besides={200: ZIP}),
    openapi_extra=ADMIN,
)
async def export(
    house: TheHouse,
    who: Admin,
    model: Annotated[str | None, Query(max_length=200, pattern=NO_NUL, description="Of this model alone.")] = None,
) -> FileResponse:
    """Return every corrected picture with its labels: a collection that `kunstkammer train --add` takes."""
    if await wait_for(lambda: next(house.store.corrections(model), None)) is None:
        raise ProblemError("not-there", "Nobody has corrected anything yet.")
    folder = await wait_for(tempfile.TemporaryDirectory, prefix="kunstkammer-corrections-")
    try:
        path = await wait_for(_zipped, house, Path(folder.name), model)
    except BaseException:
        await wait_for(folder.cleanup)
        raise
    return FileResponse(
        path, media_type="application/zip", filename="corrections.zip", background=BackgroundTask(folder.cleanup)
    )


def _zipped(house: House, folder: Path, model: str | None) -> Path:
    """Pictures are compressed already: the archive only stores them."""
    import zipfile

    from kunstkammer.web.store.corrections import export_corrections

    made = export_corrections(house.store, folder / "corrections", model=model)
    path = folder / "corrections.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file in sorted(made.rglob("*")):
            archive.write(file, Path("corrections") / file.relative_to(made))
    return path
