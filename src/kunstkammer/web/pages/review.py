"""What a person should look at next, and the camera."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from kunstkammer.web.api.shared import TheHouse, newest, wait_for
from kunstkammer.web.doors import Visitor
from kunstkammer.web.inference.review import FAR
from kunstkammer.web.pages.asking import serving
from kunstkammer.web.pages.frame import render, words_of
from kunstkammer.web.pages.language import Words
from kunstkammer.web.records import ModelCard, Picture

router = APIRouter()
REVIEWED = 12


@router.get("/review")
async def review(request: Request, house: TheHouse, who: Visitor) -> Response:
    """The pictures of which a model would learn most, each with the reason and buttons to put it right."""
    pictures = await newest(house, who.visitor)
    found = await wait_for(house.desk.next_to_look_at, pictures, REVIEWED)
    cards = {card.name: card for card in house.desk.cards()}
    t = words_of(request)
    entries = []
    for picture, reason in found:
        card = _asked_card(picture, cards, reason)
        entries.append((picture, reason_words(t, reason, card), card))
    return render(
        request,
        who,
        "review.html.j2",
        here="review",
        entries=entries,
        several=len(cards) > 1,
        any_pictures=bool(pictures),
    )


def _asked_card(picture: Picture, cards: dict[str, ModelCard], reason: str) -> ModelCard | None:
    """Return the model that the reason is about, of those that are served and were not put right yet."""
    open_answers = [answer for answer in picture.answers.values() if answer.model not in picture.corrections]
    by = (lambda answer: answer.novelty or 0.0) if reason == FAR else (lambda answer: answer.doubt)
    answers = sorted(open_answers, key=by, reverse=True)
    return next((cards[answer.model] for answer in answers if answer.model in cards), None)


def reason_words(t: Words, reason: str, card: ModelCard | None) -> str:
    """Say a reason of the desk in the visitor's language; one that we have no words for as it came."""
    key = f"reason.{reason}"
    return t(key, model=card.name if card else t("review.the_model")) if key in t else reason


@router.get("/camera")
async def camera(request: Request, house: TheHouse, who: Visitor) -> Response:
    """The live camera; its script sends frames to the API, which keeps none."""
    return render(request, who, "camera.html.j2", here="camera", serving=serving(house))
