"""
What recoveries of creates and sends have in common: how they wait, read, and say that they do not know.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .._http.retry import IN_PROGRESS, Delivery, delivery, waits
from ..errors import Conflict, HeyGenError, NotFound, OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from .._http.writes import PendingWrite

T = TypeVar("T")

SKEW: Final = 330.0  # seconds the service's clock may be off from ours, where its answers do not tell
UNREADABLE_TIMES: Final = 3  # times the settle time for what is there and cannot be read
BUSY: Final = "the service is still busy with it"
SWITCHED_OFF: Final = "recovery is switched off"
KEYS_TRUSTED: Final = "its key was sent to the end without an answer"
SHORTEST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 4.0


def read_pauses() -> Iterator[float]:
    """Yield the seconds between two reads."""
    return waits(SHORTEST_WAIT, _LONGEST_WAIT)


def is_busy(error: HeyGenError) -> bool:
    """Whether the service says that it works on the key."""
    return isinstance(error, Conflict) and error.code == IN_PROGRESS


async def unless_failing(asking: Awaitable[T]) -> T | None:
    """Return the answer; None when there is none now that may be there soon."""
    try:
        return await asking
    except HeyGenError as error:
        if delivery(error) is Delivery.FINAL and not isinstance(error, NotFound):
            raise
        return None


def outcome_unknown(
    write: PendingWrite[Any], began: float, why: str, candidates: tuple[str, ...] = ()
) -> OutcomeUnknown:
    """Return the error of a write whose outcome is not known; `began` in Unix seconds."""
    return OutcomeUnknown(
        f"Whether {write.call.name} happened is not known: {why}.",
        idempotency_key=write.call.key or "",
        started_at=datetime.fromtimestamp(began, UTC),
        candidates=candidates,
    )
