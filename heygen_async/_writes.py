"""
A write in progress that must not be lost: what is known of it, and how it survives being cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from . import _clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine

    from ._wire import Call
    from .errors import HeyGenError

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger("heygen_async")


class Write(Generic[T]):
    """
    What is known of one write.

    Attributes:
        may_exist: Whether an attempt may have reached the service and its outcome is not known yet.
        is_open: Whether an earlier attempt may have been the one: its key has been asked for again, no answer yet.
        is_abandoned: Whether the caller was cancelled, so that it must not be sent again.
        is_settling: Whether it is being looked for.
        settle: Finds out what an attempt with an unknown outcome made; None when it did not happen.
    """

    __slots__ = ("call", "is_abandoned", "is_open", "is_settling", "may_exist", "settle")

    def __init__(self, call: Call[T]) -> None:
        self.call = call
        self.may_exist = False
        self.is_open = False
        self.is_abandoned = False
        self.is_settling = False
        self.settle: Callable[[HeyGenError], Awaitable[T | None]] | None = None

    def before_attempt(self) -> None:
        """Note that the write may happen from now on; an abandoned one must not."""
        self.before_wait()
        self.may_exist = True

    def before_wait(self) -> None:
        """End an abandoned write: nobody waits for what would follow."""
        if self.is_abandoned:
            raise asyncio.CancelledError


async def shielded(
    write: Write[T],
    work: Coroutine[None, None, R],
    *,
    limit: float,
    rescue: Callable[[R], None],
    rescues: set[asyncio.Task[object]],
) -> R:
    """
    Do the work of a write in a task of its own, so that a cancelled caller loses nothing.

    A cancel proceeds at once while nothing can have happened; else when the outcome is known, at most `limit`
    seconds later. `rescue` gets the result nobody waits for any more, also when it comes after the limit; until
    then the task is among `rescues`.
    """
    task = asyncio.get_running_loop().create_task(work, name=f"heygen_async {write.call.name}")
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        write.is_abandoned = True
        if not write.may_exist:
            task.cancel()
        rescues.add(task)
        task.add_done_callback(rescues.discard)
        await finished({task}, limit)
        if task.done():
            _take_stock(write, rescue, task)
        else:
            task.add_done_callback(partial(_take_stock, write, rescue))
        raise


async def finished(tasks: Collection[asyncio.Task[object]], limit: float) -> None:
    """Wait for the tasks through any number of cancels, until the limit is over."""
    until = _clock.now() + limit
    waiting = set(tasks)
    # The scope keeps anyio from repeating its cancel at every step of the loop, the loop absorbs native ones.
    with anyio.CancelScope(shield=True):
        while waiting and (left := until - _clock.now()) > 0:
            try:
                _, waiting = await asyncio.wait(waiting, timeout=left)
            except asyncio.CancelledError:
                waiting = {task for task in waiting if not task.done()}


def _take_stock(write: Write[T], rescue: Callable[[R], None], task: asyncio.Task[R]) -> None:
    said = {"operation": write.call.name, "idempotency_key": write.call.key}
    if task.cancelled():
        if write.may_exist:
            log.warning("A cancelled %s may have happened; nobody knows", write.call.name, extra=said)
    elif error := task.exception():
        log.warning("A cancelled %s failed: %s", write.call.name, type(error).__name__, extra=said)
    else:
        rescue(task.result())
