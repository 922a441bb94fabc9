"""
Writes under way: not lost with a cancelled caller, a closed client or the end of a loop.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct, field

from .. import _clock
from .._api.calls import Call
from .._concurrency import Alarm, wait_through_cancels
from ..errors import ConnectFailed, HeyGenError, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Coroutine


T = TypeVar("T")
R = TypeVar("R")
SendGuard = Callable[[], Awaitable[None]]  # what raises unless a write may be sent now

log = logging.getLogger("heygen_async")

_OLD = 5.0  # seconds: half of what a successor waits for our write before it makes its own
_GRACE = 1.0  # seconds for the first reads after an attempt that nothing answered


class PendingWrite(Struct, Generic[T], eq=False, kw_only=True):
    """
    What is known of one write.

    Attributes:
        call: What is sent.
        raise_rate_limit: Whether a 429 is raised at once: the caller waits for room itself.
        max_wait: Seconds it may wait for room under the job cap; None for as long as the retry policy allows.
        guard: Awaited right before each attempt, which is not made if it raises.
        began: When it began, in Unix seconds of our clock.
        number: Its place among the writes of this process: earlier ones go first.
        sent_at: Loop time at which the first byte of its first attempt left; None before.
        last_sent_at: The same of its last attempt.
        may_exist: Whether an attempt has left, and its outcome is not known.
        doubt: Why the outcome of an attempt is not known, until it is recovered.
        candidates: Ids of sessions that may be what it has made, as far as is known.
        is_abandoned: Whether no caller waits any more, so that it must not be sent again.
        is_recovering: Whether it is being recovered.
        was_repeated: Whether it was sent again after an attempt that seemed to have done nothing.
    """

    call: Call[T]
    raise_rate_limit: bool = False
    max_wait: float | None = None
    guard: SendGuard | None = None
    began: float = field(default_factory=_clock.wall)
    number: int = field(default_factory=partial(next, count()))
    sent_at: float | None = None
    last_sent_at: float | None = None
    may_exist: bool = False
    doubt: HeyGenError | None = None
    candidates: tuple[str, ...] = ()
    is_abandoned: bool = False
    is_recovering: bool = False
    was_repeated: bool = False
    alarm: Alarm = field(default_factory=Alarm)

    def abandon(self) -> None:
        """Record that no caller waits any more; ends a pause."""
        self.is_abandoned = True
        self.alarm.ring()

    async def pause(self, seconds: float) -> None:
        """Wait before the next attempt, as long as a caller waits for it."""
        if seconds > 0 and not self.is_abandoned:
            await self.alarm.wait(_clock.now() + seconds)

    def mark_sent(self) -> None:
        """
        Record that the first byte leaves now: from here on the write may happen.

        Raises:
            ConnectFailed: No caller waits for it any more, so it is not sent.
        """
        if self.is_abandoned:
            raise ConnectFailed(f"This {self.call.name} was cancelled before it was sent.")
        self.last_sent_at = _clock.now()
        self.sent_at = self.last_sent_at if self.sent_at is None else self.sent_at
        self.may_exist = True

    def outcome_unknown(self, why: str) -> OutcomeUnknown:
        """Return the error of a write whose outcome is not known."""
        return OutcomeUnknown(
            f"Whether {self.call.name} happened is not known: {why}.",
            idempotency_key=self.call.key or "",
            started_at=datetime.fromtimestamp(self.began, UTC),
            candidates=self.candidates,
        )

    async def check_guard(self) -> None:
        """Have the guard allow the attempt, and not long ago: after a standstill another may have taken over."""
        asked = -math.inf
        while self.guard is not None and _clock.now() - asked > _OLD:
            asked = _clock.now()
            await self.guard()


class ShieldedWrite(Struct, Generic[R], eq=False):
    """
    The work of a write in a task of its own, which any number of callers await: a cancelled one loses nothing.

    Attributes:
        write: What is known of it.
        task: The work.
        keeper: Holds the loop open while it goes on.
    """

    write: PendingWrite[Any]
    task: asyncio.Task[R]
    _limit: float
    _on_orphan: Callable[[R], None]
    keeper: asyncio.Task[None] | None = None
    _waiters: int = 0
    _is_taken: bool = False

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
