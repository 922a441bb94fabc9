"""
How many jobs may be in progress: the engine's limit for all machines, moved by what the service says.

The rule is that of a local batch (`_batch/concurrency.py`). The engine hands out no more jobs than the limit; what is
refused keeps its job and waits here, and of those that wait one at a time is sent.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

from .. import _clock
from .._batch.concurrency import limit_after_refusal, limit_after_success, refusal_pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..errors import RateLimited
    from ._database import Access
    from ._repository import Repository

log = logging.getLogger("heygen_async")

_QUIET: Final = 30.0  # seconds without a refusal after which one more is tried


class SharedLimit:
    """The limit of one batch, seen from one of the processes that work for it."""

    def __init__(self, store: Repository, access: Access, maximum: int, *, longest_pace: float) -> None:
        self._store = store
        self._access = access
        self._maximum = maximum
        self._longest_pace = longest_pace
        self._moved_at: float | None = None
        self.refusals = 0
        self.resume_at = 0.0
        self.turn = anyio.Lock()

    def slot(self, finish: Callable[[], None] = lambda: None) -> SharedSlot:
        """Return the slot of a job that the engine has handed out; `finish` is called when a request is over."""
        return SharedSlot(self, finish)

    async def narrow(self, error: RateLimited) -> None:
        """Allow no more than are in progress now: the service has just refused one more."""
        now = _clock.now()
        pace = None if error.retry_after is None else min(error.retry_after, self._longest_pace)
        self.resume_at = max(self.resume_at, now + refusal_pause(pace, self.refusals))
        self.refusals += 1
        self._moved_at = now
        before = await self._access.persist(self._store.window)
        counts = await self._access.persist(self._store.counts)
        limit = limit_after_refusal(before, counts.get("rendering", 0))
        if limit < before:
            await self._access.persist(self._store.window, limit)
            log.info("The service takes no more jobs; %d at once from now on", limit, extra={"limit": limit})

    async def widen(self) -> None:
        """Allow one more, after a quiet time: the service has just taken one."""
        self.refusals = 0
        now = _clock.now()
        if self._moved_at is not None and now - self._moved_at < _QUIET:
            return
        self._moved_at = now
        before = await self._access.persist(self._store.window)
        if (limit := limit_after_success(before, self._maximum)) > before:
            await self._access.persist(self._store.window, limit)


class SharedSlot:
    """One job's share; see `_batch.concurrency.SendSlot`."""

    __slots__ = ("_finish", "_has_turn", "_limit")

    def __init__(self, limit: SharedLimit, finish: Callable[[], None]) -> None:
        self._limit = limit
        self._finish = finish
        self._has_turn = False

    async def acquire(self) -> None:
        """Wait until a request may be sent: at once, or after a refusal in turn and at the service's pace."""
        limit = self._limit
        if not limit.refusals:
            return
        await limit.turn.acquire()
        self._has_turn = True
        if (wait := limit.resume_at - _clock.now()) > 0:
            await _clock.sleep(wait)

    async def accept(self) -> None:
        """Count the request as taken."""
        self.release()
        await self._limit.widen()

    async def refuse(self, error: RateLimited) -> None:
        """Count the request as refused for want of room."""
        await self._limit.narrow(error)
        self.release()

    def release(self) -> None:
        """Let the next one try, whatever became of the request."""
        self._finish()
        if self._has_turn:
            self._has_turn = False
            self._limit.turn.release()
