"""
How many jobs may be in progress: the engine's limit for all machines, moved by what the service says.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from .. import _clock

if TYPE_CHECKING:
    from ._database import Access
    from ._transitions import Store

log = logging.getLogger("heygen_async")

_QUIET: Final = 30.0  # seconds without a refusal after which one more is tried


class Window:
    """The limit of one batch, seen from one of the processes that work for it."""

    def __init__(self, store: Store, access: Access, most: int) -> None:
        self._store = store
        self._access = access
        self._most = most
        self._moved_at: float | None = None

    async def narrow(self) -> None:
        """Allow no more than are in progress now: the service has just refused one more."""
        self._moved_at = _clock.now()
        before = await self._access.persist(self._store.window)
        counts = await self._access.persist(self._store.counts)
        window = narrowed(before, counts.get("rendering", 0))
        if window < before:
            await self._access.persist(self._store.window, window)
            log.info(
                "The service takes no more jobs; %d at once from now on", window, extra={"window": window}
            )

    async def widen(self) -> None:
        """Allow one more, after a quiet time: the service has just taken one."""
        now = _clock.now()
        if self._moved_at is not None and now - self._moved_at < _QUIET:
            return
        self._moved_at = now
        before = await self._access.persist(self._store.window)
        if (window := widened(before, self._most)) > before:
            await self._access.persist(self._store.window, window)


def narrowed(window: int, in_progress: int) -> int:
    """Return how many jobs may be in progress after the service refused one more than there are."""
    return max(1, min(window, in_progress))


def widened(window: int, most: int) -> int:
    """Return how many jobs may be in progress after a quiet time."""
    return min(most, window + 1)
