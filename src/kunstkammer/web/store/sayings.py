"""What models and people say of a picture, and which labels hold: a person's where there are some."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from kunstkammer.web.errors import NotThere
from kunstkammer.web.records import Answer, Correction
from kunstkammer.web.store.database import Database
from kunstkammer.web.store.tables import AnswerRow, Corrected, PictureLabel


def put_answer(database: Database, session: Session, picture: str, answer: Answer) -> None:
    """Keep what a model said, in place of what it said before; the picture's row is locked."""
    values = {
        "version": answer.version,
        "calibrated": answer.calibrated,
        "doubt": float(answer.doubt),
        "novelty": _number(answer.novelty),
        "scores": [
            [score.label, float(score.probability), _number(score.zero_r), bool(score.chosen)]
            for score in answer.scores
        ],
    }
    _put(database, session, AnswerRow, {"picture": picture, "model": answer.model}, values)
    of_person = select(Corrected.model).where(Corrected.picture == picture, Corrected.model == answer.model)
    if session.scalar(of_person) is None:
        _hold(session, picture, answer.model, answer.labels)


def correct(
    database: Database, session: Session, picture: str, model: str, labels: Sequence[str], now: datetime
) -> Correction:
    """Keep what a person says."""
    _put(database, session, Corrected, {"picture": picture, "model": model}, {"labels": list(labels), "at": now})
    _hold(session, picture, model, labels)
    return Correction(model, tuple(labels), now)


def uncorrect(session: Session, picture: str, model: str) -> None:
    """Forget what a person said: the model's labels hold again. Raises `NotThere`."""
    query = delete(Corrected).where(Corrected.picture == picture, Corrected.model == model)
    if not session.execute(query.returning(Corrected.model)).all():
        raise NotThere("This picture has no correction for that model.")
    said = session.get(AnswerRow, (picture, model))
    _hold(session, picture, model, [label for label, _, _, chosen in said.scores if chosen] if said else [])


def _hold(session: Session, picture: str, model: str, labels: Sequence[str]) -> None:
    session.execute(delete(PictureLabel).where(PictureLabel.picture == picture, PictureLabel.model == model))
    rows = [{"picture": picture, "model": model, "label": label} for label in dict.fromkeys(labels)]
    if rows:
        session.execute(insert(PictureLabel), rows)


def _put(
    database: Database,
    session: Session,
    table: type[AnswerRow] | type[Corrected],
    key: dict[str, str],
    values: dict[str, Any],
) -> None:
    """Insert a row, or change the one that is there."""
    session.execute(
        database.insert(table)
        .values(**key, **values)
        .on_conflict_do_update(index_elements=[table.picture, table.model], set_=values)
    )


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
