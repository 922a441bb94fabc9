"""
The only place that reads a clock or sleeps.

Time is the running loop's, so a loop with a virtual clock moves everything: timeouts of the HTTP library, cancel
scopes, polls. A loop that also keeps a calendar (`wall_time`) is believed, so virtual hours are hours on both. Where
webhooks are verified and nothing is async, `wall` loads no library of a loop.
"""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def now() -> float:
    """Return monotonic seconds; only differences mean anything."""
    import asyncio

    return asyncio.get_running_loop().time()


def of(loop: asyncio.AbstractEventLoop) -> float:
    """Return the monotonic seconds of a loop, asked from outside of it too."""
    return loop.time()


def is_running(loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether this is called from within a loop."""
    import asyncio

    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def wall() -> float:
    """Return Unix seconds; only for comparing with times the service wrote, never for waiting."""
    calendar = time.time
    if "asyncio" in sys.modules:
        import asyncio

        with contextlib.suppress(RuntimeError):
            calendar = getattr(asyncio.get_running_loop(), "wall_time", time.time)
    return float(calendar())


async def sleep(seconds: float) -> None:
    """Wait."""
    import anyio

    await anyio.sleep(seconds)
