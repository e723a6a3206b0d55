"""The models: what they can say, how good they are, what they learnt from."""

from __future__ import annotations

import anyio
from fastapi import APIRouter, Request
from starlette.responses import Response

from kunstkammer.web.api.shared import ModelName, TheHouse, wait_for
from kunstkammer.web.doors import Visitor
from kunstkammer.web.house import House
from kunstkammer.web.pages.figures import described, figures_of, headline
from kunstkammer.web.pages.frame import render
from kunstkammer.web.records import ModelCard

router = APIRouter()
EXAMPLES, EXAMPLED_LABELS = 4, 24


@router.get("/models")
async def models(request: Request, house: TheHouse, who: Visitor) -> Response:
    """All models that are, or should be, served."""
    cards = house.desk.cards()
    headlines = {card.name: headline(card) for card in cards}
    return render(request, who, "models.html.j2", here="models", cards=cards, headlines=headlines)


@router.get("/models/{model}")
async def model(request: Request, house: TheHouse, who: Visitor, model: ModelName) -> Response:
    """One model. `NoModel`."""
    card = house.desk.card(model)
    judged = card.facts.get("n")
    return render(
        request,
        who,
        "model.html.j2",
        here="models",
        card=card,
        figures=figures_of(card),
        judged=judged if isinstance(judged, int) else 0,
        examples=await _examples(house, card),
        described=described(card),
    )


async def _examples(house: House, card: ModelCard) -> list[tuple[str, int]]:
    """Return how many training pictures there are to show of each label; only of the first where labels are many."""
    if card.broken is not None:
        return [(label, 0) for label in card.labels]
    counts = dict.fromkeys(card.labels, 0)

    async def count(label: str) -> None:
        counts[label] = len(await wait_for(house.desk.examples, card.name, label, EXAMPLES))

    async with anyio.create_task_group() as group:
        for label in card.labels[:EXAMPLED_LABELS]:
            group.start_soon(count, label)
    return list(counts.items())
