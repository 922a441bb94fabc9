"""
Writes under way: not lost with a cancelled caller, a closed client or the end of a loop.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import _clock
from .._concurrency import wait_through_cancels

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .writes import PendingWrite

R = TypeVar("R")

log = logging.getLogger("heygen_async")

_GRACE = 1.0  # seconds for the first reads after an attempt that nothing answered


class ShieldedWrite(Generic[R]):
    """
    The work of a write in a task of its own, which any number of callers await: a cancelled one loses nothing.

    Attributes:
        write: What is known of it.
        task: The work.
        keeper: Holds the loop open while it goes on.
    """

    def __init__(
        self, write: PendingWrite[Any], task: asyncio.Task[R], limit: float, on_orphan: Callable[[R], None]
    ) -> None:
        self.write = write
        self.task = task
        self._limit = limit
        self._on_orphan = on_orphan
        self._waiters = 0
        self._is_taken = False
        self.keeper: asyncio.Task[None] | None = None

    async def wait(self) -> R:
        """
        Return the result.

        A cancel proceeds at once while others wait for the result or nothing has left; else when the outcome is
        known, at most `limit` seconds later. The result that no caller gets goes to `on_orphan`, however late it is.
        """
        self._waiters += 1
        self.write.is_abandoned = False
        try:
            result = await asyncio.shield(self.task)
        except asyncio.CancelledError:
            if self._waiters == 1:
                await self._abandon()
            raise
        finally:
            self._waiters -= 1
        self._is_taken = True
        return result

    async def _abandon(self) -> None:
        self.write.abandon()
        if not self.write.may_exist:
            self.task.cancel()
        await wait_through_cancels({self.task}, self._limit)
        if self.task.done():
            self._report(self.task)
        else:
            self.task.add_done_callback(self._report)

    def _report(self, task: asyncio.Task[R]) -> None:
        if self._waiters > 1 or self._is_taken:
            return  # another caller came for it meanwhile
        call = self.write.call
        extra = {"event": "cancelled_write", "operation": call.name, "idempotency_key": call.key}
        if task.cancelled():
            if self.write.may_exist:
                log.warning("A cancelled %s may have happened; it is not known", call.name, extra=extra)
        elif error := task.exception():
            candidates = getattr(error, "candidates", ())
            problem = f"{type(error).__name__} {' '.join(candidates)}".strip()
            failed = {**extra, "candidates": candidates}
            log.warning("A cancelled %s (key %s) failed: %s", call.name, call.key, problem, extra=failed)
        else:
            self._on_orphan(task.result())


class OpenWrites:
    """The writes of a client that are under way; it does not close before they are through."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._open: set[ShieldedWrite[Any]] = set()

    def start(
        self, write: PendingWrite[Any], work: Coroutine[None, None, R], on_orphan: Callable[[R], None]
    ) -> ShieldedWrite[R]:
        """Do the work of a write in a task of its own."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(work, name=f"heygen_async {write.call.name}")
        # A loop that ends cancels every task it knows: this one goes on, and a keeper holds the loop open for it.
        asyncio._unregister_task(task)  # noqa: SLF001 - documented, for tasks with a life of their own
        opened = ShieldedWrite(write, task, self._limit, on_orphan)
        self._open.add(opened)
        task.add_done_callback(lambda _: self._open.discard(opened))
        opened.keeper = loop.create_task(self._keep(opened), name=f"heygen_async keeper of {write.call.name}")
        return opened

    async def _keep(self, opened: ShieldedWrite[Any]) -> None:
        try:
            await asyncio.wait({opened.task})
        except asyncio.CancelledError:
            await self._wait_for({opened})
            if not opened.task.done():
                _warn(opened.write)
                opened.task.cancel()

    async def aclose(self) -> None:
        """Wait for writes that may have happened, each at most so long from when it was sent; log what stays open."""
        await self._wait_for(self._open)
        for opened in self._open:
            if opened.write.may_exist:
                _warn(opened.write)

    async def _wait_for(self, writes: set[ShieldedWrite[Any]]) -> None:
        while True:
            now = _clock.now()
            ends = {
                opened.task: (opened.write.last_sent_at or now) + self._limit + _GRACE
                for opened in writes
                if opened.write.may_exist and not opened.task.done()
            }
            waiting = {task for task, end in ends.items() if end > now}
            if not waiting:
                return
            await wait_through_cancels(waiting, min(ends[task] for task in waiting) - now)


def _warn(write: PendingWrite[Any]) -> None:
    call = write.call
    extra = {"event": "open_write", "operation": call.name, "idempotency_key": call.key}
    log.warning("A %s is still open at the end; its key is %s", call.name, call.key, extra=extra)


class FollowUp:
    """Something to check once, a while after a write; or at once, when the client closes first."""

    __slots__ = ("_check", "_delay", "_task", "_timer")

    def __init__(self, check: Callable[[], Coroutine[None, None, None]], delay: float) -> None:
        self._check = check
        self._delay = delay
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def schedule(self) -> None:
        """Have the check made later, however often this is called until then."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._delay, self._start)

    def _start(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._check(), name="heygen_async follow-up")

    async def aclose(self, limit: float) -> None:
        """Make the check now if it is still to come, for at most so many seconds."""
        if self._timer is not None:
            self._timer.cancel()
            self._start()
        if self._task is not None and not self._task.done():
            await wait_through_cancels({self._task}, limit)
            self._task.cancel()
            await wait_through_cancels({self._task}, 1.0)
