"""
The seam under the client: what it asks of whatever carries its requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from ..models._assets import Body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager


class ResponseHead(Protocol):
    """How an answer begins: header names are looked up in lower case."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


class Response(ResponseHead, Protocol):
    """What a transport returns."""

    @property
    def body(self) -> bytes: ...


class BufferedResponse(Struct, eq=False):
    """Status, headers and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ResponseStream(ResponseHead, Protocol):
    """An answer whose body is still coming."""

    def chunks(self) -> AsyncIterator[bytes]: ...


class Transport(Protocol):
    """
    The seam under the client: `HeyGen(http=...)` takes one in place of an aiohttp session.

    Its errors are `TransportError`s, whose kind says whether the request can have been processed.

    One with an attribute `reports_sending` that is true calls `on_send` of each request right before its first byte
    leaves; with any other, a request counts as sent as soon as it is handed over.
    """

    async def send(self, request: Request) -> Response:
        """
        Exchange one request for its whole answer.

        Raises:
            TransportError: There is none.
        """
        ...

    def stream(self, request: Request) -> AbstractAsyncContextManager[ResponseStream]:
        """
        Open an answer whose body is read as it comes.

        Raises:
            TransportError: There is none.
        """
        ...

    async def aclose(self) -> None:
        """Let go of all connections."""
        ...


class Request(Struct, eq=False):
    """What a transport sends: an absolute address, headers, bytes, and seconds for the whole exchange."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | Body | None
    timeout: float
    route: str = ""
    attempt: int = 1
    # Called right before the first byte leaves; what it raises keeps the request from being sent.
    on_send: Callable[[], None] | None = None

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.route}>"
