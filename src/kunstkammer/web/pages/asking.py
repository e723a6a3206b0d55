"""Asking models about a stored picture, and saying in words what came between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import Request

from kunstkammer.errors import KunstkammerError
from kunstkammer.web.api.shared import wait_to_write
from kunstkammer.web.house import House
from kunstkammer.web.pages.language import Words
from kunstkammer.web.problems import ProblemError, problem_of
from kunstkammer.web.records import Answer, ModelCard, Picture


@dataclass
class Asked:
    """A picture with what the models said of it now, and what kept some from it."""

    picture: Picture
    answers: list[Answer]
    troubles: list[ProblemError]


def serving(house: House) -> list[ModelCard]:
    """Return the models that can answer."""
    return [card for card in house.desk.cards() if card.broken is None]


async def ask(
    request: Request, house: House, whose: str | None, picture: Picture, data: bytes, models: Iterable[str]
) -> Asked:
    """Ask models about a picture that is stored; each answer is kept with it."""
    asked = Asked(picture, [], [])
    for model in models:
        try:
            answer = await house.desk.predict(model, data, picture.name)
            await wait_to_write(house.store.put_answer, whose, picture.id, answer)
            request.app.state.metrics.answers.labels(model).inc()
            asked.answers.append(answer)
        except KunstkammerError as error:
            asked.troubles.append(problem_of(error))
    return asked


def trouble_words(t: Words, problem: ProblemError) -> str:
    """Say a problem in the visitor's language: what, and what to do."""
    return f"{t(f'problem.{problem.kind}.title')}. {t(f'problem.{problem.kind}.mend')}"
