"""
A write in progress that must not be lost: what is known of it, and how it survives being cancelled.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from .. import _clock, _concurrency
from .._concurrency import finished
from ..errors import ConnectFailed

if TYPE_CHECKING:
    from .._api.calls import Call
    from ..errors import HeyGenError

T = TypeVar("T")
R = TypeVar("R")
SendGuard = Callable[[], Awaitable[None]]  # what raises unless a write may be sent now

log = logging.getLogger("heygen_async")

_OLD = 5.0  # seconds: half of what a successor looks for our write before it makes its own


class PendingWrite(Generic[T]):
    """
    What is known of one write.

    Attributes:
        may_exist: Whether an attempt may have reached the service and its outcome is not known yet.
        trouble: Why the outcome of an attempt is not known, until it has been looked for.
        is_abandoned: Whether the caller was cancelled, so that it must not be sent again.
        is_settling: Whether it is being looked for.
        raise_rate_limit: Whether a refusal for want of room (429) is raised at once: the caller waits for room.
        settle: Finds out what an attempt with an unknown outcome made; None when it did not happen.
        permit: Awaited right before each attempt, which is not made if it raises.
    """

    __slots__ = (
        "_alarm",
        "call",
        "is_abandoned",
        "is_settling",
        "may_exist",
        "permit",
        "raise_rate_limit",
        "settle",
        "trouble",
    )

    def __init__(
        self, call: Call[T], *, raise_rate_limit: bool = False, permit: SendGuard | None = None
    ) -> None:
        self.call: Call[T] = call
        self.permit: SendGuard | None = permit
        self.raise_rate_limit: bool = raise_rate_limit
        self.may_exist: bool = False
        self.trouble: HeyGenError | None = None
        self.is_abandoned: bool = False
        self.is_settling: bool = False
        self.settle: Callable[[HeyGenError], Awaitable[T | None]] | None = None
        self._alarm = _concurrency.Alarm()

    @property
    def is_open(self) -> bool:
        """Whether an earlier attempt may have been the one, although others have been made since."""
        return self.trouble is not None

    def abandon(self) -> None:
        """Note that nobody waits any more; ends a pause."""
        self.is_abandoned = True
        self._alarm.ring()

    async def pause(self, seconds: float) -> None:
        """Wait before the next attempt, as long as there will be one."""
        if seconds > 0 and not self.is_abandoned:
            await self._alarm.wait(_clock.now() + seconds)

    async def begin(self) -> T | None:
        """Get leave to send; an abandoned write is looked for instead, or ends."""
        if self.permit is not None and not self.is_abandoned:
            await _prompt(self.permit)
        if not self.is_abandoned:
            return None
        made = await self.look()
        if made is None:
            self.may_exist = False
            raise asyncio.CancelledError
        return made

    def mark_sent(self) -> None:
        """
        Note that the first byte leaves now: from here on the write may happen.

        Raises:
            ConnectFailed: The caller was cancelled, so it is not sent.
        """
        if self.is_abandoned:
            raise ConnectFailed(f"This {self.call.name} was cancelled before it was sent.")
        self.may_exist = True

    async def recall(self, trouble: HeyGenError) -> T | None:
        """Return what an earlier process made, None when it made nothing."""
        self.may_exist = True
        self.trouble = trouble
        made = await self.look()
        self.may_exist = made is not None
        return made

    async def look(self) -> T | None:
        """Return what an earlier attempt made, None when none did."""
        if self.settle is None or self.trouble is None:
            return None
        made = await self.settle(self.trouble)
        self.trouble = None
        return made


async def _prompt(permit: SendGuard) -> None:
    """Get a permit that is not old: whoever stood still after it was given may have been replaced meanwhile."""
    asked = -math.inf
    while _clock.now() - asked > _OLD:
        asked = _clock.now()
        await permit()


async def run_shielded(
    write: PendingWrite[T],
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
        write.abandon()
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


def _take_stock(write: PendingWrite[T], rescue: Callable[[R], None], task: asyncio.Task[R]) -> None:
    said = {"event": "cancelled_write", "operation": write.call.name, "idempotency_key": write.call.key}
    if task.cancelled():
        if write.may_exist:
            log.warning("A cancelled %s may have happened; nobody knows", write.call.name, extra=said)
    elif error := task.exception():
        candidates = getattr(error, "candidates", ())
        told = f"{type(error).__name__} {' '.join(candidates)}".strip()
        log.warning(
            "A cancelled %s failed: %s", write.call.name, told, extra={**said, "candidates": candidates}
        )
    else:
        rescue(task.result())
