"""
Which session is polled next: a queue of watched sessions by moment.

No clock and no I/O: moments come in as loop seconds. A session has one entry that counts; bringing it forward leaves
the old one behind, to be skipped when it comes up.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from .watched import NEVER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .watched import WatchedSession

_ENTRIES = count(1)  # one for all queues, so that an entry left behind in another counts no more
_SPARE = 64  # old entries that may pile up besides as many as there are others

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
