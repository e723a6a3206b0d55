"""What every page needs: language and colours as the visitor wishes them, the words, the frame around it."""

from __future__ import annotations

import functools
from typing import Any
from urllib.parse import quote, urlsplit

import jinja2
from fastapi import Request
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from kunstkammer.version import __version__
from kunstkammer.web.pages import assets
from kunstkammer.web.pages.language import LANGUAGES, Words, wished_language
from kunstkammer.web.records import Answer, Score, Who

THEMES = ("auto", "light", "dark")
LANGUAGE_COOKIE, THEME_COOKIE = "kunstkammer-language", "kunstkammer-theme"
FRAGMENT = "X-Fragment"
"""A script of ours asks with this header for a piece of a page, and for problems as documents."""
PLACES = (
    ("home", "/"),
    ("pictures", "/pictures"),
    ("review", "/review"),
    ("camera", "/camera"),
    ("models", "/models"),
)
LESSER_PLACES = (("jobs", "/jobs"), ("about", "/about"), ("api", "/programs"))


@functools.cache
def environment() -> jinja2.Environment:
    """Return the templates; what nobody gave is an error, and everything is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("kunstkammer.web.pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.globals.update(
        asset=assets.url,
        version=__version__,
        places=PLACES,
        lesser_places=LESSER_PLACES,
        map_address=map_address,
        in_order=in_order,
    )
    made.filters["path"] = lambda text: quote(text, safe="")
    return made


def words_of(request: Request) -> Words:
    """Return the words of the language that a visitor chose, else of the one that the browser wishes."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return Words(chosen if chosen in LANGUAGES else wished_language(request.headers.get("accept-language", "")))


def theme_of(request: Request) -> str:
    """Return the colours that a visitor chose."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else THEMES[0]


def wants_fragment(request: Request) -> bool:
    """Say whether a script of ours asks for a piece of a page."""
    return FRAGMENT in request.headers


def render(
    request: Request,
    who: Who | None,
    template: str,
    *,
    here: str = "",
    status: int = 200,
    back: str = "",
    **values: Any,
) -> HTMLResponse:
    """Return a page.

    Args:
        request: what was asked.
        who: the visitor; None on pages of errors, where nobody may be known.
        template: a file of templates/.
        here: which of the places it is, for the menu.
        status: of HTTP.
        back: where its forms come back to; this very page if "".
        values: what the template asks for.
    """
    t = words_of(request)
    doors = getattr(request.app.state, "doors", None)

    def csrf() -> Markup:
        return Markup('<input type="hidden" name="csrf" value="{}">').format(who.csrf if who else "")

    html = (
        environment()
        .get_template(template)
        .render(
            t=t,
            theme=theme_of(request),
            who=who,
            csrf=csrf,
            here=here,
            status=status,
            back=back or local(str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")),
            admin_possible=bool(doors and doors.admins.possible),
            **values,
        )
    )
    return HTMLResponse(html, status, headers={"Content-Language": t.language, "Vary": "Cookie, Accept-Language"})


def local(address: str) -> str:
    """Return a path of this server as it is, anything else as "/": nobody is sent away from here.

    >>> [local(a) for a in ("/pictures?a=b", "//evil.example", "/\\\\evil", "https://evil.example", "", "/a\\nb")]
    ['/pictures?a=b', '/', '/', '/', '/', '/']
    """
    parts = urlsplit(address)
    plain = address.isprintable() and "\\" not in address and not address.startswith("//")
    return address if plain and address.startswith("/") and not parts.scheme and not parts.netloc else "/"


def go(address: str) -> Response:
    """Send a browser on after a form."""
    return RedirectResponse(local(address), 303)


def in_order(answer: Answer) -> list[Score]:
    """Return what the model says, then what it does not, each the likeliest first: thresholds differ by label."""
    return sorted(answer.scores, key=lambda score: (not score.chosen, -score.probability))


def map_address(id: str, model: str, method: str, target: str, versus: str) -> str:
    """Return where the API serves a heat map."""
    from urllib.parse import urlencode

    asked = {"model": model, "method": method, "target": target, "versus": versus}
    return f"/api/v1/pictures/{id}/explanations?{urlencode({k: v for k, v in asked.items() if v})}"
