"""Tokens for the API: who holds the secret is let in; the database keeps only its hash."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select

from kunstkammer.web.errors import NotThere
from kunstkammer.web.records import Who
from kunstkammer.web.store.database import Database
from kunstkammer.web.store.names import clean_name, sayable
from kunstkammer.web.store.tables import TokenRow

_SECRET = re.compile(r"kk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True)
class Token:
    """What is known of a token."""

    id: str
    name: str
    admin: bool
    at: datetime


class Tokens:
    """The tokens of one store. The secret has 256 random bits, so its plain SHA-256 cannot be turned back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def make(self, name: str, *, admin: bool = False) -> tuple[str, str]:
        """Return the id and the secret of a new token."""
        id = secrets.token_hex(8)
        secret = f"kk_{id}_{secrets.token_urlsafe(32)}"
        row = TokenRow(id=id, name=clean_name(name), admin=admin, at=datetime.now(UTC), digest=_digest(secret))
        with self._database.writing() as session:
            session.add(row)
        return id, secret

    def who(self, secret: str) -> Who | None:
        """Return who holds a secret, None for one that is not known."""
        found = _SECRET.fullmatch(secret)
        if found is None:
            return None
        with self._database.reading() as session:
            row = session.get(TokenRow, found.group(1))
        if not hmac.compare_digest(_digest(secret), row.digest if row else "0" * 64) or row is None:
            return None
        return Who(visitor=f"token-{row.id}", admin=row.admin, token=True)

    def all(self) -> list[Token]:
        """Return what is known of every token, the oldest first."""
        with self._database.reading() as session:
            rows = session.scalars(select(TokenRow).order_by(TokenRow.at, TokenRow.id)).all()
            return [Token(row.id, row.name, row.admin, row.at) for row in rows]

    def drop(self, id: str) -> None:
        """Let a token hold no more; raise `NotThere`."""
        if not sayable(id):
            raise NotThere("There is no such token.")
        with self._database.writing() as session:
            found = session.execute(delete(TokenRow).where(TokenRow.id == id).returning(TokenRow.id)).all()
        if not found:
            raise NotThere(f"There is no token {id[:40]!r}.")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
