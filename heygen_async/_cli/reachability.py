"""
Whether the service answers, as the requests of one client show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from heygen_async import RequestEvent

_PASSING: Final = 10.0  # seconds: a shorter outage needs no words


class Reachability:
    """Since when the service has not answered."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since: float | None = None

    def record(self, event: RequestEvent) -> None:
        """Take in a request; an answer from something in between, such as a 502, is none of the service."""
        if not event.route.startswith("/") or event.error == "CancelledError":
            return  # a storage host, or a caller who gave up
        if event.status is not None and event.status < 500:
            self._since = None
        elif self._since is None:
            self._since = self._now()

    @property
    def outage(self) -> float | None:
        """Seconds without an answer; None while it answers, and at first."""
        seconds = 0.0 if self._since is None else self._now() - self._since
        return seconds if seconds >= _PASSING else None
