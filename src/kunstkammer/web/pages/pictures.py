"""One picture: what the models say, why, what is near, what is right."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter
from starlette.responses import Response

from kunstkammer.errors import KunstkammerError
from kunstkammer.web.api import corrections
from kunstkammer.web.api.schemas import CorrectionIn, image_type
from kunstkammer.web.api.shared import PictureId, TheHouse, file_answer, wait_for
from kunstkammer.web.doors import Visitor, owner
from kunstkammer.web.doors.identity import FIELDS
from kunstkammer.web.house import House
from kunstkammer.web.pages.asking import Asked, ask, trouble_words
from kunstkammer.web.pages.frame import go, map_address, render, wants_fragment, words_of
from kunstkammer.web.problems import ProblemError, problem_of
from kunstkammer.web.records import Answer, ModelCard, Neighbour, Picture, Who

router = APIRouter()
SHOWN = frozenset({"JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF"})
"""What browsers show; of all else the small copy is shown."""
GROUPS = {
    "regions": ("cams", "attention"),
    "pixels": ("gradients",),
    "layers": ("backprop", "lrp", "composites", "patterns"),
    "covering": ("windows",),
}
"""How the families of methods stand together in the list."""
NEAR, NEAR_KEPT = 8, 64
Text = Annotated[str, Query(max_length=1000, pattern=r"^[^\x00]*$")]


@router.get("/pictures/{id}")
async def picture_page(
    request: Request,
    house: TheHouse,
    who: Visitor,
    id: PictureId,
    model: Text = "",
    method: Text = "",
    target: Text = "",
    versus: Text = "",
    near: Text = "",
) -> Response:
    """A picture with what a model says of it. `NotThere`, `NoModel`."""
    picture = await wait_for(house.store.get, owner(who), id)
    card = _card(house, picture, model)
    t = words_of(request)
    answer, trouble = None, ""
    if card is not None:
        asked = await _answered(request, house, who, picture, card)
        picture = asked.picture
        answer = picture.answers.get(card.name)
        trouble = " ".join(trouble_words(t, problem) for problem in asked.troubles)
    target = target or (answer.scores[0].label if answer else "")
    versus = versus if versus != target else ""
    found, trouble_near = await _near(request, house, who, picture, card) if near and card else (None, "")
    trouble_map = "" if not method or (card and method in card.explainers) else t("problem.unfit.mend")
    return render(
        request,
        who,
        "picture.html.j2",
        here="pictures",
        picture=picture,
        shown=picture.facts.format in SHOWN,
        card=card,
        cards=house.desk.cards(),
        answer=answer,
        trouble=trouble,
        doubt_word=doubt_word(answer) if answer else "",
        novelty_word=novelty_word(answer) if answer else "",
        method=method,
        families=families(card.explainers, card.facts.get("explainer_families", {})) if card else [],
        usual=usual_explainer(card) if card else "",
        target=target,
        versus=versus,
        map_url=map_address(id, card.name, method, target, versus) if method and card and not trouble_map else "",
        trouble_map=trouble_map,
        near=found,
        trouble_near=trouble_near,
    )


def _card(house: House, picture: Picture, model: str) -> ModelCard | None:
    """Return the model that is meant: the named one, else one that can answer, best one that did already."""
    if model:
        return house.desk.card(model)
    cards = house.desk.cards()
    able = [card for card in cards if card.broken is None]
    return next((card for card in able if card.name in picture.answers), next(iter([*able, *cards]), None))


async def _answered(request: Request, house: House, who: Who, picture: Picture, card: ModelCard) -> Asked:
    """Return the picture with this model's answer; it is asked now where it was not, or has new weights."""
    known = picture.answers.get(card.name)
    if card.broken is not None:
        return Asked(picture, [], [ProblemError("model-broken", card.broken)])
    if known is not None and known.version == card.version:
        return Asked(picture, [known], [])
    data = await wait_for(house.store.bytes_of, owner(who), picture.id, "original")
    asked = await ask(request, house, owner(who), picture, data, [card.name])
    asked.picture = await wait_for(house.store.get, owner(who), picture.id)
    return asked


def doubt_word(answer: Answer) -> str:
    """Return how sure an answer is, in a word. With two labels the limits lie at 96%, 85% and 68%."""
    limits = ((0.25, "sure"), (0.6, "fair"), (0.9, "unsure"))
    return next((word for limit, word in limits if answer.doubt <= limit), "guessing")


