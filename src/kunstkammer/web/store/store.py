"""The store: visitors' pictures, what was said of them, and tokens. Synchronous; safe from threads and processes."""

from __future__ import annotations

import builtins
import hashlib
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Literal

from sqlalchemy import URL, ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from kunstkammer.errors import ResourceError
from kunstkammer.files import disk_errors
from kunstkammer.web.errors import FileMissing, NotThere, StorageFull
from kunstkammer.web.records import Answer, Correction, Facts, Picture, ResultPage, Who
from kunstkammer.web.settings import Settings
from kunstkammer.web.store import deleting, sayings
from kunstkammer.web.store.blobs import Blobs, new_name, open_blobs
from kunstkammer.web.store.database import Database
from kunstkammer.web.store.jobs import Jobs
from kunstkammer.web.store.keeping import Gone, Keeper
from kunstkammer.web.store.listing import PictureQuery, alive, leaf, picture_of
from kunstkammer.web.store.migrate import migrate
from kunstkammer.web.store.names import clean_labels, clean_name, folded, sayable
from kunstkammer.web.store.tables import Content, Corrected, HeatMap, StoreRow, Upload
from kunstkammer.web.store.tokens import Token, Tokens

Kind = Literal["original", "thumbnail"]
RESERVE = 16 * 2**20
"""Bytes that an upload leaves free on a disk, so that deletions, answers and corrections still find room."""
TRIES = 10
PAGE = 200
"""Pictures with corrections that are fetched at once."""
_ID = re.compile(r"[0-9a-f]{32}")


