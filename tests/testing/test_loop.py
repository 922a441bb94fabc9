"""Virtual time: waiting costs nothing, and nothing is overtaken."""
# ruff: noqa: TID251 - the loop these tests run in owns the time

from __future__ import annotations

import asyncio
import threading
import time

import anyio
import anyio.to_thread
import pytest

from heygen_async.testing import Deadlock, VirtualLoop, run


def slow(value: int) -> int:
    """Take a moment of real time."""
    time.sleep(0.03)
    return value


async def test_hours_pass_at_once() -> None:
    """Two hours of sleep take no real time, and both clocks show them."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    start, wall, real = loop.time(), loop.wall_time(), time.perf_counter()
    await anyio.sleep(7200)

    assert loop.time() - start == pytest.approx(7200)
    assert loop.wall_time() - wall == pytest.approx(7200)
    assert time.perf_counter() - real < 1


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


@pytest.mark.parametrize("debug", [False, True])
def test_deadlock_is_named(debug: bool) -> None:
    """A program in which all wait for ever is told so at once."""

    async def wait() -> None:
        asyncio.get_running_loop().set_debug(debug)
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="every task waits"):
        run(wait)


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
