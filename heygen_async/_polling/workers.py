"""
The tasks that poll: a few workers, begun by a timer at the moment of the next poll, that end when nothing is due.

They take from queues by moment, where a session has one entry that counts; bringing it forward leaves the old one
behind, to be skipped when it comes up. An entry names its sessions, so that the garbage collector need not visit it.
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
from .watched import NEVER, UNDER_WAY, PollBatch, PollEntry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from .._http.client import ApiClient
    from .watched import WatchedSession


SOONEST = 0.0  # before all that are due
_EARLY = 2.0  # seconds a poll may come early to share a request
_LATENESS = 1000  # polls whose lateness is remembered


_NUMBERS = count()
_SPARE = 64  # old entries that may pile up besides as many as there are others


@dataclass(eq=False, repr=False)
class PollWorkers:
    """
    Makes the polls that are due, in one loop.

    Args:
        api: Knows the loop and the pauses the service asked for.
        sessions: What is watched, by the session's id.
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
    _sessions: Mapping[str, WatchedSession]
    _most: int
    _rate: float | None
    _poll: Callable[[Sequence[WatchedSession], float], Awaitable[float]]
    _fail_all: Callable[[Exception], None]
    is_narrow: bool = False
    _next_start: float = 0.0  # when the next may start, as far as the rate goes
    _workers: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _lateness: deque[float] = field(default_factory=partial(deque[float], maxlen=_LATENESS))

    def __post_init__(self) -> None:
        self._allowed = self._most
        self._timer = Timer(self._begin)  # for the next poll, unless all workers are busy
        self.alone: PollQueue = PollQueue(self._sessions, self._wake)
        self.together: PollQueue = PollQueue(self._sessions, self._wake)

    @property
    def count(self) -> int:
        """How many polls are under way."""
        return len(self._workers)

    def lateness(self) -> Sequence[float]:
        """Return by how much the last polls were late, sorted."""
        return sorted(self._lateness) or [0.0]

    def _wake(self) -> None:
        """Have the next poll begun in time, which may be sooner than all that was known of."""
        if len(self._workers) >= self._allowed:
            return  # where all workers are busy, the first to be done takes what is due
        first = min(self.alone.first, self.together.first)
        moment = max(first, self._next_start, self._api.polls.resume)
        if moment < self._timer.at:
            self._timer.set(moment)

    def rest(self) -> None:
        """Forget the next poll: nothing is watched any more."""
        self.alone = PollQueue(self._sessions, self._wake)
        self.together = PollQueue(self._sessions, self._wake)
        self._timer.cancel()

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
        self._timer.at, now = NEVER, _clock.now()
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
        if batch[0].entry.due > SOONEST:
            self._lateness.append(max(0.0, now - batch[0].entry.due))
        if self._rate is not None:
            self._next_start = max(self._next_start, now) + 1.0 / self._rate
        for session in batch:
            session.entry = UNDER_WAY
        return batch

    def _handle_end(self, worker: asyncio.Task[None]) -> None:
        """Have the next poll begun, and see to it that no watcher waits for polls that are not made any more."""
        self._workers.discard(worker)
        problem = "The polls of this client were cancelled from outside."
        error = ClientStateError(problem) if worker.cancelled() else worker.exception()
        if isinstance(error, Exception):
            self._fail_all(error)
        self._wake()


class Timer:
    """
    Calls a function at the earliest of the moments it was set to.

    In a context of its own: it is for all watchers, and no part of the first one's request or trace.

    Attributes:
        at: The moment, which the function sets back to NEVER. A handle of uvloop has none once its moment is there.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self.at: float = NEVER
        self._call = call
        self._handle: asyncio.TimerHandle | None = None

    def set(self, moment: float) -> None:
        """Have the function called at a moment at the latest; NEVER changes nothing."""
        if moment < self.at:
            if self._handle is not None:
                self._handle.cancel()
            loop, self.at = asyncio.get_running_loop(), moment
            self._handle = loop.call_at(moment, self._call, context=contextvars.Context())

    def cancel(self) -> None:
        """Do not call it."""
        if self._handle is not None:
            self._handle.cancel()
        self.at = NEVER


class PollQueue:
    """
    Batches of sessions by the moment of their next poll.

    Sessions that are due together are put together: one entry for a hundred sessions that share their polls.

    Args:
        sessions: What is watched, by the session's id.
        on_first: Called when what was put in is the first.

    Attributes:
        first: The first moment, of an entry left behind perhaps; NEVER when there is none.
    """

    def __init__(self, sessions: Mapping[str, WatchedSession], on_first: Callable[[], object]) -> None:
        self.first: float = NEVER
        self._sessions = sessions
        self._on_first = on_first
        self._heap: list[PollEntry] = []
        self._batches: dict[int, Sequence[WatchedSession]] = {}
        self._most = _SPARE

    def put(self, sessions: Sequence[WatchedSession], moment: float) -> None:
        """Have sessions polled at a moment and at no other, wherever they were before."""
        entry = PollEntry(moment, next(_NUMBERS), sessions[0].track.session_id)
        if len(sessions) > 1:
            self._batches[entry.number] = sessions
        for session in sessions:
            session.entry = entry
        heappush(self._heap, entry)
        if len(self._heap) > self._most:  # perhaps most count no more
            self._heap = [entry for entry in self._heap if self._waiting(entry)]
            self._batches = {
                e.number: self._batches[e.number] for e in self._heap if e.number in self._batches
            }
            heapify(self._heap)
            self._most = 2 * len(self._heap) + _SPARE
        self.first = self._heap[0].due
        if self._heap[0] is entry:
            self._on_first()

    def take(self, now: float, early: float = -NEVER) -> Sequence[WatchedSession]:
        """Remove and return what is due first, with what is due so soon, up to 100 sessions; by default without."""
        batch: Sequence[WatchedSession] = ()
        while len(batch) < STATUS_IDS and self.first <= (now + early if batch else now):
            entry = heappop(self._heap)
            self.first = self._heap[0].due if self._heap else NEVER
            several = self._batches.pop(entry.number, None)
            if several is None:  # here, as a call more would be one for each poll
                session = self._sessions.get(entry.name)
                if session is not None and session.entry is entry:
                    batch = [*batch, session]
            elif not batch and isinstance(several, PollBatch) and several.is_whole(now):
                batch = several
            else:
                batch = [*batch, *[one for one in several if one.entry is entry and one.first is not None]]
        if rest := batch[STATUS_IDS:]:
            self.put(rest, min(session.entry.due for session in rest))
            batch = batch[:STATUS_IDS]
        return batch

    def join(self, due: float, now: float) -> float:
        """Return when to poll one that is due then and may be polled sooner: with those that come up first."""
        first = self._heap[0] if self._heap else None
        return max(first.due, now) if first is not None and first.due < due and self._waiting(first) else due

    def _waiting(self, entry: PollEntry) -> Sequence[WatchedSession]:
        """Return the sessions of an entry for which it counts."""
        found = self._batches.get(entry.number) or (self._sessions.get(entry.name),)
        return [one for one in found if one is not None and one.entry is entry and one.first is not None]
