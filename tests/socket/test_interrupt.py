"""Programs that end: by Ctrl-C, or by using one client in one event loop after another."""
# ruff: noqa: TID251 - real processes need real time

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio import create_subprocess_exec, subprocess
from collections.abc import AsyncGenerator

import pytest

from heygen_async.testing import Scenario, Simulator, SimulatorServer

COMPLAINTS = ("unclosed", "Unclosed", "Warning", "never retrieved", "was destroyed", "never awaited")
SETUP = """
import asyncio, gc, aiohttp
from heygen_async import HeyGen, RetryPolicy, Timeouts
"""


@pytest.fixture
async def server(anyio_backend: object) -> AsyncGenerator[SimulatorServer]:
    """A service in this process, for programs in others; sessions think for ever."""
    async with SimulatorServer(Simulator(scenario=Scenario.stuck())) as running:
        yield running


async def start(server: SimulatorServer, code: str, *, python: tuple[str, ...] = ()) -> subprocess.Process:
    """Start a program that has every warning as an error and asyncio in debug mode."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST", "PYTHON"))
    }
    kept |= {"HEYGEN_API_KEY": server.simulator.api_key, "HEYGEN_API_BASE": server.url}
    return await create_subprocess_exec(
        *(sys.executable, *python, "-X", "dev", "-W", "error", "-c", SETUP + code),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=kept,
    )


async def interrupt(
    program: subprocess.Process, server: SimulatorServer, requests: int = 0
) -> tuple[str, str, float]:
    """Press Ctrl-C once the program is ready and has asked; what it then prints, and how long it takes to end."""
    assert program.stdout is not None
    assert b"ready\n" == await program.stdout.readline()
    while server.simulator.ledger.total_requests < requests:
        await asyncio.sleep(0.001)
    pressed = time.monotonic()
    program.send_signal(signal.SIGINT)
    said, complained = await program.communicate()
    return said.decode(), complained.decode(), time.monotonic() - pressed


WATCH = """
async def main():
    async with HeyGen() as heygen:
        session = await heygen.sessions.create("p")
        async for state in session.watch(progress=True):
            print("ready", flush=True)
"""
WAIT = """
async def main():
    async with HeyGen() as heygen:
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
    heygen = HeyGen()
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
    "code", [WATCH, WAIT, READ, UNCLOSED], ids=["watch", "wait", "read", "wait without closing"]
)
async def test_ctrl_c_leaves_quietly(server: SimulatorServer, code: str) -> None:
    """A program interrupted while it waits ends within a second, and nothing complains."""
    server.simulator.faults.add("silence", on="account")
    program = await start(server, code + QUIET)
    said, complained, seconds = await interrupt(program, server)

    assert (0, "bye\n", "") == (program.returncode, said, without_slowness(complained))
    assert seconds < 1


async def test_ctrl_c_shows_only_itself(server: SimulatorServer) -> None:
    """Uncaught, Ctrl-C shows its own traceback and no other complaint."""
    program = await start(server, WATCH + LOUD)
    _, complained, seconds = await interrupt(program, server)

    assert complained.endswith("\nKeyboardInterrupt\n")
    assert [] == [word for word in COMPLAINTS if word in complained]
    assert "heygen_async" not in complained.rpartition("During handling")[2]
    assert seconds < 1


CREATE = """
async def main():
    async with HeyGen(timeouts=Timeouts(write=0.5)) as heygen:
        await heygen.account.me()
        print("ready", flush=True)
        try:
            await heygen.sessions.create("p")
        finally:
            print([session.id for session in heygen.sessions.orphans])
"""


async def test_ctrl_c_loses_no_session(server: SimulatorServer) -> None:
    """A create interrupted before its answer ends within a second of it, with the session among the orphans."""
    server.simulator.faults.add("slow", on="create", seconds=0.3)
    program = await start(server, CREATE + QUIET)
    said, complained, seconds = await interrupt(program, server, 2)

    [made] = server.simulator.ledger.sessions
    assert (0, f"['{made}']\nbye\n", "") == (program.returncode, said, without_slowness(complained))
    assert seconds < 1


async def test_ctrl_c_is_bounded(server: SimulatorServer) -> None:
    """A create interrupted while the service is silent ends once the write limit is over, and says what it left."""
    server.simulator.faults.add("silence_before", on="create")
    program = await start(server, CREATE + QUIET)
    said, complained, seconds = await interrupt(program, server, 2)

    assert (0, "[]\nbye\n") == (program.returncode, said)
    assert "may have happened" in complained
    assert [] == [word for word in COMPLAINTS if word in complained]
    assert seconds < 0.5 + 1


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


async def test_one_client_in_one_loop_after_another(server: SimulatorServer) -> None:
    """A client used in one asyncio.run after another works in each and leaves nothing open."""
    program = await start(server, AGAIN)
    said, complained = await program.communicate()

    assert (0, "thinking\n" * 3, "") == (
        program.returncode,
        said.decode(),
        without_slowness(complained.decode()),
    )


def without_slowness(complained: str) -> str:
    """What was complained of, but for steps that debug mode finds slow."""
    return "".join(line for line in complained.splitlines(True) if not line.startswith("Executing <"))
