"""
Telling the caller how far a transfer is, often enough to be seen and rarely enough to cost nothing.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from .. import _clock
from ..errors._arguments import check_callable, given
from ..models import Transfer

if TYPE_CHECKING:
    from ..models import OnProgress

_EMIT_EVERY = 0.1  # seconds


class Meter:
    """Calls `on_progress`, at most ten times a second and once at the end."""

    def __init__(self, on_progress: OnProgress | None, total: int | None = None) -> None:
        check_callable(**given(on_progress=on_progress))
        self._on_progress = on_progress
        self._started = _clock.now()
        self._last = self._started - _EMIT_EVERY
        self.total = total

    async def report(self, done: int) -> None:
        """Report so many bytes, unless something was reported a moment ago."""
        if self._on_progress is not None and _clock.now() - self._last >= _EMIT_EVERY:
            await self._emit(self._on_progress, done)

    async def finish(self, done: int) -> None:
        """Tell of the end, a tenth of a second after anything else."""
        if self._on_progress is None:
            return
        await _clock.sleep(max(0.0, self._last + _EMIT_EVERY - _clock.now()))
        self.total = done
        await self._emit(self._on_progress, done)

    async def _emit(self, on_progress: OnProgress, done: int) -> None:
        now = self._last = _clock.now()
        answer = on_progress(Transfer(done_bytes=done, total_bytes=self.total, elapsed=now - self._started))
        if inspect.isawaitable(answer):
            await answer
