"""Middleware: access control and size limits.

A page of another site must not reach a server on this machine. Its requests carry that site's
``Origin``; after DNS rebinding they carry its ``Host``. Both are checked on every request.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, quote, unquote

from kinetune.serve.settings import ServerSettings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# Everything but a motion file.
MAX_BODY_BYTES = 1 << 20
UPLOAD_PATH = "/v1/motions"
COOKIE = "kinetune_token"
_OPEN_PATHS = ("/healthz",)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
        b"style-src 'self' 'unsafe-inline'; connect-src 'self' blob:; worker-src 'self' blob:; "
        b"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class _Refused(Exception):
    """A request that gets no further.

    Args:
        status: HTTP status.
        detail: Why, one line.
        headers: Headers of the answer.
    """

    def __init__(
        self, status: int, detail: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers


class Guard:
    """ASGI middleware that checks host, origin, token and size, and adds security headers.

    Args:
        app: The application behind it.
        settings: Who may call, and the limits.
    """

    def __init__(self, app: App, settings: ServerSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        started = False

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        try:
            headers = _headers(scope)
            self._check_caller(scope, headers)
            limit = self._limit(scope)
            if int(headers.get("content-length", "0") or 0) > limit:
                raise _too_large(limit)
            await self._app(scope, self._bounded(receive, limit), guarded_send)
        except _Refused as refused:
            if not started:
                await _answer(guarded_send, refused)

    def _check_caller(self, scope: MutableMapping[str, Any], headers: dict[str, str]) -> None:
        settings = self._settings
        if _host_name(headers.get("host", "")) not in settings.allowed_hosts:
            raise _Refused(421, "this server is not known by that name; see --allow-host")
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin):
            raise _Refused(403, "requests from other sites are refused")
        if scope["path"] in _OPEN_PATHS or not settings.token:
            return
        if scope["path"] == "/" and self._is_token(_token_in(scope)):
            raise _signed_in(settings.token)
        if not self._is_token(_token_of(headers)):
            raise _Refused(
                401,
                "expected the header Authorization: Bearer TOKEN; a browser opens /?token=TOKEN",
            )

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self._settings.token.encode())

    def _is_own(self, origin: str) -> bool:
        scheme, _, rest = origin.partition("://")
        return scheme in ("http", "https") and _host_name(rest) in self._settings.allowed_hosts

    def _limit(self, scope: MutableMapping[str, Any]) -> int:
        upload = scope["method"] == "POST" and scope["path"] == UPLOAD_PATH
        return self._settings.max_upload_bytes if upload else MAX_BODY_BYTES

    def _bounded(self, receive: Receive, limit: int) -> Receive:
        """Return ``receive`` with a bound on the body and on the wait for its next part."""
        received, complete = 0, False

        async def bounded() -> Message:
            nonlocal received, complete
            if complete:
                # Nothing but the end of the connection comes now, however late.
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._settings.stall_s)
            except TimeoutError as error:
                raise _Refused(408, "the request stopped in the middle") from error
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if received > limit:
                    raise _too_large(limit)
            return message

        return bounded


def _too_large(limit: int) -> _Refused:
    return _Refused(413, f"the body is larger than {limit / 1e6:g} MB")


def _headers(scope: MutableMapping[str, Any]) -> dict[str, str]:
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
    if not headers.get("content-length", "0").isdigit():
        raise _Refused(400, "Content-Length is no number")
    return headers


def _host_name(host: str) -> str:
    """Return a host without its port, lower case."""
    host = host.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _token_of(headers: dict[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return unquote(value)
    return ""


def _token_in(scope: MutableMapping[str, Any]) -> str:
    """Return the token in the query of a request, or nothing."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    return query.get("token", [""])[0]


def _signed_in(token: str) -> _Refused:
    """Return the answer that lets a browser in: a cookie, and the page without the token."""
    cookie = f"{COOKIE}={quote(token)}; HttpOnly; SameSite=Strict; Path=/"
    return _Refused(303, "see /", ((b"location", b"/"), (b"set-cookie", cookie.encode())))


async def _answer(send: Send, refused: _Refused) -> None:
    body = json.dumps({"detail": refused.detail}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *refused.headers,
    ]
    if refused.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
