"""The first page: give pictures, see answers; and where they are sent to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kunstkammer.web.api.receiving import Receipt, receive
from kunstkammer.web.api.shared import TheHouse, wait_for, wait_to_write
from kunstkammer.web.doors import Visitor
from kunstkammer.web.doors.uploads import Upload
from kunstkammer.web.pages.asking import Asked, ask, serving, trouble_words
from kunstkammer.web.pages.frame import go, render, wants_fragment, words_of
from kunstkammer.web.pages.lists import gallery_page

router = APIRouter()
RECENT, TOLD_LABELS = 6, 12


@router.get("/")
async def home(request: Request, house: TheHouse, who: Visitor) -> Response:
    """The first page."""
    cards = serving(house)
    labels = list(dict.fromkeys(label for card in cards for label in card.labels))
    more = ["..."] if len(labels) > TOLD_LABELS else []
    leaf = await wait_for(house.store.list, who.visitor, limit=RECENT)
    return render(
        request,
        who,
        "home.html.j2",
        here="home",
        serving=cards,
        told_labels=", ".join(labels[:TOLD_LABELS] + more),
        settings=house.settings,
        recent=leaf.items,
        total=leaf.total,
    )


@router.post("/pictures")
async def upload(
    request: Request, house: TheHouse, who: Visitor, model: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """Keep pictures and ask about them: one model, or all that can answer.

    A script sends one picture a request and gets its answer as a piece of the page; a plain form goes on to the
    picture, or to the gallery for several. `ProblemError` where none could be kept.
    """
    models = [house.desk.card(model).name] if model else [card.name for card in serving(house)]

    async def keep(sent: Upload) -> Asked:
        read = await house.desk.read(sent.data, sent.name)
        picture = await wait_to_write(
            house.store.add, who.visitor, sent.data, read.facts, name=sent.name, thumbnail=read.thumbnail
        )
        return await ask(request, house, who.visitor, picture, sent.data, models)

    receipts: list[Receipt[Asked]] = await receive(request, house, keep)
    kept = [receipt.result for receipt in receipts if receipt.result is not None]
    t = words_of(request)
    if wants_fragment(request):
        asked = kept[0]
        return render(
            request,
            who,
            "result.html.j2",
            status=201,
            picture=asked.picture,
            answers=asked.answers,
            troubles=[trouble_words(t, problem) for problem in asked.troubles],
            several=len(models) > 1,
        )
    refused = [(receipt.name, trouble_words(t, receipt.problem)) for receipt in receipts if receipt.problem]
    if refused:
        return await gallery_page(request, house, who, refused=refused)
    return go(f"/pictures/{kept[0].picture.id}" if len(kept) == 1 else "/pictures")
