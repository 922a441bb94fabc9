"""
The tasks that poll: a few workers, begun by a timer at the moment of the next poll, that end when nothing is due.

They take from queues by moment, where a session has one entry that counts; bringing it forward leaves the old one
behind, to be skipped when it comes up.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from .. import _clock
from .._api.calls import STATUS_IDS
from ..errors import ClientStateError
from .watched import NEVER, PollBatch, WatchedSession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .._http.client import ApiClient


SOONEST = 0.0  # before all that are due
_EARLY = 2.0  # seconds a poll may come early to share a request
_LATENESS = 1000  # polls whose lateness is remembered


_ENTRIES = count(1)  # one for all queues, so that an entry left behind in another counts no more
_SPARE = 64  # old entries that may pile up besides as many as there are others

Entry = tuple[float, int, "WatchedSession | Sequence[WatchedSession]"]


@dataclass(eq=False, repr=False)
class PollWorkers:
    """
    Makes the polls that are due, in one loop.

    Args:
        api: Knows the loop and the pauses the service asked for.
        most: Polls under way at once.
        rate: Polls a second, spread evenly; None for no limit.
        poll: Polls sessions that are due together, from a moment on; returns when it was done.
        fail_all: Ends all watches with an error.

    Attributes:
        alone: Sessions that are polled on their own, and as many together as fit in one request.
        together: Those that share polls.
        is_narrow: Whether fewer polls may be under way than usual, since a refusal for the rate.
    """

    _api: ApiClient
    _most: int
    _rate: float | None
    _poll: Callable[[Sequence[WatchedSession], float], Awaitable[float]]
    _fail_all: Callable[[Exception], None]
    is_narrow: bool = False
    _next_start: float = 0.0  # when the next may start, as far as the rate goes
    _timer: asyncio.TimerHandle | None = None  # for the next poll, unless all workers are busy
    _timer_at: float = NEVER  # kept here: a handle of uvloop has no `when` once its moment is there
    _workers: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _lateness: deque[float] = field(default_factory=partial(deque[float], maxlen=_LATENESS))

    def __post_init__(self) -> None:
        self._allowed = self._most
        self.alone: PollQueue = PollQueue(self._wake)
        self.together: PollQueue = PollQueue(self._wake)

    @property
    def count(self) -> int:
        """How many polls are under way."""
        return len(self._workers)

    def count_due(self, now: float) -> int:
        """Return how many sessions are due."""
        return self.alone.count(now) + self.together.count(now)

    def lateness(self) -> Sequence[float]:
        """Return by how much the last polls were late, sorted."""
        return sorted(self._lateness) or [0.0]

    def _wake(self) -> None:
        """Have the next poll begun in time, which may be sooner than all that was known of."""
        if self._api.loop is None or len(self._workers) >= self._allowed:
            return  # where all workers are busy, the first to be done takes what is due
        first = min(self.alone.first, self.together.first)
        if first == NEVER:
            return
        moment = max(first, self._next_start, self._api.polls.resume)
        if self._timer is not None:
            if self._timer_at <= moment:
                return
            self._timer.cancel()
        # In a context of its own: polls are for all watchers, and no part of the first one's request or trace.
        self._timer_at = moment
        self._timer = self._api.loop.call_at(moment, self._begin, context=contextvars.Context())

    def rest(self) -> None:
        """Forget the next poll: nothing is watched any more."""
        self.alone, self.together = PollQueue(self._wake), PollQueue(self._wake)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def narrow(self) -> None:
        """Record a refusal for the rate: a slow restart, one poll at a time, follows the pause it asks for."""
        self._allowed, self.is_narrow = 1, self._most > 1

    def widen(self, now: float) -> None:
        """Record an answer, after which one more poll may be under way."""
        if now >= self._api.polls.resume:
            self._allowed += 1
            self.is_narrow = self._allowed < self._most
            self._wake()

    async def aclose(self) -> None:
        """Cancel all polls and wait for their end."""
        self.rest()
        for worker in self._workers:
            worker.cancel()
        if self._workers:
            await asyncio.wait(self._workers)

    # -- the tasks --

    def _begin(self) -> None:
        """Begin the polls that are due."""
        self._timer, now = None, _clock.now()
        try:
            while len(self._workers) < self._allowed and (batch := self._next_batch(now)):
                worker = asyncio.Task(self._work(batch, now), loop=self._api.loop, name="heygen_async poll")
                self._workers.add(worker)
                worker.add_done_callback(self._handle_end)
        finally:  # also after an interrupt: the loop may live on
            self._wake()

    async def _work(self, batch: Sequence[WatchedSession], now: float) -> None:
        while batch:
            now = await self._poll(batch, now)
            batch = self._next_batch(now)

    def _next_batch(self, now: float) -> Sequence[WatchedSession]:
        """Take what is due longest, unless the service or the rate says to wait."""
        if now < self._next_start or now < self._api.polls.resume or len(self._workers) > self._allowed:
            return ()
        batch: Sequence[WatchedSession] = ()
        while not batch:  # again where all that was due had been left behind
            alone, together = self.alone.first, self.together.first
            if now < alone and now < together:
                return ()
            batch = self.alone.take(now) if alone <= together else self.together.take(now, _EARLY)
        if batch[0].due > SOONEST:
            self._lateness.append(max(0.0, now - batch[0].due))
        if self._rate is not None:
            self._next_start = max(self._next_start, now) + 1.0 / self._rate
        for session in batch:
            session.is_polling = True
        return batch

    def _handle_end(self, worker: asyncio.Task[None]) -> None:
        """Have the next poll begun, and see to it that no watcher waits for polls that are not made any more."""
        self._workers.discard(worker)
        problem = "The polls of this client were cancelled from outside."
        error = ClientStateError(problem) if worker.cancelled() else worker.exception()
        if isinstance(error, Exception):
            self._fail_all(error)
        self._wake()


class PollQueue:
    """
    Batches of sessions by the moment of their next poll.

    Sessions that are due together are put together: one entry for a hundred sessions that share their polls.

    Args:
        on_first: Called when what was put in is the first.

    Attributes:
        first: The first moment, of an entry left behind perhaps; NEVER when there is none.
    """

    def __init__(self, on_first: Callable[[], object]) -> None:
        self.first: float = NEVER
        self._on_first = on_first
        self._heap: list[Entry] = []
        self._most = _SPARE

    def put(self, sessions: Sequence[WatchedSession], moment: float) -> None:
        """Have sessions polled at a moment and at no other, wherever they were before."""
        number = next(_ENTRIES)
        for session in sessions:
            session.entry = number
        heappush(self._heap, (moment, number, sessions[0] if len(sessions) == 1 else sessions))
        if len(self._heap) > self._most:  # perhaps most count no more
            self._heap = [entry for entry in self._heap if _waiting(entry)]
            heapify(self._heap)
            self._most = 2 * len(self._heap) + _SPARE
        self.first, first, _ = self._heap[0]
        if first == number:
            self._on_first()

    def take(self, now: float, early: float = -NEVER) -> Sequence[WatchedSession]:
        """Remove and return what is due first, with what is due so soon, up to 100 sessions; by default without."""
        batch: Sequence[WatchedSession] = ()
        while len(batch) < STATUS_IDS and self.first <= (now + early if batch else now):
            _, number, item = entry = heappop(self._heap)
            self.first = self._heap[0][0] if self._heap else NEVER
            if isinstance(item, WatchedSession):
                if item.entry == number and item.watchers:  # here, as a call more would be one for each poll
                    batch = [*batch, item]
            elif not batch and isinstance(item, PollBatch) and item.is_whole(now):
                batch = item
            else:
                batch = [*batch, *_waiting(entry)]
        if rest := batch[STATUS_IDS:]:
            self.put(rest, min(session.due for session in rest))
            batch = batch[:STATUS_IDS]
        return batch

    def join(self, due: float, now: float) -> float:
        """Return when to poll one that is due then and may be polled sooner: with those that come up first."""
        first = self._heap[0] if self._heap else None
        return max(first[0], now) if first is not None and first[0] < due and _waiting(first) else due

    def count(self, until: float) -> int:
        """Return how many sessions' moments have come by `until`."""
        return sum(len(_waiting(entry)) for entry in self._heap if entry[0] <= until)


def _waiting(entry: Entry) -> Sequence[WatchedSession]:
    """Return the sessions of an entry for which it counts."""
    _, number, item = entry
    sessions = (item,) if isinstance(item, WatchedSession) else item
    return [session for session in sessions if session.entry == number and session.watchers]
