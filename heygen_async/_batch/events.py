"""
Delivers a batch's events to the caller's `on_event`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from .._redact import clean
from .job import BatchEvent

if TYPE_CHECKING:
    from .budget import Budget

log = logging.getLogger("heygen_async")

OnEvent = Callable[[BatchEvent], Awaitable[None] | None]


class EventHook:
    """
    The caller's `on_event`.

    Args:
        on_event: Called with each event.
        stop: Ends creating, for this reason.
        budget: Whose figures each event carries.
    """

    __slots__ = ("_budget", "_on_event", "_stop")

    def __init__(
        self, on_event: OnEvent | None, stop: Callable[[Exception], None], budget: Budget | None = None
    ) -> None:
        self._on_event = on_event
        self._stop = stop
        self._budget = budget

    async def emit(self, event: BatchEvent) -> None:
        """Deliver an event; what the callback raises is logged, since the job must not suffer from it."""
        try:
            await self._call(event)
        except Exception:
            extra = {"event": "on_event_failed", "kind": event.kind, "session_id": event.session_id}
            log.exception("on_event failed on %r of job %s", event.kind, clean(event.key), extra=extra)

    async def emit_or_stop(self, event: BatchEvent) -> None:
        """
        Deliver an event that the caller must be able to write down.

        Raises:
            Exception: Whatever the callback raised; creating has ended then.
        """
        try:
            await self._call(event)
        except Exception as error:
            self._stop(error)
            raise

    async def _call(self, event: BatchEvent) -> None:
        if self._on_event is not None:
            if self._budget is not None:
                event = replace(event, spent=self._budget.spent, reserved=self._budget.reserved)
            result = self._on_event(event)
            if inspect.isawaitable(result):
                await result
