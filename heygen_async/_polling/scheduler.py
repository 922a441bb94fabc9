"""
One scheduler for everything a client watches: decides who is looked at next and tells the watchers.

A watched session is a plain record in an agenda; watchers of one session share its looks, and nothing here waits
per watcher. Looks run in a few workers that end when nothing is due. Sessions that render are looked at together
(`bulk.py`). What an answer means is `state.py`'s business, when to look `cadence.py`'s.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import TYPE_CHECKING

from .. import _clock, _concurrency
from .._http.retry import Delivery, delivery, is_refused_for_all
from ..errors import ClientStateError, ConnectionLost, HeyGenError, RateLimited
from ..models import Statistics
from .bulk import MOST, WINDOW, BulkPoller
from .planner import Experience, Plans, poll_pause
from .queue import FIRST, LAST_POLL, NEVER, DeadlineQueue, PollQueues, WatchedSession
from .reads import Vocabulary, look
from .state import Change
from .watcher import copy_error, session_stalled, state_unknown, watch_timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._http.client import ApiClient
    from ..cadence import PollContext
    from .state import SessionTracker
    from .watcher import Watcher

log = logging.getLogger("heygen_async")

_TRIES_FOR_A_REASON = 3  # failed reads of a failed session's video before its reason is looked for elsewhere
_ASKED = 4  # of those looked at together, how many the schedule is asked for; the first to be due counts


class PollScheduler:
    """
    Looks for all watchers of one client.

    Args:
        caller: Makes the exchanges and knows the pauses the service asked for.
        cadence: The default schedule.
        most: Looks under way at once.
        rate: Looks a second, spread evenly; None for no limit.

    Attributes:
        records: What is watched, by the session's id.
        experience: What was learnt from them.
    """

    def __init__(
        self, api: ApiClient, *, cadence: Callable[[PollContext], float], most: int, rate: float | None
    ) -> None:
        self._api = api
        self._most = most
        self._spacing = 0.0 if rate is None else 1.0 / rate
        self._vocabulary = Vocabulary()
        self._line = PollQueues()
        self._is_closing = False
        self.experience: Experience = Experience()
        self._plans = Plans(api, cadence, self.experience, self._dismiss)
        self._start_over()

    def _start_over(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self.records: dict[str, WatchedSession] = {}
        self._line.clear()
        self._renders = BulkPoller(self._api)
        self._ends = DeadlineQueue()
        self._workers: set[asyncio.Task[None]] = set()
        self._scheduler: asyncio.Task[None] | None = None
        self._alarm = _concurrency.Alarm()
        self._slot = 0.0
        self._allowed = self._most
        self._is_full = False

    # -- watchers come and go --

    def add(self, watcher: Watcher) -> None:
        """
        Look at the watcher's session from now on; the newest known state is its first item, unless it is stale.

        Raises:
            ClientStateError: The client is closed or belongs to another loop.
        """
        if self._is_closing:
            raise ClientStateError("This client is closed.", hint="Make a new HeyGen().")
        self._api.bind()
        self.follow()
        now, track = _clock.now(), watcher.track
        watcher.begin(now)
        record = self.records.get(track.session_id)
        is_followed = record is not None and record.failed_since is None and track.read_at is not None
        if track.is_fresh(now) or (is_followed and not track.is_stale):
            watcher.note(Change.TRANSITION, now)
        if watcher.is_done:
            return
        if record is None:
            record = self.records[track.session_id] = WatchedSession(track)
            self.experience.begin(record, now)
        record.join(watcher)
        if self._ends.put(record):
            self._rouse()
        if not record.is_polling:
            wanted = self._plans.first_look(record, watcher, now, self._renders.share_of(record))
            self.look_by(record, record.clamped(wanted, now), now)

    def follow(self) -> None:
        """Follow the client into its next loop: for what was watched in the last one nobody can wait any more."""
        if self._api.loop is not self._loop:
            self._start_over()
            self._loop = self._api.loop

    def remove(self, watcher: Watcher) -> None:
        """Stop looking on this watcher's account; what serves nobody else is dropped at once."""
        record = self.records.get(watcher.track.session_id)
        if record is not None and watcher in record.watchers:
            self._keep(record, [other for other in record.watchers if other is not watcher])

    def _keep(self, record: WatchedSession, watchers: list[Watcher]) -> None:
        record.watchers = watchers
        record.recompute()
        if not watchers and self.records.get(record.track.session_id) is record:
            del self.records[record.track.session_id]
            if not self.records and self._loop is not None and not self._loop.is_closed():
                self._alarm.ring()

    def _dismiss(self, record: WatchedSession) -> None:
        """Let go of all who are done, at once: there may be thousands."""
        self._keep(record, [watcher for watcher in record.watchers if not watcher.is_done])

    def poll_now(self, session_id: str) -> None:
        """Look at a session now, if anybody watches it; after a look that is under way, if one is."""
        self.follow()
        record, now = self.records.get(session_id), _clock.now()
        if record is not None:
            record.is_woken = record.is_polling
            self.look_by(record, now, now)

    def deliver(self, track: SessionTracker, change: Change) -> None:
        """Tell the watchers of a session what somebody else has read."""
        self.follow()
        record = self.records.get(track.session_id)
        if record is not None:  # a look under way may fail, and plans the next one in any case
            (self._tell if record.is_polling else self._saw)(record, change, _clock.now())

    def look_by(self, record: WatchedSession, moment: float, now: float) -> None:
        """Look at a session at a moment at the latest, unless a look is under way."""
        if not record.is_polling and moment < record.due:
            self._schedule(record, moment, now)

    def statistics(self) -> Statistics:
        """Return the numbers of now."""
        counters, now = self._api.counters, 0.0 if self._loop is None else _clock.of(self._loop)
        late_by = self._line.late_by()
        return Statistics(
            **{name: getattr(counters, name) for name in counters.__slots__},
            watchers=sum(len(record.watchers) for record in self.records.values()),
            watched=len(self.records),
            due=self._line.count(now),
            in_flight=len(self._workers),
            lateness_p50=late_by[len(late_by) // 2],
            lateness_p99=late_by[len(late_by) * 99 // 100],
        )

    async def aclose(self) -> None:
        """End all looks; whoever still waits gets a `ClientStateError`, and so does who comes while they end."""
        self._is_closing = True
        if self._loop is None or self._loop.is_closed():
            self._start_over()
        self._end_everything(ClientStateError("The client was closed while this watch was on."))
        tasks = [task for task in (self._scheduler, *self._workers) if task is not None]
        if self._loop is asyncio.get_running_loop() and tasks:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        self._start_over()

    # -- when --

    def _schedule(self, record: WatchedSession, due: float, now: float) -> None:
        record.due = due = record.clamped(due, now)
        is_shared = self._renders.is_offered and record.is_shared
        is_first = self._line.put((record,), due, is_shared=is_shared)
        # A scheduler that ended when nobody watched left old moments behind, and wakes for none of them.
        if is_first or self._scheduler is None or self._scheduler.done():
            self._rouse()

    def _rouse(self) -> None:
        """Let the scheduler see that something comes sooner than all it knew of."""
        if self._scheduler is None or self._scheduler.done():
            # In a context of its own: looks are for all watchers, and no part of the first one's request or trace.
            # Never at once, as a loop with eager tasks would: it looks here for what it is part of.
            self._scheduler = asyncio.Task(
                self._run(), loop=self._loop, name="heygen_async hub", context=contextvars.Context()
            )
            self._scheduler.add_done_callback(self._ended)
        else:
            self._alarm.ring()

    async def _run(self) -> None:
        while self.records:
            now = _clock.now()
            self._line.tidy(len(self.records))
            self._ends.tidy(len(self.records))
            while (record := self._ends.take(now)) is not None:
                self._let_go(record, now, LAST_POLL)
                if record.deadline < NEVER:
                    self._ends.put(record)
            self._start_workers(now)
            await self._alarm.wait(self._next_moment())
        self._line.clear()  # nothing in it counts any more
        self._ends = DeadlineQueue()

    def _start_workers(self, now: float) -> None:
        while len(self._workers) < self._allowed and (batch := self._next_batch(now)):
            worker = asyncio.Task(self._work(batch), loop=self._loop, name="heygen_async poll")
            self._workers.add(worker)
            worker.add_done_callback(self._left)

    def _left(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        self._ended(worker)
        if self._is_full:
            self._alarm.ring()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """See to it that nobody waits for looks that are not made any more."""
        error = None if task.cancelled() else task.exception()
        if task.cancelled():
            error = ClientStateError("The looks of this client were cancelled from outside.")
        if isinstance(error, Exception):
            self._end_everything(error)

    def _next_moment(self) -> float | None:
        self._is_full = len(self._workers) >= self._allowed
        next_look = NEVER  # when all are at work, whoever is done takes what is due
        if not self._is_full:
            next_look = max(self._line.first(), self._slot, self._api.polls_resume)
        moment = min(next_look, self._ends.first())
        return None if moment == NEVER else moment

    def _next_batch(self, now: float) -> Sequence[WatchedSession]:
        """Take who is due longest, unless the service or the budget says to wait; the agendas are the line."""
        if now < self._slot or now < self._api.polls_resume or len(self._workers) > self._allowed:
            return ()
        batch = self._line.take(now, early=WINDOW, most=MOST)
        if not batch:
            return ()
        if self._spacing:
            self._slot = max(self._slot, now) + self._spacing
        for record in batch:
            record.is_polling = True
        return batch

    def _next_look(self, record: WatchedSession, now: float) -> float:
        return self._plans.next_look(record, now, self._renders.share_of(record))

    # -- a look --

    async def _work(self, batch: Sequence[WatchedSession]) -> None:
        while batch:
            try:
                await self._look_at(batch)
            except Exception as error:
                # Whatever it is (a caller's token callable among it), nobody may wait for ever.
                log.exception("A look failed unexpectedly", extra={"event": "look_failed"})
                for record in batch:
                    self._end_all(record, error)
            batch = self._next_batch(_clock.now())

    async def _look_at(self, batch: Sequence[WatchedSession]) -> None:
        try:
            await (self._look(batch[0]) if len(batch) == 1 else self._look_at_all(batch))
        except HeyGenError as error:
            for record in batch:
                self._failed(record, error)
        except asyncio.CancelledError:
            if _concurrency.is_cancelled():
                raise
            # It came from within: what asks for tokens has given up something of its own.
            for record in batch:
                self._failed(record, ConnectionLost("The exchange was cancelled by what makes it."))
        else:
            if self._allowed < self._most and _clock.now() >= self._api.polls_resume:
                self._allowed += 1
                self._alarm.ring()

    async def _look(self, record: WatchedSession) -> None:
        change = await look(record, self._api)
        self._saw(record, change, _clock.now())

    async def _look_at_all(self, batch: Sequence[WatchedSession]) -> None:
        closer = await self._renders.look(batch)
        now = _clock.now()
        for record in closer:
            record.is_single = True
            self._plan(record, now, due=FIRST)
        alike: list[WatchedSession] = []
        for record in batch:
            if record.is_single:
                continue
            if record.has_default_schedule(now):
                alike.append(record)
            elif record.is_shared:
                self._saw(record, Change.NOTHING, now)
            else:  # since it was entered, somebody came who wants to know more than this look shows
                self._plan(record, now, due=FIRST)
        if alike:
            self._plan_together(alike, now)

    def _plan_together(self, alike: Sequence[WatchedSession], now: float) -> None:
        """Keep together what was looked at together: asking the schedule for each would cost more than the look."""
        asked = alike[:: max(len(alike) // _ASKED, 1)]
        due = min([self._next_look(record, now) for record in asked] + [record.deadline for record in alike])
        if not all(record.watchers for record in asked):
            for record in alike:  # a schedule has failed: each is asked, and has its own answer
                self._plan(record, now, due=None)
            return
        for record in alike:
            record.is_polling = False
            record.due = due
        if self._line.put(alike, due, is_shared=True):
            self._rouse()

    def _saw(self, record: WatchedSession, change: Change, now: float) -> None:
        record.failed_since, record.failures = None, 0
        is_told = record.is_quiet and record.delivered_revision == record.track.revision
        if not is_told or (change and record.progress):
            self._tell(record, change, now)
        self._plan(record, now, due=now if change and Change.READ_AGAIN in change else None)

    def _tell(self, record: WatchedSession, change: Change, now: float) -> None:
        if not (record.track.is_stale or Change.READ_AGAIN in change):
            record.delivered_revision = record.track.revision
        if record.track.state is not None:
            self._vocabulary.note(record.track.state)
        if Change.TRANSITION in change and self.experience.learn(record, now):
            for other in list(self.records.values()):  # they have counted on webhooks that do not come
                self.look_by(other, self._next_look(other, now), now)
        record.known = None if record.track.state is None else record.track.state.status
        for watcher in record.watchers:
            watcher.note(change, now)
            if not watcher.is_done and watcher.stalls_at is not None and watcher.stalls_at <= now:
                watcher.fail(session_stalled(watcher, now))
        self._dismiss(record)

    def _failed(self, record: WatchedSession, error: HeyGenError) -> None:
        now, outage = _clock.now(), self._api.timeouts.outage
        if isinstance(error, RateLimited):
            self._allowed = 1  # and one more with every answer: a slow restart after the pause
        record.failures += 1
        record.failed_since = now if record.failed_since is None else record.failed_since
        if is_refused_for_all(error) or delivery(error) is Delivery.FINAL:
            self._end_all(record, error)
        elif now - record.failed_since >= outage:
            self._fail(record, lambda watcher: state_unknown(watcher, error))
        elif record.failures >= _TRIES_FOR_A_REASON and (change := record.track.record_no_reason(now=now)):
            self._saw(record, change, now)
            return
        pause = poll_pause(record.failures, jitter=self._api.rng.random())
        self._plan(record, now, due=min(now + pause, record.failed_since + outage))

    def _plan(self, record: WatchedSession, now: float, *, due: float | None) -> None:
        """After a look: whoever's deadline it was is let go, the others get the next look."""
        record.is_polling = False
        if record.deadline <= now:
            self._let_go(record, now)
        if record.is_woken:
            record.is_woken, due = False, now
        if record.watchers:
            due = self._next_look(record, now) if due is None else due
            self._schedule(record, due if record.heard is None else record.hurried(due), now)

    def _let_go(self, record: WatchedSession, now: float, grace: float = 0.0) -> None:
        # Added as when it was entered: taken away from the moment it may come out a hair short, again and again.
        for watcher in record.watchers:
            if watcher.deadline is not None and watcher.deadline + grace <= now:
                watcher.fail(watch_timeout(watcher))
        self._dismiss(record)

    def _end_everything(self, error: Exception) -> None:
        for record in list(self.records.values()):
            self._end_all(record, error)

    def _end_all(self, record: WatchedSession, error: Exception) -> None:
        record.is_polling = False
        self._fail(record, lambda _: copy_error(error))

    def _fail(self, record: WatchedSession, cause: Callable[[Watcher], Exception]) -> None:
        for watcher in record.watchers:
            watcher.fail(cause(watcher))
        self._dismiss(record)
