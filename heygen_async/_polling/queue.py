"""
Which session is polled next: queues of watched sessions by moment.

No clock and no I/O: moments come in as loop seconds. A session has one entry that counts; bringing it forward leaves
the old one behind, to be skipped when it comes up.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from .watched import NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .watched import WatchedSession

_ENTRIES = count(1)  # one for all queues, so that an entry left behind in another counts no more
SOONEST = 0.0  # before all that are due
_SPARE = 64  # old entries that may pile up besides as many as there are others
_LATENESS = 1000  # polls whose lateness is remembered

Entry = tuple[float, int, "Sequence[WatchedSession]"]


class PollQueue:
    """
    Batches of sessions by the moment of their next poll.

    Sessions that are due together are put together: one entry for a hundred sessions that share their polls.
    """

    __slots__ = ("_heap", "_most")

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._most = _SPARE

    def put(self, sessions: Sequence[WatchedSession], moment: float) -> bool:
        """Put sessions in, wherever they were before; True when they are now the first."""
        entry = next(_ENTRIES)
        for session in sessions:
            session.entry = entry
        heappush(self._heap, (moment, entry, sessions))
        if len(self._heap) > self._most:  # perhaps most count no more
            self._heap = [one for one in self._heap if _counts(one)]
            heapify(self._heap)
            self._most = 2 * len(self._heap) + _SPARE
        return self._heap[0][1] == entry

    def take(self, until: float) -> Sequence[WatchedSession]:
        """Remove and return the first whose moment has come by `until`; empty when there are none."""
        if self.first() > until:
            return ()
        _, entry, sessions = heappop(self._heap)
        return [session for session in sessions if session.entry == entry and session.watchers]

    def take_many(self, until: float, most: int) -> Sequence[WatchedSession]:
        """Remove and return so many at most of those whose moments have come by `until`."""
        batch: list[WatchedSession] = []
        while len(batch) < most and (more := self.take(until)):
            batch += more
        if rest := batch[most:]:
            self.put(rest, min(session.due for session in rest))
        return batch[:most]

    def count(self, until: float) -> int:
        """Return how many sessions' moments have come by `until`."""
        due = (one for one in self._heap if one[0] <= until)
        return sum(
            session.entry == entry and bool(session.watchers) for _, entry, them in due for session in them
        )

    def first(self) -> float:
        """Return the first moment, NEVER when there is none."""
        heap = self._heap
        while heap and not _counts(heap[0]):
            heappop(heap)
        return heap[0][0] if heap else NEVER


def _counts(one: Entry) -> bool:
    _, entry, sessions = one
    for session in sessions:  # noqa: SIM110 - a generator would cost more than all the rest
        if session.entry == entry and session.watchers:
            return True
    return False


class PollQueues:
    """All sessions that wait for a poll, alone or together with others."""

    __slots__ = ("_alone", "_lateness", "_together")

    def __init__(self) -> None:
        self._lateness: deque[float] = deque(maxlen=_LATENESS)
        self.clear()

    def clear(self) -> None:
        """Forget all that waits."""
        self._alone, self._together = PollQueue(), PollQueue()

    def put(self, sessions: Sequence[WatchedSession], moment: float, *, is_shared: bool) -> bool:
        """Put sessions in; True when they are now the first of their kind."""
        return (self._together if is_shared else self._alone).put(sessions, moment)

    def first(self) -> float:
        """Return the first moment, NEVER when there is none."""
        return min(self._alone.first(), self._together.first())

    def take(self, now: float, *, early: float, most: int) -> Sequence[WatchedSession]:
        """
        Remove and return what has been due longest; empty when nothing is due.

        Sessions polled together, `most` at a time, may come so many seconds `early`.
        """
        alone, together = self._alone.first(), self._together.first()
        if now < alone and now < together:
            return ()
        batch = self._alone.take(now) if alone <= together else self._together.take_many(now + early, most)
        if batch[0].due > SOONEST:
            self._lateness.append(max(0.0, now - batch[0].due))
        return batch

    def lateness(self) -> Sequence[float]:
        """Return by how much the last polls were late, sorted."""
        return sorted(self._lateness) or [0.0]

    def count(self, until: float) -> int:
        """Return how many sessions' moments have come by `until`."""
        return self._alone.count(until) + self._together.count(until)
