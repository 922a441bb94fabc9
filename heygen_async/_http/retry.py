"""
What to do after a failed exchange: pure decisions over what is known of delivery.

House rules: no clock (elapsed seconds come in), no randomness (a die, 0 to 1, comes in), no I/O. The table is
design §3.2; "maybe done" is never answered blindly for a write that costs or says something.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

import backoff

from .._api.calls import Kind
from ..errors import (
    BadResponse,
    Conflict,
    ConnectFailed,
    ConnectionLost,
    Forbidden,
    HeyGenError,
    InsufficientCredit,
    RateLimited,
    RequestTimeout,
    ServerError,
    Unauthorized,
)

if TYPE_CHECKING:
    from .._config import RetryPolicy

IN_PROGRESS = "request_in_progress"
_PACED_CONFLICTS = frozenset({IN_PROGRESS, "resource_not_ready", "brand_kit_not_ready"})
_UNAVAILABLE = 503
_JITTER = 0.1  # of a pace the service asked for, upwards only


class Delivery(Enum):
    """What is known of a request that did not get its answer."""

    NEVER_SENT = auto()
    PACED = auto()
    MAYBE_DONE = auto()
    FINAL = auto()


def delivery(error: HeyGenError) -> Delivery:
    """Classify a failed exchange."""
    match error:
        case ConnectFailed():
            return Delivery.NEVER_SENT
        case RateLimited():
            return Delivery.FINAL if error.code == "quota_exceeded" else Delivery.PACED
        case Conflict() if error.code in _PACED_CONFLICTS:
            return Delivery.PACED
        case ServerError():
            paced = error.status == _UNAVAILABLE and error.retry_after is not None
            return Delivery.PACED if paced else Delivery.MAYBE_DONE
        case BadResponse(status=int(status)) if 300 <= status < 400:
            return Delivery.FINAL
        case RequestTimeout() | ConnectionLost() | BadResponse():
            return Delivery.MAYBE_DONE
        case _:
            return Delivery.FINAL


def is_refused_for_all(error: HeyGenError) -> bool:
    """Whether every further request would be refused alike, so that watchers must know at once."""
    return isinstance(error, Unauthorized | InsufficientCredit | Forbidden)


@dataclass(frozen=True, slots=True)
class Again:
    """Send it again after so many seconds."""

    after: float


class Verdict(Enum):
    """The other things to do than to send again."""

    SETTLE = auto()
    GIVE_UP = auto()


class Tries:
    """The bookkeeping of one call: how often it was sent and how long to wait before the next time."""

    __slots__ = ("_waits", "count")

    def __init__(self, policy: RetryPolicy) -> None:
        self.count = 0
        self._waits = waits(policy.base, policy.longest)

    def next_step(
        self, kind: Kind, error: HeyGenError, *, elapsed: float, policy: RetryPolicy, jitter: float
    ) -> Again | Verdict:
        """Decide what follows a failure, `count` exchanges and so many seconds after the start."""
        known = delivery(error)
        if known is Delivery.FINAL:
            return Verdict.GIVE_UP
        if known is Delivery.MAYBE_DONE and kind in (Kind.CREATE, Kind.SEND):
            return Verdict.SETTLE
        return self.again(error, elapsed=elapsed, policy=policy, jitter=jitter)

    def again(
        self, error: HeyGenError, *, elapsed: float, policy: RetryPolicy, jitter: float
    ) -> Again | Verdict:
        """Decide whether there is room for another exchange, and when."""
        wait = pause(error, next(self._waits), jitter=jitter)
        asked = getattr(error, "retry_after", None) or 0.0
        if (
            self.count >= policy.max_attempts
            or elapsed + wait > policy.max_elapsed
            or asked > policy.max_retry_after
        ):
            return Verdict.GIVE_UP
        return Again(wait)


def waits(base: float, longest: float) -> Iterator[float]:
    """Yield the seconds of our own waits: doubled each time, up to the longest."""
    steps = backoff.expo(factor=base, max_value=longest)
    next(steps)  # its first yield only starts the generator
    for step in steps:
        yield float(step)


def pause(error: HeyGenError, own: float, *, jitter: float) -> float:
    """Return the pace the service asked for, a little longer; or our own wait, somewhat shorter."""
    asked = getattr(error, "retry_after", None)
    if asked is None:
        return own * (0.5 + jitter / 2)
    return float(asked) * (1 + _JITTER * jitter)
