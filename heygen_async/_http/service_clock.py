"""
What time it is at the service, as its answers show it: our clock may be minutes off.
"""

from __future__ import annotations

import math
from collections import deque

from .._api.responses import read_date

_KEPT = 8  # answers: enough to narrow the second that a header is precise to


class ServiceClock:
    """
    The service's time, in Unix seconds, measured against the loop's.

    Attributes:
        newest: The `Date` that was recorded last: the same again would tell nothing more.
    """

    def __init__(self) -> None:
        self.newest: str = ""
        self._dates: deque[tuple[str, float, float]] = deque(maxlen=_KEPT)
        self._times: deque[tuple[float, float, float]] = deque(maxlen=_KEPT)

    def record_date(self, date: str, *, sent: float, received: float) -> None:
        """Take the `Date` of an answer; the moments are the loop's."""
        self.newest = date
        self._dates.append((date, sent, received))

    def record_creation(self, created_at: float, *, sent: float, received: float) -> None:
        """Take when the service says that it made what was asked for: all there is where it sends no `Date`."""
        self._times.append((created_at, sent, received))

    def offset(self) -> tuple[float, float] | None:
        """Return the least and the most that the service's time is ahead of the loop's; None when nothing is known."""
        measured = [
            (at, sent, received)
            for date, sent, received in self._dates
            if (at := read_date(date)) is not None
        ]
        low, high = float("-inf"), float("inf")
        for at, sent, received in measured or self._times:
            # The service wrote a whole second, some time between our sending and our receiving.
            least, most = at - received, at + 1 - sent
            is_consistent = least <= high and most >= low
            low, high = (max(low, least), min(high, most)) if is_consistent else (least, most)
        return None if high == float("inf") else (low, high)

    def earliest(self, moment: float | None) -> int | None:
        """Return the least second that the service may have written at a moment of the loop; None when unknown."""
        offset = self.offset()
        return None if offset is None or moment is None else math.floor(moment + offset[0])
