"""
When a session is looked at next: asks the schedules of its watchers.

A caller's schedule is code of his: one that raises ends the watches that brought it, and no other.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..cadence import Durations, PollContext, schedule
from .queue import NEVER
from .webhook_signals import WebhookReliability

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._http.client import ApiClient
    from ..cadence import Cadence
    from .queue import WatchedSession
    from .watcher import Watcher

log = logging.getLogger("heygen_async")

_MEANWHILE = 1.0  # seconds to the next look when the schedule that was asked has failed


class Plans:
    """
    Plans the looks of one client.

    Args:
        caller: Has the die.
        cadence: The default schedule.
        experience: What was learnt so far.
        dismiss: Lets go of the watchers of a record that are done.
    """

    __slots__ = ("_api", "_cadence", "_dismiss", "_experience")

    def __init__(
        self,
        api: ApiClient,
        cadence: Callable[[PollContext], float],
        experience: Experience,
        dismiss: Callable[[WatchedSession], None],
    ) -> None:
        self._api = api
        self._cadence = schedule(cadence)
        self._experience = experience
        self._dismiss = dismiss

    def next_look(self, record: WatchedSession, now: float, share: int) -> float:
        """Return when to look next; of several watchers' own schedules the keenest counts."""
        moment = self._moment(record, now, share)
        if len(record.watchers) == 1:
            return now + self._asked(record, record.watchers[0].cadence or self._cadence, moment)
        schedules = {watcher.cadence or self._cadence for watcher in record.watchers}
        return now + min(self._asked(record, cadence, moment) for cadence in schedules)

    def first_look(self, record: WatchedSession, watcher: Watcher, now: float, share: int) -> float:
        """
        Return when somebody who joins wants the next look: he is not to wait for the one others have asked for.

        NEVER when his schedule has been asked for that one.
        """
        if not watcher.is_primed or record.track.is_stale:
            return now
        mine = watcher.cadence or self._cadence
        if any(
            other is not watcher and (other.cadence or self._cadence) is mine for other in record.watchers
        ):
            return NEVER
        read_at = record.track.read_at or now
        return read_at + self._asked(record, mine, self._moment(record, read_at, share))

    def _moment(self, record: WatchedSession, now: float, share: int) -> PollContext:
        return self._experience.moment(record, now, share=share, jitter=self._api.rng.random())

    def _asked(self, record: WatchedSession, cadence: Cadence, moment: PollContext) -> float:
        try:
            return cadence(moment)
        except Exception as error:
            log.exception("A schedule failed", extra={"event": "look_failed"})
            for watcher in record.watchers:
                if (watcher.cadence or self._cadence) is cadence:
                    watcher.fail(error)
            self._dismiss(record)
            return _MEANWHILE


_JUST_BEGUN = 5.0  # seconds in a status after which its beginning counts as not seen

_POLL_FACTOR = 2.0  # seconds after the first failed poll

_POLL_LONGEST = 30.0


class Experience:
    """
    How sessions go.

    Attributes:
        durations: How long each status lasts.
        announced: How far webhooks can be relied on.
    """

    __slots__ = ("announced", "durations")

    def __init__(self) -> None:
        self.durations: Durations = Durations()
        self.announced: WebhookReliability = WebhookReliability()

    @staticmethod
    def begin(record: WatchedSession, now: float) -> None:
        """Note where a session is that is watched from now on."""
        track = record.track
        if track.state is not None and now - track.since < _JUST_BEGUN:
            record.follows = track.state.status
        if track.state is not None and track.is_fresh(now):
            record.known = track.state.status

    def moment(self, record: WatchedSession, now: float, *, share: int, jitter: float) -> PollContext:
        """Say what is known when a session's next look is planned; `share` is 0 for a look of its own."""
        track, heard = record.track, record.heard
        status, since = track.phase(for_video=record.for_video)
        # A look at many tells no progress, so what is known of it is old and would mislead.
        state = None if share else track.state
        return PollContext(
            status=status,
            elapsed=max(now - since, 0.0),  # asked of a moment before a message was sent
            progress=0 if state is None else state.progress,
            history=() if state is None else track.history,
            polls=track.polls,
            unchanged=max(now - track.moved_at, 0.0),
            jitter=jitter,
            expected=self.durations.expected(status),
            shared_by=share or 1,
            webhook_streak=0 if track.is_completed else self.announced.in_a_row(status, now),
            since_webhook=None if heard is None else heard.unconfirmed(now),
        )

    def learn(self, record: WatchedSession, now: float) -> bool:
        """Learn from a transition; True when webhooks have turned out not to be relied on."""
        state = record.track.state
        if state is None:
            return False
        previous, followed = state.previous, record.follows
        record.follows = state.status
        if previous is not None and previous == followed:
            self.durations.add(previous, state.elapsed)
        if previous is None or previous != record.known:
            return False  # how it ended is news only to us: nobody was watching
        names = (record.track.session_id, record.track.video_id)
        is_off = self.announced.ended(previous, record.heard, now, names)
        if record.heard is not None:
            record.heard.settle()
        return is_off


def poll_pause(failures: int, *, jitter: float) -> float:
    """Return the seconds to the next poll after so many failed ones in a row."""
    own = min(_POLL_FACTOR * 2.0 ** min(failures - 1, 10), _POLL_LONGEST)
    return own * (0.5 + jitter / 2)
