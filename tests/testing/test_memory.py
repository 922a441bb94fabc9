"""The simulator behind a client without sockets."""
# ruff: noqa: TID251 - the loop these tests run in owns the time

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio
import pytest

from heygen_async.errors import BadResponse, ConnectFailed, ConnectionLost, RequestTimeout
from heygen_async.testing import MemoryAnswer, MemoryTransport, Scenario, Simulator

BASE = "http://127.0.0.1:8080"


@dataclass
class Outgoing:
    """A request as a client makes it."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=lambda: {"X-API-Key": "test-key"})
    body: bytes | None = None
    timeout: float = 30.0


CREATE = Outgoing("POST", f"{BASE}/v3/video-agents", body=b'{"prompt": "p"}')


@pytest.fixture
def simulator() -> Simulator:
    """A fresh service."""
    return Simulator(max_jobs=1000)


@pytest.fixture
def transport(simulator: Simulator) -> MemoryTransport:
    """The way to it."""
    return MemoryTransport(simulator)


async def created(transport: MemoryTransport) -> str:
    """Create a session."""
    answer = await transport.send(CREATE)
    return str(json.loads(answer.body)["data"]["session_id"])


async def read(transport: MemoryTransport, path: str) -> MemoryAnswer:
    """Read a path."""
    return await transport.send(Outgoing("GET", BASE + path))


async def test_answers_come_back(transport: MemoryTransport) -> None:
    """Header names are taken in any case, and come back in lower case."""
    answer = await read(transport, "/v3/users/me")

    assert 200 == answer.status
    assert "application/json" == answer.headers["content-type"]


@pytest.mark.parametrize(
    ("fault", "error", "sessions"),
    [
        ("connect_refused", ConnectFailed, 0),
        ("reset_before", ConnectionLost, 0),
        ("silence_before", RequestTimeout, 0),
        ("reset_after_processing", ConnectionLost, 1),
        ("cut_length", ConnectionLost, 1),
        ("cut_chunked", ConnectionLost, 1),
        ("silence", RequestTimeout, 1),
        ("trickle", RequestTimeout, 1),
        ("oversized", BadResponse, 1),
        ("bad_gzip", BadResponse, 1),
    ],
)
async def test_deliveries_become_errors(
    simulator: Simulator, transport: MemoryTransport, fault: str, error: type[Exception], sessions: int
) -> None:
    """Each delivery becomes the error a connection would raise, whether or not a session was made."""
    simulator.faults.add(fault, on="create")
    with pytest.raises(error):
        await transport.send(CREATE)

    assert sessions == len(simulator.ledger.sessions)


async def test_silence_lasts_as_long_as_the_timeout(simulator: Simulator, transport: MemoryTransport) -> None:
    """A request that is never answered takes exactly its timeout."""
    simulator.faults.add("silence")
    start = anyio.current_time()
    with pytest.raises(RequestTimeout):
        await read(transport, "/v3/users/me")

    assert anyio.current_time() - start == pytest.approx(30, abs=0.1)


async def test_request_cancelled_early_is_not_processed(simulator: Simulator) -> None:
    """Cancelled on its way there, a request leaves nothing; cancelled on its way back, a session."""
    transport = MemoryTransport(simulator, latency=1.0)
    for patience, sessions in ((0.4, 0), (0.6, 1)):
        with anyio.move_on_after(patience):
            await transport.send(CREATE)
        assert sessions == len(simulator.ledger.sessions)


async def video_request(transport: MemoryTransport) -> Outgoing:
    """The download of a finished video."""
    await created(transport)
    await anyio.sleep(200)
    videos = json.loads((await read(transport, "/v3/videos")).body)["data"]
    return Outgoing("GET", videos[0]["video_url"], headers={})


async def test_stream_brings_the_whole_video(transport: MemoryTransport) -> None:
    """A stream yields the body in pieces that make up the announced length."""
    async with transport.stream(await video_request(transport)) as stream:
        pieces = [piece async for piece in stream.chunks()]

    assert 200 == stream.status
    assert str(sum(map(len, pieces))) == stream.headers["content-length"]
    assert len(pieces) > 1


@pytest.mark.parametrize(("fault", "error"), [("cut_length", ConnectionLost), ("silence", RequestTimeout)])
async def test_streams_break(
    simulator: Simulator, transport: MemoryTransport, fault: str, error: type[Exception]
) -> None:
    """A stream can break in the middle or fall silent."""
    request = await video_request(transport)
    simulator.faults.add(fault, on="media")
    async with transport.stream(request) as stream:
        with pytest.raises(error):
            assert [piece async for piece in stream.chunks()]


async def test_hundred_sessions_at_once(simulator: Simulator, transport: MemoryTransport) -> None:
    """A hundred callers finish together, and the books are exact."""
    simulator.script(Scenario.generate())

    async def live() -> None:
        session_id = await created(transport)
        while b'"completed"' not in (await read(transport, f"/v3/video-agents/{session_id}")).body:
            await anyio.sleep(3)

    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(live)

    ledger = simulator.ledger
    assert (100, 100, 0) == (len(ledger.billed), ledger.max_in_progress, ledger.duplicate_creates)
    assert 1 == transport.max_in_flight // 100
