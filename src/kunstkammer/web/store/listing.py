"""What a gallery asks for: which pictures, newest first, a page at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from kunstkammer.errors import DataError
from kunstkammer.web.records import Answer, Correction, Facts, Picture, ResultPage, Score
from kunstkammer.web.store.names import folded, sayable
from kunstkammer.web.store.tables import AnswerRow, Corrected, PictureLabel, Upload

MOST = 500
_CURSOR = re.compile(r"([0-9a-f]{1,13})-([0-9a-f]{32})")
_START = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PictureQuery:
    """Which pictures: see `Store.list`."""

    visitor: str | None = None
    model: str | None = None
    label: str | None = None
    corrected: bool | None = None
    text: str | None = None

    def clauses(self, now: datetime) -> list[ColumnElement[bool]] | None:
        """Return what the rows must meet; None where none can, because a database cannot hold what is asked for."""
        if not all(sayable(value) for value in (self.visitor, self.model, self.label, self.text) if value):
            return None
        found: list[ColumnElement[bool]] = [alive(now)]
        if self.visitor is not None:
            found.append(Upload.visitor == self.visitor)
        if self.label is not None:
            of_model = () if self.model is None else (PictureLabel.model == self.model,)
            found.append(exists().where(PictureLabel.picture == Upload.id, PictureLabel.label == self.label, *of_model))
        elif self.model is not None:
            answered = exists().where(AnswerRow.picture == Upload.id, AnswerRow.model == self.model)
            found.append(or_(answered, _corrected(self.model)))
        if self.corrected is not None:
            found.append(_corrected(self.model) if self.corrected else ~_corrected(self.model))
        if self.text:
            found.append(Upload.folded.contains(folded(self.text), autoescape=True))
        return found


def alive(now: datetime) -> ColumnElement[bool]:
    """Whether a picture's time is not over."""
    return or_(Upload.expires.is_(None), Upload.expires > now)


def _corrected(model: str | None) -> ColumnElement[bool]:
    of_model = () if model is None else (Corrected.model == model,)
    return exists().where(Corrected.picture == Upload.id, *of_model)


def leaf(session: Session, wish: PictureQuery, now: datetime, after: str | None, limit: int) -> ResultPage[Picture]:
    """Return a page of pictures; raise `DataError` for an `after` that was never given out."""
    clauses = wish.clauses(now)
    start = None if after is None else _start(after)
    if clauses is None:
        return ResultPage((), 0, None)
    limit = min(max(limit, 1), MOST)
    total = session.scalar(select(func.count()).select_from(Upload).where(*clauses)) or 0
    query = select(Upload).where(*clauses).order_by(Upload.at.desc(), Upload.id.desc()).limit(limit + 1)
    rows = session.scalars(query if start is None else query.where(start)).all()
    more = f"{_microseconds(rows[limit - 1].at):x}-{rows[limit - 1].id}" if len(rows) > limit else None
    return ResultPage(tuple(picture_of(row) for row in rows[:limit]), total, more)


def _start(after: str) -> ColumnElement[bool]:
    found = _CURSOR.fullmatch(after)
    if found is None:
        raise DataError("There is no page that starts there; begin with the first page.")
    at = _START + timedelta(microseconds=int(found.group(1), 16))
    return or_(Upload.at < at, and_(Upload.at == at, Upload.id < found.group(2)))


def _microseconds(at: datetime) -> int:
    return (at - _START) // timedelta(microseconds=1)


def picture_of(row: Upload) -> Picture:
    """Return a row as the value that leaves the store."""
    content = row.content
    return Picture(
        id=row.id,
        visitor=row.visitor,
        name=row.name,
        facts=Facts(row.sha256, content.format, content.width, content.height, content.bytes),
        at=row.at,
        expires=row.expires,
        answers={said.model: _answer_of(said) for said in row.answers},
        corrections={
            corrected.model: Correction(corrected.model, tuple(corrected.labels), corrected.at)
            for corrected in row.corrections
        },
    )


def _answer_of(row: AnswerRow) -> Answer:
    scores = tuple(Score(label, probability, zero_r, chosen) for label, probability, zero_r, chosen in row.scores)
    return Answer(row.model, row.version, scores, row.calibrated, row.doubt, row.novelty)