def novelty_word(answer: Answer) -> str:
    """Return how near the training pictures are, in a word; "" where nothing needs to be said."""
    if answer.novelty is None:
        return ""
    return "far" if answer.novelty >= 0.95 else "near" if answer.novelty <= 0.8 else ""


def usual_explainer(card: ModelCard) -> str:
    """Return the method that is offered first."""
    return str(card.facts.get("usual_explainer") or next(iter(card.explainers), ""))


def families(explainers: Sequence[str], family_of: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Return the methods by group, from the family of each; those of no group at the end.

    >>> families(["occlusion", "grad-cam", "new"], {"occlusion": "windows", "grad-cam": "cams"})
    [('regions', ['grad-cam']), ('covering', ['occlusion']), ('others', ['new'])]
    """
    group_of = {family: group for group, members in GROUPS.items() for family in members}
    groups = [group_of.get(family_of.get(one, ""), "others") for one in explainers]
    found = [
        (group, [one for one, its in zip(explainers, groups, strict=True) if its == group])
        for group in (*GROUPS, "others")
    ]
    return [(group, members) for group, members in found if members]


@router.post("/pictures/{id}/corrections")
async def correct(request: Request, house: TheHouse, who: Visitor, id: PictureId) -> Response:
    """Say what a picture shows, or take it back."""
    form = await request.form(max_fields=FIELDS)
    model = str(form.get("model", ""))
    if form.get("undo"):
        await corrections.uncorrect(house, who, id, model)
    else:
        said = CorrectionIn(labels=[str(label) for label in form.getlist("label")])
        await corrections.correct(house, who, id, said, model)
    back = str(form.get("back", "")) or f"/pictures/{id}"
    if not wants_fragment(request):
        return go(back)
    return render(
        request,
        who,
        "correcting.html.j2",
        back=back,
        picture=await wait_for(house.store.get, owner(who), id),
        card=house.desk.card(model),
        keys=bool(form.get("keys")),
    )


class Near:
    """The nearest training pictures of the last few pictures: the small ones are fetched one by one."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str, str], tuple[Neighbour, ...]] = OrderedDict()

    async def find(self, house: House, who: Who, picture: Picture, card: ModelCard) -> tuple[Neighbour, ...]:
        """Return them, asking the model where they are not known. Errors as `desk.neighbours`."""
        key = (picture.facts.sha256, card.name, card.version)
        found = self._known.get(key)
        if found is None:
            data = await wait_for(house.store.bytes_of, owner(who), picture.id, "original")
            found = await house.desk.neighbours(card.name, data, NEAR, picture.name)
            self._known[key] = found
            while len(self._known) > NEAR_KEPT:
                self._known.popitem(last=False)
        return found


def _known(request: Request) -> Near:
    state = request.app.state
    if not hasattr(state, "near"):
        state.near = Near()
    near: Near = state.near
    return near


async def _near(
    request: Request, house: House, who: Who, picture: Picture, card: ModelCard
) -> tuple[tuple[Neighbour, ...], str]:
    """Return the nearest training pictures, and in words what came between."""
    try:
        return await _known(request).find(house, who, picture, card), ""
    except KunstkammerError as error:
        return (), trouble_words(words_of(request), problem_of(error))


@router.get("/pictures/{id}/near")
async def near_part(request: Request, house: TheHouse, who: Visitor, id: PictureId, model: Text) -> Response:
    """The nearest training pictures, as a piece of the picture's page."""
    picture = await wait_for(house.store.get, owner(who), id)
    card = house.desk.card(model)
    found, trouble = await _near(request, house, who, picture, card)
    return render(request, who, "near.html.j2", picture=picture, card=card, near=found, trouble_near=trouble)


@router.get("/pictures/{id}/near/{n}/thumbnail")
async def near_thumbnail(
    request: Request,
    house: TheHouse,
    who: Visitor,
    id: PictureId,
    n: Annotated[int, PathParameter(ge=0, lt=NEAR)],
    model: Text,
) -> Response:
    """One of them."""
    picture = await wait_for(house.store.get, owner(who), id)
    found = await _known(request).find(house, who, picture, house.desk.card(model))
    if n >= len(found):
        raise ProblemError("not-there", "There are not so many.")
    return file_answer(request, found[n].thumbnail, image_type(found[n].thumbnail))
