"""
Where HeyGen says that something happened; the desk then looks for itself.

An event only ever causes a look: what the desk shows comes from the service's own answers, so a forged or late event
can change nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from heygen_async import HeyGen, Replayed, WebhookError, webhooks

log = logging.getLogger("review_desk")

PATH = "/webhook"

_MOST_BYTES = 256 * 1024


def endpoint(heygen: HeyGen, secrets: tuple[str, ...]) -> Callable[[Request], Awaitable[Response]]:
    """Return the handler of `PATH`: deliveries are verified, or hints only when there is no secret."""
    seen = webhooks.SeenEvents()

    async def take(request: Request) -> Response:
        if (
            request.method != "POST"
        ):  # the service asks whether anybody is here before it registers an address
            return Response()
        body = await _body(request)
        try:
            if secrets:
                heygen.notify(webhooks.verify(request.headers, body, secrets, seen=seen))
            else:
                heygen.notify(webhooks.parse_unverified(body))
        except Replayed:
            pass  # taken before; said politely, so that it does not come again
        except WebhookError as error:
            log.warning("A webhook delivery was refused: %s", error)
            return Response(status_code=400)
        return Response(status_code=204)

    return take


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise HTTPException(413)
    return bytes(body)
