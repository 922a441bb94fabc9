"""
What one client has learnt from the sessions it has watched: how long they take, and whether webhooks tell their ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._heard import Announced
from .cadence import Durations, Moment

if TYPE_CHECKING:
    from ._agenda import Record

_JUST_BEGUN = 5.0  # seconds in a status after which its beginning counts as not seen


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
        self.announced: Announced = Announced()

    @staticmethod
    def begin(record: Record, now: float) -> None:
        """Note where a session is that is watched from now on."""
        track = record.track
        if track.state is not None and now - track.since < _JUST_BEGUN:
            record.follows = track.state.status
        if track.state is not None and track.is_fresh(now):
            record.known = track.state.status

    def moment(self, record: Record, now: float, *, share: int, die: float) -> Moment:
        """Say what is known when a session's next look is planned; `share` is 0 for a look of its own."""
        track, heard = record.track, record.heard
        status, since = track.phase(for_video=record.for_video)
        # A look at many tells no progress, so what is known of it is old and would mislead.
        state = None if share else track.state
        return Moment(
            status=status,
            elapsed=max(now - since, 0.0),  # asked of a moment before a message was sent
            progress=0 if state is None else state.progress,
            history=() if state is None else track.history,
            polls=track.polls,
            unchanged=max(now - track.moved_at, 0.0),
            die=die,
            expected=self.durations.expected(status),
            shared_by=share or 1,
            announced=0 if track.is_completed else self.announced.in_a_row(status, now),
            heard=None if heard is None else heard.unconfirmed(now),
        )

    def learn(self, record: Record, now: float) -> bool:
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
