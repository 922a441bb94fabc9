"""
The line of creates that wait for room under the job cap.
"""

from __future__ import annotations

import math
from bisect import insort
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from .. import _clock
from .._api.calls import Kind
from ..errors import ClientStateError, RateLimited
from .retry import Throttle

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .open_writes import PendingWrite

CAP_HINT = (
    "The account has as many jobs in progress as it may; wait until one ends, pass a longer max_wait, "
    "or ask the service for a larger plan."
)


class CreateQueue:
    """
    After a 429 creates go one at a time, first come, first served, until one has gone through and none waits.

    Hundreds that wait for room would else all try again at the same moment.

    Attributes:
        throttle: When the service wants to be asked again.
    """

    def __init__(self) -> None:
        self.throttle: Throttle = Throttle()
        self._is_full = self._is_stopped = False
        self._holder: PendingWrite[Any] | None = None
        self._waiting: list[tuple[int, PendingWrite[Any]]] = []

    @asynccontextmanager
    async def turn(self, write: PendingWrite[Any], started: float) -> AsyncGenerator[None]:
        """
        Wait until a write may be attempted, as its caller has since the loop time `started`; only creates wait.

        Raises:
            RateLimited: It would have to wait longer than its caller wants to.
            ClientStateError: No create is attempted any more.
        """
        if write.call.kind is not Kind.CREATE:
            yield
            return
        is_held = self._is_full and await self._wait(write, started)
        try:
            self.check_open(write)
            yield
        except RateLimited:
            self._is_full = True
            raise
        else:
            if is_held and not self._waiting:
                self._is_full = self.throttle.resume > _clock.now()
        finally:
            if is_held:
                self._call_next()

    def stop(self) -> None:
        """Attempt no create any more, but those that may have happened; those that wait end at once."""
        self._is_stopped = True
        for write in (self._holder, *(write for _, write in self._waiting)):
            if write is not None:
                write.alarm.ring()

    def check_open(self, write: PendingWrite[Any] | None = None) -> None:
        """
        Refuse a create that would begin now.

        Raises:
            ClientStateError: None is attempted any more.
        """
        if self._is_stopped and (write is None or not write.may_exist):
            raise ClientStateError("This client is closing; nothing was made.", hint="Make a new HeyGen().")

    async def _wait(self, write: PendingWrite[Any], started: float) -> bool:
        """Wait in line, then for the pace; return whether it is this write's turn, False for an abandoned one."""
        latest = math.inf if write.max_wait is None else started + write.max_wait
        entry = (write.number, write)
        insort(self._waiting, entry)
        try:
            while not write.is_abandoned and (self._holder is not None or self._waiting[0] is not entry):
                self.check_open(write)
                self._check_wait(latest, _clock.now())
                await write.alarm.wait(None if latest == math.inf else latest)
        finally:
            self._waiting.remove(entry)
        if self._holder is not None:
            return False
        self._holder = write
        try:
            while not write.is_abandoned and (resume := self.throttle.resume) > _clock.now():
                self.check_open(write)
                self._check_wait(latest, resume)
                await write.alarm.wait(resume)
        except BaseException:
            self._call_next()
            raise
        return True

    def _call_next(self) -> None:
        self._holder = None
        if self._waiting:
            self._waiting[0][1].alarm.ring()

    def _check_wait(self, latest: float, until: float) -> None:
        if until >= latest:
            raise RateLimited(
                "The service has no room for another job now.",
                status=429,
                code="rate_limit_exceeded",
                retry_after=max(self.throttle.resume - _clock.now(), 1.0),
                hint=CAP_HINT,
            )
