"""
How many jobs of a batch may be in progress, and how a job waits for its slot among them.

`AdaptiveLimit` is the rule, without a clock; `Slots` lets the jobs of a local batch wait for it, and `Slot` is one
job's. A durable batch has slots of its own, shared by all machines, which follow the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import anyio.lowlevel

from .. import _clock

if TYPE_CHECKING:
    from ..errors import RateLimited

FIRST_LIMIT: Final = 4  # attempts before anything is known
LEAST_PAUSE: Final = 1.0  # seconds after a refusal, whatever it asks for; doubled each time up to the next
UNPACED_PAUSE: Final = 5.0  # seconds after a refusal that names no pace
FIRST_PROBE: Final = 15.0  # seconds before the next attempt to get beyond what was refused, doubled each time
LONGEST_PROBE: Final = 60.0
# A refusal stops replacements too, for one pause: probing may cost a small part of the time only.
PROBE_PAUSES: Final = 4


class NotStarted(Exception):
    """Creating has ended before this job was begun."""


@dataclass(slots=True, eq=False)
class AdaptiveLimit:
    """
    Follows what the service takes: a refusal narrows the limit to what is in progress, a success widens it again.

    Attributes:
        maximum: The limit never exceeds it.
        current: As many jobs as are believed to fit.
        taken: Jobs in progress, attempts included.
        attempts: Requests on their way that become jobs in progress unless they are refused.
    """

    maximum: int
    current: int = FIRST_LIMIT
    taken: int = 0
    attempts: int = 0
    _is_bounded: bool = False
    _refusals: int = 0
    _resume_at: float = 0.0
    _probe_at: float = 0.0

    def __post_init__(self) -> None:
        self.current = min(self.maximum, self.current)

    @property
    def in_progress(self) -> int:
        """Jobs the service has taken."""
        return self.taken - self.attempts

    def opens_at(self) -> float | None:
        """Return when the next attempt may be made; None when something else has to end before."""
        if self.taken >= self.maximum:
            return None
        if self.taken < self.current:
            return self._resume_at
        return None if self.attempts else max(self._resume_at, self._probe_at)

    def is_open(self, now: float) -> bool:
        """Return whether an attempt may be made."""
        opens_at = self.opens_at()
        return opens_at is not None and opens_at <= now

    def attempt(self) -> None:
        """Count an attempt that is made now."""
        self.taken += 1
        self.attempts += 1

    def accept(self) -> None:
        """Count an attempt as a job in progress."""
        self.attempts -= 1
        if not self._is_bounded:
            self.current = limit_after_success(self.current, self.maximum)
        elif self.in_progress > self.current:
            self._refusals = 0
            self.current = self.in_progress

    def refuse(self, now: float, pace: float | None) -> None:
        """Count an attempt as refused for want of room; `pace` is the seconds the service asks to wait."""
        self.withdraw()
        pause = refusal_pause(pace, self._refusals)
        self._is_bounded = True
        self.current = limit_after_refusal(self.current, self.in_progress)
        self._resume_at = max(self._resume_at, now + pause)
        if self._refusals:
            probe = min(FIRST_PROBE * 2 ** min(self._refusals - 1, 10), LONGEST_PROBE)
            self._probe_at = now + max(probe, PROBE_PAUSES * pause)
        self._refusals += 1

    def withdraw(self) -> None:
        """Forget an attempt that failed for another reason, which says nothing about the room."""
        self.attempts -= 1
        self.taken -= 1

    def finish(self) -> None:
        """Count a job as no longer in progress."""
        self.taken -= 1


def limit_after_refusal(limit: int, in_progress: int) -> int:
    """Return how many jobs may be in progress after the service refused one more than there are."""
    return max(1, min(limit, in_progress))


def limit_after_success(limit: int, maximum: int) -> int:
    """Return how many jobs may be in progress after the service took one while nothing was refused."""
    return min(maximum, limit + 1)


def refusal_pause(pace: float | None, refusals: int) -> float:
    """
    Return the seconds to wait after a refusal.

    Args:
        pace: What the service asks for. Less than a second is no licence to ask again at once.
        refusals: How many refusals came before this one without a success between.
    """
    if pace is None:
        return UNPACED_PAUSE
    return pace if pace >= LEAST_PAUSE else min(LEAST_PAUSE * 2 ** min(refusals, 10), UNPACED_PAUSE)


class Slots:
    """
    The slots of a local batch.

    Attributes:
        limit: Decides how many there are.
        waiting: Jobs under way that wait for a slot; new jobs come after them.
        paused: Jobs that wait for their reviewer, or for a slot to send the answer; they hold none.
        stopped_by: Why nothing more is created; None while something is.
        longest_pace: Seconds a refusal may ask to wait.
    """

    def __init__(self, maximum: int, *, longest_pace: float) -> None:
        self.limit = AdaptiveLimit(maximum)
        self.waiting = 0
        self.paused = 0
        self.stopped_by: Exception | None = None
        self.longest_pace = longest_pace
        self._change = anyio.Event()

    def stop(self, reason: Exception) -> None:
        """Have nothing more created; the first reason stays."""
        self.stopped_by = self.stopped_by or reason
        self.notify()

    def notify(self) -> None:
        """Wake every task that waits for a change."""
        self._change.set()
        self._change = anyio.Event()

    async def wait_change(self) -> None:
        """Wait until something may be different."""
        opens_at = self.limit.opens_at()
        wait = None if opens_at is None else opens_at - _clock.now()
        # A time that is past opened nothing: something else is missing, and will notify.
        with anyio.move_on_after(wait if wait is not None and wait > 0 else None):
            await self._change.wait()


class _Use(Enum):
    """What a job does with its slot."""

    NONE = auto()
    ATTEMPT = auto()  # a request is on its way
    WORK = auto()
    PAUSE = auto()  # it works no more and will again: it holds none


@dataclass(slots=True, eq=False)
class Slot:
    """One job's slot in a local batch; see `SendSlot`."""

    _slots: Slots
    _has_session: bool = False
    _use: _Use = _Use.NONE

    async def acquire(self) -> None:
        """Wait until a request may be sent."""
        if self._use is _Use.ATTEMPT:
            return
        slots = self._slots
        slots.waiting += 1
        try:
            while not (self._is_unwanted or slots.limit.is_open(_clock.now())):
                await slots.wait_change()
        finally:
            slots.waiting -= 1
        if self._is_unwanted:
            slots.notify()
            raise NotStarted
        # A cancel that arrives together with the notification is not raised by the wait.
        await anyio.lowlevel.checkpoint_if_cancelled()
        self.take()

    @property
    def _is_unwanted(self) -> bool:
        return not self._has_session and self._slots.stopped_by is not None

    def take(self) -> None:
        """Take it for a request that may be sent at once: only while the limit is open."""
        self._slots.limit.attempt()
        self._change(_Use.ATTEMPT)

    async def accept(self) -> None:
        """Hold it: the job works."""
        self._has_session = True
        self._slots.limit.accept()
        self._change(_Use.WORK)

    async def refuse(self, error: RateLimited) -> None:
        """Give the attempt up, at the pace that the service asks for within reason."""
        pace = None if error.retry_after is None else min(error.retry_after, self._slots.longest_pace)
        self._slots.limit.refuse(_clock.now(), pace)
        self._change(_Use.PAUSE if self._has_session else _Use.NONE)  # it waits to send an answer

    def pause(self) -> None:
        """Release it for as long as the agent waits for an answer."""
        self.release()
        self._change(_Use.PAUSE)

    def release(self) -> None:
        """Give it back, in whatever state it is."""
        if self._use is _Use.ATTEMPT:
            self._slots.limit.withdraw()
        elif self._use is _Use.WORK:
            self._slots.limit.finish()
        self._change(_Use.NONE)

    def _change(self, use: _Use) -> None:
        self._slots.paused += (use is _Use.PAUSE) - (self._use is _Use.PAUSE)
        self._use = use
        self._slots.notify()
