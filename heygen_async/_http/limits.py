"""
Time limits of many exchanges under one timer.

A timer for each exchange, as HTTP libraries and `asyncio.timeout` set it, is set and dropped thousands of times for
every time it is needed. Here one waits for the earliest limit and then looks for the next.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from .. import _clock

Task = asyncio.Task[Any]

_NEVER: Final = float("inf")


class TimeoutWheel:
    """The time limits of tasks on one event loop; a task has one at a time."""

    def __init__(self) -> None:
        self._limits: dict[Task, tuple[float, int]] = {}
        self._expired: dict[Task, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._earliest = _NEVER

    def begin(self, seconds: float) -> Task:
        """Limit what the running task does from now on; return the task, for `end`."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - only coroutines send requests
        when = _clock.now() + seconds
        self._limits[task] = when, task.cancelling()
        if when < self._earliest:
            self._wait_until(when)
        return task

    def end(self, task: Task, error: BaseException | None = None) -> None:
        """
        Lift the limit; the timer stays, since the next limit is later.

        Raises:
            TimeoutError: The limit is what ended it with this error. A cancel from elsewhere in the same moment wins:
                swallowing it would be the graver fault.
        """
        if self._limits.pop(task, None) is None and (cancelling := self._expired.pop(task, None)) is not None:
            is_ours = task.uncancel() <= cancelling
            if is_ours and isinstance(error, asyncio.CancelledError):
                raise TimeoutError from error

    def close(self) -> None:
        """Drop the timer; what is under way has no limit any more."""
        self._limits.clear()
        self._earliest = _NEVER
        if self._timer is not None:
            self._timer.cancel()

    def expire(self) -> None:
        """End all that is under way, as if its time were over."""
        self._sweep(_NEVER)

    def _wait_until(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._earliest = when
        self._timer = asyncio.get_running_loop().call_at(when, self._sweep, when)

    def _sweep(self, now: float) -> None:
        self._earliest = _NEVER
        for task in [task for task, (when, _) in self._limits.items() if when <= now]:
            self._expired[task] = self._limits.pop(task)[1]
            task.cancel()
        if self._limits:
            self._wait_until(min(when for when, _ in self._limits.values()))
