"""
What events from outside are worth: when one deserves a look, and how far webhooks can be relied on.

No clock: moments come in as loop seconds. An event is never a state. It may bring a look forward, and only one that
was verified and that a look then confirmed counts as a sign that the webhook works.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..models import SessionStatus

_APART = 1.0  # seconds between two looks at one session for the sake of events, however many come
_CONFIRMED_WITHIN = 60.0  # seconds after an event in which a transition counts as the one it told of
_EXCUSED_WITHIN = 10.0  # seconds an event may come after the look that was quicker
_REMEMBERED_FOR = 3600.0  # seconds a webhook is relied on without showing again that it works
_SUSPECTS = 256


class EventSignals:
    """
    What was heard of one watched session. Verified events and rumours do not wait for each other.

    Attributes:
        verified_at: When a verified event came that no look has confirmed yet.
        rumoured_at: When an unverified one came.
        wanted: The moment of the last look that was asked for.
    """

    __slots__ = ("_granted", "unverified_at", "verified_at", "wanted")

    def __init__(self) -> None:
        self.verified_at: float | None = None
        self.unverified_at: float | None = None
        self.wanted: float = 0.0
        self._granted = {True: -_APART, False: -_APART}

    def note(self, now: float, polled_at: float, *, verified: bool) -> float:
        """Take note of an event; return when to look for its sake. `polled_at` is when the last look began."""
        if verified:
            self.verified_at = now
        else:
            self.unverified_at = now
        granted = self._granted[verified]
        if granted <= now:
            self._granted[verified] = granted = max(now, granted + _APART)
        # A look that was granted before and has not begun serves this event too.
        self.wanted = min(granted, self.wanted) if self.wanted > polled_at else granted
        return self.wanted

    @property
    def is_settled(self) -> bool:
        """Whether a look has found what the events told of."""
        return self.verified_at is None and self.unverified_at is None

    def unconfirmed(self, now: float) -> float | None:
        """Return the seconds since a verified event that no look has confirmed; None when there is none."""
        if self.verified_at is None or now - self.verified_at > _CONFIRMED_WITHIN:
            return None
        return now - self.verified_at

    def is_suspected(self, now: float) -> bool:
        """Whether somebody unknown may have told of what a look has found."""
        return self.unverified_at is not None and now - self.unverified_at <= _CONFIRMED_WITHIN

    def settle(self) -> None:
        """Take it that a look has found what the events told of; one that is wanted still is to come."""
        self.verified_at = self.unverified_at = None


class _Suspect(NamedTuple):
    """An end that no event told of, yet."""

    status: SessionStatus
    row: int
    at: float
    names: tuple[str, ...]


class WebhookReliability:
    """
    How many ends of each status in a row were told by verified events, in one client.

    It is kept by status because the service announces some ends and not others: that of a rendering, but not that a
    storyboard is ready. One end that was not announced is enough to rely on it no more; should its event only have
    been slower than the look, it is excused.
    """

    __slots__ = ("_rows", "_suspects")

    def __init__(self) -> None:
        self._rows: dict[SessionStatus, tuple[int, float]] = {}
        self._suspects: OrderedDict[str, _Suspect] = OrderedDict()

    def in_a_row(self, status: SessionStatus, now: float) -> int:
        """Return how many ends of a status in a row were announced; 0 when the last is long ago."""
        row, at = self._rows.get(status, (0, 0.0))
        return row if now - at <= _REMEMBERED_FOR else 0

    def ended(
        self, status: SessionStatus, heard: EventSignals | None, now: float, names: tuple[str | None, ...]
    ) -> bool:
        """
        Note that a look found the end of a status; True when webhooks are not to be relied on any more.

        Args:
            status: The status that ended.
            heard: What was heard of the session.
            now: When.
            names: The ids an event about it may have.
        """
        if status.is_paused or status.is_terminal or not status.is_known:
            return False  # it ends when the caller speaks, or nobody knows what it means
        row = self.in_a_row(status, now)
        if heard is not None and heard.unconfirmed(now) is not None:
            self._rows[status] = row + 1, now
        elif heard is None or not heard.is_suspected(now):
            self._rows[status] = 0, now
            self._suspect(_Suspect(status, row, now, tuple(filter(None, names))))
            return row > 0
        return False

    def excuse(self, names: tuple[str | None, ...], now: float) -> None:
        """Note a verified event about an end that a look has found shortly before."""
        told = [name for name in names if name is not None and name in self._suspects]
        if not told:
            return
        suspect = self._suspects[told[0]]
        for name in suspect.names:
            self._suspects.pop(name, None)
        if now - suspect.at <= _EXCUSED_WITHIN:
            row = max(self.in_a_row(suspect.status, now), suspect.row)
            self._rows[suspect.status] = row + 1, now

    def _suspect(self, suspect: _Suspect) -> None:
        for name in suspect.names:
            self._suspects[name] = suspect
            if len(self._suspects) > _SUSPECTS:
                self._suspects.popitem(last=False)
