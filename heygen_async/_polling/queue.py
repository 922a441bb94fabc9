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

from .._api.calls import STATUS_IDS
from .watched import NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .watched import WatchedSession

_ENTRIES = count(1)  # one for all queues, so that an entry left behind in another counts no more
SOONEST = 0.0  # before all that are due
_SPARE = 64  # old entries that may pile up besides as many as there are others
_EARLY = 2.0  # seconds a poll may come early to share a request
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
        number = next(_ENTRIES)
        for session in sessions:
            session.entry = number
        heappush(self._heap, (moment, number, sessions))
        if len(self._heap) > self._most:  # perhaps most count no more
            self._heap = [entry for entry in self._heap if _waiting(entry)]
            heapify(self._heap)
            self._most = 2 * len(self._heap) + _SPARE
        return self._heap[0][1] == number

    def take(self, until: float, most: int = 1) -> Sequence[WatchedSession]:
        """Remove and return so many at most of those whose moments have come by `until`, the first ones."""
        batch: list[WatchedSession] = []
        while len(batch) < most and self.first() <= until:
            batch += _waiting(heappop(self._heap))
        if rest := batch[most:]:
            self.put(rest, min(session.due for session in rest))
        return batch[:most]

    def count(self, until: float) -> int:
        """Return how many sessions' moments have come by `until`."""
        return sum(len(_waiting(entry)) for entry in self._heap if entry[0] <= until)

    def first(self) -> float:
        """Return the first moment, NEVER when there is none."""
        while self._heap and not _waiting(self._heap[0]):
            heappop(self._heap)
        return self._heap[0][0] if self._heap else NEVER


def _waiting(entry: Entry) -> Sequence[WatchedSession]:
    """Return the sessions of an entry for which it counts."""
    _, number, sessions = entry
    return [session for session in sessions if session.entry == number and session.watchers]


class PollQueues:
    """
    All sessions that wait for a poll.

    Attributes:
        alone: Those that are polled on their own.
        together: Those that share their polls.
    """

    __slots__ = ("_lateness", "alone", "together")

    def __init__(self) -> None:
        self._lateness: deque[float] = deque(maxlen=_LATENESS)
        self.clear()

    def clear(self) -> None:
        """Forget all that waits."""
        self.alone, self.together = PollQueue(), PollQueue()

    def first(self) -> float:
        """Return the first moment, NEVER when there is none."""
        return min(self.alone.first(), self.together.first())

    def take(self, now: float) -> Sequence[WatchedSession]:
        """Remove and return what has been due longest; empty when nothing is due."""
        alone, together = self.alone.first(), self.together.first()
        if now < alone and now < together:
            return ()
        batch = self.alone.take(now) if alone <= together else self.together.take(now + _EARLY, STATUS_IDS)
        if batch[0].due > SOONEST:
            self._lateness.append(max(0.0, now - batch[0].due))
        return batch

    def lateness(self) -> Sequence[float]:
        """Return by how much the last polls were late, sorted."""
        return sorted(self._lateness) or [0.0]
