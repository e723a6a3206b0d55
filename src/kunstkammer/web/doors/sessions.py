"""Who a visitor is from one request to the next: a signed cookie that holds a random number and nothing about them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kunstkammer.web.doors.secret import derived

DAY = 86400.0
LASTS = 400 * DAY
RENEWED = DAY
STATE = "kunstkammer.visit"
_VISITOR = re.compile(r"[0-9a-f]{32}")


@dataclass
class Visit:
    """The session of one request.

    Attributes:
        visitor: 32 hexadecimal digits, drawn by chance; admin: the number of a sign-in, "" for none.
        known: whether the request came with a cookie that holds; due: whether that is to be renewed;
        changed: whether the answer must set it.
    """

    visitor: str
    admin: str = ""
    known: bool = False
    due: bool = False
    changed: bool = False


class Sessions:
    """Reads and writes the cookie.

    The name carries a piece of the secret's hash: cookies know no ports, and two servers on one machine would
    otherwise overwrite each other's visitors.
    """

    def __init__(self, secret: bytes) -> None:
        self._signer = URLSafeTimedSerializer(
            derived(secret, "session"), salt="session", signer_kwargs={"digest_method": hashlib.sha256}
        )
        self._csrf = derived(secret, "csrf")
        self.name = "kunstkammer-" + hashlib.sha256(derived(secret, "name")).hexdigest()[:8]

    def cookie_name(self, secure: bool) -> str:
        """Return the cookie's name; over HTTPS with the prefix that binds it to this very host (RFC 6265bis)."""
        return ("__Host-" if secure else "") + self.name

    def read(self, header: str, secure: bool) -> Visit:
        """Return the session in a Cookie header, or a new one."""
        cookie = cookie_parser(header).get(self.cookie_name(secure))
        if cookie is not None:
            try:
                value, at = self._signer.loads(cookie, max_age=int(LASTS), return_timestamp=True)
            except BadSignature:
                value = None
            if isinstance(value, dict) and _VISITOR.fullmatch(str(value.get("v"))):
                old = time.time() - at.timestamp() > RENEWED
                return Visit(value["v"], str(value.get("a", "")), known=True, due=old)
        return Visit(secrets.token_hex(16))

    def write(self, visit: Visit, secure: bool) -> str:
        """Return the Set-Cookie header of a session."""
        value = self._signer.dumps({"v": visit.visitor, "a": visit.admin} if visit.admin else {"v": visit.visitor})
        attributes = "; Path=/; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
        return f"{self.cookie_name(secure)}={value}; Max-Age={int(LASTS)}{attributes}"

    def csrf(self, visit: Visit) -> str:
        """Return what unsafe requests of this session must carry; another after each sign-in."""
        return hmac.new(self._csrf, f"{visit.visitor}:{visit.admin}".encode(), hashlib.sha256).hexdigest()


class SessionMiddleware:
    """Puts the `Visit` into the scope, and its cookie onto the answer when somebody asked who it is."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self.app, self.sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        secure = scope["scheme"] == "https"
        visit = self.sessions.read("; ".join(Headers(scope=scope).getlist("cookie")), secure)
        scope[STATE] = visit

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and visit.changed:
                MutableHeaders(scope=message).append("Set-Cookie", self.sessions.write(visit, secure))
            await send(message)

        await self.app(scope, receive, send_with_cookie)
