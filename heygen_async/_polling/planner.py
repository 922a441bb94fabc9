"""
When a session is polled next, and by which process: asks the schedules of its watchers, with what was learnt.

A caller's schedule is a caller's code: one that raises ends the watches that brought it, and no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..cadence import _LONGEST, _SHORTEST, Cadence, Durations, PollContext, bounded
from .watched import NEVER
from .webhook_signals import WebhookReliability

if TYPE_CHECKING:
    import random
    from collections.abc import Collection, Sequence

    from ..cadence import Expected
    from ..models import SessionState, SessionStatus
    from .state import SessionTracker
    from .watched import WatchedSession
    from .watcher import Watcher

Interval = Callable[[PollContext], float]

log = logging.getLogger("heygen_async")

_JUST_BEGUN = 5.0  # seconds in a status after which its beginning counts as not seen
_AFTER_BROKEN_SCHEDULE = 1.0  # seconds to the next poll when the schedule has failed
_FIRST_RETRY = 2.0  # seconds after the first failed poll
_LONGEST_RETRY = 30.0


class PollPlanner:
    """
    Plans the polls of one client.

    Args:
        cadence: The default schedule.
        rng: Spreads sessions that began together.

    Attributes:
        durations: How long each status lasts.
        webhooks: How far webhooks can be relied on.
    """

    def __init__(self, cadence: Interval, rng: random.Random) -> None:
        self._cadence = cadence
        self._rng = rng
        self.durations: Durations = Durations()
        self._expected: dict[SessionStatus, Expected | None] = {}
        self.webhooks: WebhookReliability = WebhookReliability()

    def next_poll(
        self, session: WatchedSession, now: float, share: int, cadences: Collection[Interval] = ()
    ) -> float:
        """
        Return when to poll next; of the schedules of several watchers the earliest counts.

        `share` is the number of sessions that the poll's one request serves, 0 for a request of its own; `cadences`
        are the schedules to ask, where not those of all watchers.
        """
        first, track, signals = session.first, session.track, session.signals
        if first is not None and not session.others:
            cadences = (first.options.cadence or self._cadence,)
        elif not cadences:
            cadences = {watcher.options.cadence or self._cadence for watcher in session.watchers}
        status, since = track.phase(for_video=session.for_video)
        streak = self.webhooks.streak(status, now)
        # A shared poll shows no progress, so what is known of it is old and would mislead.
        state = None if share else track.state
        context = PollContext(
            status=status,
            elapsed=max(now - since, 0.0),  # asked about a moment before a message was sent
            progress=0 if state is None else state.progress,
            history=() if state is None else track.history,
            polls=track.polls,
            unchanged=max(now - track.moved_at, 0.0),
            jitter=self._rng.random(),
            expected=self._expected.get(status),
            shared_by=share or 1,
            webhook_streak=0 if streak and track.is_completed else streak,
            since_webhook=None if signals is None else signals.seconds_unconfirmed(now),
        )
        wait = NEVER
        for cadence in cadences:
            ask = cadence.interval if isinstance(cadence, Cadence) else cadence
            try:
                seconds = ask(context)
                is_within = type(seconds) is float and _SHORTEST <= seconds <= _LONGEST
                wait = min(wait, seconds if is_within else bounded(seconds))
            except Exception as error:
                log.exception("A schedule failed", extra={"event": "poll_failed"})
                self._fail(session, cadence, error)
                wait = min(wait, _AFTER_BROKEN_SCHEDULE)
        return now + wait

    def _fail(self, session: WatchedSession, cadence: Interval, error: Exception) -> None:
        for watcher in session.watchers:
            if (watcher.options.cadence or self._cadence) is cadence:
                watcher.fail(error)
        session.drop_done()

    def first_poll(self, session: WatchedSession, watcher: Watcher, now: float, share: int) -> float:
        """
        Return when a watcher that joins needs a poll, which may be sooner than the others asked for.

        NEVER when its schedule was asked for the one that is planned.
        """
        if watcher.delivered_revision is None or session.track.is_stale:
            return now
        cadence = watcher.options.cadence or self._cadence
        others = (other for other in session.watchers if other is not watcher)
        if any((other.options.cadence or self._cadence) is cadence for other in others):
            return NEVER
        read_at = session.track.read_at or now
        return self.next_poll(session, read_at, share, {cadence})

    def begin(self, session: WatchedSession, now: float) -> None:
        """Record where a session stands that is watched from now on."""
        track = session.track
        if track.state is not None and now - track.since < _JUST_BEGUN:
            session.follows = track.state.status
        if track.state is not None and track.is_fresh(now):
            session.known = track.state.status

    def learn(self, session: WatchedSession, state: SessionState, now: float) -> bool:
        """Learn from a transition; True when webhooks have turned out not to be reliable."""
        previous, followed = state.previous, session.follows
        session.follows = state.status
        if previous is not None and previous == followed:
            self.durations.add(previous, state.elapsed)
            self._expected[previous] = self.durations.expected(previous)
        if previous is None or previous != session.known:
            return False  # it may have ended long ago: nothing watched it
        names = (session.track.session_id, session.track.video_id)
        is_unreliable = self.webhooks.record_end(previous, session.signals, now, names)
        if session.signals is not None:
            session.signals.unconfirmed.clear()  # a poll that is wanted still comes
        return is_unreliable


class SharedCreates:
    """
    What this process and others know of each other's creates: nothing, as there are no others here.

    What they know tells whose a session is when the answer to a create was lost.
    """

    def listen(self) -> None:
        """Hear from now on which sessions the others make."""

    def announce_made(self, session_id: str) -> None:
        """Have the others not take a session of this process for one of theirs."""

    def is_elsewhere(self, session_id: str) -> bool:  # noqa: ARG002
        """Whether another process has made a session."""
        return False

    def announce_pending(self, name: str, *, doubts: Sequence[bytes], under_way: int) -> None:
        """Give the others the digests of requests of one name that are in doubt here, and how many are under way."""

    def doubts_elsewhere(self, name: str) -> Sequence[bytes]:  # noqa: ARG002
        """Return the digests of the requests of one name that are in doubt in other processes."""
        return ()

    def is_under_way_elsewhere(self, name: str) -> bool:  # noqa: ARG002
        """Whether another process has sent a request of one name and has no answer yet."""
        return False

    async def claim(self, session_id: str) -> bool:  # noqa: ARG002
        """Whether this process may take a session that creates in doubt may have made: one of all may."""
        return True


class SharedPolls:
    """
    Which polls this process makes: all of them, as there are no others here.

    Those that have others may cost or save a poll, and never decide what a session is.

    Attributes:
        is_away: Whether the other processes cannot be reached; None without a backplane.
        reads: Reads of other processes that were delivered here.
    """

    is_away: bool | None = None
    reads: int = 0

    @property
    def creates(self) -> SharedCreates:
        """What is known of the creates of other processes."""
        return SharedCreates()

    def plan(self, session: WatchedSession, due: float, now: float) -> float:  # noqa: ARG002
        """Return when this process is to poll, which wants to at `due`: later, if another polls for it."""
        return due

    def publish(self, sessions: Sequence[WatchedSession], now: float) -> None:
        """Give the others what was just read."""

    def release(self, session: WatchedSession) -> None:
        """Let another process poll a session that is not watched here any more."""

    def announce_send(self, track: SessionTracker) -> None:
        """Have the others take the pause that was just answered for an old one."""

    def announce_event(self, session_id: str | None, video_id: str | None, *, verified: bool) -> None:
        """Give the others an event."""

    async def aclose(self) -> None:
        """Leave the others."""


def poll_pause(failures: int, *, jitter: float) -> float:
    """Return the seconds to the next poll after so many failed ones in a row."""
    own = min(_FIRST_RETRY * 2.0 ** min(failures - 1, 10), _LONGEST_RETRY)
    return own * (0.5 + jitter / 2)
