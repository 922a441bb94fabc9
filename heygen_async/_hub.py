"""
One scheduler for everything a client watches: decides who is looked at next and tells the watchers.

A watched session is a plain record with a due time in a heap; watchers of one session share its polls. Nothing here
waits per watcher: a watcher is a slot for the newest state and at most one future. Polls run in a few workers that
end when nothing is due. What an answer means is `_lifecycle.py`'s business, when to look `cadence.py`'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from . import _clock
from ._lifecycle import Change
from ._reads import read
from ._redact import clean
from ._retry import Delivery, delivery, is_refused_for_all, poll_pause
from ._watchers import Watcher, late, own_copy, stalled, unknown
from .cadence import Moment, bounded
from .errors import ClientStateError, HeyGenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._caller import Caller
    from ._lifecycle import Track

log = logging.getLogger("heygen_async")

LAST_LOOK = 5.0  # seconds after a deadline in which the look made at it may still bring the end
_NEVER = float("inf")
_TRIES_FOR_A_REASON = 3  # failed reads of a failed session's video before its reason is looked for elsewhere
_WORDS = 100  # unknown statuses remembered, so that each is logged once and none fills the memory


class _Record:
    """A watched session: its watchers and when to look next."""

    __slots__ = ("asking", "due", "failing_since", "failures", "track", "wake", "watchers")

    def __init__(self, track: Track) -> None:
        self.track = track
        self.watchers: list[Watcher] = []
        self.due = 0.0
        self.wake = 0.0  # the heap entry that counts; others are skipped
        self.asking = False
        self.failing_since: float | None = None
        self.failures = 0

    @property
    def for_video(self) -> bool:
        """Whether somebody waits for the video itself."""
        return any(watcher.for_video for watcher in self.watchers)

    def expiry(self) -> float:
        """When a watcher must be let go even without an answer."""
        return min((w.deadline for w in self.watchers if w.deadline is not None), default=_NEVER) + LAST_LOOK

    def clamped(self, due: float, now: float) -> float:
        """Bring a look forward to the next deadline, so that the last look is made at it."""
        for watcher in self.watchers:
            for moment in (watcher.deadline, watcher.stalls_at):
                if moment is not None and now < moment < due:
                    due = moment
        return due


class Hub:
    """
    Polls for all watchers of one client.

    Args:
        caller: Makes the exchanges and knows the pauses the service asked for.
        cadence: The default schedule.
        max_polls: Polls under way at once.
        rate: Polls a second, spread evenly; None for no limit.
    """

    def __init__(
        self, caller: Caller, *, cadence: Callable[[Moment], float], max_polls: int, rate: float | None
    ) -> None:
        self._caller = caller
        self._cadence = cadence
        self._max_polls = max_polls
        self._spacing = 0.0 if rate is None else 1.0 / rate
        self._unknown_words: set[str] = set()
        self._start_over()

    def _start_over(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._records: dict[str, _Record] = {}
        self._heap: list[tuple[float, int, _Record]] = []
        self._entries = 0
        self._ready: deque[_Record] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._scheduler: asyncio.Task[None] | None = None
        self._alarm = _clock.Alarm()
        self._slot = 0.0

    # -- watchers come and go --

    def add(self, watcher: Watcher) -> None:
        """
        Look at the watcher's session from now on; the newest known state is its first item, unless it is stale.

        Raises:
            ClientStateError: The client is closed or belongs to another loop.
        """
        self._caller.bind()
        if self._caller.loop is not self._loop:
            self._start_over()
            self._loop = self._caller.loop
        now, track = _clock.now(), watcher.track
        watcher.begin(now)
        record = self._records.get(track.session_id)
        is_followed = record is not None and record.failing_since is None and track.read_at is not None
        if record is None:
            record = self._records[track.session_id] = _Record(track)
        record.watchers.append(watcher)
        self._caller.counters.watchers += 1
        if track.is_fresh(now) or (is_followed and not track.is_stale):
            watcher.note(Change.TRANSITION, now)
        if watcher.is_done:
            self.remove(watcher)
        elif not record.asking:
            known = self._next_look(record, track.read_at or now) if watcher.is_primed else now
            self._schedule(record, record.due if is_followed else known, now)

    def remove(self, watcher: Watcher) -> None:
        """Stop looking on this watcher's account; what serves nobody else is dropped at once."""
        record = self._records.get(watcher.track.session_id)
        if record is None or watcher not in record.watchers:
            return
        record.watchers.remove(watcher)
        self._caller.counters.watchers -= 1
        if not record.watchers:
            del self._records[watcher.track.session_id]
            if not self._records and not self._loop_is_closed():
                self._alarm.ring()

    def wake(self, session_id: str) -> None:
        """Look at a session now, if anybody watches it."""
        record = self._records.get(session_id)
        if record is not None and not record.asking:
            now = _clock.now()
            self._schedule(record, now, now)

    async def aclose(self) -> None:
        """End all polls; whoever still waits gets a `ClientStateError`."""
        for record in list(self._records.values()):
            for watcher in list(record.watchers):
                self._end(watcher, ClientStateError("The client was closed while this watch was on."))
        tasks = [task for task in (self._scheduler, *self._workers) if task is not None]
        if self._loop is asyncio.get_running_loop() and tasks:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        self._start_over()

    def _loop_is_closed(self) -> bool:
        return self._loop is None or self._loop.is_closed()

    # -- when --

    def _schedule(self, record: _Record, due: float, now: float) -> None:
        record.due = record.clamped(due, now)
        self._push(record, min(record.due, record.expiry()))

    def _push(self, record: _Record, wake: float) -> None:
        record.wake = wake
        self._entries += 1
        heappush(self._heap, (wake, self._entries, record))
        if self._scheduler is None or self._scheduler.done():
            self._scheduler = asyncio.get_running_loop().create_task(self._run(), name="heygen_async hub")
        elif self._heap[0][2] is record:
            self._alarm.ring()

    async def _run(self) -> None:
        while self._records:
            now = _clock.now()
            self._take_due(now)
            self._start_workers(now)
            await self._alarm.wait(self._next_moment())

    def _take_due(self, now: float) -> None:
        while self._heap and self._heap[0][0] <= now:
            wake, _, record = heappop(self._heap)
            if wake == record.wake and self._records.get(record.track.session_id) is record:
                self._take(record, now)

    def _take(self, record: _Record, now: float) -> None:
        self._let_go(record, now - LAST_LOOK)
        if not record.watchers:
            return
        resume = self._caller.polls_resume
        if not record.asking and record.due <= now:
            if now < resume:
                self._push(record, min(resume, record.expiry()))
                return
            record.asking = True
            self._ready.append(record)
        wake = record.expiry() if record.asking else min(record.due, record.expiry())
        if wake < _NEVER:
            self._push(record, wake)

    def _next_moment(self) -> float | None:
        moment = self._heap[0][0] if self._heap else _NEVER
        if self._ready and self._spacing:
            moment = min(moment, self._slot)
        return None if moment >= _NEVER else moment

    def _start_workers(self, now: float) -> None:
        wanted = len(self._ready)
        if self._spacing:
            wanted = min(wanted, 1 if now >= self._slot else 0)
        for _ in range(min(wanted, self._max_polls - len(self._workers))):
            worker = asyncio.get_running_loop().create_task(self._work(), name="heygen_async poll")
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    def _next_ready(self) -> _Record | None:
        now = _clock.now()
        if not self._ready or now < self._slot:
            return None
        self._slot = max(self._slot, now) + self._spacing if self._spacing else 0.0
        return self._ready.popleft()

    def _next_look(self, record: _Record, now: float) -> float:
        """Ask the schedule; several watchers with schedules of their own get the keenest."""
        track = record.track
        status, since = track.phase(for_video=record.for_video)
        moment = Moment(
            status=status,
            elapsed=now - since,
            progress=track.state.progress if track.state is not None else 0,
            history=track.history,
            polls=track.polls,
            unchanged=now - track.moved_at,
            die=self._caller.die.random(),
        )
        schedules = {watcher.cadence or self._cadence for watcher in record.watchers}
        return now + min(bounded(schedule(moment)) for schedule in schedules)

    # -- one look --

    async def _work(self) -> None:
        while (record := self._next_ready()) is not None:
            try:
                self._caller.counters.polls += 1
                change = await read(record.track, self._caller.attempt, for_video=record.for_video)
            except HeyGenError as error:
                self._failed(record, error)
            except Exception as error:
                # Whatever it is (a caller's cadence or token callable among it), nobody may wait for ever.
                log.exception("A look at %s failed unexpectedly", record.track.session_id)
                self._end_all(record, error)
            else:
                self._saw(record, change)
            finally:
                record.asking = False

    def _saw(self, record: _Record, change: Change) -> None:
        now, track = _clock.now(), record.track
        record.failing_since, record.failures = None, 0
        self._note_unknown_word(track)
        for watcher in list(record.watchers):
            watcher.note(change, now)
            if watcher.is_done:
                self.remove(watcher)
            elif watcher.stalls_at is not None and watcher.stalls_at <= now:
                self._end(watcher, stalled(watcher, now))
        self._plan(record, now, now if Change.LOOK_AGAIN in change else None)

    def _failed(self, record: _Record, error: HeyGenError) -> None:
        now, track = _clock.now(), record.track
        record.failures += 1
        record.failing_since = now if record.failing_since is None else record.failing_since
        if is_refused_for_all(error) or delivery(error) is Delivery.FINAL:
            self._end_all(record, error)
        elif now - record.failing_since >= self._caller.timeouts.outage:
            for watcher in list(record.watchers):
                self._end(watcher, unknown(watcher, error))
        elif record.failures >= _TRIES_FOR_A_REASON and track.saw_no_reason(now=now):
            self._saw(record, Change.TRANSITION)
        else:
            pause = poll_pause(record.failures, die=self._caller.die.random())
            self._plan(record, now, min(now + pause, record.failing_since + self._caller.timeouts.outage))

    def _plan(self, record: _Record, now: float, due: float | None) -> None:
        """After a look: whoever's deadline it was is let go, the others get the next one."""
        record.asking = False
        self._let_go(record, now)
        if record.watchers:
            try:
                self._schedule(record, self._next_look(record, now) if due is None else due, now)
            except Exception as error:
                log.exception("The schedule for %s failed", record.track.session_id)
                self._end_all(record, error)

    def _let_go(self, record: _Record, moment: float) -> None:
        for watcher in list(record.watchers):
            if watcher.deadline is not None and watcher.deadline <= moment:
                self._end(watcher, late(watcher))

    def _end_all(self, record: _Record, error: Exception) -> None:
        for watcher in list(record.watchers):
            self._end(watcher, own_copy(error))

    def _end(self, watcher: Watcher, error: Exception) -> None:
        watcher.fail(error)
        self.remove(watcher)

    def _note_unknown_word(self, track: Track) -> None:
        status = None if track.state is None else track.state.status
        if (
            status is None
            or status.is_known
            or status in self._unknown_words
            or len(self._unknown_words) > _WORDS
        ):
            return
        self._unknown_words.add(str(status))
        said = {"session_id": track.session_id, "status": clean(str(status))}
        log.warning("The service uses a status this release does not know: %s", said["status"], extra=said)
