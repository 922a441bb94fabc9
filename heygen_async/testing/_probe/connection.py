"""Connections of the probe's own: what goes over them is recorded as it is, so nothing is tried again or followed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from ...errors import BadResponse, ConnectFailed, ConnectionLost, RequestTimeout
from .._transports.memory import MAX_BODY_BYTES, MemoryAnswer

if TYPE_CHECKING:
    from .._transports.memory import Outgoing

# What was never sent: name lookup, refusal, certificates.
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.InvalidURL, aiohttp.ConnectionTimeoutError)


class HttpCarrier:
    """Sends requests to the service, by the proxies of the environment where there are any."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """
        Exchange one request for its answer.

        Raises:
            ConnectFailed: It was not sent.
            ConnectionLost: The connection broke.
            RequestTimeout: The answer did not come in time.
            BadResponse: The answer is too large.
        """
        body = request.body if isinstance(request.body, bytes) else None
        try:
            async with self._session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=request.timeout),
            ) as response:
                content = await _read(response)
        # The messages of the library have links in them, and those are secret.
        except _NEVER_SENT as error:
            raise ConnectFailed(f"No connection was made: {type(error).__name__}.") from None
        except TimeoutError:
            raise RequestTimeout(f"No answer within {request.timeout:g} seconds.") from None
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLost(f"The connection broke: {type(error).__name__}.") from None
        headers = {name.lower(): value for name, value in response.headers.items()}
        return MemoryAnswer(response.status, headers, content)


@asynccontextmanager
async def connect() -> AsyncGenerator[HttpCarrier]:
    """Open connections for the length of a block."""
    async with aiohttp.ClientSession(trust_env=True) as session:
        yield HttpCarrier(session)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BadResponse(f"The answer is larger than {MAX_BODY_BYTES} bytes.")
    return bytes(body)
