"""
Sends what must not happen twice: until the service answers it, refuses it, or it is found to be done.

A write may have been done although no answer says so. Then `recover`, which the caller gives, finds out from what the
service shows; only when it has found that nothing was done is the write sent again (design §3.3).
"""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .. import _clock
from .._api.calls import Kind
from .._concurrency import Alarm
from .._redact import clean
from ..errors import (
    APIError,
    ClientStateError,
    Conflict,
    ConnectFailed,
    HeyGenError,
    InvalidRequest,
    OutcomeUnknown,
    RateLimited,
)
from .retry import IN_PROGRESS, Again, RetryStep, Throttle, Tries

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .._api.calls import Call
    from .client import ApiClient

T = TypeVar("T")
SendGuard = Callable[[], Awaitable[None]]  # what raises unless a write may be sent now
Recover = Callable[[], Awaitable[T | None]]  # what earlier attempts have done; None when they did nothing

_OLD = 5.0  # seconds: half of what a successor waits for our write before it makes its own
_CAP_HINT = (
    "The account has as many jobs in progress as it may; wait until one ends, pass a longer max_wait, "
    "or ask the service for a larger plan."
)


@dataclass(slots=True, eq=False)
class PendingWrite(Generic[T]):
    """
    What is known of one write.

    Attributes:
        call: What is sent.
        raise_rate_limit: Whether a 429 is raised at once: the caller waits for room itself.
        max_wait: Seconds it may wait for room under the job cap; None for as long as the retry policy allows.
        guard: Awaited right before each attempt, which is not made if it raises.
        began: When it began, in Unix seconds of our clock.
        number: Its place among the writes of this process: earlier ones go first.
        sent_at: Loop time at which the first byte of its first attempt left; None before.
        last_sent_at: The same of its last attempt.
        may_exist: Whether an attempt has left, and its outcome is not known.
        doubt: Why the outcome of an attempt is not known, until it is recovered.
        candidates: Ids of sessions that may be what it has made, as far as is known.
        is_abandoned: Whether no caller waits any more, so that it must not be sent again.
        is_recovering: Whether it is being recovered.
        was_repeated: Whether it was sent again after an attempt that seemed to have done nothing.
    """

    call: Call[T]
    _: KW_ONLY
    raise_rate_limit: bool = False
    max_wait: float | None = None
    guard: SendGuard | None = None
    began: float = field(default_factory=_clock.wall)
    number: int = field(default_factory=partial(next, count()))
    sent_at: float | None = None
    last_sent_at: float | None = None
    may_exist: bool = False
    doubt: HeyGenError | None = None
    candidates: tuple[str, ...] = ()
    is_abandoned: bool = False
    is_recovering: bool = False
    was_repeated: bool = False
    alarm: Alarm = field(default_factory=Alarm)

    def abandon(self) -> None:
        """Record that no caller waits any more; ends a pause."""
        self.is_abandoned = True
        self.alarm.ring()

    async def pause(self, seconds: float) -> None:
        """Wait before the next attempt, as long as a caller waits for it."""
        if seconds > 0 and not self.is_abandoned:
            await self.alarm.wait(_clock.now() + seconds)

    def mark_sent(self) -> None:
        """
        Record that the first byte leaves now: from here on the write may happen.

        Raises:
            ConnectFailed: No caller waits for it any more, so it is not sent.
        """
        if self.is_abandoned:
            raise ConnectFailed(f"This {self.call.name} was cancelled before it was sent.")
        self.last_sent_at = _clock.now()
        self.sent_at = self.last_sent_at if self.sent_at is None else self.sent_at
        self.may_exist = True

    def outcome_unknown(self, why: str) -> OutcomeUnknown:
        """Return the error of a write whose outcome is not known."""
        return OutcomeUnknown(
            f"Whether {self.call.name} happened is not known: {why}.",
            idempotency_key=self.call.key or "",
            started_at=datetime.fromtimestamp(self.began, UTC),
            candidates=self.candidates,
        )

    async def check_guard(self) -> None:
        """Have the guard allow the attempt, and not long ago: after a standstill another may have taken over."""
        asked = -math.inf
        while self.guard is not None and _clock.now() - asked > _OLD:
            asked = _clock.now()
            await self.guard()


