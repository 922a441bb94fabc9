"""A client's connections: whose they are, how long they live, and what way they take."""
# ruff: noqa: TID251 - real sockets need real milliseconds

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from pathlib import Path

import aiohttp
import anyio
import pytest

from heygen_async import Cadence, HeyGen, RetryPolicy, Session, SessionState, Timeouts
from heygen_async.errors import ClientStateError, ConnectFailed, ConnectionLost, HeyGenError, NotFound
from heygen_async.models import Approve, Reply
from heygen_async.testing import Simulator, SimulatorServer, run
from peers import Line, certified, closed_port, http, peer

ONCE = RetryPolicy(max_attempts=1)
ME = http(
    json.dumps({"data": {"username": "ada", "email": None, "first_name": "", "last_name": ""}}).encode()
)


@pytest.fixture
async def server(anyio_backend: object) -> AsyncGenerator[SimulatorServer]:
    """A service that lives two thousand times as fast."""
    async with SimulatorServer(Simulator(speed=2000)) as running:
        yield running


def client(
    url: str, http: aiohttp.ClientSession | None = None, *, trust_env: bool = False, places: int = 100
) -> HeyGen:
    """A client that tries once."""
    return HeyGen(
        "test-key", base_url=url, http=http, retry=ONCE, trust_env=trust_env, max_connections=places
    )


async def test_a_whole_life(server: SimulatorServer, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """From prompt to file over real sockets, in debug mode unless asked otherwise, without a warning or a task left."""
    answers: list[Reply | Approve] = [Reply(message="Warmer"), Approve()]

    def review(session: Session, state: SessionState) -> Reply | Approve:
        return answers.pop(0)

    often = Cadence.constant(0.2)
    async with HeyGen("test-key", base_url=server.url, cadence=often) as heygen:
        session = await heygen.sessions.create("An espresso machine")
        video = await session.converse(review)
        path = await video.download(tmp_path)

    assert asyncio.get_running_loop().get_debug() is (pytestconfig.getoption("--loop") in {None, "debug"})
    assert b"ftyp" == path.read_bytes()[4:8]


async def test_requests_share_connections(server: SimulatorServer) -> None:
    """Thirty calls one after another need one connection."""
    async with client(server.url) as heygen:
        for _ in range(30):
            await heygen.account.me()

    assert 1 == server.connections


@pytest.mark.parametrize("fault", ["silence_before", "silence"], ids=["no answer yet", "half an answer"])
async def test_closing_ends_calls_under_way(server: SimulatorServer, fault: str) -> None:
    """A call under way when the client is closed ends by that, and not by its time limit."""
    server.simulator.faults.add(fault)
    heygen = client(server.url)
    async with anyio.create_task_group() as group:
        group.start_soon(loses_its_connection, heygen)
        await until_asked(server)
        await heygen.aclose()


async def until_asked(server: SimulatorServer) -> None:
    """Wait until a request has come."""
    while not server.simulator.ledger.total_requests:
        await anyio.sleep(0.001)


async def loses_its_connection(heygen: HeyGen) -> None:
    """Expect a call to lose its connection."""
    with pytest.raises(ConnectionLost):
        await heygen.account.me()


# ---- the caller's own session -------------------------------------------------------------------------------------


async def test_closing_ends_calls_over_a_session_of_the_caller(server: SimulatorServer) -> None:
    """Closing ends a call without an answer on a session that stays open, and sends none that waits in line."""
    server.simulator.faults.add("silence_before")
    async with aiohttp.ClientSession() as session:
        heygen, told = client(server.url, session, places=1), list[type[Exception]]()

        async def ask() -> None:
            try:
                await heygen.account.me()
            except HeyGenError as error:
                told.append(type(error))

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            group.start_soon(ask)
            await until_asked(server)
            await heygen.aclose()

    assert {ConnectionLost, ClientStateError} == set(told)
    assert 1 == server.simulator.ledger.requests["account"].total()


@pytest.mark.parametrize("strict", [False, True], ids=["plain", "raise_for_status"])
async def test_a_session_of_the_caller_is_used_and_kept(server: SimulatorServer, strict: bool) -> None:
    """The client sends over the session it is given, makes errors of its own from it, and never closes it."""
    async with aiohttp.ClientSession(raise_for_status=strict) as own:
        async with client(server.url, own) as heygen:
            await heygen.account.me()
            with pytest.raises(NotFound):
                await heygen.videos.get("nope")
        assert not own.closed
        async with own.get(server.url + "/v3/users/me", headers={"x-api-key": "test-key"}) as answer:
            assert 200 == answer.status

    assert 1 == server.connections


async def test_a_closed_session_of_the_caller_is_said_to_be_closed(server: SimulatorServer) -> None:
    """A closed session given as http= is a `ClientStateError` that names the argument."""
    async with aiohttp.ClientSession() as own:
        heygen = client(server.url, own)
    with pytest.raises(ClientStateError) as caught:
        await heygen.account.me()

    assert "http=" in caught.value.hint


def test_a_session_of_another_loop_is_said_to_be_so() -> None:
    """A session made in a loop that has ended is a `ClientStateError` in the next."""

    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))

    async def call(own: aiohttp.ClientSession) -> None:
        async with peer(ME) as there, client(there.url, own) as heygen:
            with pytest.raises(ClientStateError):
                await heygen.account.me()
        await own.close()

    asyncio.run(call(asyncio.run(make())))


