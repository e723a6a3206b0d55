"""All pages together; `web/app.py` mounts them."""

from fastapi import APIRouter

from kunstkammer.web.pages import admin, home, jobs, lists, models, other, pictures, review

router = APIRouter()
for part in (home, lists, pictures, jobs, review, models, admin, other):
    router.include_router(part.router)

__all__ = ["router"]
