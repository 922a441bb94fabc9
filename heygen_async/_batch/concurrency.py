"""
Waiting for a place among the jobs in progress; what the window decides is waited for here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio.lowlevel

from .. import _clock

if TYPE_CHECKING:
    from ..errors import RateLimited


class Places:
    """
    The places of one batch.

    Attributes:
        window: Decides how many there are.
        eager: Jobs under way that wait for a place; new jobs come after them.
        paused: Jobs that wait for their reviewer, or for a place to pass the answer on; they hold none.
    """

    def __init__(self, most: int, *, longest_pace: float) -> None:
        self.window = Window(most)
        self.eager = 0
        self.paused = 0
        self._longest_pace = longest_pace
        self._bell = anyio.Event()

    @property
    def are_open(self) -> bool:
        """Whether a new job may try to get one."""
        return not self.eager and self.window.is_open(_clock.now())

    def ring(self) -> None:
        """Let everybody who waits look again."""
        self._bell.set()
        self._bell = anyio.Event()

    async def changed(self) -> None:
        """Wait until something may be different."""
        moment = self.window.opens_at()
        wait = None if moment is None else moment - _clock.now()
        # A moment that is past opened nothing: something else is missing, and will ring.
        with anyio.move_on_after(wait if wait is not None and wait > 0 else None):
            await self._bell.wait()

    def pace(self, error: RateLimited) -> float | None:
        """Return the seconds a refusal asks to wait, within reason."""
        return None if error.retry_after is None else min(error.retry_after, self._longest_pace)


class Place:
    """One job's place: wanted, tried for, held, given back."""

    __slots__ = ("_is_attempt", "_is_held", "_is_paused", "_places")

    def __init__(self, places: Places) -> None:
        self._places = places
        self._is_attempt = self._is_held = self._is_paused = False

    def attempt(self) -> None:
        """Try for it now; only while the window is open."""
        self._places.window.attempt()
        self._is_attempt = True

    async def wait(self, *, unless: Callable[[], bool]) -> bool:
        """Wait until it may be tried for, then do; False when there is no more need."""
        places = self._places
        places.eager += 1
        try:
            while not (unless() or places.window.is_open(_clock.now())):
                await places.changed()
        finally:
            places.eager -= 1
        if unless():
            places.ring()
            return False
        # Whoever waited is not told of a cancel that came together with the ring.
        await anyio.lowlevel.checkpoint_if_cancelled()
        self._unpause()
        self.attempt()
        return True

    def accepted(self) -> None:
        """Hold it: the service has taken the job."""
        self._places.window.accepted()
        self._is_attempt, self._is_held = False, True
        self._places.ring()

    def refused(self, error: RateLimited) -> None:
        """Note that there was no room."""
        self._places.window.refused(_clock.now(), self._places.pace(error))
        self._is_attempt = False
        self._places.ring()

    def pause(self) -> None:
        """Give it back for as long as the agent waits for an answer."""
        self.leave()
        self._is_paused = True
        self._places.paused += 1

    def leave(self) -> None:
        """Give it back, whatever it is."""
        self._unpause()
        if self._is_attempt:
            self._places.window.withdrawn()
        elif self._is_held:
            self._places.window.ended()
        self._is_attempt = self._is_held = False
        self._places.ring()

    def _unpause(self) -> None:
        self._places.paused -= self._is_paused
        self._is_paused = False


_FIRST = 4  # attempts before anything is known

_UNPACED = 5.0  # seconds after a refusal that names no pace

_PROBE = 15.0  # seconds before it is tried again to get beyond what was refused, doubled each time

_LONGEST_PROBE = 60.0

_PACES = 4  # a refusal stops replacements too, for one pace: probing may cost a small part of the time only


class Window:
    """
    The places for jobs in progress.

    Attributes:
        most: More are never taken.
        limit: As many as are believed to fit.
        taken: Jobs in progress, attempts included.
        attempts: Requests on their way that will be jobs in progress if they are not refused.
    """

    __slots__ = ("_is_bounded", "_probe_at", "_refusals", "_resume_at", "attempts", "limit", "most", "taken")

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = min(most, _FIRST)
        self.taken = self.attempts = 0
        self._is_bounded = False
        self._refusals = 0
        self._resume_at = self._probe_at = 0.0

    @property
    def in_progress(self) -> int:
        """Jobs the service has taken."""
        return self.taken - self.attempts

    def opens_at(self) -> float | None:
        """Return when the next attempt may be made; None when something else has to end before."""
        if self.taken >= self.most:
            return None
        if self.taken < self.limit:
            return self._resume_at
        return None if self.attempts else max(self._resume_at, self._probe_at)

    def is_open(self, now: float) -> bool:
        """Whether an attempt may be made."""
        moment = self.opens_at()
        return moment is not None and moment <= now

    def attempt(self) -> None:
        """Note that one is made."""
        self.taken += 1
        self.attempts += 1

    def accepted(self) -> None:
        """Note that one was taken: the job is in progress."""
        self.attempts -= 1
        wider = self.in_progress if self._is_bounded else self.limit + 1
        if wider > self.limit:
            self._refusals = 0
            self.limit = min(self.most, wider)

    def refused(self, now: float, pace: float | None) -> None:
        """Note that one was refused for want of room, with the seconds the service asked to wait."""
        self.withdrawn()
        pause = _UNPACED if pace is None else pace
        self._is_bounded = True
        self.limit = max(1, min(self.limit, self.in_progress))
        self._resume_at = max(self._resume_at, now + pause)
        if self._refusals:
            own = min(_PROBE * 2 ** min(self._refusals - 1, 10), _LONGEST_PROBE)
            self._probe_at = now + max(own, _PACES * pause)
        self._refusals += 1

    def withdrawn(self) -> None:
        """Note that one came to nothing for another reason, which tells nothing about the room."""
        self.attempts -= 1
        self.taken -= 1

    def ended(self) -> None:
        """Note that a job is not in progress any more."""
        self.taken -= 1
