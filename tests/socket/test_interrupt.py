"""Programs that end: by Ctrl-C, or by using one client in one event loop after another."""
# ruff: noqa: TID251 - real processes need real time

from __future__ import annotations

import os
import signal
import sys
from asyncio import subprocess
from collections.abc import AsyncGenerator

import anyio
import pytest

from heygen_async.testing import Scenario, Simulator, SimulatorServer
from peers import Line, http, peer, silence
from programs import Programs

COMPLAINTS = ("unclosed", "Unclosed", "Warning", "never retrieved", "was destroyed", "never awaited")
SETUP = """
import asyncio, gc, aiohttp
from heygen_async import HeyGen, RetryPolicy, Timeouts

def once(moment):
    return 1000.0 if moment.polls else 0.1
"""


@pytest.fixture
async def server(anyio_backend: object) -> AsyncGenerator[SimulatorServer]:
    """A service in this process, for programs in others; sessions think for ever."""
    async with SimulatorServer(Simulator(scenario=Scenario.stuck())) as running:
        yield running


class Started:
    """A program that has every warning as an error and asyncio in debug mode."""

    def __init__(self, process: subprocess.Process) -> None:
        self.process = process

    async def says(self, line: str) -> None:
        """Expect its next line."""
        assert self.process.stdout is not None
        assert f"{line}\n".encode() == await self.process.stdout.readline()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    async def ends(self) -> tuple[int | None, str, str]:
        """How it ends: its exit code, what it still says, and what it complains of."""
        said, complained = await self.process.communicate()
        return self.process.returncode, said.decode(), without_slowness(complained.decode())


async def start(programs: Programs, url: str, code: str) -> Started:
    """Start a program before the service at that address."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST", "PYTHON"))
    }
    kept |= {"HEYGEN_API_KEY": "test-key", "HEYGEN_API_BASE": url}
    command = (sys.executable, "-X", "dev", "-W", "error", "-c", SETUP + code)
    pipe = subprocess.PIPE
    return Started(await programs.open(*command, stdout=pipe, stderr=pipe, env=kept))


async def until_asked(server: SimulatorServer, requests: int) -> None:
    """Wait until so many requests have come."""
    while server.simulator.ledger.total_requests < requests:
        await anyio.sleep(0.001)


WATCH = """
async def main():
    async with HeyGen(cadence=once) as heygen:
        session = await heygen.sessions.create("p")
        print("ready", flush=True)
        async for state in session.watch(progress=True):
            pass
"""
WAIT = """
async def main():
    async with HeyGen(cadence=once) as heygen:
        session = await heygen.sessions.create("p")
        print("ready", flush=True)
        await session.wait()
"""
READ = """
async def main():
    async with HeyGen() as heygen:
        print("ready", flush=True)
        await heygen.account.me()
"""
UNCLOSED = """
async def main():
    heygen = HeyGen(cadence=once)
    session = await heygen.sessions.create("p")
    print("ready", flush=True)
    await session.wait()
"""
QUIET = """
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("bye")
gc.collect()
"""
LOUD = """
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("code", "requests"),
    [(WATCH, 2), (WAIT, 2), (READ, 1), (UNCLOSED, 2)],
    ids=["watch", "wait", "read", "wait without closing"],
)
async def test_ctrl_c_leaves_quietly(
    server: SimulatorServer, programs: Programs, code: str, requests: int
) -> None:
    """A program interrupted while it waits for ever ends, asks nothing more, and nothing complains."""
    server.simulator.faults.add("silence", on="account")
    program = await start(programs, server.url, code + QUIET)
    await program.says("ready")
    await until_asked(server, requests)
    program.interrupt()

    assert (0, "bye\n", "") == await program.ends()
    assert requests == server.simulator.ledger.total_requests


async def test_ctrl_c_shows_only_itself(server: SimulatorServer, programs: Programs) -> None:
    """Uncaught, Ctrl-C shows its own traceback and no other complaint."""
    program = await start(programs, server.url, WATCH + LOUD)
    await program.says("ready")
    await until_asked(server, 2)
    program.interrupt()
    _, _, complained = await program.ends()

    assert complained.endswith("\nKeyboardInterrupt\n")
    assert [] == [word for word in COMPLAINTS if word in complained]
    assert "heygen_async" not in complained.rpartition("During handling")[2]


CREATED = b'{"data": {"session_id": "sess_1", "status": "thinking", "created_at": 1767225600}}'
CREATE = """
async def tell_of_ctrl_c(main):
    while not main.cancelling():
        await asyncio.sleep(0.01)
    print("interrupted", flush=True)

async def main():
    async with HeyGen(timeouts=Timeouts(write={limit})) as heygen:
        telling = asyncio.create_task(tell_of_ctrl_c(asyncio.current_task()))
        try:
            await heygen.sessions.create("p")
        finally:
            print([session.id for session in heygen.sessions.orphans])
"""


async def test_ctrl_c_loses_no_session(programs: Programs) -> None:
    """A create interrupted before its answer ends with it, the session among the orphans."""
    interrupted = anyio.Event()

    async def answer(line: Line) -> None:
        await interrupted.wait()
        await line.say(http(CREATED))

    async with peer(answer) as service:
        program = await start(programs, service.url, CREATE.format(limit=1000) + QUIET)
        await service.until_heard()
        program.interrupt()
        await program.says("interrupted")
        interrupted.set()

        code, printed, complained = await program.ends()

        assert (0, "['sess_1']\nbye\n") == (code, printed)
        assert complained.startswith("A cancelled create has made session sess_1")
        assert ["POST"] == [heard.method for heard in service.heard]


async def test_ctrl_c_is_bounded(programs: Programs) -> None:
    """A create interrupted while the service is silent ends once the write limit is over, and says what it left."""
    async with peer(silence) as service:
        program = await start(programs, service.url, CREATE.format(limit=0.2) + QUIET)
        await service.until_heard()
        program.interrupt()
        await program.says("interrupted")
        code, said, complained = await program.ends()

        assert (0, "[]\nbye\n") == (code, said)
        assert "may have happened" in complained
        assert [] == [word for word in COMPLAINTS if word in complained]
        assert 1 == [heard.method for heard in service.heard].count("POST")


AGAIN = """
heygen = HeyGen()
async def main():
    await heygen.account.me()
    session = await heygen.sessions.create("p")
    async for state in session.watch(progress=True):
        print(state.status)
        break
async def last():
    await main()
    await heygen.aclose()
asyncio.run(main())
asyncio.run(main())
asyncio.run(last())
del heygen
gc.collect()
"""


async def test_one_client_in_one_loop_after_another(server: SimulatorServer, programs: Programs) -> None:
    """A client used in one asyncio.run after another works in each and leaves nothing open."""
    program = await start(programs, server.url, AGAIN)

    assert (0, "thinking\n" * 3, "") == await program.ends()


def without_slowness(complained: str) -> str:
    """What was complained of, but for steps that debug mode finds slow."""
    return "".join(line for line in complained.splitlines(True) if not line.startswith("Executing <"))
