"""
What events from outside are worth: when one deserves a poll, and how far webhooks can be relied on.

No clock: moments come in as loop seconds. An event is never a state. It may bring a poll forward, and only one that
was verified and that a poll then confirmed counts as a sign that the webhook works.
"""

from __future__ import annotations

import math
from collections import deque

from msgspec import Struct, field

from ..models import SessionStatus

_APART = 1.0  # seconds between two polls of one session for the sake of events, however many come
_CONFIRMED_WITHIN = 60.0  # seconds after an event in which a transition counts as the one it announced
_EXCUSED_WITHIN = 10.0  # seconds an event may come after the poll that was quicker
_REMEMBERED_FOR = 3600.0  # seconds a webhook is relied on without showing again that it works
_MOST_NEEDED = 64  # confirmed ends, after however many that no event announced
_MOST_MISSES = 256
_ANNOUNCED = frozenset({SessionStatus.THINKING, SessionStatus.GENERATING})  # whose ends events announce


class EventSignals(Struct, eq=False):
    """
    What events said of one watched session. Verified and unverified events do not wait for each other.

    Attributes:
        wanted: The moment of the last poll that was asked for.
        unconfirmed: When the newest event came, verified or not, as long as no poll has found what it announced.
    """

    wanted: float = 0.0
    _granted: dict[bool, float] = field(default_factory=dict[bool, float])
    unconfirmed: dict[bool, float] = field(default_factory=dict[bool, float])

    def record(self, now: float, polled_at: float, *, verified: bool) -> float:
        """Record an event; return when to poll for its sake. `polled_at` is when the last poll began."""
        self.unconfirmed[verified] = now
        granted = self._granted.get(verified, -_APART)
        if granted <= now:
            self._granted[verified] = granted = max(now, granted + _APART)
        # A poll that was granted before and has not begun serves this event too.
        self.wanted = min(granted, self.wanted) if self.wanted > polled_at else granted
        return self.wanted

    def seconds_unconfirmed(self, now: float, *, verified: bool = True) -> float | None:
        """Return the seconds since an event that no poll has confirmed; None when there is none, or long ago."""
        seconds = now - self.unconfirmed.get(verified, -math.inf)
        return seconds if seconds <= _CONFIRMED_WITHIN else None


class _AnnouncedEnds(Struct, frozen=True):
    """
    How webhooks did for one status.

    `confirmed` ends in a row were announced, the last `at`. The first `needed` of them earn no trust: a process that
    shares its webhook address with others gets only some of the events, however often they come.
    """

    confirmed: int = 0
    needed: int = 0
    at: float = 0.0

    def trust(self, now: float) -> int:
        return max(self.confirmed - self.needed, 0) if now - self.at <= _REMEMBERED_FOR else 0


class _Miss(Struct, frozen=True):
    """An end that no event has announced, yet, and the record before it."""

    status: SessionStatus
    before: _AnnouncedEnds
    at: float
    names: frozenset[str]


class WebhookReliability:
    """
    How many ends of each status in a row verified events announced to one client.

    It is kept by status because the service announces some ends and not others: that of a rendering, but not that a
    storyboard is ready. One end that was not announced ends the trust, and doubles what the next one takes. If its
    event was only slower than the poll, it is excused.
    """

    def __init__(self) -> None:
        self._records: dict[SessionStatus, _AnnouncedEnds] = {}
        self._misses: deque[_Miss] = deque(maxlen=_MOST_MISSES)  # the newest first

    def streak(self, status: SessionStatus, now: float) -> int:
        """Return how many announced ends in a row count as trust; 0 when the last is long ago."""
        record = self._records.get(status)
        return 0 if record is None else record.trust(now)

    def record_end(
        self, status: SessionStatus, signals: EventSignals | None, now: float, names: tuple[str | None, ...]
    ) -> bool:
        """
        Record that a poll found the end of a status; True when webhooks are not relied on any more.

        Args:
            status: The status that ended.
            signals: What events said of the session.
            now: When.
            names: The ids an event about it may have.
        """
        if status not in _ANNOUNCED:
            return False  # the caller ends it, or what it means is not known
        record = self._records.get(status, _AnnouncedEnds())
        if signals is not None and signals.seconds_unconfirmed(now) is not None:
            confirmed = record.confirmed if now - record.at <= _REMEMBERED_FOR else 0
            self._records[status] = _AnnouncedEnds(confirmed + 1, record.needed, now)
            return False
        if signals is not None and signals.seconds_unconfirmed(now, verified=False) is not None:
            return False
        # Ends before the first event are no misses: there may be no webhook yet.
        needed = min(2 * record.needed + 2, _MOST_NEEDED) if record.confirmed else record.needed
        self._records[status] = _AnnouncedEnds(0, needed, now)
        self._misses.appendleft(_Miss(status, record, now, frozenset(filter(None, names))))
        return record.trust(now) > 0

    def excuse(self, names: tuple[str | None, ...], now: float) -> None:
        """Record a verified event about an end that a poll has found shortly before."""
        miss = next((miss for miss in self._misses if not miss.names.isdisjoint(names)), None)
        if miss is None:
            return
        self._misses.remove(miss)
        if now - miss.at <= _EXCUSED_WITHIN:
            record = self._records[miss.status]
            is_last = record.at == miss.at  # else another end was missed since
            needed = miss.before.needed if is_last else record.needed
            confirmed = max(record.confirmed, miss.before.confirmed)
            self._records[miss.status] = _AnnouncedEnds(confirmed + 1, needed, now)
