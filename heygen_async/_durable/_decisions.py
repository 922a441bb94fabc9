"""
What to do next: pure decisions, without a clock, a database or a loop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ._records import OutcomeRecord

_OVER: Final = frozenset({"SessionFailed", "JobCancelled", "NotFound", "OutcomeUnknown"})


def goes_on(outcome: OutcomeRecord | None, session_id: str | None) -> bool:
    """
    Whether a retry goes on with the session there is, instead of paying for another.

    A session that failed is over. One that was only late, or could not be reached, or whose video could not be
    saved, is not.
    """
    if session_id is None or outcome is None or outcome.error is None:
        return False
    return outcome.video is not None or outcome.error.kind not in _OVER


def narrowed(window: int, in_progress: int) -> int:
    """Return how many jobs may be in progress after the service refused one more than there are."""
    return max(1, min(window, in_progress))


def widened(window: int, most: int) -> int:
    """Return how many jobs may be in progress after a quiet time."""
    return min(most, window + 1)


class Suspects:
    """
    Tells the dead from the slow: work is taken from its holder when the holder was missing in three looks in a row.

    One look is not enough: a holder whose database was away for a moment takes its lock again a little later, and one
    that has just claimed a piece of work has not begun it yet.
    """

    _LOOKS: Final = 3

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}

    def left_behind(
        self, held: Iterable[tuple[str, str]], *, dead: Collection[str], own: str, active: Collection[str]
    ) -> list[tuple[str, str]]:
        """
        Return what nobody does any more, as (work, executor).

        Args:
            held: What is claimed, by whom.
            dead: Executors whose lock is free now.
            own: This executor.
            active: What it is really doing.
        """
        self._seen = {
            (work, executor): self._seen.get((work, executor), 0) + 1
            for work, executor in held
            if executor in dead or (executor == own and work not in active)
        }
        return sorted(one for one, looks in self._seen.items() if looks >= self._LOOKS)
