"""The simulator on a real socket: every way of answering, and of failing to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import weakref
from dataclasses import replace
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import anyio
from aiohttp import web

from ...errors._arguments import check_count, check_text, check_type
from .._arguments import check_optional
from .._http import Exchange, HttpRequest, HttpResponse, ResponseDelivery
from .._service.webhooks import webhook_address
from .._simulator import Simulator
from .memory import wall_time
from .webhook_sender import WebhookSender, post, probe

MAX_REQUEST_BYTES = 256 * 1024 * 1024
SHUTDOWN_SECONDS = 0.1
_WITHOUT_DATE = web.RequestKey("without_date", bool)
_RESETS = frozenset({ResponseDelivery.REFUSED, ResponseDelivery.RESET})


class SimulatorServer:
    """
    Serves a simulator on loopback.

    A listening socket cannot refuse by operation, so `connect_refused` resets the connection before the request is
    processed; point the client at a closed port for a true refusal.

    Attributes:
        simulator: The service; its `base_url` follows the server.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        storage_port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """
        Prepare; nothing is bound before the block is entered.

        Args:
            simulator: The service.
            host: Address to bind.
            port: Port to bind; 0 takes a free one.
            storage_port: The same for the files, which are another origin.
            ssl_context: Serve https with this.

        Raises:
            InvalidArgument: One of them is not what it should be.
        """
        check_type(Simulator, "a simulator", simulator=simulator)
        check_text(host=host)
        check_count(0, 65535, port=port, storage_port=storage_port)
        check_optional(ssl.SSLContext, "an SSL context", ssl_context=ssl_context)
        self.simulator = simulator
        self._host = host
        self._port = port
        self._storage_port = storage_port
        self._ssl_context = ssl_context
        self._runner: web.AppRunner | None = None
        self._webhook_sender = WebhookSender(simulator, post)
        self._seen: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        self._connections = 0

    @property
    def connections(self) -> int:
        """How many connections have carried a request so far."""
        return self._connections

    @property
    def url(self) -> str:
        """Where the service is, without a slash at the end."""
        return self.simulator.base_url

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_route("*", "/{path:.*}", self._answer)
        app.on_response_prepare.append(_leave_date_to_simulator)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS
        )
        await self._runner.setup()
        self.simulator.base_url = await self._listen(self._runner, self._port)
        self.simulator.storage.url = await self._listen(self._runner, self._storage_port)
        await self._webhook_sender.__aenter__()
        return self

    async def _listen(self, runner: web.AppRunner, port: int) -> str:
        before = list(runner.addresses)
        await web.TCPSite(runner, self._host, port, ssl_context=self._ssl_context).start()
        host, port = next(address for address in runner.addresses if address not in before)[:2]
        return f"{'http' if self._ssl_context is None else 'https'}://{host}:{port}"

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop serving; requests that hang are dropped. Closing twice is fine."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await self._webhook_sender.aclose()
            await runner.cleanup()

    def _count(self, transport: asyncio.Transport | None) -> None:
        if transport is not None and transport not in self._seen:
            self._seen.add(transport)
            self._connections += 1

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self._count(request.transport)
        at_storage = _port_of(request) == _port_in(self.simulator.storage.url)
        incoming = await _incoming(request, at_storage=at_storage)
        if (address := webhook_address(incoming)) is not None:
            incoming = replace(incoming, is_reachable=await probe(address))
        exchange = self.simulator.exchange(incoming, wall_time())
        request[_WITHOUT_DATE] = "date" not in exchange.response.headers
        if exchange.delay:
            await anyio.sleep(exchange.delay)
        if exchange.delivery in _RESETS:
            return _reset(request)
        if exchange.delivery is ResponseDelivery.NOTHING:
            await anyio.sleep_forever()
        if exchange.delivery is ResponseDelivery.WHOLE:
            return _whole(exchange.response)
        return await _broken(request, exchange)


async def _leave_date_to_simulator(request: web.Request, response: web.StreamResponse) -> None:  # noqa: RUF029
    """Remove the `Date` of the HTTP server where the simulator sends none."""
    if request.get(_WITHOUT_DATE):
        response.headers.popall("date", None)


def _port_of(request: web.Request) -> int | None:
    """Return the port a request came to; the Host header could say anything."""
    name = None if request.transport is None else request.transport.get_extra_info("sockname")
    return None if name is None else int(name[1])


def _port_in(url: str) -> int | None:
    return urlsplit(url).port


async def _incoming(request: web.Request, *, at_storage: bool) -> HttpRequest:
    return HttpRequest(
        method=request.method,
        path=request.rel_url.raw_path,
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.read() if request.can_read_body else None,
        at_storage=at_storage,
    )


def _whole(response: HttpResponse) -> web.Response:
    return web.Response(status=response.status, headers=response.headers, body=response.body)


def _reset(request: web.Request) -> web.Response:
    """Close with a reset instead of a polite end."""
    transport = request.transport
    if transport is not None:
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def _broken(request: web.Request, exchange: Exchange) -> web.StreamResponse:
    """Begin the answer, and fail in the way asked for."""
    body, delivery = exchange.response.body, exchange.delivery
    answer = web.StreamResponse(status=exchange.response.status, headers=exchange.response.headers)
    if delivery is ResponseDelivery.CUT_CHUNKED:
        answer.headers.pop("content-length", None)
        answer.enable_chunked_encoding()
    else:
        answer.content_length = len(body)
    await answer.prepare(request)
    if delivery is ResponseDelivery.HEADERS_ONLY:
        await anyio.sleep_forever()
    if delivery is ResponseDelivery.TRICKLE:
        return await _trickle(answer, body, exchange.amount or 1)
    await answer.write(body[: exchange.sent_bytes])
    if delivery is ResponseDelivery.STALL:
        await anyio.sleep_forever()
    if request.transport is not None:
        request.transport.close()
    return answer


async def _trickle(answer: web.StreamResponse, body: bytes, rate: int) -> web.StreamResponse:
    for start in range(0, len(body), rate):
        await answer.write(body[start : start + rate])
        await anyio.sleep(1.0)
    await answer.write_eof()
    return answer
