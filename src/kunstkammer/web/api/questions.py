"""What models say: of your pictures, of pictures that nobody keeps, why, and what to look at next."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kunstkammer.errors import guess
from kunstkammer.web.api.describe import NOT_MODIFIED, files_body, picture_answer, problems
from kunstkammer.web.api.pictures import UPLOADED
from kunstkammer.web.api.receiving import receive
from kunstkammer.web.api.schemas import (
    AnswerOut,
    NeighbourOut,
    NeighboursOut,
    PictureOut,
    PredictionOut,
    PredictionsOut,
    ReviewItem,
    ReviewOut,
    facts_of,
)
from kunstkammer.web.api.shared import (
    ModelQuery,
    PictureId,
    TheHouse,
    file_answer,
    model_named,
    newest,
    wait_for,
    wait_to_write,
)
from kunstkammer.web.doors.identity import Visitor, owner
from kunstkammer.web.doors.uploads import Upload
from kunstkammer.web.house import House
from kunstkammer.web.maps import map_key
from kunstkammer.web.problems import ProblemError
from kunstkammer.web.records import Picture, Who

router = APIRouter()
ASKED = ("not-there", "invalid", "forbidden", "unfit", "picture", "model-broken", "storage-full")


@router.post("/pictures/{id}/predictions", tags=["answers"], responses=problems(*ASKED))
async def predict(
    request: Request, house: TheHouse, who: Visitor, id: PictureId, model: ModelQuery = None
) -> AnswerOut:
    """Ask a model about a picture; the answer is kept with it."""
    name = model_named(house, model)
    picture, data = await _open(house, who, id)
    answer = await house.desk.predict(name, data, picture.name)
    await wait_to_write(house.store.put_answer, owner(who), id, answer)
    request.app.state.metrics.answers.labels(name).inc()
    return AnswerOut.model_validate(answer)


@router.post(
    "/predict",
    tags=["answers"],
    responses=problems(*UPLOADED, "not-there", "invalid", "model-broken"),
    openapi_extra=files_body(),
)
async def predict_only(request: Request, house: TheHouse, who: Visitor, model: ModelQuery = None) -> PredictionsOut:
    """Ask a model about pictures that are not kept: for the camera, and for programs."""
    name = model_named(house, model)

    async def look(upload: Upload) -> PredictionOut:
        read = await house.desk.read(upload.data, upload.name, thumbnail=False)
        answer = await house.desk.predict(name, upload.data, upload.name)
        request.app.state.metrics.answers.labels(name).inc()
        said = AnswerOut.model_validate(answer)
        return PredictionOut(index=upload.index, name=upload.name, **facts_of(read.facts), answer=said)

    receipts = await receive(request, house, look)
    answers = [receipt.result for receipt in receipts if receipt.result is not None]
    return PredictionsOut(predictions=answers, problems=[receipt.trouble() for receipt in receipts if receipt.problem])


Label = Annotated[str | None, Query(max_length=1000)]


@router.get(
    "/pictures/{id}/explanations",
    tags=["answers"],
    response_class=Response,
    responses=problems(
        *ASKED, besides={200: picture_answer("A heat map to lay over the picture.", "image/png"), **NOT_MODIFIED}
    ),
)
async def explain(
    request: Request,
    house: TheHouse,
    who: Visitor,
    id: PictureId,
    model: ModelQuery = None,
    method: Annotated[str | None, Query(max_length=200, description="The model's first explainer if left out.")] = None,
    target: Annotated[Label, Query(description="The label to explain; what the model says if left out.")] = None,
    versus: Annotated[Label, Query(description="Rather than this label.")] = None,
) -> Response:
    """Return where a model looked, as PNG with transparency in the picture's proportions."""
    card = house.desk.card(model_named(house, model))
    if not card.explainers and card.broken is None:
        raise ProblemError("unfit", f"The model '{card.name}' has no explainer.")
    method = method or next(iter(card.explainers), "")
    if card.broken is None and method not in card.explainers:
        raise ProblemError("unfit", f"The model has no explainer '{method}'.{guess(method, card.explainers)}")
    for label in (target, versus):
        if label is not None and card.broken is None and label not in card.labels:
            raise ProblemError("unfit", f"The model knows no label '{label}'.{guess(label, card.labels)}")
    picture, data = await _open(house, who, id)
    key = map_key(card, method, target, versus)
    png = await wait_for(house.store.get_map, picture.facts.sha256, key)
    if png is None:
        png = await house.desk.explain(card.name, data, method, target, versus, picture.name)
        await wait_to_write(house.store.put_map, picture.facts.sha256, key, png)
    return file_answer(request, png, "image/png")


@router.get("/pictures/{id}/neighbours", tags=["answers"], responses=problems(*ASKED))
async def neighbours(
    house: TheHouse,
    who: Visitor,
    id: PictureId,
    model: ModelQuery = None,
    k: Annotated[int, Query(ge=1, le=50)] = 8,
) -> NeighboursOut:
    """Return the training pictures that are nearest to yours, as the model sees them."""
    name = model_named(house, model)
    picture, data = await _open(house, who, id)
    found = await house.desk.neighbours(name, data, k, picture.name)
    return NeighboursOut(neighbours=[NeighbourOut.of(near) for near in found])


@router.post(
    "/pictures/{id}/locations",
    tags=["answers"],
    status_code=200,
    responses=problems("not-there", "invalid", "forbidden", "not-loaded"),
)
async def locate(house: TheHouse, who: Visitor, id: PictureId) -> Response:
    """Find things by name in a picture: 501 as long as no detector is loaded."""
    await wait_for(house.store.get, owner(who), id)
    raise ProblemError("not-loaded", "No detector is loaded.")


@router.get("/review", tags=["corrections"], responses=problems("invalid"))
async def review(house: TheHouse, who: Visitor, limit: Annotated[int, Query(ge=1, le=100)] = 12) -> ReviewOut:
    """Return which of your newest pictures a person should look at next, and why."""
    pictures = await newest(house, who.visitor)
    found = await wait_for(house.desk.next_to_look_at, pictures, limit)
    return ReviewOut(pictures=[ReviewItem(picture=PictureOut.of(one), reason=reason) for one, reason in found])


async def _open(house: House, who: Who, id: str) -> tuple[Picture, bytes]:
    picture = await wait_for(house.store.get, owner(who), id)
    return picture, await wait_for(house.store.bytes_of, owner(who), id, "original")
