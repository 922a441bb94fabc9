"""The transport before servers whose answers are broken, slow, too large or random."""
# ruff: noqa: TID251 - real sockets need real milliseconds

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest

from heygen_async._http.aiohttp_transport import AiohttpTransport
from heygen_async._http.transport import Request
from heygen_async._redact import Secret
from heygen_async.errors import BadResponse, ConnectFailed, ConnectionLost, RequestTimeout, TransportError
from heygen_async.testing import FAULTS, Simulator, SimulatorServer
from peers import CHUNKED, OK, Behaviour, Line, Peer, closed_port, http, peer, reset, says, stays

OpenTransport = Callable[..., AbstractAsyncContextManager[AiohttpTransport]]

KEY = Secret("sk_one_of_a_kind")
ANOTHER_LIBRARY = re.compile(r"Error|Invalid[A-Z]|b'|message=|[<\n]")
SOON = 0.05
AMPLE = 100.0  # never waited for, whatever else the machine does


def get(url: str, *, timeout: float = AMPLE, method: str = "GET", body: bytes | None = None) -> Request:
    """A request with a credential."""
    return Request(method, url + "/v3/things", {"x-api-key": KEY}, body, timeout, "/v3/things")


async def reset_midway(line: Line) -> None:
    """Reset in the middle of the body."""
    await line.say(OK + b"content-length: 50\r\n\r\nabc")
    line.reset()


async def half_close(line: Line) -> None:
    """Close the sending side only."""
    line.writer.write_eof()
    await line.wait()


async def trickle(line: Line) -> None:
    """Send a byte now and then, so that silence alone would never be noticed."""
    await line.say(OK + b"content-length: 1000\r\n\r\n")
    while not line.reader.at_eof():
        await line.say(b"x")
        await anyio.sleep(SOON / 10)
        if line.writer.is_closing():
            return


async def outcome(it: AiohttpTransport, request: Request) -> int | TransportError:
    """The status of the answer, or what went wrong."""
    try:
        return (await it.send(request)).status
    except TransportError as error:
        return error


async def failure(server: Peer, transport: OpenTransport, *, timeout: float = AMPLE) -> TransportError:
    """The error of one exchange, after which the server has no connection left."""
    async with transport() as it:
        with pytest.raises(TransportError) as caught:
            await it.send(get(server.url, timeout=timeout))
        await server.until_quiet()
    return caught.value


