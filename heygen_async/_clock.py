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
