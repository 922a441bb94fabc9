"""What every request must pass and every answer carries; plain ASGI, so that streams stay streams."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEGABYTE = 1024 * 1024
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SecureHeaders:
    """Have the browser run only our scripts, frame the desk nowhere, and tell other sites nothing."""

    def __init__(self, app: ASGIApp, *, media: str) -> None:
        self._app = app
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            f"img-src 'self' {media}; media-src 'self' {media}; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        self._headers = {
            "content-security-policy": policy,
            "cross-origin-opener-policy": "same-origin",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class OwnPagesOnly:
    """
    Refuse a change that another site's page asks for (CSRF).

    The desk has no cookies that could be sent along, but whoever can reach it may spend the account's money, and a
    browser reaches whatever its user can reach. Browsers say where a request is from; scripts may not change that.
    """

    def __init__(self, app: ASGIApp, *, exempt: str) -> None:
        self._app = app
        self._exempt = exempt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, unless it is from elsewhere."""
        is_change = scope["type"] == "http" and scope["method"] not in _SAFE and scope["path"] != self._exempt
        if is_change and not _is_own(Headers(scope=scope)):
            trouble = {"error": "This came from another site.", "hint": "Use the pages of the desk."}
            await JSONResponse(trouble, status_code=403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_own(headers: Headers) -> bool:
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    # Browsers leave that header out where a page came over plain http from another machine.
    return bool(headers.get("host")) and urlsplit(headers.get("origin", "")).netloc == headers.get("host")


class LimitedBody:
    """Refuse bodies that are too large, before they are read when they say so."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app = app
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, unless it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdigit() and int(length) > self._most:
            await _too_large(self._most)(scope, receive, send)
            return
        taken = 0

        async def receive_counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise HTTPException(413, f"More than {self._most // MEGABYTE} MB.")
            return message

        await self._app(scope, receive_counted, send)


def _too_large(most: int) -> JSONResponse:
    error = f"That is more than the {most // MEGABYTE} MB the desk takes at once."
    trouble = {"error": error, "hint": "Send fewer or smaller files."}
    # The rest of the body is on its way and nobody reads it.
    return JSONResponse(trouble, status_code=413, headers={"connection": "close"})