BROKEN: dict[str, tuple[Behaviour, type[TransportError]]] = {
    "hangs up": (says(), ConnectionLost),
    "resets": (reset, ConnectionLost),
    "half-closes": (half_close, ConnectionLost),
    "half a head": (says(b"HTTP/1.1 200 OK\r\nconte"), ConnectionLost),
    "cut Content-Length": (says(OK + b"content-length: 50\r\n\r\nabc"), ConnectionLost),
    "reset in the body": (reset_midway, ConnectionLost),
    "cut within a chunk": (says(CHUNKED + b"5\r\nabc"), ConnectionLost),
    "cut between chunks": (says(CHUNKED + b"3\r\nabc\r\n"), ConnectionLost),
    "no HTTP": (stays(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), BadResponse),
    "binary": (stays(bytes(range(256))), BadResponse),
    "TLS alert": (says(b"\x15\x03\x01\x00\x02\x02\x46"), BadResponse),
    "endless header": (stays(OK + b"x: " + b"a" * 100_000), BadResponse),
    "endless headers": (stays(OK + b"".join(b"x%d: a\r\n" % n for n in range(40_000))), BadResponse),
    "status of letters": (stays(b"HTTP/1.1 abc OK\r\n\r\n"), BadResponse),
    "HTTP/2 in text": (stays(b"HTTP/2 200\r\n\r\n"), BadResponse),
    "length of letters": (stays(OK + b"content-length: x\r\n\r\n"), BadResponse),
    "negative length": (stays(OK + b"content-length: -5\r\n\r\n"), BadResponse),
    "two lengths": (stays(OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab"), BadResponse),
    "length and chunks": (
        stays(OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"),
        BadResponse,
    ),
    "chunk size of letters": (stays(CHUNKED + b"zz\r\nabc"), BadResponse),
    "boundless chunk size": (stays(CHUNKED + b"ffffffffffffffffff\r\nabc"), BadResponse),
    "no gzip": (http(b"not gzip at all", content_encoding="gzip"), BadResponse),
    "rubbish after gzip": (http(gzip.compress(b"a") + b"rubbish", content_encoding="gzip"), BadResponse),
    "no deflate": (http(b"not deflate", content_encoding="deflate"), BadResponse),
}


@pytest.mark.parametrize(("behaviour", "kind"), BROKEN.values(), ids=BROKEN.keys())
async def test_broken_answers_are_named(
    transport: OpenTransport, behaviour: Behaviour, kind: type[TransportError]
) -> None:
    """A connection that breaks is `ConnectionLost`, an answer that is no HTTP is `BadResponse`, in words of ours."""
    async with peer(behaviour) as server:
        error = await failure(server, transport)

    assert kind is type(error)
    assert error.__cause__ is not None
    assert "/v3/things" in str(error)
    assert not ANOTHER_LIBRARY.search(str(error))


SLOW: dict[str, Behaviour] = {
    "silence": stays(),
    "headers then silence": stays(OK + b"content-length: 50\r\n\r\n"),
    "half a body then silence": stays(OK + b"content-length: 50\r\n\r\nabc"),
    "chunks without an end": stays(CHUNKED + b"3\r\nabc\r\n"),
    "trickle": trickle,
    "only 100 Continue": stays(b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("behaviour", SLOW.values(), ids=SLOW.keys())
async def test_slow_answers_are_timeouts(transport: OpenTransport, behaviour: Behaviour) -> None:
    """The time limit is for the whole answer, however it is spent, and is a `TimeoutError` too."""
    async with peer(behaviour) as server:
        error = await failure(server, transport, timeout=SOON)

    assert RequestTimeout is type(error)
    assert isinstance(error, TimeoutError)


async def test_refused_is_never_sent(transport: OpenTransport) -> None:
    """A refused connection is `ConnectFailed`, and says where."""
    async with transport() as it:
        with pytest.raises(ConnectFailed, match=r"nothing listens at 127\.0\.0\.1:\d+"):
            await it.send(get(closed_port()))


@pytest.mark.parametrize(
    "url",
    ["https://nowhere.invalid", "https://a..b.invalid", "https://" + "a" * 70 + ".invalid", "https://[::1"],
    ids=["unknown", "empty label", "long label", "no address"],
)
async def test_names_that_lead_nowhere_are_never_sent(transport: OpenTransport, url: str) -> None:
    """A host that cannot be looked up is `ConnectFailed`, in words of ours."""
    async with transport() as it:
        with pytest.raises(ConnectFailed) as caught:
            await it.send(get(url))

    assert not ANOTHER_LIBRARY.search(str(caught.value))


async def test_a_handshake_that_hangs_is_never_sent(transport: OpenTransport) -> None:
    """A server that accepts and then ignores TLS is `ConnectFailed` within the connect limit."""
    async with peer(stays()) as server, transport(connect=0.05) as it:
        with pytest.raises(ConnectFailed):
            await it.send(get(server.url.replace("http", "https")))
        await server.until_quiet()

    assert [] == server.heard


LARGE = 3_000_000
OVERSIZED: dict[str, Behaviour] = {
    "announced": http(bytes(LARGE)),
    "announced and not sent": stays(OK + b"content-length: 99999999999\r\n\r\n"),
    "until the end": says(OK + b"\r\n" + bytes(LARGE)),
    "chunked": stays(CHUNKED, *[b"10000\r\n" + bytes(65536) + b"\r\n"] * 40),
    "gzip bomb": http(gzip.compress(bytes(LARGE)), content_encoding="gzip"),
    "chunked gzip bomb": stays(
        OK + b"transfer-encoding: chunked\r\ncontent-encoding: gzip\r\n\r\n",
        b"%x\r\n" % len(gzip.compress(bytes(LARGE))) + gzip.compress(bytes(LARGE)) + b"\r\n0\r\n\r\n",
    ),
}


@pytest.mark.parametrize("behaviour", OVERSIZED.values(), ids=OVERSIZED.keys())
async def test_oversized_answers_are_refused(transport: OpenTransport, behaviour: Behaviour) -> None:
    """A body over the limit, as sent or once unpacked, is `BadResponse`, and its connection is not used again."""
    async with peer(behaviour) as server, transport(largest=1_000_000) as it:
        with pytest.raises(BadResponse) as caught:
            await it.send(get(server.url))
        await server.until_quiet()

    assert "1,000,000 bytes" in str(caught.value)
    assert 200 == caught.value.status


async def test_the_largest_answer_is_taken(transport: OpenTransport) -> None:
    """A body of exactly the limit is whole, plain and packed."""
    packed = http(gzip.compress(bytes(1000)), content_encoding="gzip")
    async with peer(http(bytes(1000)), packed) as server, transport(largest=1000) as it:
        answers = [(await it.send(get(server.url))).body for _ in range(2)]

    assert [bytes(1000)] * 2 == answers


def mutants(seed: int) -> list[bytes]:
    """Real answers with bytes changed, lost and repeated."""
    rng = random.Random(seed)
    whole = [
        http(b'{"data": {"session_id": "s"}}'),
        CHUNKED + b'5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n',
        http(gzip.compress(b'{"data": 1}'), content_encoding="gzip"),
    ]
    made: list[bytes] = []
    for _ in range(40):
        answer = bytearray(rng.choice(whole))
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(answer))
            cut = slice(at, at + rng.randint(0, 4))
            answer[cut] = rng.randbytes(rng.randint(0, 4))
        made.append(bytes(answer))
    return made


@pytest.mark.parametrize("seed", range(2))
async def test_foreign_errors_never_escape(transport: OpenTransport, seed: int) -> None:
    """Whatever bytes come, there is an answer or a `TransportError`, without the key in it."""
    for answer in mutants(seed):
        # A line of its own for each: what one leaves over must not be the answer to the next.
        async with peer(says(answer)) as server, transport() as it:
            seen = await outcome(it, get(server.url))
            await server.until_heard()
        shown = f"{seen} {seen.__cause__!r}" if isinstance(seen, TransportError) else ""
        assert str(KEY) not in shown


WIRE_FAULTS = sorted(
    fault.name for fault in FAULTS.values() if fault.stage in {"before", "after"} and "create" in fault.on
)


ENDLESS = {"silence", "silence_before", "trickle"}


def creating(simulator: Simulator, url: str, patience: float) -> Request:
    """Return a create, as the client would send it."""
    headers = {"x-api-key": simulator.api_key, "content-type": "application/json"}
    path = "/v3/video-agents"
    return Request("POST", url + path, headers, b'{"prompt": "p"}', patience, path)


@pytest.mark.parametrize("fault", WIRE_FAULTS)
async def test_simulated_failures_are_typed(transport: OpenTransport, fault: str) -> None:
    """Every failure of the simulator's wire is an answer or a `TransportError`, and the next request succeeds."""
    simulator = Simulator()
    async with SimulatorServer(simulator) as server, transport(largest=1_000_000) as it:
        if "create" in FAULTS[fault].on:
            options: dict[str, Any] = {"seconds": SOON} if fault == "slow" else {}
            simulator.faults.add(fault, on="create", **options)
        outcomes = [
            await outcome(it, creating(simulator, server.url, patience))
            for patience in (10 * SOON if fault in ENDLESS else AMPLE, AMPLE)
        ]

    assert 200 == outcomes[1]
