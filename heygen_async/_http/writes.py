"""
Writes that cost money or say something: not lost with a cancelled caller, a closed client or the end of a loop.

`attempts.py` sends them; here is what is known of one, who waits for it, and in which order creates try again.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import _clock
from .._api.calls import Kind
from .._concurrency import Alarm, wait_through_cancels
from ..errors import ConnectFailed, HeyGenError, OutcomeUnknown, RateLimited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .._api.calls import Call

T = TypeVar("T")
R = TypeVar("R")
SendGuard = Callable[[], Awaitable[None]]  # what raises unless a write may be sent now
Recover = Callable[[], Awaitable[T | None]]  # what earlier attempts have done; None when they did nothing

log = logging.getLogger("heygen_async")

_OLD = 5.0  # seconds: half of what a successor waits for our write before it makes its own
CAP_HINT = (
    "The account has as many jobs in progress as it may; wait until one ends, pass a longer max_wait, "
    "or ask the service for a larger plan."
)
_GRACE = 1.0  # seconds for the first reads after an attempt that nothing answered
_numbers = count()


class PendingWrite(Generic[T]):
    """
    What is known of one write.

    Attributes:
        call: What is sent.
        guard: Awaited right before each attempt, which is not made if it raises.
        raise_rate_limit: Whether a 429 is raised at once: the caller waits for room itself.
        max_wait: Seconds it may wait for room under the job cap; None for as long as the retry policy allows.
        began: When it began, in Unix seconds of our clock.
        number: Its place among the writes of this process: earlier ones go first.
        sent_at: Loop time at which the first byte of its first attempt left; None before.
        may_exist: Whether an attempt has left, and its outcome is not known.
        doubt: Why the outcome of an attempt is not known, until it is recovered.
        candidates: Ids of sessions that may be what it has made, as far as is known.
        is_abandoned: Whether no caller waits any more, so that it must not be sent again.
        is_recovering: Whether it is being recovered.
        was_repeated: Whether it was sent again after an attempt that seemed to have done nothing.
    """

    __slots__ = (
        "alarm",
        "began",
        "call",
        "candidates",
        "doubt",
        "guard",
        "is_abandoned",
        "is_recovering",
        "last_sent_at",
        "max_wait",
        "may_exist",
        "number",
        "raise_rate_limit",
        "sent_at",
        "was_repeated",
    )

    def __init__(
        self,
        call: Call[T],
        *,
        began: float | None = None,
        raise_rate_limit: bool = False,
        max_wait: float | None = None,
        guard: SendGuard | None = None,
    ) -> None:
        self.call: Call[T] = call
        self.began: float = _clock.wall() if began is None else began
        self.guard: SendGuard | None = guard
        self.raise_rate_limit: bool = raise_rate_limit
        self.max_wait: float | None = max_wait
        self.number: int = next(_numbers)
        self.sent_at: float | None = None
        self.last_sent_at: float | None = None
        self.may_exist: bool = False
        self.doubt: HeyGenError | None = None
        self.candidates: tuple[str, ...] = ()
        self.is_abandoned: bool = False
        self.is_recovering: bool = False
        self.was_repeated: bool = False
        self.alarm: Alarm = Alarm()

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


class CreateQueue:
    """
    After a 429 creates go one at a time, first come, first served, until one has gone through and none waits.

    Hundreds that wait for room would else all try again at the same moment.
    """

    __slots__ = ("_is_busy", "_is_full", "_waiting")

    def __init__(self) -> None:
        self._is_full = False
        self._is_busy = False
        self._waiting: list[tuple[int, PendingWrite[Any]]] = []

    @asynccontextmanager
    async def turn(
        self, write: PendingWrite[Any], started: float, resume: Callable[[], float]
    ) -> AsyncGenerator[None]:
        """
        Wait until a write may be attempted.

        Args:
            write: What is to be attempted.
            started: When its caller began to wait.
            resume: Says when the service wants to be asked again.

        Raises:
            RateLimited: It would have to wait longer than its caller wants to.
        """
        if write.call.kind is not Kind.CREATE:
            yield
            return
        is_in_line = self._is_full or resume() > _clock.now()
        is_held = is_in_line and await self._wait(write, started, resume)
        try:
            yield
        except RateLimited:
            self._is_full = True
            raise
        else:
            if is_held and not self._waiting:
                self._is_full = False
        finally:
            if is_held:
                self._is_busy = False
                self._call_next()

    async def _wait(self, write: PendingWrite[Any], started: float, resume: Callable[[], float]) -> bool:
        """Wait in line, then for the pace; return whether it is this write's turn, False for an abandoned one."""
        latest = math.inf if write.max_wait is None else started + write.max_wait
        entry = (write.number, write)
        heapq.heappush(self._waiting, entry)
        try:
            while not write.is_abandoned and (self._is_busy or self._waiting[0] is not entry):
                _check_wait(latest, _clock.now(), resume())
                await write.alarm.wait(None if latest == math.inf else latest)
        finally:
            self._waiting.remove(entry)
            heapq.heapify(self._waiting)
        if self._is_busy:
            return False
        self._is_busy = True
        try:
            while not write.is_abandoned and (left := resume() - _clock.now()) > 0:
                _check_wait(latest, _clock.now() + left, resume())
                await write.alarm.wait(_clock.now() + left)
        except BaseException:
            self._is_busy = False
            self._call_next()
            raise
        return True

    def _call_next(self) -> None:
        if self._waiting:
            self._waiting[0][1].alarm.ring()


