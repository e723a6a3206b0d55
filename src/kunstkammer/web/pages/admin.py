"""Signing in as the admin, and what an admin does: models, corrections, tokens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from kunstkammer.errors import KunstkammerError
from kunstkammer.web.api import admin as api
from kunstkammer.web.api import corrections
from kunstkammer.web.api.schemas import ModelIn, TokenIn
from kunstkammer.web.api.shared import TheHouse, wait_for
from kunstkammer.web.doors import Admin, Visitor, sign_in, sign_out
from kunstkammer.web.house import House
from kunstkammer.web.pages.asking import serving, trouble_words
from kunstkammer.web.pages.frame import go, render, words_of
from kunstkammer.web.problems import KINDS, ProblemError, problem_of
from kunstkammer.web.records import Who

router = APIRouter()


@router.get("/login")
async def login_page(request: Request, who: Visitor) -> Response:
    """Where the admin signs in."""
    return go("/admin") if who.admin else render(request, who, "login.html.j2", here="login", back="/", trouble="")


@router.post("/login")
async def login(request: Request, who: Visitor) -> Response:
    """Take the password; a wrong one is told, with the status that the API gives it."""
    form = await request.form()
    try:
        await sign_in(request, str(form.get("password", "")))
    except ProblemError as problem:
        t = words_of(request)
        wrong = t("login.wrong") if problem.kind == "sign-in" else trouble_words(t, problem)
        return render(
            request, who, "login.html.j2", here="login", back="/", trouble=wrong, status=KINDS[problem.kind].status
        )
    return go("/admin")


@router.post("/logout")
async def logout(request: Request) -> Response:
    """Be an ordinary visitor again."""
    await sign_out(request)
    return go("/")


@router.get("/admin")
async def admin(
    request: Request, house: TheHouse, who: Admin, done: Annotated[str, Query(max_length=20)] = ""
) -> Response:
    """Everything an admin does."""
    t = words_of(request)
    words = t(f"admin.done.{done}") if f"admin.done.{done}" in t else ""
    return await _page(request, house, who, done=words)


async def _page(request: Request, house: House, who: Who, *, status: int = 200, **values: Any) -> Response:
    cards = house.desk.cards()
    counts = (
        ("pictures", (await wait_for(house.store.list, None, limit=1)).total),
        ("corrections", await wait_for(lambda: sum(1 for _ in house.store.corrections()))),
        ("waiting", house.desk.depth()),
        ("models", len(serving(house))),
    )
    told = {"done": "", "trouble": "", "secret": "", "secret_name": ""} | values
    tokens = await wait_for(house.store.tokens)
    return render(
        request,
        who,
        "admin.html.j2",
        here="admin",
        status=status,
        back="/admin",
        cards=cards,
        tokens=tokens,
        counts=[(name, words_of(request).whole(value)) for name, value in counts],
        **told,
    )


async def _troubled(request: Request, house: House, who: Who, error: Exception) -> Response:
    """Return the page with what went wrong: the visitor's words, and the server's for the admin, who can mend it."""
    if isinstance(error, ValidationError):
        problem = ProblemError("invalid", "; ".join(one["msg"] for one in error.errors()))
    else:
        problem = error if isinstance(error, ProblemError) else problem_of(error)  # type: ignore[arg-type]
    trouble = f"{words_of(request)(f'problem.{problem.kind}.title')}: {problem.detail}"
    return await _page(request, house, who, status=KINDS[problem.kind].status, trouble=trouble)


@router.post("/admin/load")
async def load(request: Request, house: TheHouse, who: Admin) -> Response:
    """Serve another run, or new weights under a name."""
    form = await request.form()
    try:
        await api.load(
            house, who, ModelIn(run=str(form.get("run", "")).strip(), name=str(form.get("name", "")).strip() or None)
        )
    except (KunstkammerError, ProblemError, ValidationError) as error:
        return await _troubled(request, house, who, error)
    return go("/admin?done=load")


@router.post("/admin/unload")
async def unload(request: Request, house: TheHouse, who: Admin) -> Response:
    """Serve a model no more."""
    try:
        await api.unload(house, who, str((await request.form()).get("model", "")))
    except KunstkammerError as error:
        return await _troubled(request, house, who, error)
    return go("/admin?done=unload")


@router.get("/admin/corrections")
async def export(
    request: Request, house: TheHouse, who: Admin, model: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Every picture that was put right, as a collection, zipped."""
    try:
        return await corrections.export(house, who, model or None)
    except (KunstkammerError, ProblemError) as error:
        return await _troubled(request, house, who, error)


@router.post("/admin/tokens")
async def make_token(request: Request, house: TheHouse, who: Admin) -> Response:
    """Make a token and show its secret, this once."""
    form = await request.form()
    try:
        wish = TokenIn(name=str(form.get("name", "")).strip(), admin=bool(form.get("admin")))
        made = await api.make_token(house, who, wish)
    except (KunstkammerError, ProblemError, ValidationError) as error:
        return await _troubled(request, house, who, error)
    return await _page(request, house, who, secret=made.secret, secret_name=made.name)


@router.post("/admin/tokens/drop")
async def drop_token(request: Request, house: TheHouse, who: Admin) -> Response:
    """Let a token hold no more."""
    try:
        await api.drop_token(house, who, str((await request.form()).get("id", "")))
    except KunstkammerError as error:
        return await _troubled(request, house, who, error)
    return go("/admin?done=drop")
