"""What belongs to every page: files of static/, language and colours; and the pages that only tell something."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from kunstkammer.web.api.shared import TheHouse
from kunstkammer.web.doors import Visitor
from kunstkammer.web.pages import assets
from kunstkammer.web.pages.asking import serving
from kunstkammer.web.pages.frame import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, go, local, render
from kunstkammer.web.pages.language import LANGUAGES
from kunstkammer.web.problems import ProblemError

router = APIRouter()
YEAR = 365 * 86400


@router.get("/static/{key}/{name:path}")
async def static(key: str, name: str) -> Response:
    """A file of static/; kept for a year under its right hash, not at all under one of an older server."""
    data = assets.files().get(name)
    if data is None:
        raise ProblemError("not-there", "There is no such file.")
    kept = assets.LONG if key == assets.key() else "no-store"
    return Response(data, media_type=assets.kind(name), headers={"Cache-Control": kept})


@router.get("/favicon.ico")
async def icon() -> Response:
    """Where browsers look for a sign of their own accord."""
    return Response(assets.files()["icon.svg"], media_type="image/svg+xml")


@router.post("/preferences")
async def preferences(request: Request) -> Response:
    """Remember language and colours in a cookie each, and go back."""
    form = await request.form()
    answer = go(local(str(form.get("back", "/"))))
    for cookie, chosen, known in (
        (LANGUAGE_COOKIE, form.get("language"), LANGUAGES),
        (THEME_COOKIE, form.get("theme"), THEMES),
    ):
        if chosen in known:
            secure = request.url.scheme == "https"
            answer.set_cookie(cookie, str(chosen), max_age=YEAR, samesite="lax", secure=secure, httponly=True)
    return answer


@router.get("/about")
async def about(request: Request, house: TheHouse, who: Visitor) -> Response:
    """What is kept, for how long, how to delete it, and how far to trust the answers."""
    return render(request, who, "about.html.j2", here="about", settings=house.settings)


@router.get("/programs")
async def programs(request: Request, house: TheHouse, who: Visitor) -> Response:
    """The API, by examples that run as they stand."""
    base = f"{request.url.scheme}://{request.url.netloc}/api/v1"
    model = next((card.name for card in serving(house)), "MODEL")
    return render(request, who, "api.html.j2", here="api", examples=curl_examples(base, model))


def curl_examples(base: str, model: str) -> list[tuple[str, str]]:
    """Return a shell command for each thing that a program may want."""
    auth = "-H 'Authorization: Bearer TOKEN'"
    return [
        ("predict", f"curl -F file=@picture.jpg '{base}/predict?model={model}'"),
        (
            "upload",
            f"curl {auth} -F file=@picture.jpg '{base}/pictures'\n"
            f"curl {auth} -X POST '{base}/pictures/ID/predictions?model={model}'",
        ),
        ("explain", f"curl {auth} -o map.png '{base}/pictures/ID/explanations?model={model}'"),
        (
            "correct",
            f"curl {auth} -X PUT -H 'Content-Type: application/json' \\\n"
            f"  -d '{{\"labels\": [\"LABEL\"]}}' '{base}/pictures/ID/correction?model={model}'",
        ),
        ("list", f"curl {auth} '{base}/pictures'"),
        ("delete", f"curl {auth} -X DELETE '{base}/pictures/ID'"),
        ("health", f"curl '{base}/health'"),
    ]
