"""
The service behind the client's transport, with the time of the running loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, urlsplit

from heygen_async import ConnectionLost, RequestTimeout
from hostile.exchange import Cut, Request

if TYPE_CHECKING:
    from hostile.service import Service


class Outgoing(Protocol):
    """What the client hands to a transport, as far as it is used here."""

    @property
    def method(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> object: ...
    @property
    def timeout(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole answer, as the client reads it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in one piece."""
        yield self.body


class Seam:
    """A transport that carries requests to a `Service` in this process."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def send(self, request: Outgoing) -> Whole:
        """Exchange one request; a cut answer is the error that a socket would have raised."""
        answer = self._service.handle(_request(request), now())
        if answer.cut is Cut.STALLED:
            await asyncio.sleep(request.timeout)
            raise RequestTimeout("no answer in time")
        await asyncio.sleep(self._service.pace.answer)
        if answer.cut is not None:
            raise ConnectionLost("the connection closed")
        return Whole(answer.status, answer.headers, answer.body)

    def stream(self, request: Outgoing) -> AbstractAsyncContextManager[Whole]:
        """Open an answer as a stream."""
        return self._opened(request)

    @asynccontextmanager
    async def _opened(self, request: Outgoing) -> AsyncGenerator[Whole]:
        yield await self.send(request)

    async def aclose(self) -> None:
        """There is nothing to close."""


def now() -> float:
    """Unix seconds of the running loop: those of its calendar where it has one of its own."""
    calendar = getattr(asyncio.get_running_loop(), "wall_time", time.time)
    return float(calendar())


def _request(outgoing: Outgoing) -> Request:
    address = urlsplit(outgoing.url)
    body = outgoing.body if isinstance(outgoing.body, bytes) else b""
    headers = {name.lower(): value for name, value in outgoing.headers.items()}
    return Request(outgoing.method, address.path, dict(parse_qsl(address.query)), headers, body)
