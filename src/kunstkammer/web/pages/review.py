"""What a person should look at next, and the camera."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from kunstkammer.web.api.questions import LOOKED_AT
from kunstkammer.web.api.shared import TheHouse, wait_for
from kunstkammer.web.doors import Visitor
from kunstkammer.web.pages.asking import serving
from kunstkammer.web.pages.frame import render, words_of
from kunstkammer.web.pages.language import Words
from kunstkammer.web.records import ModelCard, Picture

router = APIRouter()
REVIEWED = 12


@router.get("/review")
async def review(request: Request, house: TheHouse, who: Visitor) -> Response:
    """The pictures of which a model would learn most, each with the reason and buttons to put it right."""
    pictures: list[Picture] = []
    after: str | None = None
    while len(pictures) < LOOKED_AT:
        leaf = await wait_for(house.store.list, who.visitor, after=after, limit=100)
        pictures += leaf.items
        after = leaf.next
        if after is None:
            break
    found = await wait_for(house.desk.next_to_look_at, pictures, REVIEWED)
    cards = {card.name: card for card in house.desk.cards()}
    t = words_of(request)
    entries = [(picture, reason_words(t, reason), _asked_card(picture, cards)) for picture, reason in found]
    return render(
        request,
        who,
        "review.html.j2",
        here="review",
        entries=entries,
        several=len(cards) > 1,
        any_pictures=bool(pictures),
    )


def _asked_card(picture: Picture, cards: dict[str, ModelCard]) -> ModelCard | None:
    """Return the model whose answer is doubted most, of those that are served."""
    answers = sorted(picture.answers.values(), key=lambda answer: -answer.doubt)
    return next((cards[answer.model] for answer in answers if answer.model in cards), None)


def reason_words(t: Words, reason: str) -> str:
    """Say a reason of the desk in the visitor's language; one that we have no words for as it came."""
    key = f"reason.{reason}"
    return t(key) if key in t else reason


@router.get("/camera")
async def camera(request: Request, house: TheHouse, who: Visitor) -> Response:
    """The live camera; its script sends frames to the API, which keeps none."""
    return render(request, who, "camera.html.j2", here="camera", serving=serving(house))
