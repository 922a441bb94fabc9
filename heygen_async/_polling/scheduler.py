"""
One scheduler for all watches of a client: decides which session is polled next and delivers what that brings.

A watched session is a plain object in a queue; the watchers of one session share its polls, and nothing here waits
per watcher. Polls run in a few workers (`workers.py`). Sessions that render are polled together (`reads.py`). What an
answer means is decided in `state.py`, when to poll in `cadence.py`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import _clock, _concurrency
from .._api.calls import STATUS_IDS
from .._redact import clean
from ..errors import ClientStateError, ConnectionLost, HeyGenError, RateLimited
from ..models import SessionState, Statistics
from .planner import PollPlanner, SharedPolls, poll_pause
from .reads import BulkPoller, read
from .state import Change, SessionTracker
from .watched import NEVER, PollBatch, Trackers, WatchedSession
from .workers import SOONEST, PollWorkers, Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._http.client import ApiClient
    from ..cadence import PollContext
    from .watcher import Watcher

log = logging.getLogger("heygen_async")

_TRIES_FOR_A_REASON = 3  # failed reads of a failed session's video before its reason is taken from elsewhere
_SAMPLE = 4  # of those polled together, how many the schedule is asked for; the first to be due counts
_LAST_POLL = 5.0  # seconds after a deadline in which the poll made at it may still bring the end
_SWEEPS_APART = 0.05  # seconds at least between two searches for watches that are late, which visit all
_RESTART = 0.05  # seconds after an interrupt until polling goes on, where the loop does
_MOST_UNKNOWN = 100  # statuses this release does not know that are logged


@dataclass(eq=False, repr=False)
class PollScheduler:
    """
    Polls for all watchers of one client.

    Args:
        api: Makes the exchanges and knows the pauses the service asked for.
        cadence: The default schedule.
        most: Polls under way at once.
        rate: Polls a second, spread evenly; None for no limit.
        trackers: What is known of sessions, watched or not.
        share_polls: Makes what shares them with other processes.

    Attributes:
        sessions: What is watched, by the session's id.
        trackers: See above.
        sharing: Shares polls with other processes.
        on_event: Called with an event that reached another process.
        planner: Plans the polls, and learns from them.
    """

    _api: ApiClient
    _cadence: Callable[[PollContext], float]
    _most: int
    _rate: float | None
    trackers: Trackers
    _share_polls: Callable[[PollScheduler], SharedPolls]
    on_event: Callable[..., object] = lambda *_, **__: None
    _unknown_statuses: set[str] = field(default_factory=set[str])
    _is_closing: bool = False
    _is_stopped: bool = False

    def __post_init__(self) -> None:
        self.planner: PollPlanner = PollPlanner(self._cadence, self._api.rng)
        self.sessions: dict[str, WatchedSession] = self.trackers.watched
        self._start_over()

    def _start_over(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        sessions = self.sessions
        self.trackers.unwatched.update({name: session.track for name, session in sessions.items()})
        sessions.clear()
        self._bulk = BulkPoller(self._api)
        self.sharing: SharedPolls = self._share_polls(self)
        self._late = Timer(self._end_late)
        self._workers = PollWorkers(self._api, sessions, self._most, self._rate, self._poll, self._fail_all)

    # -- watchers come and go --

    def add(self, watcher: Watcher) -> None:
        """
        Poll the watcher's session from now on; the newest known state is its first item, unless it is stale.

        Raises:
            ClientStateError: The client is closed, has stopped watching or belongs to another loop.
        """
        if self._is_closing or self._is_stopped:
            problem = "is closed" if self._is_closing else "has stopped watching"
            raise ClientStateError(f"This client {problem}.", hint="Make a new HeyGen().")
        self._api.bind()
        self.follow()
        now, track = _clock.now(), watcher.track
        # The time of a watch that was left at a cancelled step runs on.
        watcher.began = now if watcher.began is None else watcher.began
        session = self.sessions.get(track.session_id)
        is_polled = session is not None and not session.failures and track.read_at is not None
        if track.is_fresh(now) or (is_polled and not track.is_stale):
            watcher.take(Change.TRANSITION, now)
        if watcher.is_done:
            return
        if session is None:
            session = self.sessions[track.session_id] = WatchedSession(track)
            self.trackers.unwatched.pop(track.session_id, None)
            self.planner.begin(session, now)
        session.add(watcher)
        try:
            self._late.set(watcher.deadline + _LAST_POLL)
            if not session.is_polling:
                share = self._bulk.share * session.is_shared
                due = self.planner.first_poll(session, watcher, now, share)
                self.poll_by(session, session.fit_due(due, now), now)
        except BaseException:  # an interrupt in the caller's schedule
            self.remove(watcher)
            raise

    def follow(self) -> None:
        """Follow the client into its next loop: what was watched in the last one has no readers any more."""
        if self._api.loop is not self._loop:
            self._start_over()
            self._loop = self._api.loop

    def remove(self, watcher: Watcher) -> None:
        """Stop polling on this watcher's account; what serves no other is dropped at once."""
        session = self.sessions.get(watcher.track.session_id)
        if session is not None and watcher in session.watchers:
            session.keep([other for other in session.watchers if other is not watcher])
            self._forget_unwatched(session)

    def _forget_unwatched(self, session: WatchedSession) -> None:
        name = session.track.session_id
        if session.first is None and self.sessions.get(name) is session:
            del self.sessions[name]
            self.trackers.unwatched[name] = session.track
            self.sharing.release(session)
            if not self.sessions:
                self._workers.rest()
                self._late.cancel()

    def poll_now(self, session_id: str) -> None:
        """Poll a session now, if it is watched; after a poll that is under way, if one is."""
        self.follow()
        session, now = self.sessions.get(session_id), _clock.now()
        if session is not None:
            session.is_woken, session.batch = session.is_polling, None
            self.poll_by(session, now, now)

    def listen(self) -> None:
        """Hear from now on which sessions other processes make."""
        self.follow()
        self.sharing.creates.listen()

    def follow_send(self, track: SessionTracker) -> None:
        """See what becomes of a message that was delivered, and tell the other processes of it."""
        self.follow()
        self.sharing.announce_send(track)
        self.poll_now(track.session_id)

    def poll_by(self, session: WatchedSession, moment: float, now: float) -> None:
        """Poll a session at a moment at the latest, unless a poll is under way."""
        if moment < session.entry.due:
            self._enqueue(session, moment, now, self._bulk.share * session.is_shared)

    def deliver(self, track: SessionTracker, change: Change) -> None:
        """Give the watchers of a session what was read outside of their polls, here or in another process."""
        self.follow()
        session = self.sessions.get(track.session_id)
        if session is None:
            return
        now, session.batch = _clock.now(), None
        if session.wants(change):
            self._deliver(session, change, now)
        if session.is_polling:  # a poll under way may fail, and schedules the next one in any case
            self._forget_unwatched(session)
        else:
            self._schedule(session, now)

    def advance(self) -> None:
        """Poll all sessions when the schedule says now, if that is sooner than what was planned."""
        now = _clock.now()
        for session in list(self.sessions.values()):
            share = self._bulk.share * session.is_shared
            self.poll_by(session, self.planner.next_poll(session, now, share), now)

    def stop(self) -> None:
        """End all watches after what is still unread, and take no new ones."""
        self._is_stopped = True
        for session in list(self.sessions.values()):
            for watcher in session.watchers:
                watcher.stop()
            session.drop_done()
            self._forget_unwatched(session)

    async def aclose(self) -> None:
        """End all polls; watches that are on, and those begun meanwhile, get a `ClientStateError`."""
        self._is_closing = True
        if self._loop is None or self._loop.is_closed():
            self._start_over()
        self._fail_all(ClientStateError("The client was closed while this watch was on."))
        if self._loop is asyncio.get_running_loop():
            await self._workers.aclose()

    async def leave(self) -> None:
        """Leave the other processes; creates under way need to know until their end what is theirs."""
        if self._loop is asyncio.get_running_loop():
            await self.sharing.aclose()
        self._start_over()

    def _fail_all(self, error: Exception) -> None:
        for session in list(self.sessions.values()):
            session.fail(error)
            self._forget_unwatched(session)

    def _end_late(self) -> None:
        """End the watches at whose deadline no poll came back in time; one timer is for all."""
        self._late.at, now = NEVER, _clock.now()
        for session in [one for one in self.sessions.values() if one.deadline + _LAST_POLL <= now]:
            session.end_late(now, _LAST_POLL)
            self._forget_unwatched(session)
        first = min((session.deadline for session in self.sessions.values()), default=NEVER)
        self._late.set(max(first + _LAST_POLL, now + _SWEEPS_APART))

    def statistics(self) -> Statistics:
        """Return the numbers of now."""
        counters, lateness, sessions = self._api.counters, self._workers.lateness(), self.sessions.values()
        now = 0.0 if self._loop is None else _clock.of(self._loop)
        return Statistics(
            **{name: getattr(counters, name) for name in counters.__slots__},
            watchers=sum(len(session.watchers) for session in sessions),
            watched=len(sessions),
            due=sum(not session.is_polling and session.entry.due <= now for session in sessions),
            in_flight=self._workers.count,
            lateness_p50=lateness[len(lateness) // 2],
            lateness_p99=lateness[len(lateness) * 99 // 100],
            shared_reads=self.sharing.reads,
            is_backplane_away=self.sharing.is_away,
        )

    # -- a poll: read, deliver, schedule --

    async def _poll(self, batch: Sequence[WatchedSession], now: float) -> float:
        """Read sessions, deliver what changed to their watchers, schedule their next polls; return when."""
        session, change = batch[0], Change.NOTHING
        try:
            if len(batch) > 1:
                now = await self._bulk.poll(batch)
            else:
                self._api.counters.polls += 1
                session.is_single, session.polled_at = False, now
                change, now = await read(session.track, self._api.attempt, now, for_video=session.for_video)
        except BaseException as error:  # noqa: BLE001 - no watcher may wait for ever
            return self._handle_error(batch, error)
        if self._workers.is_narrow:
            self._workers.widen(now)
        if self.sharing.is_away is not None:
            self.sharing.publish(batch, now)
        for session in batch if len(batch) == 1 else self._schedule_shared(batch, now):
            if session.failures:
                session.record_success(now)
            if session.wants(change):
                self._deliver(session, change, now)
            self._schedule(session, now)
        return now

    def _schedule_shared(self, batch: Sequence[WatchedSession], now: float) -> Sequence[WatchedSession]:
        """Keep sessions together that still render and that nothing sets apart; return the others."""
        if isinstance(batch, PollBatch) and batch.is_whole(now):
            return self._schedule_together(batch, now)
        alike: list[WatchedSession] = []
        others: list[WatchedSession] = []
        for session in batch:
            if session.has_default_schedule(now):
                alike.append(session)
            elif session.is_shared:
                others.append(session)
            else:  # it may have ended, or a new watcher may want more than this poll shows
                self._enqueue(session, SOONEST, now, share=0)
        return [*others, *self._schedule_together(PollBatch(alike), now)] if alike else others

    def _handle_error(self, batch: Sequence[WatchedSession], error: BaseException) -> float:
        """Count a failed poll; what ends the process or this task is raised again."""
        now = _clock.now()
        if isinstance(error, KeyboardInterrupt | SystemExit):  # where the loop lives on, so do its watches
            for session in batch:
                self._enqueue(session, now + _RESTART, now, self._bulk.share * session.is_shared)
        if isinstance(error, asyncio.CancelledError) and not _concurrency.is_cancelled():
            # It came from within: what asks for tokens has cancelled something of its own.
            error = ConnectionLost("The exchange was cancelled by what makes it.")
        if not isinstance(error, Exception):
            raise error
        self._record_failure(batch, error, now)
        return now

    def _record_failure(self, batch: Sequence[WatchedSession], error: Exception, now: float) -> None:
        """Count a failed poll; it ends the watches only if it is final or the failure budget is spent."""
        if not isinstance(error, HeyGenError):
            log.error("A poll failed unexpectedly", exc_info=error, extra={"event": "poll_failed"})
        if isinstance(error, RateLimited):
            self._workers.narrow()
        for session in batch:
            session.record_failure(error, now, outage=self._api.timeouts.outage)
            is_given_up = session.failures >= _TRIES_FOR_A_REASON
            if is_given_up and (change := session.track.record_no_reason(now=now)):
                session.record_success(now)
                self._deliver(session, change, now)
            self._schedule(session, now)

    def _deliver(self, session: WatchedSession, change: Change, now: float) -> None:
        """Give watchers what changed, and learn from it."""
        state = session.track.state
        if Change.TRANSITION in change and state is not None:
            self._log_unknown_status(state)
            if self.planner.learn(session, state, now):
                self.advance()  # they relied on webhooks that do not come
        if Change.READ_AGAIN in change:
            session.is_woken = True
        session.deliver(change, now)

    def _log_unknown_status(self, state: SessionState) -> None:
        status, unknown = state.status, self._unknown_statuses
        if status.is_known or status in unknown or len(unknown) > _MOST_UNKNOWN:
            return
        unknown.add(str(status))
        extra = {"event": "unknown_status", "session_id": state.session_id, "status": clean(str(status))}
        log.warning("The service uses a status this release does not know: %s", extra["status"], extra=extra)

    def _schedule(self, session: WatchedSession, now: float) -> None:
        """Decide when to poll next, once watches that are late have ended."""
        if session.deadline <= now:
            session.end_late(now)
        due, share = now, self._bulk.share * session.is_shared
        if session.failed_since is not None:
            pause = poll_pause(session.failures, jitter=self._api.rng.random())
            due = min(now + pause, session.failed_since + self._api.timeouts.outage)
        elif session.first is not None and not session.is_woken:
            due = self.planner.next_poll(session, now, share)
            if share and session.is_polling and session.has_default_schedule(now):
                due = self._workers.together.join(due, now)  # sooner costs no more
        if session.first is not None:
            self._enqueue(session, due, now, share)
        else:  # all have ended, some perhaps because their schedule failed
            self._forget_unwatched(session)

    def _schedule_together(self, alike: PollBatch, now: float) -> Sequence[WatchedSession]:
        """Keep together what was polled together: asking the schedule for each would cost more than the poll."""
        sample = alike[:: max(len(alike) // _SAMPLE, 1)]
        dues = [self.planner.next_poll(one, now, self._bulk.share) for one in sample]
        due = min(*dues, *[session.deadline for session in alike])
        if any(session.first is None for session in sample):
            return alike  # a schedule has failed: each is asked, and has its own answer
        for session in alike:
            session.batch = alike
        (self._workers.alone if len(alike) == STATUS_IDS else self._workers.together).put(alike, due)
        return ()

    def _enqueue(self, session: WatchedSession, due: float, now: float, share: int) -> None:
        session.is_woken, session.batch = False, None
        if session.deadline < due or session.signals is not None or not session.is_quiet:
            due = session.fit_due(due, now)
        if self.sharing.is_away is not None:
            due = self.sharing.plan(session, due, now)
        is_shared = share > 0 and not session.is_single
        (self._workers.together if is_shared else self._workers.alone).put((session,), due)
