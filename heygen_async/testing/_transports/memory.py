"""The simulator behind the client without a socket: deliveries become the errors a real connection would raise."""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

import anyio

from ...errors import BadResponse, ConnectFailed, ConnectionLost, RequestTimeout
from ...errors._arguments import check_type
from .._arguments import check_seconds
from .._http import Exchange, HttpRequest, HttpResponse, ResponseDelivery
from .._simulator import Simulator

MAX_BODY_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 4096
_CUT = frozenset({ResponseDelivery.CUT_LENGTH, ResponseDelivery.CUT_CHUNKED})
_SILENT = frozenset({ResponseDelivery.NOTHING, ResponseDelivery.HEADERS_ONLY, ResponseDelivery.STALL})


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
    def body(self) -> bytes | AsyncIterable[bytes | memoryview] | None:
        """The bytes to send, if any, or where they come from."""
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

    def __init__(self, exchange: Exchange, silence: float) -> None:
        self.status: int = exchange.response.status
        self.headers: Mapping[str, str] = exchange.response.headers
        self._exchange = exchange
        self._silence = silence

    async def chunks(self) -> AsyncIterator[bytes]:
        """
        Yield the body.

        Raises:
            ConnectionLost: The body was cut.
            RequestTimeout: Nothing came for the request's timeout.
        """
        exchange = self._exchange
        slow = exchange.delivery is ResponseDelivery.TRICKLE
        size = (exchange.amount or 1) if slow else CHUNK_BYTES
        body = exchange.response.body[: exchange.sent_bytes]
        for start in range(0, len(body), size):
            await anyio.sleep(1.0 if slow else 0.0)
            yield body[start : start + size]
        if exchange.delivery in {ResponseDelivery.HEADERS_ONLY, ResponseDelivery.STALL}:
            await _fall_silent(self._silence)
        if exchange.delivery in _CUT:
            raise ConnectionLost("The body ended early.")


class MemoryTransport:
    """
    Carries a client's requests to a simulator in the same process.

    Half of `latency` passes before the service sees a request and half after it has answered, so a request cancelled
    early was never processed and one cancelled late was.

    Attributes:
        max_in_flight: Most requests that were ever under way at once.
        reports_sending: It tells a client when the first byte of a request leaves.
    """

    reports_sending: bool = True

    def __init__(self, simulator: Simulator, *, latency: float = 0.01, connect: float = 0.0) -> None:
        """
        Carry to `simulator`.

        Args:
            simulator: The service.
            latency: Seconds of every round trip.
            connect: Seconds until a connection is there, before the first byte of a request leaves.

        Raises:
            InvalidArgument: One of them is not what it should be.
        """
        check_type(Simulator, "a simulator", simulator=simulator)
        check_seconds(latency=latency, connect=connect)
        self._simulator = simulator
        self._latency = latency
        self._connect = connect
        self._in_flight = 0
        self.max_in_flight: int = 0

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """
        Send a request and return the whole answer.

        Raises:
            ConnectFailed: No connection was made.
            ConnectionLost: The connection broke.
            RequestTimeout: The answer did not come in time.
            BadResponse: The body is too large or cannot be decoded.
        """
        with self._count_in_flight():
            exchange = await self._exchange(request)
            await _await_answer(exchange, request.timeout, self._latency)
            return _decode(exchange.response)

    @asynccontextmanager
    async def stream(self, request: Outgoing) -> AsyncGenerator[MemoryStream]:
        """
        Send a request and return an answer whose body is read in pieces.

        Raises:
            ConnectFailed: No connection was made.
            ConnectionLost: The connection broke.
            RequestTimeout: The answer did not begin in time.
        """
        with self._count_in_flight():
            exchange = await self._exchange(request)
            await _await_headers(exchange, request.timeout, self._latency)
            yield MemoryStream(exchange, request.timeout)

    async def aclose(self) -> None:
        """Do nothing: there is no connection to close."""

    @contextmanager
    def _count_in_flight(self) -> Generator[None]:
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        try:
            yield
        finally:
            self._in_flight -= 1

    async def _exchange(self, request: Outgoing) -> Exchange:
        if self._connect:
            await anyio.sleep(self._connect)
        on_send: Callable[[], None] | None = getattr(request, "on_send", None)
        if on_send is not None:
            on_send()
        # Waits even for a latency of nothing: a request always gives other tasks their turn.
        await anyio.sleep(self._latency / 2)
        at_storage = request.url.startswith(f"{self._simulator.storage.url}/")
        incoming = _incoming(request, await _body(request), at_storage=at_storage)
        exchange = self._simulator.exchange(incoming, wall_time())
        if exchange.delivery is ResponseDelivery.REFUSED:
            raise ConnectFailed("Connection refused.")
        if exchange.delivery is ResponseDelivery.RESET:
            raise ConnectionLost("Connection reset by peer.")
        return exchange


def wall_time() -> float:
    """Return Unix seconds by the running loop's calendar, if it has one."""
    return float(getattr(asyncio.get_running_loop(), "wall_time", time.time)())


async def _body(request: Outgoing) -> bytes | None:
    if request.body is None or isinstance(request.body, bytes):
        return request.body
    return b"".join([bytes(piece) async for piece in request.body])


def _incoming(request: Outgoing, body: bytes | None, *, at_storage: bool) -> HttpRequest:
    parts = urlsplit(request.url)
    return HttpRequest(
        method=request.method,
        path=parts.path,
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
        at_storage=at_storage,
    )


async def _await_headers(exchange: Exchange, timeout: float, latency: float) -> None:
    wait = latency / 2 + exchange.delay
    if exchange.delivery is ResponseDelivery.NOTHING or wait > timeout:
        await _fall_silent(timeout)
    await anyio.sleep(wait)


async def _await_answer(exchange: Exchange, timeout: float, latency: float) -> None:
    wait = latency / 2 + exchange.delay
    if exchange.delivery is ResponseDelivery.TRICKLE:
        wait += len(exchange.response.body) / (exchange.amount or 1)
    if exchange.delivery in _SILENT or wait > timeout:
        await _fall_silent(timeout)
    await anyio.sleep(wait)
    if exchange.delivery in _CUT:
        raise ConnectionLost("The body ended early.")


async def _fall_silent(timeout: float) -> None:
    await anyio.sleep(timeout)
    raise RequestTimeout(f"No answer within {timeout:g} seconds.")


def _decode(response: HttpResponse) -> MemoryAnswer:
    body = response.body
    if len(body) > MAX_BODY_BYTES:
        raise BadResponse(f"The body is larger than {MAX_BODY_BYTES} bytes.")
    if response.headers.get("content-encoding") == "gzip":
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            raise BadResponse("The body is not the gzip it claims to be.") from error
    return MemoryAnswer(response.status, response.headers, body)
