"""
What to do after a failed exchange: pure decisions over what is known of delivery.

House rules: no clock (elapsed seconds come in), no randomness (jitter, 0 to 1, comes in), no I/O. The table is
design §3.2; a write that costs or says something is never sent again blindly when it may be done.
"""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import TYPE_CHECKING

from .._api.calls import Kind
from ..errors import (
    APIError,
    BadResponse,
    Conflict,
    ConnectFailed,
    ConnectionLost,
    Forbidden,
    HeyGenError,
    InsufficientCredit,
    OutcomeUnknown,
    RateLimited,
    RequestTimeout,
    ServerError,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._config import RetryPolicy

IN_PROGRESS = "request_in_progress"
_TRANSIENT = frozenset({408, 421, 425, 499})  # of a gateway, whatever the service did
# Final from a gateway too: the request stopped there.
_NOT_FORWARDED = frozenset({401, 407, 411, 413, 414, 431})

SHORTEST_PACE = 1.0  # seconds: a service that asks for less, or for none, is not hammered
LONGEST_FLOOR = 30.0  # seconds the shortest pace grows to while refusals follow each other
UNPACED = 5.0  # seconds everybody waits after a 429 that names no pace
_JITTER = 0.1  # of a pace the service asked for, upwards only


class Delivery(Enum):
    """What is known of a request that did not get its answer."""

    NOT_DONE = auto()  # never sent; or refused for now, by a service that says when to come back
    MAYBE_DONE = auto()
    UNCLEAR = auto()  # not worth repeating for a read, but no refusal by the service: a write may be done
    FINAL = auto()


def delivery(error: Exception) -> Delivery:  # noqa: C901 - a table
    """Classify a failed exchange."""
    match error:
        case ConnectFailed():
            return Delivery.NOT_DONE
        case BadResponse(status=int(status)) if 300 <= status < 400:
            return Delivery.UNCLEAR
        case RequestTimeout() | ConnectionLost() | BadResponse() | ServerError():
            return Delivery.MAYBE_DONE
        case OutcomeUnknown():
            return Delivery.MAYBE_DONE
        case RateLimited(code="quota_exceeded"):
            return Delivery.FINAL
        case (
            RateLimited()
            | Conflict(code="request_in_progress" | "resource_not_ready" | "brand_kit_not_ready")
        ):
            return Delivery.NOT_DONE
        case Conflict(code=None):
            return Delivery.UNCLEAR
        case APIError() if error.status in _TRANSIENT:
            return Delivery.MAYBE_DONE
        case APIError() if not error.from_service and error.status not in _NOT_FORWARDED:
            return Delivery.UNCLEAR
        case _:
            return Delivery.FINAL


def may_be_done(error: Exception) -> bool:
    """Whether a write that failed so may have been done: it is recovered before it is sent again."""
    return delivery(error) in (Delivery.MAYBE_DONE, Delivery.UNCLEAR)


def is_refused_for_all(error: HeyGenError) -> bool:
    """Whether it is about the credential or the account: every further request would be refused alike."""
    if isinstance(error, InsufficientCredit | Forbidden):
        return error.from_service
    return isinstance(error, Unauthorized)


class Tries:
    """
    The bookkeeping of one call: how often it was sent and how long to wait before the next time.

    Args:
        policy: The limits.
        jitter: Returns a number from 0 to 1.
    """

    __slots__ = ("_floors", "_jitter", "_policy", "_waits", "count")

    def __init__(self, policy: RetryPolicy, jitter: Callable[[], float]) -> None:
        self.count = 0
        self._policy = policy
        self._jitter = jitter
        self._waits = waits(policy.base, policy.longest)
        self._floors = waits(SHORTEST_PACE, LONGEST_FLOOR)

    def wait_after(self, kind: Kind, error: HeyGenError, *, elapsed: float) -> float | None:
        """
        Return the seconds until a call is sent again, `count` exchanges and `elapsed` seconds after its start.

        None when it is not: it was refused for good, or enough was tried, or twice may be too often.
        """
        known, is_costly = delivery(error), kind in (Kind.CREATE, Kind.SEND)
        if known in (Delivery.UNCLEAR, Delivery.FINAL) or (is_costly and known is Delivery.MAYBE_DONE):
            return None
        return self.wait_again(error, elapsed=elapsed)

    def wait_again(self, error: HeyGenError, *, elapsed: float) -> float | None:
        """Return the seconds until another exchange, whatever is known of the last; None when enough was tried."""
        policy, asked = self._policy, requested_pace(error)
        floor = next(self._floors) if asked is not None and asked < SHORTEST_PACE else SHORTEST_PACE
        wait = pause(error, next(self._waits), floor=floor, jitter=self._jitter())
        is_late = self.count >= policy.max_attempts or elapsed + wait > policy.max_elapsed
        return None if is_late or (asked or 0.0) > policy.max_retry_after else wait


def waits(base: float, longest: float) -> Iterator[float]:
    """Yield the seconds of our own waits: doubled each time, up to the longest."""
    import backoff  # at the first failure: it costs as much as the other modules of a client's retries together

    steps = backoff.expo(factor=base, max_value=longest)
    next(steps)  # its first yield only starts the generator
    for step in steps:
        yield float(step)


def requested_pace(error: HeyGenError) -> float | None:
    """Return the seconds the service asked to wait, None when it did not."""
    return error.retry_after if isinstance(error, APIError) else None


def pause(error: HeyGenError, own: float, *, jitter: float, floor: float = SHORTEST_PACE) -> float:
    """
    Return the pace the service asked for, a little longer; or our own wait, somewhat shorter.

    A pace below the shortest is no licence to hammer: `floor` goes in its place.
    """
    asked = requested_pace(error)
    if asked is None:
        return own * (0.5 + jitter / 2)
    return (asked if asked >= SHORTEST_PACE else floor) * (1 + _JITTER * jitter)


class Throttle:
    """When calls of one kind may go on after a 429; the shortest pause grows while refusals follow each other."""

    def __init__(self) -> None:
        self.resume: float = -math.inf  # loop time
        self._floor = SHORTEST_PACE

    def refuse(self, error: HeyGenError, *, now: float, longest: float, jitter: float) -> None:
        """Take a refusal in; those of one pause count once."""
        if now >= self.resume:
            in_a_row = now - self.resume <= LONGEST_FLOOR
            self._floor = min(self._floor * 2, LONGEST_FLOOR) if in_a_row else SHORTEST_PACE
        wait = pause(error, UNPACED, floor=self._floor, jitter=jitter)
        self.resume = max(self.resume, now + min(wait, longest))
