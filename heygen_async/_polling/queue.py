"""
Who is to be looked at when: plain records in a heap.

No clock and no I/O: moments come in as loop seconds. A record has one entry that counts; bringing it forward leaves
the old one behind, to be skipped when it comes up.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

from .._api.sessions import session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from msgspec import Raw

    from .._api.calls import Call
    from .._http.transport import Request
    from ..models import SessionData, SessionState, SessionStatus
    from .state import SessionTracker
    from .watcher import Watcher
    from .webhook_signals import EventSignals

_ENTRIES = count(1)  # one for all agendas, so that an entry left behind in another counts no more
NEVER = float("inf")
FIRST = 0.0  # before everybody who is due
_SPARE = 64  # entries that may lie about before it is worth tidying
_LATENESS = 1000  # looks whose lateness is remembered
LAST_POLL = 5.0  # seconds after a deadline in which the look made at it may still bring the end


class WatchedSession:
    """
    A watched session.

    Attributes:
        due: When to look next.
        asking: Whether a look is under way.
        deadline: The first deadline of its watchers; NEVER for none.
        ends_at: When the hub will see to that deadline, if no look does; NEVER when it is not to.
        for_video: Whether somebody waits for the video itself.
        progress: Whether somebody wants to know of progress and messages.
        is_quiet: Whether an answer without news concerns no watcher.
        is_single: Whether the next look must be its own.
        is_woken: Whether somebody asked for a look while one was under way.
        follows: The status it has been watched in from its very beginning; None when that is not known.
        alone_for: The video the service does not tell about together with others.
        seen: The last answer, to know an unchanged one without reading it.
        failing_since: When the present run of failed looks began.
        failures: How many they are.
        looked_at: When it was last looked at on its own.
        told_turn: Which turn of the session its watchers were last told.
        heard: What events told of it; None for nothing.
        known: The status it was last seen in, while it was watched.
    """

    __slots__ = (
        "deadline",
        "delivered_revision",
        "due",
        "ends_at",
        "entry",
        "failed_since",
        "failures",
        "follows",
        "for_video",
        "heard",
        "is_polling",
        "is_quiet",
        "is_single",
        "is_woken",
        "known",
        "polled_at",
        "progress",
        "seen",
        "track",
        "unshared_video",
        "watchers",
    )

    def __init__(self, track: SessionTracker) -> None:
        self.track: SessionTracker = track
        self.watchers: list[Watcher] = []
        self.entry: int = 0
        self.due: float = NEVER
        self.polled_at: float = 0.0
        self.delivered_revision: int = -1
        self.deadline: float = NEVER
        self.ends_at: float = NEVER
        self.is_polling: bool = False
        self.is_quiet: bool = False
        self.is_single: bool = False
        self.is_woken: bool = False
        self.for_video: bool = False
        self.progress: bool = False
        self.follows: SessionStatus | None = None
        self.unshared_video: str | None = None
        self.seen: CachedAnswer | None = None
        self.failed_since: float | None = None
        self.failures: int = 0
        self.heard: EventSignals | None = None
        self.known: SessionStatus | None = None

    @property
    def is_shared(self) -> bool:
        """Whether it can be looked at together with others: its video's status tells all anybody wants to know."""
        if self.is_single or self.progress or not self.track.is_rendering:
            return False
        return self.unshared_video != self.track.video_id

    def has_default_schedule(self, now: float) -> bool:
        """Whether nothing but the client's schedule says when to look next."""
        return (
            self.is_shared
            and self.is_quiet
            and not self.is_woken
            and self.delivered_revision == self.track.revision
            and self.deadline > now
            and not self.failures
            and (self.heard is None or self.heard.is_settled)
            and len(self.watchers) == 1
            and self.watchers[0].cadence is None
        )

    def stalls_by(self, now: float) -> bool:
        """Whether, as far as is known, nothing has moved for as long as one of the watchers bears."""
        return any(watcher.stalls_at is not None and watcher.stalls_at <= now for watcher in self.watchers)

    def join(self, watcher: Watcher) -> None:
        """Take a watcher in."""
        self.watchers.append(watcher)
        self.for_video |= watcher.for_video
        self.progress |= watcher.progress
        if watcher.deadline is not None and watcher.deadline < self.deadline:
            self.deadline = watcher.deadline
        is_quiet = watcher.is_primed and not watcher.for_video and watcher.stalls_at is None
        self.is_quiet = is_quiet and (self.is_quiet or len(self.watchers) == 1)

    def recompute(self) -> None:
        """Work out again what the watchers want of a look."""
        self.for_video = any(watcher.for_video for watcher in self.watchers)
        self.progress = any(watcher.progress for watcher in self.watchers)
        deadlines = [watcher.deadline for watcher in self.watchers if watcher.deadline is not None]
        self.deadline = min(deadlines, default=NEVER)
        self.is_quiet = all(w.is_primed and not w.for_video and w.stalls_at is None for w in self.watchers)

    def hurried(self, due: float) -> float:
        """Bring a look forward for an event that came while the last one was under way."""
        if self.heard is None or self.heard.wanted <= self.polled_at:
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


