"""Tokens: the secret is known to its holder alone."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from kunstkammer.web.errors import NotThere
from kunstkammer.web.records import Who


def test_a_token_lets_in_until_it_is_dropped(store) -> None:
    id, secret = store.make_token("the scanner\r\n")
    admin, other = store.make_token("the curator", admin=True)
    assert store.token(secret) == Who(f"token-{id}", admin=False, token=True)
    assert store.token(other) == Who(f"token-{admin}", admin=True, token=True)
    assert [(token.id, token.name, token.admin) for token in store.tokens()] == [
        (id, "the scanner", False), (admin, "the curator", True)
    ]  # fmt: skip
    store.drop_token(id)
    assert store.token(secret) is None
    assert store.token(other) is not None
    for unknown in (id, "", "x" * 500, "a\0"):
        with pytest.raises(NotThere):
            store.drop_token(unknown)


def test_what_is_not_a_secret_lets_nobody_in(store) -> None:
    id, secret = store.make_token("a")
    changed = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    for wrong in ("", changed, secret + "x", f"kk_{id}_", id, "kk_" + "0" * 16 + secret[19:], "a\0b", "\ud800"):
        assert store.token(wrong) is None


def test_the_secret_is_nowhere_in_the_database(store) -> None:
    _, secret = store.make_token("a")
    with store._database.reading() as session:
        kept = str(session.execute(sa.text("SELECT * FROM tokens")).all())
    assert secret not in kept
    assert secret.rsplit("_", 1)[-1] not in kept
