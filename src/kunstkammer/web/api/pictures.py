"""Your pictures: sent, listed, fetched, deleted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kunstkammer.web.api.describe import NOT_MODIFIED, files_body, picture_answer, problems
from kunstkammer.web.api.receiving import Receipt, receive
from kunstkammer.web.api.schemas import MEDIA_TYPES, DeletedOut, PictureOut, PicturesOut, UploadsOut, image_type
from kunstkammer.web.api.shared import NO_NUL, PictureId, TheHouse, file_answer, wait_for, wait_to_write
from kunstkammer.web.doors.identity import Visitor, owner
from kunstkammer.web.doors.names import content_disposition
from kunstkammer.web.doors.uploads import Upload
from kunstkammer.web.problems import ProblemError
from kunstkammer.web.records import Picture, Who

router = APIRouter(prefix="/pictures", tags=["pictures"])
UPLOADED = ("forbidden", "too-slow", "too-large", "quota-full", "media-type", "picture", "storage-full")


@router.post("", status_code=201, responses=problems(*UPLOADED), openapi_extra=files_body())
async def upload(request: Request, house: TheHouse, who: Visitor) -> UploadsOut:
    """Keep pictures. Those that are good are kept also where others are not; 201 means on the disk.

    A problem's status where none was kept: that of all of them, else 422.
    """

    async def keep(upload: Upload) -> Picture:
        read = await house.desk.read(upload.data, upload.name)
        return await wait_to_write(
            house.store.add, who.visitor, upload.data, read.facts, name=upload.name, thumbnail=read.thumbnail
        )

    receipts: list[Receipt[Picture]] = await receive(request, house, keep)
    kept = [PictureOut.of(receipt.result) for receipt in receipts if receipt.result is not None]
    return UploadsOut(pictures=kept, problems=[receipt.trouble() for receipt in receipts if receipt.problem])


def _whose(who: Who, everyone: bool) -> str | None:
    if everyone and not who.admin:
        raise ProblemError("forbidden", "The pictures of everyone are for the admin.")
    return None if everyone else who.visitor


Text = Annotated[str | None, Query(max_length=1000, pattern=NO_NUL)]


@router.get("", responses=problems("invalid", "forbidden"))
async def list_pictures(
    house: TheHouse,
    who: Visitor,
    model: Annotated[Text, Query(description="Filters of label and correction go by this model.")] = None,
    label: Annotated[Text, Query(description="What a model says, or a correction.")] = None,
    corrected: Annotated[bool | None, Query(description="Whether somebody corrected it.")] = None,
    text: Annotated[Text, Query(description="A part of the name.")] = None,
    after: Annotated[
        str | None, Query(pattern="^[0-9a-f]{1,13}-[0-9a-f]{32}$", description="`next` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 24,
    everyone: Annotated[bool, Query(description="Of all visitors; for the admin.")] = False,
) -> PicturesOut:
    """List your pictures, newest first."""
    whose = _whose(who, everyone)
    leaf = await wait_for(
        house.store.list,
        whose,
        model=model or None,
        label=label or None,
        corrected=corrected,
        text=text or None,
        after=after,
        limit=limit,
    )
    return PicturesOut.of(leaf)


@router.delete("", responses=problems("forbidden"))
async def delete_all(house: TheHouse, who: Visitor) -> DeletedOut:
    """Delete all of your pictures, and what was made of them."""
    return DeletedOut(deleted=await wait_to_write(house.store.delete_all, who.visitor))


@router.get("/{id}", responses=problems("not-there", "invalid"))
async def picture(house: TheHouse, who: Visitor, id: PictureId) -> PictureOut:
    """Return one of your pictures."""
    return PictureOut.of(await wait_for(house.store.get, owner(who), id))


@router.delete("/{id}", status_code=204, responses=problems("not-there", "invalid", "forbidden"))
async def delete(house: TheHouse, who: Visitor, id: PictureId) -> None:
    """Delete a picture: file, thumbnail, heat maps and rows are gone when this answers."""
    await wait_to_write(house.store.delete, owner(who), id)


@router.get(
    "/{id}/original",
    response_class=Response,
    responses=problems(
        "not-there",
        "invalid",
        besides={200: picture_answer("The file as you sent it.", *MEDIA_TYPES.values()), **NOT_MODIFIED},
    ),
)
async def original(request: Request, house: TheHouse, who: Visitor, id: PictureId) -> Response:
    """Return the file as it was sent, to be saved."""
    found = await wait_for(house.store.get, owner(who), id)
    data = await wait_for(house.store.bytes_of, owner(who), id, "original")
    headers = {
        "Content-Disposition": content_disposition(found.name),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return file_answer(request, data, MEDIA_TYPES[found.facts.format], headers)


@router.get(
    "/{id}/thumbnail",
    response_class=Response,
    responses=problems(
        "not-there",
        "invalid",
        besides={200: picture_answer("A small picture.", "image/webp", "image/jpeg", "image/png"), **NOT_MODIFIED},
    ),
)
async def thumbnail(request: Request, house: TheHouse, who: Visitor, id: PictureId) -> Response:
    """Return a small copy."""
    data = await wait_for(house.store.bytes_of, owner(who), id, "thumbnail")
    return file_answer(request, data, image_type(data))
