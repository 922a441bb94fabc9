"""However a watch is left, it costs nothing any more."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import anyio
import pytest

from flows import pass_time, tasks, words
from heygen_async import Cadence, HeyGen, Session, WatchTimeout
from heygen_async.testing import Simulator

PROMPT = "An espresso machine"
HOUR = 3600.0


async def by_break(session: Session) -> None:
    """Leave the loop."""
    async for _ in session.watch():
        break


async def by_aclose(session: Session) -> None:
    """Say that it is over, twice."""
    watch = session.watch()
    await anext(watch)
    await watch.aclose()
    await watch.aclose()


async def by_block(session: Session) -> None:
    """Leave the block by an error."""
    with contextlib.suppress(ZeroDivisionError):
        async with session.watch() as states:
            await anext(states)
            raise ZeroDivisionError


async def by_cancel(session: Session) -> None:
    """Be cancelled while waiting for the second state."""
    with anyio.move_on_after(5):
        await words(session.watch())


async def by_cancelling_the_task(session: Session) -> object:
    """Be a task that is cancelled, and remembered."""
    task = asyncio.create_task(words(session.watch()))
    await pass_time(5)
    task.cancel()
    await asyncio.wait({task})
    return task  # with the error, its traceback, and all the frames in it


async def by_cancelled_wait(session: Session) -> None:
    """Be cancelled in `wait`."""
    with anyio.move_on_after(5):
        await session.wait()


async def by_cancel_in_a_poll(session: Session) -> None:
    """Be cancelled while a poll is under way."""
    with anyio.move_on_after(1.005):
        await words(session.watch(cadence=Cadence.constant(1)))


LEAVING = [
    by_break,
    by_aclose,
    by_block,
    by_cancel,
    by_cancelling_the_task,
    by_cancelled_wait,
    by_cancel_in_a_poll,
]


@pytest.mark.parametrize("leave", LEAVING)
async def test_leaving_frees_the_poll(
    heygen: HeyGen, service: Simulator, leave: Callable[[Session], Awaitable[object]]
) -> None:
    """However a watch is left, nothing is asked on its account for the hour that follows, and no task stays."""
    session = await heygen.sessions.create(PROMPT)
    await pass_time(0)  # what kept the create while it was open ends
    before = tasks()
    kept = await leave(session)

    assert 0 == heygen.statistics().watchers
    await pass_time(1)  # a poll under way ends
    polls = service.ledger.total_requests
    await pass_time(HOUR)
    assert polls == service.ledger.total_requests
    assert before == tasks()
    del kept


async def test_leaving_one_watch_leaves_the_other(heygen: HeyGen) -> None:
    """Who breaks out of a loop takes nothing from another watcher of the same session."""
    session = await heygen.sessions.create(PROMPT)
    async with session.watch() as other:
        assert "thinking" == (await anext(other)).status
        await by_break(session)
        assert "reviewing" == (await anext(other)).status


async def test_cancelled_step_loses_no_state(heygen: HeyGen) -> None:
    """A reader who gives up on one step gets the state at the next."""
    session = await heygen.sessions.create(PROMPT)
    async with session.watch() as states:
        await anext(states)
        for _ in range(50):
            with anyio.move_on_after(0.7):
                assert "reviewing" == (await anext(states)).status
                break
        else:
            pytest.fail("the state was lost")


async def test_cancelled_steps_keep_the_deadline(heygen: HeyGen) -> None:
    """Giving up on steps again and again does not put off the deadline of the whole watch."""
    session = await heygen.sessions.create(PROMPT)
    async with session.watch(timeout=10) as states:
        await anext(states)
        for _ in range(13):
            with anyio.move_on_after(0.7):
                await anext(states)
        with pytest.raises(WatchTimeout):
            await anext(states)


async def test_cancelled_step_tells_nothing_twice(heygen: HeyGen) -> None:
    """What was told before a cancelled step is not told again after it."""
    session = await heygen.sessions.create(PROMPT)
    async with session.watch() as states:
        await anext(states)
        with anyio.move_on_after(0.1):
            await anext(states)

        assert ["reviewing"] == await words(states)


async def test_watch_ends_for_good(heygen: HeyGen) -> None:
    """A watch that has ended stays ended."""
    session = await heygen.sessions.create(PROMPT)
    watch = session.watch()
    await words(watch)

    assert [] == await words(watch)
