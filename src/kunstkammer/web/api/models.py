"""The models that are served: what they are, their reports and examples."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from kunstkammer.errors import guess
from kunstkammer.web.api.describe import NOT_MODIFIED, picture_answer, problems
from kunstkammer.web.api.schemas import ModelOut, ModelsOut, image_type
from kunstkammer.web.api.shared import ModelName, TheHouse, file_answer, wait_for
from kunstkammer.web.problems import ProblemError

router = APIRouter(prefix="/models", tags=["models"])

# The report is one page with its own style and script: shown, but as a page of nobody, which can reach nothing here.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts"
)
EXAMPLES = 24
PAGE = {"description": "One HTML page.", "content": {"text/html": {"schema": {"type": "string"}}}}


@router.get("", responses=problems())
async def models(house: TheHouse) -> ModelsOut:
    """List the models."""
    return ModelsOut(models=[ModelOut.of(card) for card in house.desk.cards()])


@router.get("/{model}", responses=problems("not-there", "invalid"))
async def model(house: TheHouse, model: ModelName) -> ModelOut:
    """Return what is known of a model."""
    return ModelOut.of(house.desk.card(model))


@router.get(
    "/{model}/examples/{label:path}/{n}",
    response_class=Response,
    responses=problems(
        "not-there",
        "invalid",
        besides={200: picture_answer("A small picture.", "image/webp", "image/jpeg", "image/png"), **NOT_MODIFIED},
    ),
)
async def example(
    request: Request,
    house: TheHouse,
    model: ModelName,
    label: Annotated[str, Path(min_length=1, max_length=1000)],
    n: Annotated[int, Path(ge=0, lt=EXAMPLES)],
) -> Response:
    """Return a small picture of a label from the training collection."""
    card = house.desk.card(model)
    if label not in card.labels:
        raise ProblemError("not-there", f"The model knows no label '{label}'.{guess(label, card.labels)}")
    found = await wait_for(house.desk.examples, card.name, label, n + 1)
    if len(found) <= n:
        raise ProblemError("not-there", "There are not so many examples.")
    return file_answer(request, found[n], image_type(found[n]))


@router.get(
    "/{model}/report",
    response_class=Response,
    responses=problems("not-there", "invalid", besides={200: PAGE, **NOT_MODIFIED}),
)
async def report(request: Request, house: TheHouse, model: ModelName) -> Response:
    """Return the model's report."""
    found = await wait_for(house.desk.report, house.desk.card(model).name)
    return file_answer(request, found, "text/html; charset=utf-8", {"Content-Security-Policy": REPORT_POLICY})
