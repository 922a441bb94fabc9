"""
Pauses answered elsewhere: on the service's own page, or by another client.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from .. import _clock
from ..errors import HeyGenError

if TYPE_CHECKING:
    from ._job_context import JobContext
    from ._locks import Locks
    from ._schema import JobRow

log = logging.getLogger("heygen_async")

_LEAST: Final = 0.2  # seconds between two polls, however many jobs wait


class PausePoller:
    """Polls the sessions of the jobs that wait for an answer, rarely, and by one process of all."""

    def __init__(self, context: JobContext, locks: Locks, *, every: float) -> None:
        self._context = context
        self._locks = locks
        self._every = every

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                rows = await self._find_waiting()
                for row in rows:
                    await _clock.sleep(max(self._every / len(rows), _LEAST))
                    await self._poll(row)
            except Exception:
                log.exception("The jobs that wait for an answer could not be polled")
                rows = []
            if not rows:
                await _clock.sleep(self._every)

    async def _find_waiting(self) -> list[JobRow]:
        access, store = self._context.access, self._context.store
        if not await access.persist(self._locks.take, f"{store.name}/pauses"):
            return []
        return await access.persist(store.rows, "reviewing")

    async def _poll(self, row: JobRow) -> None:
        try:
            state = await self._context.session(row).refresh()
        except HeyGenError:
            return  # the next poll may succeed
        if not state.is_paused:
            store = self._context.store
            await self._context.access.persist(store.answer, row.key, None, store.stage(row))
