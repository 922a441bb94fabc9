"""The transport's connections: kept, shared in turn, and let go whenever somebody leaves."""
# ruff: noqa: TID251 - real sockets need real milliseconds

from __future__ import annotations

import gzip
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import anyio
import pytest

from heygen_async._http.aiohttp_transport import AiohttpTransport
from heygen_async._http.transport import Request
from heygen_async.errors import ConnectFailed, ConnectionLost, RequestTimeout, TransportError
from peers import CHUNKED, OK, Behaviour, Line, http, peer, reset, stays

OpenTransport = Callable[..., AbstractAsyncContextManager[AiohttpTransport]]

SOON = 0.05


def get(url: str, *, timeout: float = 10.0, method: str = "GET", body: bytes | None = None) -> Request:
    """A request."""
    return Request(method, url + "/v3/things", {}, body, timeout, "/v3/things")


async def download(it: AiohttpTransport, url: str) -> bytes:
    """A whole download."""
    async with it.stream(get(url)) as answer:
        return b"".join([chunk async for chunk in answer.chunks()])


async def test_redirects_are_answers(transport: OpenTransport) -> None:
    """A redirect is handed back as it is; its target hears nothing."""
    async with (
        peer(http()) as other,
        peer(http(status="302 Found", location=other.url)) as server,
        transport() as it,
    ):
        answer = await it.send(get(server.url))

    assert 302 == answer.status
    assert [] == other.heard


async def test_connections_are_used_again(transport: OpenTransport) -> None:
    """Twenty requests one after another need one connection, whatever their status."""
    async with peer(http(), http(status="404 Not Found"), http(b"")) as server, transport() as it:
        for _ in range(20):
            await it.send(get(server.url))

    assert (20, 1) == (len(server.heard), server.connections)


async def test_a_stale_connection_is_replaced_for_a_read(transport: OpenTransport) -> None:
    """A kept connection that the server has closed in the meantime costs a read nothing."""

    async def answer_and_go(line: Line) -> None:
        await line.say(http())
        line.writer.close()

    async with peer(answer_and_go) as server, transport() as it:
        statuses = [(await it.send(get(server.url))).status for _ in range(3)]

    assert [200] * 3 == statuses


async def test_a_write_is_sent_once(transport: OpenTransport) -> None:
    """A POST whose kept connection dies is not repeated behind the caller's back."""
    async with peer(http(), reset) as server, transport() as it:
        await it.send(get(server.url, method="POST", body=b"{}"))
        with pytest.raises(ConnectionLost):
            await it.send(get(server.url, method="POST", body=b"{}"))

    assert 2 == len(server.heard)


async def test_the_gate_is_fair(transport: OpenTransport) -> None:
    """At most `max_connections` requests are under way, and those in line go in the order they came."""
    now = most = 0
    order: list[int] = []

    async def answer(line: Line) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.sleep(0.002)
        now -= 1
        await line.say(http())

    async with peer(answer) as server, transport(connections=3) as it:

        async def send(number: int) -> None:
            await it.send(get(server.url))
            order.append(number)

        async with anyio.create_task_group() as group:
            for number in range(30):
                group.start_soon(send, number)

    assert 3 == most == server.connections
    assert all(abs(place - number) < 3 for place, number in enumerate(order))


async def test_a_cancelled_turn_passes_on(transport: OpenTransport) -> None:
    """Whoever is cancelled while in line or under way gives the place to the next."""
    async with (
        peer(stays(), http()) as server,
        transport(connections=1) as it,
        anyio.create_task_group() as under_way,
        anyio.create_task_group() as in_line,
    ):
        under_way.start_soon(it.send, get(server.url))
        await server.until_heard()
        in_line.start_soon(it.send, get(server.url))
        await anyio.sleep(0.001)
        in_line.cancel_scope.cancel()
        under_way.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            assert 200 == (await it.send(get(server.url))).status

        assert 2 == len(server.heard)


PHASES: dict[str, Behaviour] = {
    "waiting for the head": stays(),
    "within the head": stays(b"HTTP/1.1 200 OK\r\ncont"),
    "waiting for the body": stays(OK + b"content-length: 50\r\n\r\n"),
    "within the body": stays(OK + b"content-length: 50\r\n\r\nabc"),
    "within chunks": stays(CHUNKED + b"3\r\nabc\r\n"),
    "within gzip": stays(
        OK + b"content-length: 50\r\ncontent-encoding: gzip\r\n\r\n" + gzip.compress(b"a")[:9]
    ),
}


@pytest.mark.parametrize("behaviour", PHASES.values(), ids=PHASES.keys())
async def test_cancelling_closes_the_connection(transport: OpenTransport, behaviour: Behaviour) -> None:
    """A cancelled exchange hangs up at once, and the next one gets a connection of its own."""
    async with peer(behaviour, http()) as server, transport(connections=1) as it:
        async with anyio.create_task_group() as group:
            group.start_soon(it.send, get(server.url))
            await server.until_heard()
            await anyio.sleep(0.005)
            group.cancel_scope.cancel()
        await server.until_quiet()
        answer = await it.send(get(server.url))

    assert 200 == answer.status
    assert 2 == server.connections


async def test_cancelling_a_handshake_closes_the_connection(transport: OpenTransport) -> None:
    """An exchange cancelled before anything was sent hangs up too."""
    async with peer(stays()) as server, transport() as it:
        async with anyio.create_task_group() as group:
            group.start_soon(it.send, get(server.url.replace("http", "https")))
            await server.until_connected()
            group.cancel_scope.cancel()
        await server.until_quiet()

    assert [] == server.heard


async def test_cancelling_a_download_closes_the_connection(transport: OpenTransport) -> None:
    """A download left in the middle hangs up."""
    async with peer(stays(OK + b"content-length: 50\r\n\r\nabc")) as server, transport() as it:
        async with anyio.create_task_group() as group:
            group.start_soon(download, it, server.url)
            await server.until_heard()
            await anyio.sleep(0.005)
            group.cancel_scope.cancel()
        await server.until_quiet()

    assert 1 == server.connections


async def test_a_silent_download_times_out(transport: OpenTransport) -> None:
    """A download has a limit on silence."""
    async with peer(stays(OK + b"content-length: 50\r\n\r\nabc")) as server, transport() as it:
        with pytest.raises(RequestTimeout):
            await download(it, server.url)
        await server.until_quiet()


BAD_LINKS = ["", "nonsense", "file:///etc/passwd", "http://[::1", "https://a..b/x", "http://127.0.0.1:99999/"]


@pytest.mark.parametrize("url", BAD_LINKS)
async def test_bad_links_are_never_sent(transport: OpenTransport, url: str) -> None:
    """A download link that is no address is `ConnectFailed`."""
    async with transport() as it:
        with pytest.raises(ConnectFailed):
            async with it.stream(Request("GET", url, {}, None, 1.0)):
                pass


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "http://[::1", "/again"])
async def test_downloads_redirected_nowhere_fail_typed(transport: OpenTransport, target: str) -> None:
    """A storage host that redirects to no address, or in circles, is a `TransportError`."""
    async with peer(http(status="302 Found", location=target)) as server, transport() as it:
        with pytest.raises(TransportError):
            async with it.stream(get(server.url)):
                pass
