"""The simulator on real sockets."""
# ruff: noqa: TID251 - the loop these tests run in owns the time

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest

from heygen_async.testing import Moods, Simulator, SimulatorServer
from heygen_async.testing.__main__ import build, main, parser
from programs import Programs

KEY = {"x-api-key": "test-key"}


@pytest.fixture
async def server(anyio_backend: object) -> AsyncIterator[SimulatorServer]:
    """A server on a free port."""
    async with SimulatorServer(Simulator()) as running:
        yield running


@pytest.fixture
async def http(anyio_backend: object) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that reuses no connection, so that nothing is retried behind our back."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


async def create(server: SimulatorServer, http: aiohttp.ClientSession) -> tuple[int, bytes]:
    """Create a session and return what came."""
    async with http.post(f"{server.url}/v3/video-agents", headers=KEY, json={"prompt": "p"}) as answer:
        return answer.status, await answer.read()


async def test_serves_on_a_free_port(server: SimulatorServer, http: aiohttp.ClientSession) -> None:
    """The server binds a free port, and links lead to it."""
    status, _ = await create(server, http)
    await asyncio.sleep(200)  # virtual
    async with http.get(f"{server.url}/v3/videos", headers=KEY) as answer:
        video = (await answer.json())["data"][0]
    async with http.get(video["video_url"], headers={"range": "bytes=4-7"}) as part:
        content = await part.read()

    assert (200, 206, b"ftyp") == (status, part.status, content)
    assert video["video_url"].startswith(server.simulator.storage.url + "/_simulator/media/")


@pytest.mark.parametrize(
    ("fault", "error", "sessions"),
    [
        ("connect_refused", aiohttp.ClientConnectionError, 0),
        ("reset_before", aiohttp.ClientConnectionError, 0),
        ("reset_after_processing", aiohttp.ClientConnectionError, 1),
        ("silence_before", TimeoutError, 0),
        ("silence", TimeoutError, 1),
        ("trickle", TimeoutError, 1),
        ("cut_length", aiohttp.ClientPayloadError, 1),
        ("cut_chunked", aiohttp.ClientPayloadError, 1),
        ("bad_gzip", aiohttp.ClientError, 1),
    ],
)
async def test_failures_are_real(
    server: SimulatorServer, http: aiohttp.ClientSession, fault: str, error: type[Exception], sessions: int
) -> None:
    """An HTTP client meets each failure as it would in the wild."""
    server.simulator.faults.add(fault, on="create")
    with pytest.raises(error):
        await create(server, http)

    assert sessions == len(server.simulator.ledger.sessions)
    assert 200 == (await create(server, http))[0]


async def test_the_date_can_be_left_out(server: SimulatorServer, http: aiohttp.ClientSession) -> None:
    """Over sockets too the Date header is the simulator's own: its clock's, or none at all."""
    async with http.get(f"{server.url}/v3/videos", headers={"x-api-key": "test-key"}) as answer:
        assert "Date" in answer.headers
    server.simulator.moods.sends_date = False
    async with http.get(f"{server.url}/v3/videos", headers={"x-api-key": "test-key"}) as answer:
        assert "Date" not in answer.headers


async def test_connections_are_counted(server: SimulatorServer, http: aiohttp.ClientSession) -> None:
    """Every connection that carried a request is counted once."""
    for _ in range(3):
        await create(server, http)
    async with aiohttp.ClientSession() as reusing:
        for _ in range(3):
            await create(server, reusing)

    assert 4 == server.connections


async def test_oversized_body_arrives(server: SimulatorServer, http: aiohttp.ClientSession) -> None:
    """All 20 MB are sent."""
    server.simulator.faults.add("oversized")

    assert len((await create(server, http))[1]) > 20_000_000


async def test_closing_drops_what_hangs(http: aiohttp.ClientSession) -> None:
    """A server with a request that hangs closes at once, and again without complaint."""
    server = SimulatorServer(Simulator())
    await server.__aenter__()
    server.simulator.faults.add("silence_before")
    hanging = asyncio.create_task(create(server, http))
    while not server.simulator.ledger.total_requests:
        await asyncio.sleep(0.001)
    await server.aclose()
    await server.aclose()

    with pytest.raises(aiohttp.ClientError):
        await hanging


def test_command_line_describes_a_simulator() -> None:
    """Every option reaches the simulator."""
    line = "--port 0 --speed 60 --api-key k --max-jobs 1 --seed 3 --faults error_500:account --contract guide"
    simulator = build(parser().parse_args(line.split()))

    assert "k" == simulator.api_key
    assert "k" not in repr(simulator).split()


def test_command_line_sets_the_moods() -> None:
    """Scenario, credit, burst, congestion, failures and the rest of the moods come from the command line too."""
    line = (
        "--scenario conversational --video-at create --billing usage_based --wallet 3 --price 0.1 --burst 13"
        " --congestion 2 --failure-rate 0.1 --fails-above 2500 --asset-seconds 9 --assets-fail"
        " --deleted-videos status --message-optional --no-date --idempotency create,send --clock-offset 600"
    )
    simulator = build(parser().parse_args(line.split()))
    wanted = Moods(
        billing="usage_based",
        balance=3.0,
        price=0.1,
        burst=13,
        congestion=2.0,
        failure_rate=0.1,
        fails_above=2500,
        video_at="create",
        asset_seconds=9.0,
        assets_fail=True,
        deleted_videos="status",
        message_optional=True,
        sends_date=False,
    )

    assert wanted == simulator.moods
    assert {"create", "send"} == simulator.idempotency


@pytest.mark.parametrize(
    "line",
    [
        "--idempotency nope",
        "--scenario nope",
        "--cassette nope.json",
        "--speed 0",
        "--contract other",
        "--faults nope",
        "--port x",
    ],
)
def test_bad_command_lines_are_explained(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option ends with status 2 and says which."""
    with pytest.raises(SystemExit) as caught:
        main(line.split())

    assert 2 == caught.value.code
    assert line.split()[1] in capsys.readouterr().err or "--speed" in line


def test_port_in_use_is_explained() -> None:
    """A port that is taken gives one plain sentence and status 1."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert 1 == main(["--port", str(taken.getsockname()[1])])


def test_command_serves_until_interrupted(programs: Programs) -> None:
    """The command says how to reach it, serves, and leaves quietly on Ctrl-C."""
    command = (sys.executable, "-W", "error", "-m", "heygen_async.testing", "--port", "0")
    child = programs.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    said = "".join(child.stdout.readline() for _ in range(4))
    child.send_signal(signal.SIGINT)
    _, complaints = child.communicate()

    assert "export HEYGEN_API_BASE=http://127.0.0.1:" in said
    assert "export HEYGEN_API_KEY=test-key" in said
    assert (0, "") == (child.returncode, complaints)


def test_importing_the_simulator_leaves_the_server_alone() -> None:
    """`import heygen_async.testing` loads no HTTP library."""
    code = (
        "import sys, heygen_async.testing as t; t.Simulator, t.VirtualLoop; print('aiohttp' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )

    assert "False" == done.stdout.strip()


def test_unknown_names_are_unknown() -> None:
    """A name the package does not have is an AttributeError, and those it has are listed."""
    import heygen_async.testing as package

    assert set(package.__all__) <= set(dir(package))
    assert all(hasattr(package, name) for name in package.__all__)
    assert not hasattr(package, "nope")
    assert json.dumps(sorted(package.FAULTS))