async def send_write(  # noqa: C901 - the one place where all that can become of a write is read top to bottom
    api: ApiClient, write: PendingWrite[T], recover: Recover[T]
) -> T:
    """
    Send a write until the service answers it, refuses it, or it is found to be done.

    Raises:
        OutcomeUnknown: It may be done, and `recover` could not find out, or no attempt was left when it did.
        TransportError: It was not done.
        APIError: The service refused, with the number of attempts.
    """
    tries, started = Tries(api.retry, api.rng.random), _clock.now()
    while True:
        try:
            async with api.create_queue.turn(write, started):
                return await _attempt(api, write, tries)
        except HeyGenError as error:
            problem = error
        except _Abandoned:
            made = await recover_write(api, write, recover)
            if made is not None:
                return made
            if write.is_abandoned:  # and no other caller has come for it meanwhile
                write.may_exist = False
                raise asyncio.CancelledError from None
            continue
        step = _next_step(api, write, tries, problem, elapsed=_clock.now() - started)
        if write.doubt is not None and not isinstance(step, Again):
            if api.retry.trust_keys and not write.is_abandoned:
                raise _unanswered(write, problem) from problem
            made = await recover_write(api, write, recover)
            if made is not None:
                return made
            if step is RetryStep.RECOVER:  # it was not done, as far as can be seen
                step = _repeat(write, tries, problem, elapsed=_clock.now() - started)
        write.may_exist = write.doubt is not None
        if not isinstance(step, Again):
            raise _explain(write, problem, tries.count)
        api.record_retry(write.call, problem, step, tries.count)
        is_paced_by_queue = write.call.kind is Kind.CREATE and isinstance(problem, RateLimited)
        if not is_paced_by_queue:
            await write.pause(step.after)


class _Abandoned(Exception):
    """No caller waits for the write any more."""


async def _attempt(api: ApiClient, write: PendingWrite[T], tries: Tries) -> T:
    if write.is_abandoned:
        raise _Abandoned
    await write.check_guard()
    tries.count += 1
    return (await api.attempt(write.call, tries.count, write.mark_sent)).data


async def recover_write(api: ApiClient, write: PendingWrite[T], recover: Recover[T]) -> T | None:
    """
    Return what the attempts of a write in doubt have done, None when they did nothing.

    Raises:
        OutcomeUnknown: `recover` could not find out.
    """
    doubt = write.doubt
    if doubt is None:
        return None
    if api.retry.settle == "raise":
        raise write.outcome_unknown("recovery is switched off") from doubt
    write.is_recovering = True
    try:
        made = await recover()
    except OutcomeUnknown as unknown:
        raise unknown from doubt
    except HeyGenError as error:
        raise write.outcome_unknown(f"reading failed: {clean(str(error))}") from doubt
    finally:
        write.is_recovering = False
    if made is None and _is_in_progress(doubt):
        raise write.outcome_unknown("the service is still busy with it") from doubt
    write.doubt = None
    return made


def _next_step(
    api: ApiClient, write: PendingWrite[T], tries: Tries, problem: HeyGenError, *, elapsed: float
) -> Again | RetryStep:
    """Decide what follows a failed attempt, and record whether it may have done something."""
    kind, step = write.call.kind, tries.next_step(write.call.kind, problem, elapsed=elapsed)
    is_in_progress = _is_in_progress(problem)
    if is_in_progress:
        api.keys_honoured.add(kind)  # only a service that honours keys knows that one is in use
    if is_in_progress or step is RetryStep.RECOVER:
        write.doubt = problem
    if api.retry.trust_keys and isinstance(problem, InvalidRequest) and problem.from_service:
        # A key it had used would bring its answer again; an account's refusal says nothing of it.
        write.doubt = None
    if step is RetryStep.RECOVER and (api.retry.trust_keys or kind in api.keys_honoured):
        return tries.again(problem, elapsed=elapsed)  # the service knows best what became of its key
    if isinstance(problem, RateLimited) and not _may_wait(write, step, elapsed):
        return RetryStep.GIVE_UP
    return step


def _may_wait(write: PendingWrite[Any], step: Again | RetryStep, elapsed: float) -> bool:
    """Whether the caller wants to wait for room that long."""
    wait = step.after if isinstance(step, Again) else 0.0
    return not write.raise_rate_limit and (write.max_wait is None or elapsed + wait <= write.max_wait)


def _is_in_progress(problem: HeyGenError) -> bool:
    return isinstance(problem, Conflict) and problem.code == IN_PROGRESS


