"""
The numbers of a client's polls: what `HeyGen.statistics` returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..models import Statistics

if TYPE_CHECKING:
    from collections.abc import Collection

    from .._http.client import Counters
    from .queue import PollQueues
    from .watched import WatchedSession


def statistics(
    counters: Counters,
    sessions: Collection[WatchedSession],
    queues: PollQueues,
    *,
    now: float,
    in_flight: int,
) -> Statistics:
    """Return the numbers of now."""
    lateness = queues.lateness()
    return Statistics(
        **{name: getattr(counters, name) for name in counters.__slots__},
        watchers=sum(len(session.watchers) for session in sessions),
        watched=len(sessions),
        due=queues.count(now),
        in_flight=in_flight,
        lateness_p50=lateness[len(lateness) // 2],
        lateness_p99=lateness[len(lateness) * 99 // 100],
    )
