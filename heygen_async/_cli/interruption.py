"""
Ctrl-C: once to leave in good order, twice to leave at once.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from types import FrameType
from typing import Any

from .exits import Exit

_SHOW_CURSOR = "\x1b[?25h\n"


async def attended(work: Coroutine[Any, Any, int]) -> int:
    """
    Do the work, and cancel it at the first Ctrl-C (or SIGTERM); the second ends the process where it stands.

    What must not be lost is on the disk by then: a create in flight is finished first after the first signal, and
    looked for by the next run after the second.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    was_asked = False

    def leave(_number: int, _frame: FrameType | None) -> None:
        nonlocal was_asked
        if was_asked:
            _leave_at_once()
        was_asked = True
        loop.call_soon_threadsafe(task.cancel)

    previous = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return await work
    except asyncio.CancelledError:
        if not was_asked:
            raise
        return Exit.INTERRUPTED
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _leave_at_once() -> None:
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), _SHOW_CURSOR.encode())
    os._exit(Exit.INTERRUPTED)