def _repeat(write: PendingWrite[Any], tries: Tries, problem: HeyGenError, *, elapsed: float) -> Again:
    """Send again what seems not to be done; without another attempt, that is too little to deny it."""
    step = tries.again(problem, elapsed=elapsed)
    if not isinstance(step, Again):
        raise _unanswered(write, problem) from problem
    write.was_repeated = True
    return step


def _unanswered(write: PendingWrite[Any], problem: HeyGenError) -> OutcomeUnknown:
    return write.outcome_unknown(f"no attempt got a clear answer; the last: {clean(str(problem))}")


def _explain(write: PendingWrite[Any], problem: HeyGenError, attempts: int) -> HeyGenError:
    if isinstance(problem, APIError):
        problem.attempts = max(attempts, 1)
    is_cap = isinstance(problem, RateLimited) and problem.code != "quota_exceeded"
    if is_cap and write.call.kind is Kind.CREATE:
        problem.hint = _CAP_HINT
        problem.__notes__ = [f"Hint: {_CAP_HINT}"]
    return problem


class CreateQueue:
    """
    After a 429 creates go one at a time, first come, first served, until one has gone through and none waits.

    Hundreds that wait for room would else all try again at the same moment.

    Attributes:
        throttle: When the service wants to be asked again.
    """

    __slots__ = ("_holder", "_is_full", "_is_stopped", "_waiting", "throttle")

    def __init__(self) -> None:
        self.throttle = Throttle()
        self._is_full = self._is_stopped = False
        self._holder: PendingWrite[Any] | None = None
        self._waiting: list[tuple[int, PendingWrite[Any]]] = []

    @asynccontextmanager
    async def turn(self, write: PendingWrite[Any], started: float) -> AsyncGenerator[None]:
        """
        Wait until a write may be attempted, as its caller has since the loop time `started`; only creates wait.

        Raises:
            RateLimited: It would have to wait longer than its caller wants to.
            ClientStateError: No create is attempted any more.
        """
        if write.call.kind is not Kind.CREATE:
            yield
            return
        is_held = self._is_full and await self._wait(write, started)
        try:
            self.check_open(write)
            yield
        except RateLimited:
            self._is_full = True
            raise
        else:
            if is_held and not self._waiting:
                self._is_full = self.throttle.resume > _clock.now()
        finally:
            if is_held:
                self._holder = None
                self._call_next()

    def stop(self) -> None:
        """Attempt no create any more, but those that may have happened; those that wait end at once."""
        self._is_stopped = True
        for write in (self._holder, *(write for _, write in self._waiting)):
            if write is not None:
                write.alarm.ring()

    def check_open(self, write: PendingWrite[Any] | None = None) -> None:
        """
        Refuse a create that would begin now.

        Raises:
            ClientStateError: None is attempted any more.
        """
        if self._is_stopped and (write is None or not write.may_exist):
            raise ClientStateError("This client is closing; nothing was made.", hint="Make a new HeyGen().")

    async def _wait(self, write: PendingWrite[Any], started: float) -> bool:
        """Wait in line, then for the pace; return whether it is this write's turn, False for an abandoned one."""
        latest = math.inf if write.max_wait is None else started + write.max_wait
        entry = (write.number, write)
        heapq.heappush(self._waiting, entry)
        try:
            while not write.is_abandoned and (self._holder is not None or self._waiting[0] is not entry):
                self.check_open(write)
                self._check_wait(latest, _clock.now())
                await write.alarm.wait(None if latest == math.inf else latest)
        finally:
            self._waiting.remove(entry)
            heapq.heapify(self._waiting)
        if self._holder is not None:
            return False
        self._holder = write
        try:
            while not write.is_abandoned and (resume := self.throttle.resume) > _clock.now():
                self.check_open(write)
                self._check_wait(latest, resume)
                await write.alarm.wait(resume)
        except BaseException:
            self._holder = None
            self._call_next()
            raise
        return True

    def _call_next(self) -> None:
        if self._waiting:
            self._waiting[0][1].alarm.ring()

    def _check_wait(self, latest: float, until: float) -> None:
        if until >= latest:
            raise RateLimited(
                "The service has no room for another job now.",
                status=429,
                code="rate_limit_exceeded",
                retry_after=max(self.throttle.resume - _clock.now(), 1.0),
                hint=_CAP_HINT,
            )
