"""Virtual time: waiting costs nothing, and nothing is overtaken."""
# ruff: noqa: TID251 - the loop these tests run in owns the time

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread
import pytest

from heygen_async.testing import Deadlock, VirtualLoop, run

MONTHS = 60 * 24 * 3600.0


def slow(value: int) -> int:
    """Take a moment of real time."""
    time.sleep(0.03)
    return value


async def test_hours_pass_at_once() -> None:
    """Two months of sleep take no real time (pytest's own limit would strike), and both clocks show them."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    start, wall = loop.time(), loop.wall_time()
    await anyio.sleep(MONTHS)

    assert loop.time() - start == pytest.approx(MONTHS)
    assert loop.wall_time() - wall == pytest.approx(MONTHS)


async def test_timers_fire_in_order() -> None:
    """Sleepers wake in the order of their alarms."""
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await anyio.sleep(seconds)
        woken.append(seconds)

    async with anyio.create_task_group() as group:
        for seconds in (30, 0.001, 3600, 2):
            group.start_soon(sleep, seconds)

    assert [0.001, 2, 30, 3600] == woken


async def test_timeouts_work() -> None:
    """A deadline strikes a wait that would last for ever."""
    with pytest.raises(TimeoutError):
        with anyio.fail_after(60):
            await anyio.sleep_forever()


async def test_threads_are_not_overtaken() -> None:
    """A timeout of a virtual second does not strike work in a thread that takes a moment."""
    with anyio.fail_after(1):
        assert 5 == await anyio.to_thread.run_sync(slow, 5)
        assert 6 == await asyncio.to_thread(slow, 6)


async def test_a_thread_that_hangs_is_overtaken() -> None:
    """A thread that waits for the loop does not stop time for ever."""
    release = threading.Event()
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.thread_patience = 0.02
    with anyio.move_on_after(5) as scope:
        await anyio.to_thread.run_sync(release.wait, abandon_on_cancel=True)
    release.set()
    loop.thread_patience = VirtualLoop.thread_patience

    assert scope.cancelled_caught


async def test_names_are_looked_up() -> None:
    """A name lookup, which runs in a thread, needs no timer to be awaited."""
    assert await asyncio.get_running_loop().getaddrinfo("localhost", 80)


async def wait_for_an_event() -> None:
    """Wait for what nobody sets."""
    await asyncio.Event().wait()


async def wait_after_work_in_threads() -> None:
    """Wait for what nobody sets, while workers of both kinds stand idle."""
    await anyio.to_thread.run_sync(slow, 1)
    await asyncio.to_thread(slow, 2)
    await asyncio.Event().wait()


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("wait", [wait_for_an_event, anyio.sleep_forever, wait_after_work_in_threads])
def test_deadlock_is_named(wait: Callable[[], Awaitable[None]], debug: bool) -> None:
    """A program in which all wait for ever ends with `Deadlock` at once."""

    async def main() -> None:
        asyncio.get_running_loop().set_debug(debug)
        await wait()

    with pytest.raises(Deadlock, match="every task waits"):
        run(main)


async def test_an_infinite_timer_can_be_cancelled() -> None:
    """What waits for ever beside others is cancelled like any other wait."""
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        await anyio.sleep(1)
        group.cancel_scope.cancel()


@pytest.mark.parametrize("daemon", [False, True])
def test_a_thread_of_ones_own_is_no_deadlock(daemon: bool) -> None:
    """A thread that the loop did not start may take its time to wake it, and ends a deadlock only by its end."""

    async def main(speaks: bool) -> str:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[str] = loop.create_future()

        def work() -> None:
            time.sleep(0.3)
            if speaks:
                loop.call_soon_threadsafe(told.set_result, "done")

        threading.Thread(target=work, daemon=daemon).start()
        return await told

    assert "done" == run(main, True)
    with pytest.raises(Deadlock):
        run(main, False)


SLOW_PEER = """
import socket, sys, time
with socket.socket(fileno=int(sys.argv[1])) as line:
    heard = line.recv(1)
    time.sleep(0.3)
    line.send(heard)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no sockets for child processes")
def test_a_slow_peer_is_no_deadlock() -> None:
    """A process that the loop knows nothing of may take its time to answer: an open socket is waited for."""

    async def ask(line: socket.socket) -> bytes:
        reader, writer = await asyncio.open_connection(sock=line)
        writer.write(b"?")
        heard = await reader.read(1)
        writer.close()
        await writer.wait_closed()
        return heard

    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", SLOW_PEER, str(theirs.fileno())]
    with theirs, subprocess.Popen(command, pass_fds=[theirs.fileno()]):
        assert b"?" == run(ask, ours)


def test_run_passes_arguments_and_result() -> None:
    """`run` gives the function its arguments and returns its result."""

    async def add(left: int, right: int) -> int:
        await anyio.sleep(1000)
        return left + right

    assert 5 == run(add, 2, 3)


def test_run_ends_its_threads() -> None:
    """Threads of the default executor end with the loop, without a false timeout."""

    async def work() -> None:
        await asyncio.to_thread(time.sleep, 0.01)

    run(work)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("asyncio_")]


async def test_streams_of_this_loop_are_not_overtaken() -> None:
    """Client and server of one loop talk over loopback without a single false timeout."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for number in range(100):
        writer.write(b"%d\n" % number)
        with anyio.fail_after(1):
            assert b"%d\n" % number == await reader.readline()
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
