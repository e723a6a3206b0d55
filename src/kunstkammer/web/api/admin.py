"""What the admin alone may do: load and unload models, make and drop tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as PathParameter

from kunstkammer.web.api.describe import problems
from kunstkammer.web.api.schemas import ModelIn, ModelOut, NewTokenOut, TokenIn, TokenOut, TokensOut
from kunstkammer.web.api.shared import ADMIN, JSON, ModelName, TheHouse, wait_for, wait_to_write
from kunstkammer.web.doors.identity import Admin
from kunstkammer.web.problems import ProblemError

router = APIRouter(tags=["admin"])
BODY = ("invalid", "media-type", "forbidden", "too-large")


@router.post(
    "/models", dependencies=JSON, status_code=201, responses=problems(*BODY, "not-there", "unfit"), openapi_extra=ADMIN
)
async def load(house: TheHouse, who: Admin, wish: ModelIn) -> ModelOut:
    """Serve another run, or other weights under a name, without stopping."""
    if not await wait_for(_is_folder, wish.run):
        # A name of a hub would be fetched: a server does that for nobody.
        raise ProblemError("not-there", "There is no such run folder on this server.")
    return ModelOut.of(await house.desk.load(wish.run, wish.name))


@router.delete(
    "/models/{model}", status_code=204, responses=problems("not-there", "invalid", "forbidden"), openapi_extra=ADMIN
)
async def unload(house: TheHouse, who: Admin, model: ModelName) -> None:
    """Serve a model no more; its answers stay with the pictures."""
    await house.desk.unload(model)


@router.get("/tokens", responses=problems("forbidden"), openapi_extra=ADMIN)
async def tokens(house: TheHouse, who: Admin) -> TokensOut:
    """List the tokens."""
    return TokensOut(tokens=[TokenOut.model_validate(one) for one in await wait_for(house.store.tokens)])


@router.post(
    "/tokens", dependencies=JSON, status_code=201, responses=problems(*BODY, "storage-full"), openapi_extra=ADMIN
)
async def make_token(house: TheHouse, who: Admin, wish: TokenIn) -> NewTokenOut:
    """Make a token; its secret is shown this once."""
    id, secret = await wait_to_write(house.store.make_token, wish.name, admin=wish.admin)
    return NewTokenOut(id=id, name=wish.name, admin=wish.admin, secret=secret)


@router.delete(
    "/tokens/{id}", status_code=204, responses=problems("not-there", "invalid", "forbidden"), openapi_extra=ADMIN
)
async def drop_token(
    house: TheHouse, who: Admin, id: Annotated[str, PathParameter(min_length=1, max_length=100)]
) -> None:
    """Let a token hold no more."""
    await wait_to_write(house.store.drop_token, id)


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):  # a name that no file system takes
        return False
