"""Problems for people: where a browser shows the answer as a page, a problem document becomes one."""

from __future__ import annotations

import json

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kunstkammer.web.doors.sessions import STATE, Visit
from kunstkammer.web.pages.frame import render, wants_fragment, words_of
from kunstkammer.web.problems import KINDS, MEDIA_TYPE, PLACE
from kunstkammer.web.records import Who


class ProblemPages:
    """Stands before all doors that may refuse, so that also theirs are pages; the API keeps its documents."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not _for_a_person(scope):
            await self.app(scope, receive, send)
            return
        held: Message | None = None
        body = b""

        async def send_page(message: Message) -> None:
            nonlocal held, body
            if message["type"] == "http.response.start":
                if Headers(raw=message["headers"]).get("content-type", "").startswith(MEDIA_TYPE):
                    held = message
                    return
            elif held is not None and message["type"] == "http.response.body":
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                page = problem_page(Request(scope), json.loads(body), held["headers"])
                headers = MutableHeaders(raw=held["headers"])
                for name in ("content-type", "content-length", "content-language", "vary"):
                    del headers[name]
                for name, value in page.headers.items():
                    headers.append(name, value)
                await send({**held, "headers": headers.raw})
                message = {"type": "http.response.body", "body": page.body}
            await send(message)

        await self.app(scope, receive, send_page)


def _for_a_person(scope: Scope) -> bool:
    request = Request(scope)
    asked = request.headers.get("accept", "")
    return "text/html" in asked and not scope["path"].startswith("/api/") and not wants_fragment(request)


def _who(request: Request) -> Who | None:
    """Return who asks as far as the doors came to know, so that the page's own forms work."""
    visit: Visit | None = request.scope.get(STATE)
    if visit is None:
        return None
    doors = request.app.state.doors
    return Who(visit.visitor, admin=doors.admins.holds(visit.admin), csrf=doors.sessions.csrf(visit))


def problem_page(request: Request, document: dict[str, object], raw_headers: list[tuple[bytes, bytes]]) -> Response:
    """Return the page of a problem document, in the visitor's language."""
    t = words_of(request)
    kind = str(document.get("type", "")).removeprefix(PLACE)
    kind = kind if kind in KINDS else "fault"
    wait = Headers(raw=raw_headers).get("retry-after", "")
    return render(
        request,
        _who(request),
        "problem.html.j2",
        status=KINDS[kind].status,
        back="/",
        heading=t(f"problem.{kind}.title"),
        mend=t(f"problem.{kind}.mend"),
        detail=str(document.get("detail", "")),
        wait=int(wait) if wait.isdigit() else 0,
        sign_in=kind == "sign-in",
    )
