"""
Sends what must not happen twice: until the service answers it, refuses it, or it is found to be done.

A write may have been done although no answer says so. Then `recover`, which the caller gives, finds out from what the
service shows; only when it has found that nothing was done is the write sent again (design §3.3).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _clock
from .._api.calls import Kind
from .._redact import clean
from ..errors import APIError, Conflict, HeyGenError, InvalidRequest, OutcomeUnknown, RateLimited
from .retry import IN_PROGRESS, Again, RetryStep, Tries
from .writes import CAP_HINT

if TYPE_CHECKING:
    from .client import ApiClient
    from .writes import PendingWrite, Recover

T = TypeVar("T")


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
    tries, started = Tries(api.retry), _clock.now()
    while True:
        try:
            return await _attempt(api, write, tries, started)
        except HeyGenError as error:
            problem = error
        except Abandoned:
            made = await recover_write(api, write, recover)
            if made is not None:
                return made
            if write.is_abandoned:  # and no other caller has come for it meanwhile
                write.may_exist = False
                raise asyncio.CancelledError from None
            continue
        step = _next_step(api, write, tries, problem, started)
        if write.doubt is not None and not isinstance(step, Again):
            if api.retry.trust_keys and not write.is_abandoned:
                raise _unanswered(write, problem) from problem
            made = await recover_write(api, write, recover)
            if made is not None:
                return made
            if step is RetryStep.RECOVER:  # it was not done, as far as can be seen
                step = _repeat(api, write, tries, problem, started)
        write.may_exist = write.doubt is not None
        if not isinstance(step, Again):
            raise _explain(write, problem, tries.count)
        api.record_retry(write.call, problem, step, tries.count)
        is_paced_by_queue = write.call.kind is Kind.CREATE and isinstance(problem, RateLimited)
        if not is_paced_by_queue:
            await write.pause(step.after)


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


async def _attempt(api: ApiClient, write: PendingWrite[T], tries: Tries, started: float) -> T:
    async with api.create_queue.turn(write, started, lambda: api.creates_resume):
        if write.is_abandoned:
            raise Abandoned
        await write.check_guard()
        tries.count += 1
        return (await api.attempt(write.call, tries.count, write.mark_sent)).data


class Abandoned(Exception):
    """No caller waits for the write any more."""


def _next_step(
    api: ApiClient, write: PendingWrite[T], tries: Tries, problem: HeyGenError, started: float
) -> Again | RetryStep:
    """Decide what follows a failed attempt, and record whether it may have done something."""
    kind, elapsed = write.call.kind, _clock.now() - started
    step = tries.next_step(kind, problem, elapsed=elapsed, policy=api.retry, jitter=api.rng.random())
    is_in_progress = _is_in_progress(problem)
    if is_in_progress:
        api.keys_honoured.add(kind)  # only a service that honours keys knows that one is in use
    if is_in_progress or step is RetryStep.RECOVER:
        write.doubt = problem
    if api.retry.trust_keys and isinstance(problem, InvalidRequest) and problem.from_service:
        write.doubt = (
            None  # a key it had used would bring its answer again; an account's refusal says nothing of it
        )
    if step is RetryStep.RECOVER and (api.retry.trust_keys or kind in api.keys_honoured):
        return _again(api, tries, problem, started)  # the service knows best what became of its key
    if isinstance(problem, RateLimited) and _is_too_long(write, step, elapsed):
        return RetryStep.GIVE_UP
    return step


def _is_in_progress(problem: HeyGenError) -> bool:
    return isinstance(problem, Conflict) and problem.code == IN_PROGRESS


def _again(api: ApiClient, tries: Tries, problem: HeyGenError, started: float) -> Again | RetryStep:
    return tries.again(problem, elapsed=_clock.now() - started, policy=api.retry, jitter=api.rng.random())


def _repeat(
    api: ApiClient, write: PendingWrite[Any], tries: Tries, problem: HeyGenError, started: float
) -> Again:
    """Send again what seems not to be done; without another attempt, that is too little to deny it."""
    step = _again(api, tries, problem, started)
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
        problem.hint = CAP_HINT
        problem.__notes__ = [f"Hint: {CAP_HINT}"]
    return problem


def _is_too_long(write: PendingWrite[Any], step: Again | RetryStep, elapsed: float) -> bool:
    """Whether the caller does not want to wait for room that long."""
    if write.raise_rate_limit:
        return True
    wait = step.after if isinstance(step, Again) else 0.0
    return write.max_wait is not None and elapsed + wait > write.max_wait