def _check_wait(latest: float, until: float, resume: float) -> None:
    if until >= latest:
        raise RateLimited(
            "The service has no room for another job now.",
            status=429,
            code="rate_limit_exceeded",
            retry_after=max(resume - _clock.now(), 1.0),
            hint=CAP_HINT,
        )


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
        self.keeper: asyncio.Task[None] | None = None
        self._on_orphan = on_orphan
        self._waiters = 0
        self._is_taken = False

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
        write = self.write
        extra: dict[str, object] = {
            "event": "cancelled_write",
            "operation": write.call.name,
            "idempotency_key": write.call.key,
        }
        if task.cancelled():
            if write.may_exist:
                log.warning("A cancelled %s may have happened; it is not known", write.call.name, extra=extra)
        elif error := task.exception():
            candidates = getattr(error, "candidates", ())
            problem = f"{type(error).__name__} {' '.join(candidates)}".strip()
            extra["candidates"] = candidates
            log.warning(
                "A cancelled %s (key %s) failed: %s", write.call.name, write.call.key, problem, extra=extra
            )
        else:
            self._on_orphan(task.result())


class OpenWrites:
    """The writes of a client that are under way; it does not close before they are through."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._open: set[ShieldedWrite[Any]] = set()

    def start(
        self, write: PendingWrite[T], work: Coroutine[None, None, R], on_orphan: Callable[[R], None]
    ) -> ShieldedWrite[R]:
        """Do the work of a write in a task of its own."""
        loop = asyncio.get_running_loop()
        task = loop.create_task(work, name=f"heygen_async {write.call.name}")
        # A loop that ends cancels every task it knows: this one goes on, and a keeper holds the loop open for it.
        asyncio._unregister_task(task)  # noqa: SLF001 - documented, for tasks with a life of their own
        opened = ShieldedWrite(write, task, self._limit, on_orphan)
        self._open.add(opened)
        opened.keeper = loop.create_task(self._keep(opened), name=f"heygen_async keeper of {write.call.name}")
        task.add_done_callback(lambda _: self._open.discard(opened))
        return opened

    async def _keep(self, opened: ShieldedWrite[Any]) -> None:
        try:
            await asyncio.wait({opened.task})
        except asyncio.CancelledError:
            await self._wait_for({opened})
            if not opened.task.done():
                self._warn(opened)
                opened.task.cancel()

    async def aclose(self) -> None:
        """Wait for writes that may have happened, each at most so long from when it was sent; log what stays open."""
        await self._wait_for(self._open)
        for opened in self._open:
            if opened.write.may_exist:
                self._warn(opened)

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

    def _warn(self, opened: ShieldedWrite[Any]) -> None:
        call = opened.write.call
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
