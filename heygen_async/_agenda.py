"""
Who is to be looked at when: plain records in a heap.

No clock and no I/O: moments come in as loop seconds. A record has one entry that counts; bringing it forward leaves
the old one behind, to be skipped when it comes up.
"""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._caller import Seen
    from ._heard import Heard
    from ._lifecycle import Track
    from ._watchers import Watcher
    from .models import SessionStatus

_ENTRIES = count(1)  # one for all agendas, so that an entry left behind in another counts no more
NEVER = float("inf")
LAST_LOOK = 5.0  # seconds after a deadline in which the look made at it may still bring the end


class Record:
    """
    A watched session.

    Attributes:
        due: When to look next.
        asking: Whether a look is in line or under way.
        deadline: The first deadline of its watchers; NEVER for none.
        is_quiet: Whether an answer without news concerns no watcher.
        is_single: Whether the next look must be its own.
        follows: The status it has been watched in from its very beginning; None when that is not known.
        alone_for: The video the service does not tell about together with others.
        seen: The last answer, to know an unchanged one without reading it.
        failing_since: When the present run of failed looks began.
        failures: How many they are.
        looked_at: When it was last looked at on its own.
        heard: What events told of it; None for nothing.
        known: The status it was last seen in, while it was watched.
    """

    __slots__ = (
        "alone_for",
        "asking",
        "deadline",
        "due",
        "entry",
        "failing_since",
        "failures",
        "follows",
        "heard",
        "is_quiet",
        "is_single",
        "known",
        "looked_at",
        "seen",
        "track",
        "watchers",
    )

    def __init__(self, track: Track) -> None:
        self.track = track
        self.watchers: list[Watcher] = []
        self.entry = 0
        self.due = self.looked_at = 0.0
        self.deadline = NEVER
        self.asking = self.is_quiet = self.is_single = False
        self.follows: SessionStatus | None = None
        self.alone_for: str | None = None
        self.seen: Seen | None = None
        self.failing_since: float | None = None
        self.failures = 0
        self.heard: Heard | None = None
        self.known: SessionStatus | None = None

    @property
    def for_video(self) -> bool:
        """Whether somebody waits for the video itself."""
        return any(watcher.for_video for watcher in self.watchers)

    @property
    def is_shared(self) -> bool:
        """Whether it can be looked at together with others: its video's status tells all anybody wants to know."""
        if self.is_single or not self.track.is_rendering or self.alone_for == self.track.video_id:
            return False
        return not any(watcher.progress for watcher in self.watchers)

    def muster(self) -> None:
        """Work out again what the watchers want of a look."""
        deadlines = [watcher.deadline for watcher in self.watchers if watcher.deadline is not None]
        self.deadline = min(deadlines, default=NEVER)
        self.is_quiet = all(w.is_primed and not w.for_video and w.stalls_at is None for w in self.watchers)

    def hurried(self, due: float) -> float:
        """Bring a look forward for an event that came while the last one was under way."""
        if self.heard is None or self.heard.wanted <= self.looked_at:
            return due  # that one began after it
        self.is_single = True
        return min(due, self.heard.wanted)

    def clamped(self, due: float, now: float) -> float:
        """Bring a look forward to the next deadline, so that the last look is made at it."""
        if now < self.deadline < due:
            due = self.deadline
        if not self.is_quiet:
            for watcher in self.watchers:
                stalls_at = watcher.stalls_at
                if stalls_at is not None and now < stalls_at < due:
                    due = stalls_at
        return due


class Agenda:
    """Records by the moment they are next of interest."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Record]] = []

    def put(self, record: Record, moment: float) -> bool:
        """Enter a record; True when it is now the first."""
        record.entry = next(_ENTRIES)
        heappush(self._heap, (moment, record.entry, record))
        return self._heap[0][1] == record.entry

    def take(self, until: float) -> Record | None:
        """Remove and return the first record whose moment has come by `until`."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            _, entry, record = heappop(heap)
            if record.entry == entry and record.watchers:
                record.entry = 0
                return record
        return None

    def first(self) -> float:
        """Return the first moment, NEVER when there is none."""
        heap = self._heap
        while heap and (heap[0][2].entry != heap[0][1] or not heap[0][2].watchers):
            heappop(heap)
        return heap[0][0] if heap else NEVER
