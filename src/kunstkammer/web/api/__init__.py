"""The API, /api/v1: one file for each kind of thing.

May import: `web.doors`, `web.inference`, `web.store` and the modules of `web` beside it, `pictures`, `files`, `errors`.
Public: `router`, `PREFIX`. `describe` makes the OpenAPI description exact.
"""

from fastapi import APIRouter, Depends

from kunstkammer.web.api import admin, corrections, jobs, models, pictures, questions, server
from kunstkammer.web.api.describe import PREFIX
from kunstkammer.web.doors import guard

router = APIRouter(prefix=PREFIX, dependencies=[Depends(guard)], generate_unique_id_function=lambda route: route.name)
for part in (server, models, pictures, questions, jobs, corrections, admin):
    router.include_router(part.router)

__all__ = ["PREFIX", "router"]
