"""The ASGI application: the doors one behind the other, then the API and the pages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from kunstkammer.errors import KunstkammerError
from kunstkammer.version import __version__
from kunstkammer.web.api import PREFIX, describe
from kunstkammer.web.api import router as api_router
from kunstkammer.web.doors.admin import Admins
from kunstkammer.web.doors.bodies import BodyLimits
from kunstkammer.web.doors.headers import HeadAsGet, SecurityHeaders
from kunstkammer.web.doors.identity import Doors, guard
from kunstkammer.web.doors.limits import RateLimit
from kunstkammer.web.doors.origin import HostCheck, SameOrigin, is_loopback
from kunstkammer.web.doors.proxy import TrustedProxy
from kunstkammer.web.doors.secret import server_secret
from kunstkammer.web.doors.sessions import SessionMiddleware, Sessions
from kunstkammer.web.doors.uploads import Budget
from kunstkammer.web.doors.watch import METHODS, Metrics, Stopping, Watch
from kunstkammer.web.house import DeskLike, House, StoreLike
from kunstkammer.web.jobs.keeper import Keeper
from kunstkammer.web.pages.problem_pages import ProblemPages
from kunstkammer.web.pages.routes import router as pages_router
from kunstkammer.web.problems import ProblemError, problem_of
from kunstkammer.web.settings import Settings

log = logging.getLogger("kunstkammer.web")
EXPIRE_EVERY, SWEEP_EVERY = 600.0, 6 * 3600.0


def create_app(settings: Settings, *, store: StoreLike | None = None, desk: DeskLike | None = None) -> FastAPI:
    """Return the application of one server. `app.state.house` has its parts, `app.state.stopping` ends new requests.

    Store and desk are opened when the application starts, from the settings, unless they are given. Jobs are done by a
    process that opens the store again, so with a store that is given they wait for somebody else to do them.
    """
    sessions, metrics = Sessions(server_secret(settings)), Metrics()
    app = FastAPI(
        title="Kunstkammer",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(settings, store, desk),
        middleware=_doors(settings, sessions, metrics),
    )
    app.state.doors = Doors(sessions, Admins(settings))
    app.state.metrics, app.state.budget, app.state.stopping = metrics, Budget(settings.buffer_bytes), False
    app.include_router(api_router)
    app.include_router(pages_router, include_in_schema=False, dependencies=[Depends(guard)])

    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        return JSONResponse(describe.describe(app, sessions.name))

    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(KunstkammerError, _on_error)
    return app


def _doors(settings: Settings, sessions: Sessions, metrics: Metrics) -> list[Middleware]:
    """The outermost first."""
    alone = is_loopback(settings.host) and not settings.trusted_proxy
    proxy = [Middleware(TrustedProxy)] if settings.trusted_proxy else []
    return [
        Middleware(HeadAsGet),
        Middleware(SecurityHeaders),
        Middleware(ProblemPages),
        Middleware(Watch, metrics=metrics),
        *proxy,
        Middleware(HostCheck, names=[settings.host] if alone else None),
        Middleware(Stopping),
        Middleware(SessionMiddleware, sessions=sessions),
        Middleware(RateLimit, visitor_rate=settings.visitor_rate, all_rate=settings.all_rate),
        Middleware(SameOrigin),
        Middleware(BodyLimits, settings=settings),
    ]


def _lifespan(settings: Settings, store: StoreLike | None, desk: DeskLike | None) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        house = House(settings, store or _open_store(settings), desk or _make_desk(settings))
        app.state.house = house
        try:
            await house.desk.start()
            chores = asyncio.create_task(_housekeeping(house.store))
            keeper = _make_keeper(house) if store is None else None
            app.state.keeper = keeper
            if keeper is not None:
                keeper.start()
            try:
                yield
            finally:
                if keeper is not None:
                    await keeper.stop(settings.stop_seconds)
                chores.cancel()
                await asyncio.gather(chores, return_exceptions=True)
        finally:
            await house.desk.stop(settings.stop_seconds)
            await anyio.to_thread.run_sync(house.store.close)

    return lifespan


def _open_store(settings: Settings) -> StoreLike:
    from kunstkammer.web.store.store import Store

    return Store.open(settings)


def _make_desk(settings: Settings) -> DeskLike:
    from kunstkammer.web.inference.desk import Desk

    return Desk(settings)


def _make_keeper(house: House) -> Keeper:
    from kunstkammer.web.store.store import Store

    return Keeper(house.settings, Store.open, house.store, house.desk)


async def _housekeeping(store: StoreLike) -> None:
    """Let go what is past its time, and files that no row knows, now and then."""
    since_sweep = SWEEP_EVERY
    while True:
        try:
            await anyio.to_thread.run_sync(store.expire)
            if since_sweep >= SWEEP_EVERY:
                await anyio.to_thread.run_sync(store.sweep)
                since_sweep = 0.0
        except (KunstkammerError, OSError):
            log.exception("Old pictures could not be let go; it is tried again")
        await anyio.sleep(EXPIRE_EVERY)
        since_sweep += EXPIRE_EVERY


async def _on_invalid(request: Request, error: Exception) -> Response:
    """Say which parts are not valid, without repeating what was sent."""
    assert isinstance(error, RequestValidationError)
    errors = [{"location": list(one["loc"]), "message": one["msg"]} for one in error.errors()]
    where = ", ".join(".".join(map(str, one["location"])) for one in errors[:3])
    return ProblemError("invalid", f"Not valid: {where}.", members={"errors": errors[:20]}).response()


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error, ProblemError):
        return error.response()
    if error.status_code == 404:
        return ProblemError("not-there", "There is nothing at this address.").response()
    if error.status_code == 405:
        headers = {"Allow": ", ".join(sorted(_methods(request)))}
        return ProblemError("method", "This address does not do that.", headers=headers).response()
    kind = {400: "bad-request", 401: "sign-in", 403: "forbidden", 413: "too-large", 415: "media-type"}
    return ProblemError(kind.get(error.status_code, "fault"), str(error.detail)).response()


async def _on_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, KunstkammerError)
    return problem_of(error).response()


def _methods(request: Request) -> set[str]:
    """Every method that the address of a request knows."""
    routes = request.app.router.routes
    found = {
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    }
    return found | ({"HEAD"} if "GET" in found else set())
