"""The simulator behind the client without a socket: deliveries become the errors a real connection would raise."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, urlsplit

import anyio

from heygen_async.errors import BadResponse, ConnectFailed, ConnectionLost, RequestTimeout

from ._exchange import Delivery, Exchange, Request, Response

if TYPE_CHECKING:
    from ._simulator import Simulator

MAX_BODY_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 4096
_CUT = frozenset({Delivery.CUT_LENGTH, Delivery.CUT_CHUNKED})
_SILENT = frozenset({Delivery.NOTHING, Delivery.HEADERS_ONLY})


class Outgoing(Protocol):
    """What the transport needs of a request."""

    @property
    def method(self) -> str:
        """The verb."""
        ...

    @property
    def url(self) -> str:
        """The absolute address with its query."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers."""
        ...

    @property
    def body(self) -> bytes | None:
        """The bytes to send, if any."""
        ...

    @property
    def timeout(self) -> float:
        """Seconds for the whole exchange; for a stream, seconds of silence."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryAnswer:
    """
    A complete answer.

    Attributes:
        status: The HTTP status.
        headers: Lower-case names.
        body: The decoded bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class MemoryStream:
    """
    An answer whose body comes in pieces.

    Attributes:
        status: The HTTP status.
        headers: Lower-case names.
    """

    def __init__(self, response: Response, delivery: Delivery, silence: float) -> None:
        self.status = response.status
        self.headers = response.headers
        self._body = response.body
        self._delivery = delivery
        self._silence = silence

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield the body.

        Raises:
            ConnectionLost: The body was cut.
            RequestTimeout: Nothing came for the request's timeout.
        """
        if self._delivery is Delivery.HEADERS_ONLY:
            await _fall_silent(self._silence)
        cut = self._delivery in _CUT
        size = 1 if self._delivery is Delivery.TRICKLE else CHUNK_BYTES
        body = self._body[: len(self._body) // 2] if cut else self._body
        for start in range(0, len(body), size):
            await anyio.sleep(1.0 if self._delivery is Delivery.TRICKLE else 0.0)
            yield body[start : start + size]
        if cut:
            raise ConnectionLost("The body ended early.")


class MemoryTransport:
    """
    Carries a client's requests to a simulator in the same process.

    Half of `latency` passes before the service sees a request and half after it has answered, so a request cancelled
    early was never processed and one cancelled late was.

    Attributes:
        max_in_flight: Most requests that were ever under way at once.
    """

    def __init__(self, simulator: Simulator, *, latency: float = 0.01) -> None:
        """
        Carry to `simulator`.

        Args:
            simulator: The service.
            latency: Seconds of every round trip.
        """
        self._simulator = simulator
        self._latency = latency
        self._in_flight = 0
        self.max_in_flight = 0

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """
        Send a request and return the whole answer.

        Raises:
            ConnectFailed: No connection was made.
            ConnectionLost: The connection broke.
            RequestTimeout: The answer did not come in time.
            BadResponse: The body is too large or cannot be decoded.
        """
        with self._counted():
            exchange = await self._exchange(request)
            await _await_answer(exchange, request.timeout, self._latency)
            return _decoded(exchange.response)

    @asynccontextmanager
    async def stream(self, request: Outgoing) -> AsyncGenerator[MemoryStream]:
        """
        Send a request and return an answer whose body is read in pieces.

        Raises:
            ConnectFailed: No connection was made.
            ConnectionLost: The connection broke.
            RequestTimeout: The answer did not begin in time.
        """
        with self._counted():
            exchange = await self._exchange(request)
            await _await_headers(exchange, request.timeout, self._latency)
            yield MemoryStream(exchange.response, exchange.delivery, request.timeout)

    async def aclose(self) -> None:
        """Do nothing: there is no connection to close."""

    @contextmanager
    def _counted(self) -> Generator[None]:
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= 1

    async def _exchange(self, request: Outgoing) -> Exchange:
        # Waits even for a latency of nothing: a request always gives other tasks their turn.
        await anyio.sleep(self._latency / 2)
        exchange = self._simulator.exchange(_incoming(request), wall_time())
        if exchange.delivery is Delivery.REFUSED:
            raise ConnectFailed("Connection refused.")
        if exchange.delivery is Delivery.RESET:
            raise ConnectionLost("Connection reset by peer.")
        return exchange


def wall_time() -> float:
    """Return Unix seconds by the running loop's calendar, if it has one."""
    return float(getattr(asyncio.get_running_loop(), "wall_time", time.time)())


def _incoming(request: Outgoing) -> Request:
    parts = urlsplit(request.url)
    return Request(
        method=request.method,
        path=parts.path,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.body,
    )


async def _await_headers(exchange: Exchange, timeout: float, latency: float) -> None:
    wait = latency / 2 + exchange.delay
    if exchange.delivery is Delivery.NOTHING or wait > timeout:
        await _fall_silent(timeout)
    await anyio.sleep(wait)


async def _await_answer(exchange: Exchange, timeout: float, latency: float) -> None:
    wait = latency / 2 + exchange.delay
    if exchange.delivery is Delivery.TRICKLE:
        wait += len(exchange.response.body)
    if exchange.delivery in _SILENT or wait > timeout:
        await _fall_silent(timeout)
    await anyio.sleep(wait)
    if exchange.delivery in _CUT:
        raise ConnectionLost("The body ended early.")


async def _fall_silent(timeout: float) -> None:
    await anyio.sleep(timeout)
    raise RequestTimeout(f"No answer within {timeout:g} seconds.")


def _decoded(response: Response) -> MemoryAnswer:
    body = response.body
    if len(body) > MAX_BODY_BYTES:
        raise BadResponse(f"The body is larger than {MAX_BODY_BYTES} bytes.")
    if response.headers.get("content-encoding") == "gzip":
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            raise BadResponse("The body is not the gzip it claims to be.") from error
    return MemoryAnswer(response.status, response.headers, body)