class PollQueue:
    """
    Batches of records by the moment of their next look.

    Those who are due together are entered together: one entry for a hundred sessions that share their looks.
    """

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Sequence[WatchedSession]]] = []

    def put(self, records: Sequence[WatchedSession], moment: float) -> bool:
        """Enter records, wherever they were before; True when they are now the first."""
        entry = next(_ENTRIES)
        for record in records:
            record.entry = entry
        heappush(self._heap, (moment, entry, records))
        return self._heap[0][1] == entry

    def take(self, until: float) -> Sequence[WatchedSession]:
        """Remove and return the first whose moment has come by `until`; empty when there are none."""
        if self.first() > until:
            return ()
        _, entry, records = heappop(self._heap)
        return [record for record in records if record.entry == entry and record.watchers]

    def take_many(self, until: float, most: int) -> Sequence[WatchedSession]:
        """Remove and return so many at most of those whose moments have come by `until`."""
        batch: list[WatchedSession] = []
        while len(batch) < most and (more := self.take(until)):
            batch += more
        if rest := batch[most:]:
            self.put(rest, min(record.due for record in rest))
        return batch[:most]

    def first(self) -> float:
        """Return the first moment, NEVER when there is none."""
        heap = self._heap
        while heap and not _counts(heap[0]):
            heappop(heap)
        return heap[0][0] if heap else NEVER

    def count(self, until: float) -> int:
        """Return how many records' moments have come by `until`."""
        due = (one for one in self._heap if one[0] <= until)
        return sum(
            record.entry == entry and bool(record.watchers) for _, entry, them in due for record in them
        )

    def tidy(self, records: int) -> None:
        """Drop what counts no more once it outnumbers the records there are."""
        if len(self._heap) > 2 * records + _SPARE:
            self._heap = [one for one in self._heap if _counts(one)]
            heapify(self._heap)


def _counts(one: tuple[float, int, Sequence[WatchedSession]]) -> bool:
    _, entry, records = one
    for record in records:  # noqa: SIM110 - a generator would cost more than all the rest
        if record.entry == entry and record.watchers:
            return True
    return False


class PollQueues:
    """Everybody who waits for a look, alone or together with others."""

    __slots__ = ("_alone", "_late_by", "_together")

    def __init__(self) -> None:
        self._late_by: deque[float] = deque(maxlen=_LATENESS)
        self.clear()

    def clear(self) -> None:
        """Forget who waits."""
        self._alone = PollQueue()
        self._together = PollQueue()

    def put(self, records: Sequence[WatchedSession], moment: float, *, is_shared: bool) -> bool:
        """Enter records; True when they are now the first of their kind."""
        return (self._together if is_shared else self._alone).put(records, moment)

    def first(self) -> float:
        """Return the first moment, NEVER when there is none."""
        return min(self._alone.first(), self._together.first())

    def take(self, now: float, *, early: float, most: int) -> Sequence[WatchedSession]:
        """
        Remove and return who has been due longest; empty when nobody is.

        Those who are looked at together, `most` at a time, may come so many seconds `early`.
        """
        alone, together = self._alone.first(), self._together.first()
        if now < alone and now < together:
            return ()
        batch = self._alone.take(now) if alone <= together else self._together.take_many(now + early, most)
        if batch[0].due > FIRST:
            self._late_by.append(max(0.0, now - batch[0].due))
        return batch

    def late_by(self) -> Sequence[float]:
        """Return by how much the last looks were late, sorted."""
        return sorted(self._late_by) or [0.0]

    def count(self, until: float) -> int:
        """Return how many records' moments have come by `until`."""
        return self._alone.count(until) + self._together.count(until)

    def tidy(self, records: int) -> None:
        """Drop what counts no more once it outnumbers the records there are."""
        self._alone.tidy(records)
        self._together.tidy(records)


class DeadlineQueue:
    """Records by the moment at which the first of their watchers must be told that it is too late."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, WatchedSession]] = []

    def put(self, record: WatchedSession) -> bool:
        """Enter a record, unless it is there for as early a moment; True when it is now the first."""
        moment = record.deadline + LAST_POLL
        if moment >= record.ends_at:
            return False
        record.ends_at = moment
        heappush(self._heap, (moment, next(_ENTRIES), record))
        return self._heap[0][2] is record

    def take(self, until: float) -> WatchedSession | None:
        """Remove and return the first record whose moment has come by `until`."""
        if self.first() > until:
            return None
        record = heappop(self._heap)[2]
        record.ends_at = NEVER
        return record

    def first(self) -> float:
        """Return the first moment, NEVER when there is none."""
        heap = self._heap
        while heap and not (heap[0][2].ends_at == heap[0][0] and heap[0][2].watchers):
            heappop(heap)
        return heap[0][0] if heap else NEVER

    def tidy(self, records: int) -> None:
        """Drop what counts no more once it outnumbers the records there are."""
        if len(self._heap) > 2 * records + _SPARE:
            self._heap = [one for one in self._heap if one[2].ends_at == one[0] and one[2].watchers]
            heapify(self._heap)


class CachedAnswer:
    """A session that is read again and again, with what was sent and what came back the last time."""

    __slots__ = ("body", "request", "session_id", "state", "told")

    def __init__(self, session_id: str) -> None:
        self.session_id: str = session_id
        self.request: Request | None = None
        self.body: bytes | None = None
        self.told: Raw | None = None  # its messages, as they came
        self.state: SessionState | None = None  # what the body was taken for

    @property
    def call(self) -> Call[SessionData]:
        """The call; made anew, because it is seldom needed and often kept."""
        return session(self.session_id)

    def forget(self) -> None:
        """Take the next answer for news, whatever it says."""
        self.body = self.told = None
