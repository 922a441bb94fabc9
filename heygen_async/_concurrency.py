"""A few ways to wait: for a moment that may come early, for jobs side by side, for tasks through any cancel."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable

import anyio

from . import _clock


def is_cancelled() -> bool:
    """Return whether somebody has cancelled the running task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Alarm:
    """Lets one task wait for a moment that others may bring forward."""

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """End the wait that is on, or the next one at once."""
        self._rung = True
        _finish(self._waiter)

    async def wait(self, until: float | None) -> None:
        """Wait for the ring or the moment (loop time; None: only the ring)."""
        if not self._rung:
            loop = asyncio.get_running_loop()
            self._waiter = waiter = loop.create_future()
            timer = None if until is None else loop.call_at(until, _finish, waiter)
            try:
                await waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        self._rung = False


def _finish(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


async def concurrently(jobs: Iterable[Callable[[], Awaitable[None]]], *, most: int = 4) -> None:
    """Do the jobs side by side, at most so many at once; the first error ends them all and is raised as itself."""
    gate = anyio.Semaphore(most)

    async def do(job: Callable[[], Awaitable[None]]) -> None:
        async with gate:
            await job()

    try:
        async with anyio.create_task_group() as group:
            for job in jobs:
                group.start_soon(do, job)
    except ExceptionGroup as failed:
        first = failed.exceptions[0]
    else:
        return
    raise first  # out here: it keeps its own cause, and does not come with the group


async def wait_through_cancels(tasks: Collection[asyncio.Task[object]], limit: float) -> None:
    """Wait for the tasks through any number of cancels, until the limit is over."""
    until = _clock.now() + limit
    waiting: set[asyncio.Task[object]] = set(tasks)
    # The scope keeps anyio from repeating its cancel at every step of the loop, the loop absorbs native ones.
    with anyio.CancelScope(shield=True):
        while waiting and (left := until - _clock.now()) > 0:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(waiting, timeout=left)
            waiting = {task for task in waiting if not task.done()}
