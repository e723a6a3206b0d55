"""The admin's door: one password, tried in constant time and not too often; sign-ins live as long as the server."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time

from kunstkammer.web.doors.limits import Buckets
from kunstkammer.web.problems import ProblemError, retry_after
from kunstkammer.web.settings import Settings

HOURS = 12.0
TRIES, ALL_TRIES = 6, 60
"""A minute, of one address and of all."""


class Admins:
    """Who is signed in. The numbers of sign-ins are kept here, so that signing out holds also for a copied cookie."""

    def __init__(self, settings: Settings) -> None:
        password = settings.admin_password.get_secret_value() if settings.admin_password else ""
        self._password = hashlib.sha256(password.encode()).digest() if password else None
        self._until: dict[str, float] = {}
        self._tries, self._all_tries = Buckets(TRIES), Buckets(ALL_TRIES)

    @property
    def possible(self) -> bool:
        """Whether there is a password at all."""
        return self._password is not None

    def sign_in(self, password: str, address: str) -> str:
        """Return the number of a new sign-in. `ProblemError` 401 for a wrong password, 429 after too many."""
        wait = self._tries.take(address) or self._all_tries.take("")
        if wait:
            raise ProblemError(
                "too-many-requests",
                f"Too many passwords were tried; wait {wait:.0f} seconds.",
                headers=retry_after(wait),
            )
        given = hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest()
        if not hmac.compare_digest(given, self._password or bytes(32)) or self._password is None:
            raise ProblemError("sign-in", "That is not the admin's password.", headers={"WWW-Authenticate": "Bearer"})
        now = time.monotonic()
        self._until = {number: until for number, until in self._until.items() if until > now}
        number = secrets.token_hex(16)
        self._until[number] = now + HOURS * 3600
        return number

    def holds(self, number: str) -> bool:
        """Say whether a sign-in is still good."""
        return bool(number) and self._until.get(number, 0.0) > time.monotonic()

    def sign_out(self, number: str) -> None:
        """End a sign-in."""
        self._until.pop(number, None)
