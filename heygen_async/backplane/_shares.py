"""
What one process knows of a session that others watch too: who polls it, and when the next read is due.

No clock and no I/O: moments come in as loop seconds.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple

from .._polling.staleness import Evidence
from ._messages import UNSHARED, Read, encode_session

if TYPE_CHECKING:
    from .._polling.staleness import StaleGuard
    from .._polling.state import SessionTracker
    from .._polling.watched import WatchedSession
    from ..models import SessionState
    from ._messages import Sent

# Of the wait its holder has announced: schedules draw lots, and the keenest of four draws would cost a poll in five.
_KEENER = 0.7
_RAREST = 3600.0  # seconds; a schedule may say never


class Verdict(Enum):
    """What a read of another process is worth."""

    OLD = auto()  # asked by an earlier holder, or before a read or a message of ours
    UNAWARE = auto()  # the holder does not know of a message
    LOST = auto()  # the state it goes on from did not arrive
    UNSHARED = auto()  # the state may not travel, so each process reads it for itself
    NEWS = auto()


class Share:
    """
    One session, shared.

    Attributes:
        began: When this process began to watch it.
        held_until: Until when this process holds the lease; 0 when it does not.
        generation: Of the newest lease known.
        is_fed: Whether a holder has said when it polls next.
        next_at: When the holder polls next, as far as is known here.
        heir: Another process that this one hands the lease to; empty for none.
        published: The state that was sent last, by this process as the holder.
        announcement: The newest message to the session; None for none.
        sent_at: When this process learnt of it.
    """

    __slots__ = (
        "_fed_at",
        "_message",
        "_read_at",
        "announcement",
        "began",
        "generation",
        "heir",
        "held_until",
        "is_fed",
        "next_at",
        "published",
        "sent_at",
    )

    def __init__(self, began: float) -> None:
        self.began: float = began
        self.held_until: float = 0.0
        self.generation: int = 0
        self.is_fed: bool = False
        self.next_at: float = began
        self.published: SessionState | None = None
        self.announcement: Sent | None = None
        self.sent_at: float = 0.0
        self.heir: str = ""
        self._message = 0  # the number of the one that had the state
        self._read_at = began  # when the holder read last
        self._fed_at: float | None = None  # when what is known of the session was last fed

    @property
    def sent(self) -> int:
        """The number of the newest message to the session; 0 for none."""
        return 0 if self.announcement is None else self.announcement.sent

    @property
    def message(self) -> int:
        """The number of the holder's message that has the newest state."""
        return self._message

    def holds(self, now: float) -> bool:
        """Whether this process is the one that polls."""
        return now < self.held_until

    # -- the lease --

    def hold(self, generation: int, until: float) -> bool:
        """Record that this process has the lease; True when it had not before."""
        is_new = generation > self.generation or not self.held_until
        if is_new:
            self.published = None
        self.generation, self.held_until = max(generation, self.generation), until
        return is_new

    def drop(self) -> bool:
        """Record that this process has not got the lease; True when it had."""
        was_held, self.held_until, self.published = bool(self.held_until), 0.0, None
        self.is_fed = self.is_fed and not was_held
        return was_held

    def hand_over(self, now: float, due: float) -> str:
        """Record that another process polls from now on, and next when this one would have; return which."""
        heir, self.heir, self.held_until = self.heir, "", 0.0
        self.is_fed, self._read_at, self.next_at = True, now, due
        return heir

    # -- what a holder says --

    def record_published(self, state: SessionState | None, message: int) -> None:
        """Record that this process, as the holder, sends the state in a message."""
        self.published, self._message = state, message

    def judge(self, read: Read, now: float, read_at: float | None) -> Verdict:
        """Decide what a read is worth; `read_at` is when this process last learnt of the session's state."""
        if read.generation < self.generation:
            return Verdict.OLD
        if read.generation > self.generation:
            self.generation, self.held_until, self.published, self._message = read.generation, 0.0, None, 0
        if read.sent < self.sent:
            return Verdict.UNAWARE
        if read.state == UNSHARED:
            self.is_fed, self._message = False, 0
            return Verdict.UNSHARED
        if read.state is None and read.message != self._message:
            return Verdict.LOST
        self.is_fed, self._read_at, self.next_at = True, now, now + read.next_poll
        if read.state is None:
            return Verdict.NEWS
        if read_at is not None and read_at != self._fed_at and now - read.age <= read_at:
            return Verdict.OLD  # we have asked the service ourselves since
        self._message = read.message
        return Verdict.NEWS

    def record_fed(self, read_at: float | None) -> None:
        """Record what a read of another process has made of `read_at`."""
        self._fed_at = read_at

    # -- the next poll --

    def wishes(self, due: float) -> bool:
        """Whether a poll is wanted well before the one that the holder has announced; if so, it counts as announced."""
        if due - self._read_at >= _KEENER * (self.next_at - self._read_at):
            return False
        self.next_at = due
        return True


class PendingRead(NamedTuple):
    """A read that the others are to get."""

    session: WatchedSession
    share: Share
    generation: int
    sent: int
    state: SessionState | None
    age: float

    def item(self, number: int, now: float) -> Read:
        """Return what is sent in the message of a number."""
        session, share, state = self.session, self.share, self.state
        is_news = state is not None and state is not share.published
        if is_news:
            share.record_published(state, number)
        track, next_at = session.track, session.entry.due if share.holds(now) else share.next_at
        return Read(
            session_id=track.session_id,
            generation=self.generation,
            sent=self.sent,
            message=share.message,
            age=self.age,
            next_poll=min(max(next_at - now, 0.0), _RAREST),
            elapsed=now - track.since,
            unchanged=now - track.moved_at,
            polls=track.polls,
            state=encode_session(state) if is_news and state is not None else None,
            history=track.history if is_news else (),
        )


def has_read(track: SessionTracker, guard: StaleGuard) -> bool:
    """Whether the conversation was read here with the message already."""
    if track.state is None or not track.state.messages:
        return False
    shown = guard.look_for_ours(track.state.messages, shows_user=track.conversation.shows_user)
    return shown in (Evidence.SHOWN, Evidence.ANSWERED)
