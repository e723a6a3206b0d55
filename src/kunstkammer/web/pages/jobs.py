"""Jobs: ordered in the gallery, and a page that says how far they are."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from kunstkammer.web.api.jobs import JobId, order
from kunstkammer.web.api.shared import TheHouse, wait_for, wait_to_write
from kunstkammer.web.doors import Visitor, owner
from kunstkammer.web.doors.identity import FIELDS
from kunstkammer.web.house import House
from kunstkammer.web.pages.frame import go, render, wants_fragment
from kunstkammer.web.records import ModelCard

router = APIRouter()
OFFERED = 3
"""Methods that are ticked at first."""


def chosen_first(card: ModelCard) -> list[str]:
    """Return the methods that are ticked at first, quick ones if there are enough of them.

    They are taken at even steps from the model's own order, which goes family by family: methods that agree for
    different reasons say more than those of one kind.
    """
    slow = card.facts.get("slow_explainers", ())
    quick = [one for one in card.explainers if one not in slow]
    known = quick if len(quick) >= OFFERED else [*quick, *(one for one in card.explainers if one in slow)]
    count = min(OFFERED, len(known))
    return [known[k * len(known) // count] for k in range(count)]


def explainable(house: House) -> list[ModelCard]:
    """Return the models that can explain their answers."""
    return [card for card in house.desk.cards() if card.broken is None and card.explainers]


@router.get("/jobs")
async def jobs_page(request: Request, house: TheHouse, who: Visitor) -> Response:
    """One's own jobs, newest first; for a script the list alone."""
    jobs = await wait_for(house.store.jobs.list, who.visitor)
    template = "job_list.html.j2" if wants_fragment(request) else "jobs.html.j2"
    return render(request, who, template, here="jobs", back="/jobs", jobs=jobs, settings=house.settings)


@router.get("/jobs/new")
async def new_job(request: Request, house: TheHouse, who: Visitor, model: str = "") -> Response:
    """Choose what all pictures are explained by."""
    cards = explainable(house)
    card = house.desk.card(model) if model else next(iter(cards), None)
    total = (await wait_for(house.store.list, who.visitor, limit=1)).total
    return render(
        request,
        who,
        "job_new.html.j2",
        here="jobs",
        cards=cards,
        card=card,
        total=total,
        ticked=chosen_first(card) if card else [],
    )


@router.post("/jobs")
async def start(request: Request, house: TheHouse, who: Visitor) -> Response:
    """Order one."""
    form = await request.form(max_fields=FIELDS)
    parameters = {"model": str(form.get("model", "")), "methods": [str(one) for one in form.getlist("method")]}
    await order(house, who.visitor, "explain", parameters)
    return go("/jobs")


@router.post("/jobs/{id}/cancel")
async def cancel(house: TheHouse, who: Visitor, id: JobId) -> Response:
    """End one; nothing happens where it has ended."""
    await wait_to_write(house.store.jobs.cancel, owner(who), id)
    return go("/jobs")


@router.post("/jobs/{id}/delete")
async def delete(house: TheHouse, who: Visitor, id: JobId) -> Response:
    """Let one go with its results."""
    await wait_to_write(house.store.jobs.remove, owner(who), id)
    return go("/jobs")
