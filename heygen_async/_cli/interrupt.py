"""
Ctrl-C: once to leave in good order, twice to leave at once; and no wait for input that may never come.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from threading import Thread
from types import FrameType
from typing import Any, TypeVar

from .exit_codes import Exit

T = TypeVar("T")

_SHOW_CURSOR = "\x1b[?25h\n"


async def run_interruptible(work: Coroutine[Any, Any, int]) -> int:
    """
    Do the work, and cancel it at the first Ctrl-C (or SIGTERM); the second ends the process where it stands.

    A signal that the process was started to ignore stays ignored: `nohup`, or a script that puts the command in the
    background, wants it to go on.

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

    previous = {
        number: signal.signal(number, leave)
        for number in (signal.SIGINT, signal.SIGTERM)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        return await work
    except asyncio.CancelledError:
        if not was_asked:
            raise
        return Exit.INTERRUPTED
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


async def run_in_thread(work: Callable[[], T]) -> T:
    """
    Do what may block for ever, such as reading standard input, and leave it behind when the wait is cancelled.

    A thread of anyio's is left behind too, but Python would wait for it at the end of the process.

    Args:
        work: What blocks. It must not hold a lock of Python's own input meanwhile: to be stopped there at the end
            would crash the interpreter.
    """
    result = Future[T]()
    result.set_running_or_notify_cancel()  # from now on it cannot be cancelled: only its waiting can

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            result.set_exception(error)

    Thread(target=run, name="heygen_async input", daemon=True).start()
    return await asyncio.wrap_future(result)


def _leave_at_once() -> None:
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), _SHOW_CURSOR.encode())
    os._exit(Exit.INTERRUPTED)
