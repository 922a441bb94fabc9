"""
The only place that reads a clock or sleeps.

Time is the running loop's, so a loop with a virtual clock moves everything: timeouts of the HTTP library, cancel
scopes, polls. A loop that also keeps a calendar (`wall_time`) is believed, so virtual hours are hours on both.
"""

from __future__ import annotations

import asyncio
import time

import anyio


def now() -> float:
    """Return monotonic seconds; only differences mean anything."""
    return asyncio.get_running_loop().time()


def of(loop: asyncio.AbstractEventLoop) -> float:
    """Return the monotonic seconds of a loop, asked from outside of it too."""
    return loop.time()


def is_running(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether this is called from within a loop."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def is_cancelled() -> bool:
    """Return whether somebody has cancelled the running task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def wall() -> float:
    """Return Unix seconds; only for comparing with times the service wrote, never for waiting."""
    try:
        calendar = getattr(asyncio.get_running_loop(), "wall_time", time.time)
    except RuntimeError:  # a webhook is verified anywhere, also where nothing is async
        calendar = time.time
    return float(calendar())


async def sleep(seconds: float) -> None:
    """Wait."""
    await anyio.sleep(seconds)


class Alarm:
    """Lets one task wait for a moment that others may bring forward."""

    __slots__ = ("_rung", "_waiter")

    def __init__(self) -> None:
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """End the wait that is on, or the next one at once."""
        self._rung = True
        _settle(self._waiter)

    async def wait(self, until: float | None) -> None:
        """Wait for the ring or the moment (loop time; None: only the ring)."""
        if not self._rung:
            loop = asyncio.get_running_loop()
            self._waiter = waiter = loop.create_future()
            timer = None if until is None else loop.call_at(until, _settle, waiter)
            try:
                await waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        self._rung = False


def _settle(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
