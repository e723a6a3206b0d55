"""How the server does, who you are to it, and what its problems mean."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from kunstkammer.errors import KunstkammerError, unknown_name
from kunstkammer.version import __version__
from kunstkammer.web.api.describe import problems
from kunstkammer.web.api.schemas import HealthOut, KindOut, KindsOut, LiveOut, PasswordIn, SessionOut
from kunstkammer.web.api.shared import JSON, TheHouse, wait_for
from kunstkammer.web.doors.identity import Visitor, identify, sign_in, sign_out
from kunstkammer.web.doors.origin import is_loopback
from kunstkammer.web.problems import KINDS, PLACE, ProblemError, retry_after

router = APIRouter()


@router.get("/health", tags=["server"], responses=problems("not-ready"))
async def health(house: TheHouse) -> HealthOut:
    """Say whether pictures can be kept and a model answers: 200, or 503 with the same as `health`."""
    try:
        await wait_for(house.store.healthy)
        keeps = True
    except (KunstkammerError, OSError):
        keeps = False
    models = {card.name: card.broken is None for card in house.desk.cards()}
    ready = keeps and any(models.values())
    found = HealthOut(live=True, ready=ready, version=__version__, models=models, waiting=house.desk.depth())
    if not ready:
        detail = "No model can answer." if keeps else "Pictures cannot be kept."
        raise ProblemError("not-ready", detail, headers=retry_after(5), members={"health": found.model_dump()})
    return found


@router.get("/health/live", tags=["server"], responses=problems())
async def live() -> LiveOut:
    """Say that the server runs."""
    return LiveOut(live=True)


@router.get(
    "/metrics",
    tags=["server"],
    response_class=Response,
    responses=problems(
        "forbidden",
        besides={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus."}},
    ),
)
async def metrics(request: Request, house: TheHouse) -> Response:
    """Return the server's figures for Prometheus; to this machine, the admin and tokens alone."""
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    near = request.client is not None and is_loopback(request.client.host) and not forwarded
    if not near:
        who = await identify(request)
        if not (who.admin or who.token):
            raise ProblemError("forbidden", "The figures are for this machine, the admin and tokens.")
    found = request.app.state.metrics
    found.waiting.set(house.desk.depth())
    return Response(found.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/session", tags=["session"], responses=problems())
async def session(who: Visitor) -> SessionOut:
    """Return your session, which begins with this if you had none."""
    return SessionOut(admin=who.admin, csrf=who.csrf)


@router.put(
    "/session",
    tags=["session"],
    dependencies=JSON,
    responses=problems("invalid", "media-type", "forbidden", "too-large"),
)
async def put_session(request: Request, password: PasswordIn) -> SessionOut:
    """Sign in as the admin."""
    who = await sign_in(request, password.password)
    return SessionOut(admin=who.admin, csrf=who.csrf)


@router.delete("/session", tags=["session"], status_code=204, responses=problems("forbidden"))
async def delete_session(request: Request) -> None:
    """Sign out; you stay the visitor that you were."""
    await sign_out(request)


@router.get("/problems", tags=["server"], responses=problems())
async def kinds() -> KindsOut:
    """List every kind of problem."""
    return KindsOut(problems=[_kind(name) for name in KINDS])


@router.get("/problems/{kind}", tags=["server"], responses=problems("not-there"))
async def kind(kind: str) -> KindOut:
    """Explain one kind of problem: where the `type` of a problem leads."""
    if kind not in KINDS:
        raise ProblemError("not-there", str(unknown_name("kind of problem", kind, KINDS)))
    return _kind(kind)


def _kind(name: str) -> KindOut:
    found = KINDS[name]
    return KindOut(type=PLACE + name, status=found.status, title=found.title, mend=found.mend)
