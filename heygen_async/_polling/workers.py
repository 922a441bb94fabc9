"""
The tasks that poll: one runner that waits for the next moment, and a few workers that end when nothing is due.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

from .. import _clock, _concurrency
from ..errors import ClientStateError
from .watched import NEVER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .._http.client import ApiClient
    from .queue import PollQueues
    from .watched import WatchedSession

RESTART = 0.05  # seconds after an interrupt until polling goes on, where the loop does


class PollWorkers:
    """
    Makes the polls that are due, in one loop.

    Args:
        api: Knows the loop and the pauses the service asked for.
        queues: What is to be polled.
        most: Polls under way at once.
        rate: Polls a second, spread evenly; None for no limit.
        poll: Polls sessions that are due together.
        fail_all: Ends all watches with an error.
    """

    def __init__(
        self,
        api: ApiClient,
        queues: PollQueues,
        *,
        most: int,
        rate: float | None,
        poll: Callable[[Sequence[WatchedSession]], Awaitable[None]],
        fail_all: Callable[[Exception], None],
    ) -> None:
        self._api = api
        self._queues = queues
        self._poll = poll
        self._fail_all = fail_all
        self._most = self._allowed = most
        self._spacing = 0.0 if rate is None else 1.0 / rate
        self._next_start = 0.0  # when the next may start, as far as the rate goes
        self._alarm = _concurrency.Alarm()
        self._workers: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None
        self._is_resting = True

    @property
    def count(self) -> int:
        """How many polls are under way."""
        return len(self._workers)

    @property
    def is_running(self) -> bool:
        """Whether the runner waits for the next moment, and goes on after it."""
        return self._runner is not None and not self._runner.done() and not self._is_resting

    def wake(self) -> None:
        """Let the runner see that something comes sooner than all it knew of."""
        self._is_resting = False  # one that was to rest and has not ended goes on
        if self.is_running:
            self._alarm.ring()
            return
        # In a context of its own: polls are for all watchers, and no part of the first one's request or trace.
        # Never at once, as a loop with eager tasks would: it needs what this call is part of.
        self._runner = asyncio.Task(
            self._run(), loop=self._api.loop, name="heygen_async polls", context=contextvars.Context()
        )
        self._runner.add_done_callback(self._handle_end)

    def rest(self) -> None:
        """End the runner: nothing is watched any more."""
        self._is_resting = True
        if self._api.loop is not None and not self._api.loop.is_closed():
            self._alarm.ring()

    def narrow(self) -> None:
        """Record a refusal for the rate: a slow restart, one poll at a time, follows the pause it asks for."""
        self._allowed = 1

    def widen(self, now: float) -> None:
        """Record an answer, after which one more poll may be under way."""
        if self._allowed < self._most and now >= self._api.polls.resume:
            self._allowed += 1
            self._alarm.ring()

    async def aclose(self) -> None:
        """Cancel all tasks and wait for their end."""
        tasks = [task for task in (self._runner, *self._workers) if task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # -- the tasks --

    async def _run(self) -> None:
        while not self._is_resting:
            now = _clock.now()
            while len(self._workers) < self._allowed and (batch := self._next_batch(now)):
                worker = asyncio.Task(self._work(batch), loop=self._api.loop, name="heygen_async poll")
                self._workers.add(worker)
                worker.add_done_callback(self._remove_worker)
            await self._alarm.wait(self._next_moment())
        self._queues.clear()  # nothing in it counts any more

    async def _work(self, batch: Sequence[WatchedSession]) -> None:
        while batch:
            await self._poll(batch)
            batch = self._next_batch(_clock.now())

    def _next_batch(self, now: float) -> Sequence[WatchedSession]:
        """Take what is due longest, unless the service or the rate says to wait."""
        if now < self._next_start or now < self._api.polls.resume or len(self._workers) > self._allowed:
            return ()
        batch = self._queues.take(now)
        if batch and self._spacing:
            self._next_start = max(self._next_start, now) + self._spacing
        for session in batch:
            session.is_polling = True
        return batch

    def _next_moment(self) -> float | None:
        if len(self._workers) >= self._allowed or (first := self._queues.first()) == NEVER:
            return None  # the first worker to be done takes what is due
        return max(first, self._next_start, self._api.polls.resume)

    def _remove_worker(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._handle_end(worker)
        self._alarm.ring()

    def _handle_end(self, task: asyncio.Task[None]) -> None:
        """See to it that no watcher waits for polls that are not made any more."""
        error = None if task.cancelled() else task.exception()
        if task.cancelled():
            error = ClientStateError("The polls of this client were cancelled from outside.")
        if isinstance(error, Exception):
            self._fail_all(error)
        elif error is not None and self._api.loop is not None:
            self._api.loop.call_later(RESTART, self._restart)  # interrupted; the loop may live on

    def _restart(self) -> None:
        if not self._is_resting:
            self.wake()
