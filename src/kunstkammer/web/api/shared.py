"""What several routes need: the house, a store that does not block, parameters, files that are never stale."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Annotated, Any, ParamSpec, TypeVar

import anyio
from anyio.lowlevel import RunVar
from fastapi import Depends, Path, Query, Request
from starlette.responses import Response

from kunstkammer.web.house import House
from kunstkammer.web.problems import ProblemError
from kunstkammer.web.records import Picture

P = ParamSpec("P")
T = TypeVar("T")
WRITERS = 12
"""At once. SQLite takes one at a time; PostgreSQL, and the disk, several."""
_writers: RunVar[anyio.CapacityLimiter] = RunVar("writers")
NO_NUL = r"^[^\x00]*$"

PictureId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="The picture's id.")]
ModelName = Annotated[str, Path(min_length=1, max_length=200, description="The name that a model is served by.")]
ModelQuery = Annotated[
    str | None,
    Query(max_length=200, pattern=NO_NUL, description="The name that a model is served by; the first one if left out."),
]


def the_house(request: Request) -> House:
    """Return the parts of this server."""
    house: House = request.app.state.house
    return house


TheHouse = Annotated[House, Depends(the_house)]


async def wait_for(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call something that blocks (the store) in a thread."""
    return await anyio.to_thread.run_sync(functools.partial(call, *args, **kwargs))


async def wait_to_write(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call something that changes the store in a thread of another pool: who waits for a lock holds up no reader."""
    try:
        limiter = _writers.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(WRITERS)
        _writers.set(limiter)
    return await anyio.to_thread.run_sync(functools.partial(call, *args, **kwargs), limiter=limiter)


def model_named(house: House, name: str | None) -> str:
    """Return the name of the model that is meant: the first that can answer where none is named. `NoModel`."""
    if name is not None:
        return house.desk.card(name).name
    cards = house.desk.cards()
    if not cards:
        raise ProblemError("not-there", "No model is served here yet.")
    return next((card.name for card in cards if card.broken is None), cards[0].name)


LOOKED_AT = 500
"""So many of a visitor's newest pictures are thought of when it is asked which should be looked at next."""


async def newest(house: House, visitor: str) -> list[Picture]:
    """Return a visitor's newest pictures, `LOOKED_AT` or a few more."""
    pictures: list[Picture] = []
    after: str | None = None
    while len(pictures) < LOOKED_AT:
        leaf = await wait_for(house.store.list, visitor, after=after, limit=100)
        pictures += leaf.items
        after = leaf.next
        if after is None:
            break
    return pictures


def file_answer(request: Request, data: bytes, media_type: str, headers: dict[str, str] | None = None) -> Response:
    """Return a file that the browser may keep but must ask about each time: what was deleted is never shown again.

    304 where it has this very content already.
    """
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    kept = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Cookie, Authorization", **(headers or {})}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Response(status_code=304, headers=kept)
    return Response(data, media_type=media_type, headers=kept)


async def json_only(request: Request) -> None:
    """Say 415 to a body that is not declared as JSON, rather than that it is no object."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ProblemError("media-type", "Send application/json.")


JSON = [Depends(json_only)]
ADMIN: dict[str, Any] = {"x-admin": True}
