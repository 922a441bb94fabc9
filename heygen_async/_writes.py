"""
A write in progress that must not be lost: what is known of it, and how it survives being cancelled.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

from . import _clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

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
        is_abandoned: Whether the caller was cancelled, so that it must not be sent again.
        is_settling: Whether it is being looked for.
        settle: Finds out what an attempt with an unknown outcome made; None when it did not happen.
    """

    __slots__ = ("call", "is_abandoned", "is_settling", "may_exist", "settle")

    def __init__(self, call: Call[T]) -> None:
        self.call = call
        self.may_exist = False
        self.is_abandoned = False
        self.is_settling = False
        self.settle: Callable[[HeyGenError], Awaitable[T | None]] | None = None

    def before_attempt(self) -> None:
        """Note that the write may happen from now on; an abandoned one must not."""
        if self.is_abandoned:
            raise asyncio.CancelledError
        self.may_exist = True


async def shielded(
    write: Write[T], work: Coroutine[None, None, R], *, limit: float, rescue: Callable[[R], None]
) -> R:
    """
    Do the work of a write in a task of its own, so that a cancelled caller loses nothing.

    A cancel proceeds at once while nothing can have happened; else when the outcome is known, at most `limit`
    seconds later, and `rescue` gets the result nobody waits for any more.
    """
    task = asyncio.get_running_loop().create_task(work, name=f"heygen_async {write.call.name}")
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        write.is_abandoned = True
        if not write.may_exist:
            task.cancel()
        await _finished(task, limit)
        _take_stock(write, task, rescue)
        raise


async def _finished(task: asyncio.Task[R], limit: float) -> None:
    """Wait for the task through any number of further cancels; end it when the limit is over."""
    until = _clock.now() + limit
    # The scope keeps anyio from repeating its cancel at every step of the loop, the loop absorbs native ones.
    with anyio.CancelScope(shield=True):
        while not task.done():
            if _clock.now() >= until:
                task.cancel()
            try:
                await asyncio.wait({task}, timeout=max(until - _clock.now(), 0.1))
            except asyncio.CancelledError:
                continue


def _take_stock(write: Write[T], task: asyncio.Task[R], rescue: Callable[[R], None]) -> None:
    said = {"operation": write.call.name, "idempotency_key": write.call.key}
    if task.cancelled():
        if write.may_exist:
            log.warning("A cancelled %s may have happened; nobody knows", write.call.name, extra=said)
    elif error := task.exception():
        log.warning("A cancelled %s failed: %s", write.call.name, type(error).__name__, extra=said)
    else:
        rescue(task.result())
