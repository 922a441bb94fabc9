"""
A session that is watched: its watchers, what they want of a poll, and when the next one is due.

No clock and no I/O: moments come in as loop seconds.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from msgspec import Struct

from .._http.retry import is_refused_for_all
from ..errors import APIError, HeyGenError, NotFound, RateLimited, TransportError
from . import refs
from .state import Change, SessionTracker
from .watcher import Outage, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._api.calls import Call
    from ..models import SessionState, SessionStatus, VideoState
    from .webhook_signals import EventSignals

NEVER = float("inf")
_REPORTED_AFTER = 2  # failed polls in a row; a single one is no outage


class PollEntry(Struct, order=True, frozen=True, gc=False):
    """
    What a queue holds: when polls are due, and of which sessions.

    Attributes:
        due: The moment.
        number: Which came first of those that are due at one moment.
        name: The id of its session, or of the first of several, which the queue keeps by the number.
    """

    due: float
    number: int
    name: str


_NO_ENTRY = PollEntry(NEVER, -1, "")
UNDER_WAY = PollEntry(-NEVER, -1, "")


@dataclass(slots=True, eq=False, repr=False)
class WatchedSession:
    """
    A watched session.

    Attributes:
        first: Its first watcher, which most have and no other; None where all have ended.
        others: Its other watchers, if any.
        entry: Its entry in a queue that counts, which says when the next poll is due; UNDER_WAY while one is.
        deadline: The first deadline of its watchers; NEVER for none.
        for_video: Whether a watcher waits for the video itself.
        progress: Whether a watcher wants progress and messages.
        is_quiet: Whether an answer without news concerns no watcher.
        is_single: Whether the next poll must be its own.
        is_woken: Whether the next poll is due at once.
        follows: The status it was watched in from its beginning; None when that is not known.
        unshared_video: The video that is not asked for with others: it has ended, or is not reported.
        failed_since: When the present run of failed polls began.
        failures: How many they are.
        polled_at: When it was last polled on its own.
        delivered_revision: The revision that its watchers got last.
        signals: What events said of it; None for nothing.
        batch: What it is polled with again, as long as nothing happens to it.
        known: The status it was last read in, while it was watched.
    """

    track: SessionTracker
    first: Watcher | None = None
    others: tuple[Watcher, ...] = ()
    entry: PollEntry = _NO_ENTRY
    deadline: float = NEVER
    batch: PollBatch | None = None
    is_quiet: bool = False
    is_single: bool = False
    polled_at: float = 0.0
    delivered_revision: int = -1
    is_woken: bool = False
    for_video: bool = False
    progress: bool = False
    follows: SessionStatus | None = None
    unshared_video: str | None = None
    failed_since: float | None = None
    failures: int = 0
    signals: EventSignals | None = None
    known: SessionStatus | None = None

    # -- its watchers --

    @property
    def watchers(self) -> list[Watcher]:
        """All its watchers."""
        return [] if self.first is None else [self.first, *self.others]

    def keep(self, watchers: list[Watcher]) -> None:
        """Keep these watchers and no others, and work out what they want of a poll."""
        self.batch, self.first, self.others = None, watchers[0] if watchers else None, tuple(watchers[1:])
        self.for_video = any(watcher.options.for_video for watcher in watchers)
        self.progress = any(watcher.options.progress for watcher in watchers)
        self.deadline = min((watcher.deadline for watcher in watchers), default=NEVER)
        self.is_quiet = all(watcher.is_quiet for watcher in watchers)

    def add(self, watcher: Watcher) -> None:
        """Take a watcher in."""
        self.batch = None
        if self.first is None:
            self.first = watcher
        else:
            self.others = (*self.others, watcher)
        self.for_video |= watcher.options.for_video
        self.progress |= watcher.options.progress
        self.deadline = min(self.deadline, watcher.deadline)
        self.is_quiet = watcher.is_quiet and (self.is_quiet or not self.others)

    def drop_done(self) -> None:
        """Let go of all watchers that are done, at once: there may be thousands."""
        self.keep([watcher for watcher in self.watchers if not watcher.is_done])

    # -- what they get --

    def wants(self, change: Change) -> bool:
        """Whether an answer concerns a watcher."""
        track = self.track
        if not self.is_quiet or self.delivered_revision != track.revision or track.guard is not None:
            return True
        return self.progress and bool(change)

    def deliver(self, change: Change, now: float) -> None:
        """Give the watchers what an answer changed, and let go of those it was the last for."""
        if Change.READ_AGAIN not in change:
            self.delivered_revision = self.track.revision
        self.known = None if self.track.state is None else self.track.state.status
        for watcher in self.watchers:
            watcher.take(change, now)
            if not watcher.is_done:
                watcher.check_stall(now)
        self.drop_done()

    def fail(self, error: Exception) -> None:
        """End all watches, each with an error of its own: a traceback must not grow with their number."""
        for watcher in self.watchers:
            mine = copy.copy(error) if isinstance(error, HeyGenError) else error
            mine.__cause__ = error.__cause__
            watcher.fail(mine)
        self.drop_done()

    def record_success(self, now: float) -> None:
        """Record a poll that was answered, which ends a run of failed ones."""
        self._report_outage(None, now)
        self.failed_since, self.failures = None, 0

    def record_failure(self, error: Exception, now: float, *, outage: float) -> None:
        """Count a failed poll; it ends the watches only if it is final or polls failed for so many seconds."""
        self.failures += 1
        self.failed_since = now if self.failed_since is None else self.failed_since
        if not isinstance(error, HeyGenError) or _ends_watch(error):
            self.fail(error)
        elif now - self.failed_since >= outage:
            for watcher in self.watchers:
                watcher.fail_unknown(error)
            self.drop_done()
        elif not isinstance(error, RateLimited):
            self._report_outage(error, now)

    def _report_outage(self, error: HeyGenError | None, now: float) -> None:
        if self.failures < _REPORTED_AFTER or self.failed_since is None:
            return
        seconds = now - self.failed_since
        outage = Outage(session_id=self.track.session_id, seconds=seconds, error=error)
        for watcher in self.watchers:
            watcher.report(outage)

    def end_late(self, now: float, grace: float = 0.0) -> None:
        """End the watches whose deadline passed more than the grace ago."""
        # Added, as for the timer: subtracted from the moment it may come out a hair short, for ever.
        for watcher in self.watchers:
            if watcher.deadline + grace <= now:
                watcher.fail_late()
        self.drop_done()

    # -- its next poll --

    @property
    def is_polling(self) -> bool:
        """Whether a poll is under way."""
        return self.entry is UNDER_WAY

    @property
    def is_shared(self) -> bool:
        """Whether a poll shared with others is enough: the status of its video says all that is wanted."""
        if self.is_single or self.progress or self.track.video_id == self.unshared_video:
            return False
        return self.track.is_rendering

    def has_default_schedule(self, now: float) -> bool:
        """Whether nothing but the client's schedule decides when the next poll is due."""
        return (
            self.is_quiet
            and not self.is_woken
            and self.delivered_revision == self.track.revision
            and self.deadline > now
            and not self.failures
            and (self.signals is None or not self.signals.unconfirmed)
            and self.first is not None
            and not self.others
            and self.first.options.cadence is None
            and self.is_shared
        )

    @property
    def stalls_at(self) -> float:
        """When the first of its watchers counts it as stalled, if nothing moves; NEVER for none."""
        stalls = (watcher.stalls_at for watcher in self.watchers)
        return NEVER if self.is_quiet else min(stalls, default=NEVER)

    def fit_due(self, due: float, now: float) -> float:
        """Bring a poll forward for an event that came during the last one, and to the next deadline or stall."""
        if self.signals is not None and self.signals.wanted > self.polled_at:
            self.is_single = True
            due = min(due, self.signals.wanted)
        return min([due, *[moment for moment in (self.deadline, self.stalls_at) if now < moment]])


