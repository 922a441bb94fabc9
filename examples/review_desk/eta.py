"""How long it will still take."""

from __future__ import annotations

from heygen_async import SessionStatus
from heygen_async.cadence import Expected

_ENOUGH = 5  # percent: less progress says nothing of its speed


def seconds_left(
    status: SessionStatus, elapsed: float, gained: int, progress: int, usual: Expected | None
) -> float | None:
    """
    Return the seconds until a status is likely to end; None when nothing says so.

    Args:
        status: The status.
        elapsed: For how many seconds it has been watched.
        gained: How many percent it moved meanwhile.
        progress: Where it is, 0 to 100.
        usual: How long it took other sessions.
    """
    if status == SessionStatus.GENERATING and gained >= _ENOUGH:
        return elapsed * (100 - progress) / gained
    if usual is not None and usual.seconds > elapsed:
        return usual.seconds - elapsed
    return None
