"""What models and people say of a picture, and which labels hold: a person's where there are some."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from kunstkammer.web.errors import NotThere
from kunstkammer.web.records import Answer, Correction
from kunstkammer.web.store.tables import Corrected, Holding, Said


def put_answer(session: Session, picture: str, answer: Answer) -> None:
    """Keep what a model said, in place of what it said before; the picture's row is locked."""
    session.merge(
        Said(
            picture=picture,
            model=answer.model,
            version=answer.version,
            calibrated=answer.calibrated,
            doubt=float(answer.doubt),
            novelty=None if answer.novelty is None else float(answer.novelty),
            scores=[
                [score.label, float(score.probability), _number(score.zero_r), bool(score.chosen)]
                for score in answer.scores
            ],
        )
    )
    if session.get(Corrected, (picture, answer.model)) is None:
        _hold(session, picture, answer.model, answer.labels)


def correct(session: Session, picture: str, model: str, labels: Sequence[str], now: datetime) -> Correction:
    """Keep what a person says."""
    session.merge(Corrected(picture=picture, model=model, labels=list(labels), at=now))
    _hold(session, picture, model, labels)
    return Correction(model, tuple(labels), now)


def uncorrect(session: Session, picture: str, model: str) -> None:
    """Forget what a person said: the model's labels hold again. Raises `NotThere`."""
    query = delete(Corrected).where(Corrected.picture == picture, Corrected.model == model)
    if not session.execute(query.returning(Corrected.model)).all():
        raise NotThere("This picture has no correction for that model.")
    said = session.get(Said, (picture, model))
    _hold(session, picture, model, [label for label, _, _, chosen in said.scores if chosen] if said else [])


def _hold(session: Session, picture: str, model: str, labels: Sequence[str]) -> None:
    session.flush()
    session.execute(delete(Holding).where(Holding.picture == picture, Holding.model == model))
    session.add_all(Holding(picture=picture, model=model, label=label) for label in dict.fromkeys(labels))


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
