"""
How many jobs of a batch may be in progress, and how a job waits for its slot among them.

`send_when_room` sends what makes a job work, a create or an answer. `AdaptiveLimit` is the rule, without a clock;
`Slots` lets the jobs of a local batch wait for it, and `Slot` is one job's. A durable batch has slots of its own,
shared by all machines, which follow the same rule.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import anyio.lowlevel

from .. import _clock
from .._http.retry import Delivery, delivery
from ..errors import RateLimited

T = TypeVar("T")

FIRST_LIMIT = 4  # attempts before anything is known

LEAST_PAUSE = 1.0  # seconds after a refusal, whatever it asks for; doubled each time up to the next

UNPACED_PAUSE = 5.0  # seconds after a refusal that names no pace

FIRST_PROBE = 15.0  # seconds before the next attempt to get beyond what was refused, doubled each time

LONGEST_PROBE = 60.0

PROBE_PAUSES = (
    4  # a refusal stops replacements too, for one pause: probing may cost a small part of the time only
)


class NotStarted(Exception):
    """Creating has ended before this job was begun."""


class SendSlot(Protocol):
    """One job's share of what the service takes."""

    async def acquire(self) -> None:
        """
        Wait until a request may be sent.

        Raises:
            NotStarted: Nothing is to be created any more, and this job was not.
        """

    async def accept(self) -> None:
        """Hold the slot: the service has taken the job."""

    async def refuse(self, error: RateLimited) -> None:
        """Give the slot up: the service has no room."""


async def send_when_room(slot: SendSlot, send: Callable[[], Awaitable[T]]) -> T:
    """
    Send a request until the service has room for it, however long that takes.

    Raises:
        NotStarted: Nothing is to be created any more.
        RateLimited: A quota is used up, which is not a matter of waiting.
        HeyGenError: Whatever else `send` raised.
    """
    while True:
        await slot.acquire()
        try:
            result = await send()
        except RateLimited as error:
            if delivery(error) is Delivery.FINAL:
                raise
            await slot.refuse(error)
        else:
            await slot.accept()
            return result


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
        has_stopped: Returns whether nothing more is to be created.
    """

    def __init__(self, maximum: int, *, longest_pace: float, has_stopped: Callable[[], bool]) -> None:
        self.limit = AdaptiveLimit(maximum)
        self.waiting = 0
        self.paused = 0
        self.has_stopped = has_stopped
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
    """One job's slot in a local batch: attempted, held, released."""

    __slots__ = ("_has_session", "_is_attempt", "_is_held", "_is_paused", "_slots")

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._has_session = self._is_attempt = self._is_held = self._is_paused = False

    def attempt(self) -> None:
        """Try for it now; only while the limit is open."""
        self._slots.limit.attempt()
        self._is_attempt = True

    async def acquire(self) -> None:
        """Wait until it may be attempted, and attempt it; see `SendSlot`."""
        if self._is_attempt:
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
        self._unpause()
        self.attempt()

    @property
    def _is_unwanted(self) -> bool:
        return not self._has_session and self._slots.has_stopped()

    async def accept(self) -> None:
        """Hold it; see `SendSlot`."""
        self._slots.limit.accept()
        self._has_session = self._is_held = True
        self._is_attempt = False
        self._slots.notify()

    async def refuse(self, error: RateLimited) -> None:
        """Give the attempt up; see `SendSlot`."""
        self._slots.refuse(error)
        self._is_attempt = False
        if self._has_session:
            self._mark_paused()  # it waits to send an answer
        self._slots.notify()

    def pause(self) -> None:
        """Release it for as long as the agent waits for an answer."""
        self.release()
        self._mark_paused()

    def release(self) -> None:
        """Give it back, in whatever state it is."""
        self._unpause()
        if self._is_attempt:
            self._slots.limit.withdraw()
        elif self._is_held:
            self._slots.limit.finish()
        self._is_attempt = self._is_held = False
        self._slots.notify()

    def _mark_paused(self) -> None:
        self._is_paused = True
        self._slots.paused += 1

    def _unpause(self) -> None:
        self._slots.paused -= self._is_paused
        self._is_paused = False
