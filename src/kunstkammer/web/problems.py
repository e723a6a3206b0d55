"""Every error that leaves the server, as a problem document (RFC 9457): one table of kinds, one way to write them."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from kunstkammer.errors import (
    DataError,
    KunstkammerError,
    ModelError,
    PictureError,
    RecipeError,
    ResourceError,
    UnknownNameError,
)
from kunstkammer.web.errors import Busy, ModelBroken, NoModel, NotThere, QuotaFull, StorageFull, TooManyJobs, Unfit

log = logging.getLogger("kunstkammer.web")
MEDIA_TYPE = "application/problem+json"
PLACE = "/api/v1/problems/"


@dataclass(frozen=True)
class Kind:
    """One kind of problem: its status, its title, and what to do about it."""

    status: int
    title: str
    mend: str


KINDS: dict[str, Kind] = {
    "bad-request": Kind(400, "The request cannot be understood", "Send what the OpenAPI description says."),
    "sign-in": Kind(401, "Somebody must be signed in for this", "Sign in as the admin, or send a token that holds."),
    "forbidden": Kind(403, "This is not for you", "Send the session's X-CSRF-Token, or ask the admin."),
    "not-there": Kind(404, "There is no such thing", "Look for its name; it may have been deleted or be another's."),
    "method": Kind(405, "This address does not do that", "Use one of the methods in the Allow header."),
    "too-slow": Kind(408, "The request did not arrive in time", "Send it again over a faster line, or in parts."),
    "too-large": Kind(413, "This is too large", "Send a smaller picture, or fewer at once."),
    "quota-full": Kind(413, "You may keep no more pictures", "Delete some of yours first."),
    "media-type": Kind(415, "This kind of content is not taken here", "Send one of the named content types."),
    "wrong-host": Kind(421, "This server does not answer for that host", "Use the address that it printed."),
    "invalid": Kind(422, "Something in the request is not valid", "Mend what `errors` names."),
    "picture": Kind(422, "The picture cannot be read", "Send a whole JPEG, PNG, WebP, GIF, TIFF, BMP or AVIF file."),
    "unfit": Kind(422, "The model has not what was asked for", "Look up the model's labels and explainers."),
    "too-many-requests": Kind(429, "Too many requests", "Wait as long as Retry-After says."),
    "fault": Kind(500, "The server made a mistake", "Try again; tell whoever runs the server if it happens again."),
    "not-loaded": Kind(501, "Nothing that could do this is loaded", "Ask the admin to load it."),
    "busy": Kind(503, "Too much is waiting already", "Wait as long as Retry-After says."),
    "not-ready": Kind(503, "The server cannot answer yet", "Wait, or look up in `health` what is missing."),
    "storage-down": Kind(503, "What is kept cannot be reached", "Wait as long as Retry-After says."),
    "model-broken": Kind(503, "This model cannot answer", "Ask another model, or the admin to mend it."),
    "storage-full": Kind(507, "There is no room left to keep this", "Ask the admin to free some space."),
}


class ProblemError(HTTPException):
    """A problem of a kind, raised anywhere behind the doors.

    Attributes:
        kind: a key of `KINDS`; `detail`: what happened, in one sentence; `headers`: to send with it;
        members: further members of the document.
    """

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(KINDS[kind].status, detail, dict(headers or {}))
        self.kind, self.members = kind, dict(members or {})

    def document(self) -> dict[str, Any]:
        """Return the members of the document (RFC 9457, section 3.1).

        >>> ProblemError("method", "PATCH is not known here.").document()["title"]
        'This address does not do that'
        """
        kind = KINDS[self.kind]
        return {
            "type": PLACE + self.kind,
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
            **self.members,
        }

    def response(self) -> Response:
        """Return it as an answer."""
        return Response(self.body(), self.status_code, headers=self.headers, media_type=MEDIA_TYPE)

    def body(self) -> bytes:
        """Return the document as JSON in UTF-8."""
        return json.dumps(self.document(), ensure_ascii=False).encode("utf-8", "backslashreplace")


def retry_after(seconds: float) -> dict[str, str]:
    """Return the header that says when to ask again: whole seconds, at least one."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


_BY_ERROR: tuple[tuple[type[KunstkammerError], str], ...] = (
    (NotThere, "not-there"),
    (NoModel, "not-there"),
    (QuotaFull, "quota-full"),
    (StorageFull, "storage-full"),
    (Unfit, "unfit"),
    (ModelBroken, "model-broken"),
    (PictureError, "picture"),
    (UnknownNameError, "unfit"),
    (ModelError, "unfit"),
    (DataError, "invalid"),
    (RecipeError, "invalid"),
)


def problem_of(error: KunstkammerError) -> ProblemError:
    """Return the problem that an error of the rooms below is to the visitor; "fault" where it should not have come up.

    A picture's error says its cause alone: the name is the visitor's own, and stands beside it.

    >>> problem_of(PictureError("a.png", "truncated")).document()["detail"]
    'The picture is not readable: truncated.'
    >>> problem_of(StorageFull("The disk is full.")).status_code, problem_of(QuotaFull("Enough.")).status_code
    (507, 413)
    """
    if isinstance(error, Busy):
        return ProblemError("busy", str(error), headers=retry_after(error.retry_after))
    if isinstance(error, TooManyJobs):
        return ProblemError("too-many-requests", str(error), headers=retry_after(30))
    if isinstance(error, PictureError):
        return ProblemError("picture", f"The picture is not readable: {error.cause}.")
    if isinstance(error, ResourceError) and not isinstance(error, StorageFull):
        # It names folders and hosts, which are for the log and not for visitors.
        log.error("Storage: %s", error)
        return ProblemError("storage-down", "What is kept cannot be reached just now.", headers=retry_after(10))
    for kind_of_error, kind in _BY_ERROR:
        if isinstance(error, kind_of_error):
            return ProblemError(kind, str(error), headers=retry_after(60) if kind == "model-broken" else None)
    log.error("Not expected here: %s: %s", type(error).__name__, error)
    return ProblemError("fault", "Something that should not happen happened; it is in the server's log.")
