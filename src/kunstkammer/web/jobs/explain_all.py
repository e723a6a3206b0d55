"""The job that explains all pictures of a visitor by several methods: a heat map for each picture and method."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kunstkammer.errors import DataError, guess
from kunstkammer.web.errors import ModelBroken, NoModel, Unfit
from kunstkammer.web.jobs.kinds import Hands, Order, Plan, Step, kind_of_job
from kunstkammer.web.maps import map_key
from kunstkammer.web.records import Made, ModelCard, Picture

LONGEST_PART = 120
"""Bytes of a part of a path in the ZIP; file systems take 255."""
USUAL = 3
"""Methods, where none is named: the model's first ones that are quick."""
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Parameters(BaseModel):
    """What may be asked."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: Name | None = Field(None, description="The name that a model is served by; the first that answers.")
    methods: list[Name] | None = Field(None, min_length=1, max_length=20, description="Of the model's explainers.")


@kind_of_job("explain", "Explain all your pictures by several methods; a ZIP of heat maps")
def explain_all(order: Order) -> Plan:
    """Return a step for each picture and method. Raises `DataError`, `NoModel`, `ModelBroken`, `Unfit`."""
    try:
        asked = Parameters.model_validate(dict(order.parameters))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("parameters", *first["loc"])))
        raise DataError(f"Not valid: {where}: {first['msg']}.") from error
    card = _card(order.cards, asked.model)
    methods = _methods(card, asked.methods)
    steps = [
        Step(f"{picture.id}/{method}", picture.id, functools.partial(_explain, picture, card, method))
        for picture in _pictures(order)
        for method in methods
    ]
    if not steps:
        raise Unfit("You have no pictures to explain; upload some first.")
    return Plan({"model": card.name, "methods": methods}, steps, {card.name: card.version})


def _explain(picture: Picture, card: ModelCard, method: str, hands: Hands) -> Made:
    """Make one heat map: the one kept beside the content, else a new one, kept there as those of requests are."""
    key = map_key(card, method)
    png = hands.store.get_map(picture.facts.sha256, key)
    if png is None:
        data = hands.store.bytes_of(picture.visitor, picture.id, "original")
        png = hands.desk.explain(card.name, data, method, picture.name)
        hands.store.put_map(picture.facts.sha256, key, png)
    name = f"{file_part(f'{picture.id[:8]} {picture.name}')}/{file_part(f'{card.name} {method}')}.png"
    return Made(f"{picture.id}/{method}", picture.id, name, png)


def file_part(text: str) -> str:
    """Return a text as a part of a path that every system can unpack: at most 120 bytes, none of their special signs.

    >>> file_part("a/b: c?."), len(file_part("絵" * 200).encode())
    ('a_b_ c_', 120)
    """
    plain = re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", text).encode()[:LONGEST_PART].decode("utf-8", "ignore")
    return plain.rstrip(". ") or "_"


def _card(cards: tuple[ModelCard, ...], name: str | None) -> ModelCard:
    if name is None:
        found = next((card for card in cards if card.broken is None and card.explainers), None)
        if found is None:
            raise Unfit("No model that is served can be explained.")
        return found
    found = next((card for card in cards if card.name == name), None)
    if found is None:
        raise NoModel.named(name, [card.name for card in cards])
    if found.broken is not None:
        raise ModelBroken(f"{found.name}: {found.broken}")
    return found


def _methods(card: ModelCard, asked: list[str] | None) -> list[str]:
    """Return the methods, each once, in the order of the request."""
    slow = card.facts.get("slow_explainers", ())
    methods = list(dict.fromkeys(asked or [one for one in card.explainers if one not in slow][:USUAL]))
    if not methods:
        raise Unfit(f"The model '{card.name}' has no explainer.")
    for method in methods:
        if method not in card.explainers:
            raise Unfit(f"The model has no explainer '{method}'.{guess(method, card.explainers)}")
    return methods


def _pictures(order: Order) -> Iterator[Picture]:
    """Go over the visitor's pictures that were there when it was ordered, the newest first."""
    after: str | None = None
    while True:
        leaf = order.store.list(order.visitor, after=after, limit=200)
        yield from (picture for picture in leaf.items if picture.at <= order.before)
        after = leaf.next
        if after is None:
            return
