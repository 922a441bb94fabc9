"""Time limits under one timer."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from flows import pass_time
from heygen_async._http.limits import TimeoutWheel


async def limited(deadlines: TimeoutWheel, seconds: float, takes: float) -> str:
    """Do something that takes a while under a limit."""
    task = deadlines.begin(seconds)
    try:
        await pass_time(takes)
    except BaseException as error:
        deadlines.end(task, error)
        raise
    deadlines.end(task)
    return "done"


def now() -> float:
    """Return the seconds of the loop."""
    return asyncio.get_running_loop().time()


async def test_what_takes_too_long_ends_at_its_limit() -> None:
    """Each gets `TimeoutError` at its own limit, to the moment; the others go on."""
    deadlines, began, ended = TimeoutWheel(), now(), dict[str, float]()

    async def one(name: str, seconds: float, takes: float) -> None:
        try:
            await limited(deadlines, seconds, takes)
        except TimeoutError:
            ended[name] = now() - began

    async with anyio.create_task_group() as group:
        group.start_soon(one, "late", 30, 100)
        group.start_soon(one, "early", 5, 100)
        group.start_soon(one, "kept", 20, 10)
        group.start_soon(one, "as late", 30, 100)

    assert {"early": 5.0, "late": 30.0, "as late": 30.0} == pytest.approx(ended)


async def test_a_limit_after_another() -> None:
    """A task may have one limit after another; one that was kept has no consequence later."""
    deadlines = TimeoutWheel()

    assert "done" == await limited(deadlines, 5, 1)
    assert "done" == await limited(deadlines, 60, 50)
    with pytest.raises(TimeoutError):
        await limited(deadlines, 5, 6)
    task = asyncio.current_task()
    assert task is not None
    assert 0 == task.cancelling()


async def test_a_cancel_from_elsewhere_wins() -> None:
    """Who is cancelled in the moment the limit passes is cancelled, not late."""
    deadlines = TimeoutWheel()
    task = asyncio.ensure_future(limited(deadlines, 5, 100))
    asyncio.get_running_loop().call_later(5, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task

    assert 1 == task.cancelling()


async def test_closed() -> None:
    """Nothing is ended, and no timer left, by limits that are not kept any more."""
    deadlines = TimeoutWheel()
    task = asyncio.ensure_future(limited(deadlines, 5, 100))
    await pass_time(1)
    deadlines.close()

    assert "done" == await task