class PollBatch(list[WatchedSession]):
    """
    Sessions polled together again and again, as long as nothing but the client's schedule concerns them.

    Attributes:
        call: Asks for all their videos; knows the last answer.
    """

    call: Call[tuple[VideoState, ...]] | None = None

    def is_whole(self, now: float) -> bool:
        """Whether nothing has happened to any of them since they were put together."""
        return not [
            s for s in self if s.is_single or s.batch is not self or s.deadline <= now or s.track.guard
        ]


def _ends_watch(error: HeyGenError) -> bool:
    """
    Whether a failed poll is final: every further one would be refused alike.

    Final are a refused credential, the service's own 402 and 403, a 404 after its grace, and what is no answer at all
    (a closed client). All else may pass: an answer of something in between, of any status, is one failed poll.
    """
    if isinstance(error, NotFound):
        return error.from_service
    return is_refused_for_all(error) or not isinstance(error, APIError | TransportError)


# ---- what is known of sessions, watched or not ------------------------------------------------------------------


class Trackers:
    """
    What one client knows of its sessions: the same for all handles and watches of one.

    Args:
        on_transition: Called with each state that is a transition.

    Attributes:
        tracing: Traces them.
        watched: The sessions that are polled, by id, which keep what is known of them.
        unwatched: What is known of the others, for as long as there is a handle of them.
    """

    def __init__(self, on_transition: Callable[[SessionState], None] | None = None) -> None:
        self.tracing: refs.Tracing = refs.Tracing()
        self.watched: dict[str, WatchedSession] = {}
        self._on_transition = on_transition
        # Not of tens of thousands that are watched, each with a weak reference for the garbage collector to visit.
        self.unwatched: WeakValueDictionary[str, SessionTracker] = WeakValueDictionary()

    def get(self, session_id: str) -> SessionTracker | None:
        """Return what is known of a session; None when nobody holds a handle of it."""
        session = self.watched.get(session_id)
        return self.unwatched.get(session_id) if session is None else session.track

    def of(self, session_id: str, mode: str | None = None) -> SessionTracker:
        """Return what is known of a session, which is little when nobody holds a handle of it."""
        tracker = self.get(session_id) or self._begin(SessionTracker(session_id))
        tracker.mode = mode or tracker.mode
        return tracker

    def restore(self, ref: bytes | str) -> tuple[SessionTracker, int]:
        """
        Return what is known of the session of a ref, and the cursor of what was delivered.

        Raises:
            InvalidArgument: Not a ref, or one of a later release.
        """
        tracker, cursor = refs.read(ref, self.get)
        return self._begin(tracker), cursor

    def _begin(self, tracker: SessionTracker) -> SessionTracker:
        tracker.on_transition = self._on_transition
        self.unwatched[tracker.session_id] = tracker
        return tracker
