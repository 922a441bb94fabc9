"""
How many jobs of a batch may be in progress, and how a job waits for its slot among them.

`AdaptiveLimit` is the rule, without a clock. `Slots` lets the jobs of one batch wait for it; `Slot` is one job's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio.lowlevel

from .. import _clock

if TYPE_CHECKING:
    from ..errors import RateLimited

FIRST_LIMIT = 4  # attempts before anything is known

LEAST_PAUSE = 1.0  # seconds after a refusal, whatever it asks for; doubled each time up to the next

UNPACED_PAUSE = 5.0  # seconds after a refusal that names no pace

FIRST_PROBE = 15.0  # seconds before the next attempt to get beyond what was refused, doubled each time

LONGEST_PROBE = 60.0

PROBE_PAUSES = (
    4  # a refusal stops replacements too, for one pause: probing may cost a small part of the time only
)


class AdaptiveLimit:
    """
    Follows what the service takes: a refusal narrows the limit to what is in progress, a success widens it again.

    Attributes:
        maximum: The limit never exceeds it.
        current: As many jobs as are believed to fit.
        taken: Jobs in progress, attempts included.
        attempts: Requests on their way that become jobs in progress unless they are refused.
    """

    __slots__ = (
        "_is_bounded",
        "_probe_at",
        "_refusals",
        "_resume_at",
        "attempts",
        "current",
        "maximum",
        "taken",
    )

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.current = min(maximum, FIRST_LIMIT)
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
        wider = self.in_progress if self._is_bounded else self.current + 1
        if wider > self.current:
            self._refusals = 0
            self.current = min(self.maximum, wider)

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
    The slots of one batch.

    Attributes:
        limit: Decides how many there are.
        waiting: Jobs under way that wait for a slot; new jobs come after them.
        paused: Jobs that wait for their reviewer, or for a slot to send the answer; they hold none.
    """

    def __init__(self, maximum: int, *, longest_pace: float) -> None:
        self.limit = AdaptiveLimit(maximum)
        self.waiting = 0
        self.paused = 0
        self._longest_pace = longest_pace
        self._change = anyio.Event()

    @property
    def are_open(self) -> bool:
        """Whether a new job may try to get one."""
        return not self.waiting and self.limit.is_open(_clock.now())

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

    def refuse(self, error: RateLimited) -> None:
        """Count a refusal, at the pace it asks for within reason."""
        pace = None if error.retry_after is None else min(error.retry_after, self._longest_pace)
        self.limit.refuse(_clock.now(), pace)


class Slot:
    """One job's slot: attempted, held, released."""

    __slots__ = ("_is_attempt", "_is_held", "_is_paused", "_slots")

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._is_attempt = self._is_held = self._is_paused = False

    def attempt(self) -> None:
        """Try for it now; only while the limit is open."""
        self._slots.limit.attempt()
        self._is_attempt = True

    async def wait(self, *, unless: Callable[[], bool]) -> bool:
        """Wait until it may be attempted, and attempt it; False when there is no more need."""
        slots = self._slots
        slots.waiting += 1
        try:
            while not (unless() or slots.limit.is_open(_clock.now())):
                await slots.wait_change()
        finally:
            slots.waiting -= 1
        if unless():
            slots.notify()
            return False
        # A cancel that arrives together with the notification is not raised by the wait.
        await anyio.lowlevel.checkpoint_if_cancelled()
        self._unpause()
        self.attempt()
        return True

    def accept(self) -> None:
        """Hold it: the service has taken the job."""
        self._slots.limit.accept()
        self._is_attempt, self._is_held = False, True
        self._slots.notify()

    def refuse(self, error: RateLimited) -> None:
        """Give the attempt up: the service has no room."""
        self._slots.refuse(error)
        self._is_attempt = False
        self._slots.notify()

    def pause(self) -> None:
        """Release it for as long as the agent waits for an answer."""
        self.release()
        self._is_paused = True
        self._slots.paused += 1

    def release(self) -> None:
        """Give it back, in whatever state it is."""
        self._unpause()
        if self._is_attempt:
            self._slots.limit.withdraw()
        elif self._is_held:
            self._slots.limit.finish()
        self._is_attempt = self._is_held = False
        self._slots.notify()

    def _unpause(self) -> None:
        self._slots.paused -= self._is_paused
        self._is_paused = False
