"""
Sends what must not happen twice: until the service answers it, refuses it, or it is found to be done.

A write may have been done although no answer says so. Then `recover`, which the caller gives, finds out from what the
service shows; only when it has found that nothing was done is the write sent again (design §3.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _clock
from .._api.calls import Kind
from .._redact import clean
from ..errors import APIError, Conflict, HeyGenError, InvalidRequest, OutcomeUnknown, RateLimited
from .create_queue import CAP_HINT
from .retry import IN_PROGRESS, Delivery, Tries, delivery, may_be_done

if TYPE_CHECKING:
    from .client import ApiClient
    from .open_writes import PendingWrite

T = TypeVar("T")
Recover = Callable[[], Awaitable[T | None]]  # what earlier attempts have done; None when they did nothing


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
        wait = _next_wait(api, write, tries, problem, elapsed=_clock.now() - started)
        if wait is None and write.doubt is not None:
            if api.retry.trust_keys and not write.is_abandoned:
                raise _unanswered(write, problem) from problem
            made = await recover_write(api, write, recover)
            if made is not None:
                return made
            if may_be_done(problem):  # it was not done, as far as can be seen
                wait = _repeat(write, tries, problem, elapsed=_clock.now() - started)
        write.may_exist = write.doubt is not None
        if wait is None:
            raise _explain(write, problem, tries.count)
        api.record_retry(write.call, problem, wait, tries.count)
        is_paced_by_queue = write.call.kind is Kind.CREATE and isinstance(problem, RateLimited)
        if not is_paced_by_queue:
            await write.pause(wait)


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


def _next_wait(
    api: ApiClient, write: PendingWrite[T], tries: Tries, problem: HeyGenError, *, elapsed: float
) -> float | None:
    """Return the seconds until a failed attempt is repeated, if at all; record whether it may have done something."""
    kind, wait = write.call.kind, tries.wait_after(write.call.kind, problem, elapsed=elapsed)
    if _is_in_progress(problem):
        api.keys_honoured.add(kind)  # only a service that honours keys knows that one is in use
        write.doubt = problem
    if api.retry.trust_keys and isinstance(problem, InvalidRequest) and problem.from_service:
        # A key it had used would bring its answer again; an account's refusal says nothing of it.
        write.doubt = None
    if may_be_done(problem):
        write.doubt = problem
        if api.retry.trust_keys or kind in api.keys_honoured:
            return tries.wait_again(problem, elapsed=elapsed)  # the service knows best what became of its key
    if isinstance(problem, RateLimited):
        is_too_long = write.max_wait is not None and elapsed + (wait or 0.0) > write.max_wait
        return None if write.raise_rate_limit or is_too_long else wait
    return wait


def _is_in_progress(problem: HeyGenError) -> bool:
    return isinstance(problem, Conflict) and problem.code == IN_PROGRESS


def _repeat(write: PendingWrite[Any], tries: Tries, problem: HeyGenError, *, elapsed: float) -> float:
    """Send again what seems not to be done; without another attempt, that is too little to deny it."""
    wait = tries.wait_again(problem, elapsed=elapsed)
    if wait is None:
        raise _unanswered(write, problem) from problem
    write.was_repeated = True
    return wait


def _unanswered(write: PendingWrite[Any], problem: HeyGenError) -> OutcomeUnknown:
    return write.outcome_unknown(f"no attempt got a clear answer; the last: {clean(str(problem))}")


def _explain(write: PendingWrite[Any], problem: HeyGenError, attempts: int) -> HeyGenError:
    if isinstance(problem, APIError):
        problem.attempts = max(attempts, 1)
    is_cap = isinstance(problem, RateLimited) and delivery(problem) is not Delivery.FINAL
    if is_cap and write.call.kind is Kind.CREATE:
        problem.hint = CAP_HINT
        problem.__notes__ = [f"Hint: {CAP_HINT}"]
    return problem
