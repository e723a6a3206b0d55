"""Letting pictures go: rows in a transaction, then the files that nobody has any more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from kunstkammer.web.store.blobs import Blobs, born, name_of
from kunstkammer.web.store.database import Database
from kunstkammer.web.store.keeping import GRACE
from kunstkammer.web.store.tables import Content, HeatMap, JobStep, Upload, Visitor

BATCH = 100
Files = list[tuple[str, str]]
"""Names and parts of files to remove."""


def let_go(database: Database, blobs: Blobs, visitor: str, ids: Iterable[str]) -> int:
    """Delete a visitor's pictures, at most `BATCH` in a transaction; returns how many were there."""
    count = 0
    for batch in _batches(ids):
        with database.writing() as session:
            gone, files = _forget(session, visitor, batch)
        for name, part in files:
            blobs.remove(name, part)
        count += gone
    return count


def _forget(session: Session, visitor: str, ids: Sequence[str]) -> tuple[int, Files]:
    """Delete rows; returns how many pictures there were, and the files that no row knows any more.

    Locks are taken in the order visitor, contents by hash, as `Keeper` takes them, so that nobody waits in a circle.
    """
    session.execute(select(Visitor.id).where(Visitor.id == visitor).with_for_update())
    made_of = (JobStep.picture == Upload.id, Upload.visitor == visitor, Upload.id.in_(ids))
    made = session.execute(select(JobStep.file, JobStep.bytes).where(*made_of, JobStep.file.is_not(None))).all()
    gone = Counter(
        session.scalars(
            delete(Upload).where(Upload.visitor == visitor, Upload.id.in_(ids)).returning(Upload.sha256)
        ).all()
    )
    if not gone:
        return 0, []
    hashes = sorted(gone)
    contents = session.execute(
        select(Content.sha256, Content.file, Content.bytes)
        .where(Content.sha256.in_(hashes))
        .order_by(Content.sha256)
        .with_for_update()
    ).all()
    kept = set(session.scalars(select(Upload.sha256).where(Upload.sha256.in_(hashes)).distinct()))
    files: Files = [(step.file, "result") for step in made]
    last = [content for content in contents if content.sha256 not in kept]
    for content in last:
        files += [(content.file, "original"), (content.file, "thumbnail")]
    lost = [content.sha256 for content in last]
    files += [(name, "map") for name in session.scalars(select(HeatMap.file).where(HeatMap.sha256.in_(lost)))]
    session.execute(delete(Content).where(Content.sha256.in_(lost)))
    used = sum(gone[content.sha256] * content.bytes for content in contents) + sum(step.bytes for step in made)
    session.execute(
        update(Visitor)
        .where(Visitor.id == visitor)
        .values(used=Visitor.used - used, pictures=Visitor.pictures - gone.total())
    )
    session.execute(delete(Visitor).where(Visitor.id == visitor, Visitor.pictures == 0, Visitor.used == 0))
    return gone.total(), files


def sweep(database: Database, blobs: Blobs) -> int:
    """Remove files that no row knows and that nobody can be adding any more; returns how many."""
    old = time.time() - GRACE
    count = 0
    for batch in _batches(blobs.files()):
        names = {file: name for file in batch if (name := name_of(file)) and born(name) < old}
        if not names:
            continue
        with database.reading() as session:
            known = set(session.scalars(select(Content.file).where(Content.file.in_(names.values()))))
            known |= set(session.scalars(select(HeatMap.file).where(HeatMap.file.in_(names.values()))))
            made = session.scalars(select(JobStep.file).where(JobStep.file.in_(names.values())))
            known |= {file for file in made if file is not None}
        for file, name in names.items():
            if name not in known or file.endswith(".partial"):
                blobs.remove_file(file)
                count += 1
    return count


def _batches(items: Iterable[str]) -> Iterator[list[str]]:
    walk = iter(items)
    while batch := list(islice(walk, BATCH)):
        yield batch
