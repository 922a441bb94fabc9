"""
When the service cannot be reached: which failed polls end a watch, and what a watcher is told of the others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from ..errors import (
    APIError,
    Forbidden,
    HeyGenError,
    InsufficientCredit,
    NotFound,
    TransportError,
    Unauthorized,
)

REPORTED_AFTER = 2  # failed polls in a row; a single one is no outage


class Outage(Struct, frozen=True, kw_only=True):
    """
    The service cannot be reached for a session that is watched, or can again.

    Attributes:
        session_id: The session.
        seconds: How long its polls have failed without a break.
        error: What the last one failed with; None when the service answers again.
    """

    session_id: str
    seconds: float
    error: HeyGenError | None = None

    @property
    def is_over(self) -> bool:
        """Whether the service answers again."""
        return self.error is None


OnOutage = Callable[[Outage], Awaitable[None] | None]


def ends_watch(error: HeyGenError) -> bool:
    """
    Whether a failed poll is final: every further one would be refused alike.

    Final are a refused credential, the service's own 402 and 403, a 404 after its grace, and what is no answer at all
    (a closed client). All else may pass: an answer of something in between, of any status, is one failed poll.
    """
    if isinstance(error, Forbidden | InsufficientCredit | NotFound):
        return error.from_service
    if isinstance(error, Unauthorized):
        return True
    return not isinstance(error, APIError | TransportError)