class Store:
    """Everything that the page remembers; made by `Store.open`.

    Where a method takes a visitor, None is the admin, who sees everybody's. Another visitor's picture, one that was
    deleted and one whose time is over are all `NotThere`.
    """

    FILE = "kunstkammer.db"
    """The database in the server's folder, where no other is named."""

    def __init__(self, database: Database, blobs: Blobs, settings: Settings) -> None:
        self._database = database
        self._blobs = blobs
        self._lifetime = timedelta(days=settings.expire_days) if settings.expire_days else None
        self._keeper = Keeper(database, blobs, settings.visitor_bytes)
        self.jobs = Jobs(database, blobs, settings, self._require_room)
        self._tokens = Tokens(database)

    @classmethod
    def open(cls, settings: Settings) -> Store:
        """Open the store of a server; make or upgrade what is not there yet.

        Raises `ResourceError` for a place that cannot be used, a missing driver, or a database of a newer version.
        """
        with disk_errors(settings.folder):
            settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        own_file = URL.create("sqlite", database=str(settings.folder.absolute() / cls.FILE))
        database = Database(settings.database or own_file)
        try:
            migrate(database)
            with database.reading() as session:
                own = session.scalars(select(StoreRow.id)).one()
            # Files lie under the database's own id: whoever opens another database never takes them for left-overs.
            blobs = open_blobs(f"{settings.pictures or settings.folder / 'pictures'}/{own}")
        except BaseException:
            database.close()
            raise
        return cls(database, blobs, settings)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def healthy(self) -> None:
        """Raise `ResourceError` where the database or the place for pictures does not answer."""
        self._database.healthy()
        self._blobs.healthy()

    # Pictures

    def add(self, visitor: str, data: bytes, facts: Facts, *, name: str, thumbnail: bytes) -> Picture:
        """Keep a picture; its files and its row are on the disk when this returns.

        Raises `StorageFull`, `QuotaFull`: nothing was kept then. `ValueError` where `facts` are another picture's.
        """
        if (facts.sha256, facts.bytes) != (hashlib.sha256(data).hexdigest(), len(data)):
            raise ValueError("These are the facts of another picture.")
        self._require_room(len(data) + len(thumbnail))
        name = clean_name(name)
        for _ in range(TRIES):
            now = datetime.now(UTC)
            expires = now + self._lifetime if self._lifetime else None
            id = secrets.token_hex(16)
            row = {
                "id": id,
                "visitor": visitor,
                "sha256": facts.sha256,
                "name": name,
                "folded": folded(name),
                "at": now,
                "expires": expires,
            }
            try:
                self._keeper.keep(row, facts, {"original": data, "thumbnail": thumbnail})
            except Gone:
                continue
            return Picture(id, visitor, name, facts, now, expires)
        raise ResourceError("The same picture is being deleted again and again; try later.")

    def _require_room(self, size: int) -> None:
        free = [self._blobs.free()]
        if self._database.file is not None:
            free.append(shutil.disk_usage(self._database.file.parent).free)
        if any(left is not None and left < size + RESERVE for left in free):
            raise StorageFull("The disk is full but for a reserve; nothing was kept. Free some space.")

    def get(self, visitor: str | None, id: str) -> Picture:
        """Return a picture; raise `NotThere`."""
        with self._database.reading() as session:
            return picture_of(_row(session, visitor, id))

    def list(
        self,
        visitor: str | None,
        *,
        model: str | None = None,
        label: str | None = None,
        corrected: bool | None = None,
        text: str | None = None,
        after: str | None = None,
        limit: int = 24,
    ) -> ResultPage[Picture]:
        """Return pictures, newest first.

        Args:
            visitor: whose; None for everybody's.
            model: only what this model answered or was corrected on; the other filters then speak of it alone.
            label: only where this label holds: a person's word where there is one, else the model's.
            corrected: only with, or only without, a person's word.
            text: only where the name has this in it, in any case.
            after: where the last page ended (`ResultPage.next`); `DataError` for anything else.
            limit: how many, 1 to 500.
        """
        wish = PictureQuery(visitor, model, label, corrected, text)
        with self._database.reading() as session:
            return leaf(session, wish, datetime.now(UTC), after, limit)

    def bytes_of(self, visitor: str | None, id: str, kind: Kind = "original") -> bytes:
        """Return a picture's file as it came, or its thumbnail; raise `NotThere`."""
        if kind not in ("original", "thumbnail"):
            raise NotThere(f"A picture has an original and a thumbnail, no {kind!r}.")
        with self._database.reading() as session:
            owner = select(Upload.visitor, Content.file).join(Content, Content.sha256 == Upload.sha256)
            found = session.execute(owner.where(_this(id))).one_or_none() if _ID.fullmatch(id) else None
        if found is None or visitor not in (None, found.visitor):
            raise _not_there(id)
        file = found.file
        data = self._blobs.get(file, kind)
        if data is None:
            self.get(visitor, id)  # Deleted a moment ago: NotThere.
            raise FileMissing(f"The {kind} of the picture {id} is missing from {self._blobs.where}; upload it again.")
        return data

    # Letting go

    def delete(self, visitor: str | None, id: str) -> None:
        """Let a picture go: its rows are gone, and its files with the last picture of that content. `NotThere`."""
        with self._database.reading() as session:
            owner = _owner(session, visitor, id)
        if not deleting.let_go(self._database, self._blobs, owner, [id]):
            raise _not_there(id)

    def delete_all(self, visitor: str) -> int:
        """Let all pictures and jobs of a visitor go; returns how many pictures."""
        if not sayable(visitor):
            return 0
        with self._database.reading() as session:
            ids = session.scalars(select(Upload.id).where(Upload.visitor == visitor)).all()
        gone = deleting.let_go(self._database, self._blobs, visitor, ids)
        self.jobs.remove_all(visitor)
        return gone

    def expire(self, now: datetime | None = None) -> int:
        """Let go what is past its time, finished jobs too; returns how many pictures."""
        self.jobs.expire(now)
        query = select(Upload.visitor, Upload.id).where(Upload.expires <= (now or datetime.now(UTC)))
        with self._database.reading() as session:
            rows = session.execute(query.order_by(Upload.visitor, Upload.id)).all()
        return sum(
            deleting.let_go(self._database, self._blobs, visitor, [row.id for row in group])
            for visitor, group in groupby(rows, key=lambda row: row.visitor)
        )

    def sweep(self) -> int:
        """Remove files older than an hour that no row knows: what a kill left. Returns how many."""
        count = deleting.sweep(self._database, self._blobs)
        self._database.tidy()
        return count

    # What is said of pictures

    def put_answer(self, visitor: str | None, id: str, answer: Answer) -> None:
        """Remember what a model said, in place of what it said before; raise `NotThere`."""
        with self._database.writing() as session:
            _owner(session, visitor, id, lock=True)
            sayings.put_answer(self._database, session, id, answer)

    def correct(self, visitor: str | None, id: str, model: str, labels: Sequence[str]) -> Correction:
        """Remember what a person says; raise `NotThere`, `DataError` for what cannot be a label."""
        found = clean_labels(labels)
        (model,) = clean_labels([model])
        with self._database.writing() as session:
            _owner(session, visitor, id, lock=True)
            return sayings.correct(self._database, session, id, model, found, datetime.now(UTC))

    def uncorrect(self, visitor: str | None, id: str, model: str) -> None:
        """Forget what a person said to a model; raise `NotThere`."""
        with self._database.writing() as session:
            _owner(session, visitor, id, lock=True)
            sayings.uncorrect(session, id, model if sayable(model) else "")

    def corrections(self, model: str | None = None, visitor: str | None = None) -> Iterator[tuple[Picture, Correction]]:
        """Go over what people said, the oldest picture first, without holding the database meanwhile."""
        if not sayable(f"{model}{visitor}"):
            return
        of_model = () if model is None else (Corrected.model == model,)
        clauses: builtins.list[ColumnElement[bool]] = [exists().where(Corrected.picture == Upload.id, *of_model)]
        if visitor is not None:
            clauses.append(Upload.visitor == visitor)
        query = select(Upload).where(*clauses).order_by(Upload.at, Upload.id).limit(PAGE)
        last: Picture | None = None
        while True:
            page = query.where(alive(datetime.now(UTC)))
            if last is not None:
                page = page.where(or_(Upload.at > last.at, and_(Upload.at == last.at, Upload.id > last.id)))
            with self._database.reading() as session:
                pictures = [picture_of(row) for row in session.scalars(page)]
            if not pictures:
                return
            for picture in pictures:
                for correction in picture.corrections.values():
                    if model in (None, correction.model):
                        yield picture, correction
            last = pictures[-1]

    # Heat maps

    def put_map(self, sha256: str, key: str, png: bytes) -> None:
        """Keep a heat map of a content, in place of one of the same key.

        Nothing happens where no picture has that content any more, or the disk is full: a map can be made again.
        """
        name = new_name(sha256)
        unused: str | None = name
        try:
            self._require_room(len(png))
            self._blobs.put(name, {"map": png})
            with self._database.writing() as session:
                content = select(Content.sha256).where(Content.sha256 == sha256).with_for_update()
                if session.scalar(content) is not None:
                    row = session.get(HeatMap, (sha256, key))
                    unused = row.file if row else None
                    session.merge(HeatMap(sha256=sha256, key=key, file=name))
        except StorageFull:
            unused = name
        if unused is not None:
            self._blobs.remove(unused, "map")

    def get_map(self, sha256: str, key: str) -> bytes | None:
        """Return a heat map that was kept, None where there is none."""
        with self._database.reading() as session:
            row = session.get(HeatMap, (sha256, key))
        return None if row is None else self._blobs.get(row.file, "map")

    # Tokens

    def make_token(self, name: str, *, admin: bool = False) -> tuple[str, str]:
        """Return the id and the secret of a new token; the secret is shown this once and not kept."""
        return self._tokens.make(name, admin=admin)

    def token(self, secret: str) -> Who | None:
        """Return who holds a secret, None for one that is not known."""
        return self._tokens.who(secret)

    def tokens(self) -> builtins.list[Token]:
        """Return what is known of every token, the oldest first."""
        return self._tokens.all()

    def drop_token(self, id: str) -> None:
        """Let a token hold no more; its pictures stay until their time. Raises `NotThere`."""
        self._tokens.drop(id)


def _not_there(id: str) -> NotThere:
    return NotThere(f"There is no picture {id[:40]!r}.")


def _row(session: Session, visitor: str | None, id: str) -> Upload:
    """Return a picture's row; raise `NotThere`."""
    row = session.scalar(select(Upload).where(_this(id))) if _ID.fullmatch(id) else None
    if row is None or visitor not in (None, row.visitor):
        raise _not_there(id)
    return row


def _owner(session: Session, visitor: str | None, id: str, *, lock: bool = False) -> str:
    """Return whose a picture is, kept from deletion until the transaction ends if asked; raise `NotThere`."""
    query = select(Upload.visitor).where(_this(id))
    owner = session.scalar(query.with_for_update() if lock else query) if _ID.fullmatch(id) else None
    if owner is None or visitor not in (None, owner):
        raise _not_there(id)
    return owner


def _this(id: str) -> ColumnElement[bool]:
    return and_(Upload.id == id, alive(datetime.now(UTC)))
