"""The gallery of one's own pictures: filter, paging, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from kunstkammer.web.api.shared import TheHouse, wait_for, wait_to_write
from kunstkammer.web.doors import Visitor, owner
from kunstkammer.web.doors.identity import FIELDS
from kunstkammer.web.errors import NotThere
from kunstkammer.web.house import House
from kunstkammer.web.pages.frame import go, render, wants_fragment
from kunstkammer.web.pages.jobs import chosen_first, explainable
from kunstkammer.web.problems import ProblemError
from kunstkammer.web.records import Who

router = APIRouter()
PAGE = 24
Text = Annotated[str, Query(max_length=1000, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True)
class Filter:
    """What somebody wants to see of their pictures; "" for all."""

    model: str = ""
    label: str = ""
    corrected: str = ""
    text: str = ""
    after: str = ""

    def address(self, **changes: str) -> str:
        """Return the gallery's address with this filter, some of it changed."""
        asked = {name: value for name, value in (asdict(self) | changes).items() if value}
        return "/pictures" + (f"?{urlencode(asked)}" if asked else "")


@router.get("/pictures")
async def gallery(
    request: Request,
    house: TheHouse,
    who: Visitor,
    model: Text = "",
    label: Text = "",
    corrected: Text = "",
    text: Text = "",
    after: Text = "",
    gone: Annotated[int | None, Query(ge=0, le=10**9)] = None,
) -> Response:
    """One's own pictures, newest first."""
    return await gallery_page(request, house, who, Filter(model, label, corrected, text.strip(), after), gone=gone)


async def gallery_page(
    request: Request,
    house: House,
    who: Who,
    asked: Filter | None = None,
    *,
    gone: int | None = None,
    refused: Sequence[tuple[str, str]] = (),
) -> Response:
    """Return the gallery; `refused` are uploads just now that could not be kept, with the reason in words."""
    asked = asked or Filter()
    leaf = await wait_for(
        house.store.list,
        who.visitor,
        model=asked.model or None,
        label=asked.label or None,
        corrected={"yes": True, "no": False}.get(asked.corrected),
        text=asked.text or None,
        after=asked.after or None,
        limit=PAGE,
    )
    cards = house.desk.cards()
    able = explainable(house)
    labels = {label for card in cards if not asked.model or card.name == asked.model for label in card.labels}
    return render(
        request,
        who,
        "gallery.html.j2",
        here="pictures",
        back=asked.address(),
        pictures=leaf.items,
        total=leaf.total,
        next_url=asked.address(after=leaf.next) if leaf.next else None,
        first_url=asked.address(after=""),
        filtered=bool(asked.address(after="") != "/pictures"),
        asked=asked,
        cards=cards,
        labels=sorted(labels | ({asked.label} - {""})),
        gone=gone,
        refused=refused,
        explainable=able,
        ticked=chosen_first(able[0]) if able else [],
    )


@router.post("/pictures/delete")
async def delete(request: Request, house: TheHouse, who: Visitor) -> Response:
    """Delete pictures once somebody is sure; a page asks first where no script did."""
    form = await request.form(max_fields=FIELDS)
    ids = list(dict.fromkeys(str(one) for one in form.getlist("id")))
    if not form.get("sure"):
        pictures = [await wait_for(house.store.get, owner(who), one) for one in ids]
        return render(
            request,
            who,
            "delete.html.j2",
            here="pictures",
            back="/pictures",
            pictures=pictures,
            total=len(ids),
            all=False,
        )
    gone = 0
    for one in ids:
        try:
            await wait_to_write(house.store.delete, owner(who), one)
            gone += 1
        except NotThere:
            # Gone already: by its time, or in another window. That is what was asked for.
            if len(ids) == 1:
                raise
    if not ids:
        raise ProblemError("bad-request", "No picture was named.")
    return Response(status_code=204) if wants_fragment(request) else go(f"/pictures?gone={gone}")


@router.post("/pictures/delete-all")
async def delete_all(request: Request, house: TheHouse, who: Visitor) -> Response:
    """Delete all of one's pictures once somebody is sure."""
    form = await request.form(max_fields=FIELDS)
    if not form.get("sure"):
        total = (await wait_for(house.store.list, who.visitor, limit=1)).total
        return render(
            request, who, "delete.html.j2", here="pictures", back="/pictures", pictures=(), total=total, all=True
        )
    gone = await wait_to_write(house.store.delete_all, who.visitor)
    return Response(status_code=204) if wants_fragment(request) else go(f"/pictures?gone={gone}")