# ---- event loops --------------------------------------------------------------------------------------------------


async def test_a_second_live_loop_is_refused(server: SimulatorServer) -> None:
    """A client used from a second loop while its own is open says so, and still works in its own."""
    async with client(server.url) as heygen:
        await heygen.account.me()
        session = heygen.sessions.attach("s")
        calls: list[Callable[[], Coroutine[None, None, object]]] = [
            heygen.account.me,
            session.refresh,
            session.wait,
            lambda: heygen.sessions.create("p"),
            lambda: session.send("m"),
        ]
        for call in calls:
            with pytest.raises(ClientStateError, match="another event loop"):
                await anyio.to_thread.run_sync(asyncio.run, call())
        await heygen.account.me()

    assert 0 == len(server.simulator.ledger.sessions)


# ---- proxies ------------------------------------------------------------------------------------------------------


async def test_environment_proxies_are_used_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """With trust_env, plain requests go to the environment's proxy with their whole address."""
    nowhere = closed_port()
    async with peer(ME) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        async with client(nowhere, trust_env=True) as heygen:
            user = await heygen.account.me()

    assert "ada" == user.username
    assert [f"{nowhere}/v3/users/me"] == [heard.target for heard in proxy.heard]


@pytest.mark.parametrize("setting", ["no_proxy", "trust_env"])
async def test_environment_proxies_are_left_alone(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    """Without trust_env, or for a host in no_proxy, the environment's proxy hears nothing."""
    async with peer(ME) as service, peer(ME) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        if setting == "no_proxy":
            monkeypatch.setenv("no_proxy", "127.0.0.1")
        async with client(service.url, trust_env=setting == "no_proxy") as heygen:
            await heygen.account.me()

    assert ([], 1) == (proxy.heard, len(service.heard))


@pytest.mark.parametrize("address", ["127.0.0.1:1", "refused"])
async def test_useless_proxies_are_never_sent(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """A proxy that refuses, or that nobody can talk to, is `ConnectFailed`."""
    monkeypatch.setenv("http_proxy", closed_port() if address == "refused" else address)
    async with client("http://127.0.0.1:2", trust_env=True) as heygen:
        with pytest.raises(ConnectFailed):
            await heygen.account.me()


def tunnel(to: str) -> Callable[[Line], Awaitable[None]]:
    """Answer a CONNECT and carry bytes both ways."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)

    async def behave(line: Line) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(to.rpartition(":")[2]))
        await line.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(carry, reader, line.writer)
                await carry(line.reader, writer)
                group.cancel_scope.cancel()
        finally:
            writer.close()

    return behave


async def test_proxies_carry_https_without_seeing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An https request goes through CONNECT; the proxy learns the host and neither key nor path."""
    serving, trusting = certified("127.0.0.1")
    async with peer(ME, tls=serving) as service, peer(tunnel(service.url)) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//user:secret-word@"))
        connector = aiohttp.TCPConnector(ssl=trusting)
        async with (
            aiohttp.ClientSession(connector=connector) as own,
            client(service.url, own, trust_env=True) as heygen,
        ):
            user = await heygen.account.me()

    [connect] = proxy.heard
    assert "ada" == user.username
    assert ("CONNECT", service.url.removeprefix("https://")) == (connect.method, connect.target)
    assert "test-key" not in str(connect)


async def test_a_proxy_that_wants_a_password_is_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused CONNECT is `ConnectFailed`, and the proxy's password is not quoted."""
    async with peer(http(b"", status="407 Proxy Authentication Required")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//user:secret-word@"))
        async with client("https://127.0.0.1:2", trust_env=True) as heygen:
            with pytest.raises(ConnectFailed) as caught:
                await heygen.account.me()

    assert "secret-word" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_waiting_in_line_is_not_counted_as_silence() -> None:
    """With one connection, calls wait their turn for longer than a single answer may take."""
    simulator = Simulator()
    simulator.faults.add("slow", times=None, seconds=10)

    async def ask_twelve_times() -> None:
        async with (
            SimulatorServer(simulator) as server,
            HeyGen(
                "test-key", base_url=server.url, timeouts=Timeouts(read=15), retry=ONCE, max_connections=1
            ) as heygen,
            anyio.create_task_group() as group,
        ):
            for _ in range(12):
                group.start_soon(heygen.account.me)

    run(ask_twelve_times)  # two minutes, in virtual time

    assert 12 == simulator.ledger.total_requests
