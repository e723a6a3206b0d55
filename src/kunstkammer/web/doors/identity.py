"""Who asks, and whether they may: what the routes of the API and of the pages depend on."""

from __future__ import annotations

import hmac
from typing import Annotated

import anyio
from fastapi import Depends, Request

from kunstkammer.web.doors.admin import Admins
from kunstkammer.web.doors.limits import address_of
from kunstkammer.web.doors.sessions import STATE, Sessions, Visit
from kunstkammer.web.problems import ProblemError
from kunstkammer.web.records import Who

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
CSRF_HEADER, CSRF_FIELD = "X-CSRF-Token", "csrf"
FIELDS = 12_000
"""Of a form: a model with many labels has a box for each."""
_WHO = "kunstkammer.who"


async def identify(request: Request) -> Who:
    """Say who asks: a token's holder, or the visitor of the session cookie (a new one where there is none).

    Raises `ProblemError` 401 for a token that does not hold.
    """
    known: Who | None = request.scope.get(_WHO)
    if known is None:
        known = await _by_token(request) or _by_session(request)
        request.scope[_WHO] = known
    return known


async def _by_token(request: Request) -> Who | None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    secret = secret.strip()
    who = await anyio.to_thread.run_sync(request.app.state.house.store.token, secret) if 0 < len(secret) < 500 else None
    if who is None:
        raise ProblemError("sign-in", "That token does not hold.", headers={"WWW-Authenticate": "Bearer"})
    return who


def _by_session(request: Request) -> Who:
    visit: Visit = request.scope[STATE]
    doors: Doors = request.app.state.doors
    # Here alone, so that no answer which does not ask who it is, and may be kept by a proxy, ever sets a cookie.
    if not visit.known or visit.due:
        visit.changed = True
    if visit.admin and not doors.admins.holds(visit.admin):
        visit.admin, visit.changed = "", True
    return Who(visit.visitor, admin=bool(visit.admin), csrf=doors.sessions.csrf(visit))


class Doors:
    """What the doors of one server remember; `app.state.doors`."""

    def __init__(self, sessions: Sessions, admins: Admins) -> None:
        self.sessions, self.admins = sessions, admins


async def guard(request: Request) -> None:
    """Let an unsafe request with a cookie pass only if it carries the session's token: header, or form field `csrf`
    (of an upload without a script: part of its address).

    A request without a cookie that holds has nothing to protect; one from another site is refused before (`origin`).
    """
    if request.method in SAFE:
        return
    who = await identify(request)
    visit: Visit = request.scope[STATE]
    if who.token or not visit.known:
        return
    given, kind = request.headers.get(CSRF_HEADER, ""), request.headers.get("content-type", "")
    if not given and kind.startswith("application/x-www-form-urlencoded"):
        given = str((await request.form(max_fields=FIELDS)).get(CSRF_FIELD, ""))
    elif not given and kind.startswith("multipart/form-data"):
        given = request.query_params.get(CSRF_FIELD, "")  # its body is read as it arrives, later
    if not hmac.compare_digest(given.encode(), who.csrf.encode()):
        raise ProblemError(
            "forbidden",
            f"A request that changes something must carry the session's {CSRF_HEADER} (GET /api/v1/session).",
        )


async def require_admin(request: Request) -> Who:
    """Return the admin who asks. `ProblemError` 401 for nobody in particular, 403 for a token that is no admin's."""
    who = await identify(request)
    if who.admin:
        return who
    if who.token:
        raise ProblemError("forbidden", "This is for the admin; the token is a visitor's.")
    raise ProblemError("sign-in", "This is for the admin.", headers={"WWW-Authenticate": "Bearer"})


def owner(who: Who) -> str | None:
    """Return whose pictures somebody may open by their id: their own; the admin anybody's (None)."""
    return None if who.admin else who.visitor


async def sign_in(request: Request, password: str) -> Who:
    """Make the session of a request the admin's; the answer sets the cookie. `ProblemError` 401, 429."""
    doors: Doors = request.app.state.doors
    number = doors.admins.sign_in(password, address_of(request.scope))
    visit: Visit = request.scope[STATE]
    visit.admin, visit.changed = number, True
    request.scope.pop(_WHO, None)
    return _by_session(request)


async def sign_out(request: Request) -> None:
    """End the admin's session; the visitor stays who they are."""
    visit: Visit = request.scope[STATE]
    request.app.state.doors.admins.sign_out(visit.admin)
    visit.admin, visit.changed = "", True
    request.scope.pop(_WHO, None)


Visitor = Annotated[Who, Depends(identify)]
Admin = Annotated[Who, Depends(require_admin)]
