"""
A body on its way out: watched for silence, and able to say what went wrong at our end.

An HTTP client has no limit on silence while it sends, and reports what a body raised as a broken connection.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from .. import _clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ..models._assets import Body


@dataclass(slots=True, eq=False)
class UploadStream:
    """
    Hands out a body piece by piece.

    A piece that is asked for means that the one before it went out. Enter it around the exchange: it ends that with
    `TimeoutError` after `silence` seconds without, or `answer` seconds after the last one.

    Attributes:
        error: What the body raised, None for nothing.
    """

    _body: Body
    _silence: float
    _answer: float
    _limit: asyncio.Timeout | None = None
    error: Exception | None = None

    async def __aenter__(self) -> Self:
        self._limit = await asyncio.timeout(self._silence).__aenter__()
        return self

    async def __aexit__(self, *raised: object) -> None:
        # A client may still ask for pieces when the exchange is over; they move no limit any more.
        limit, self._limit = self._limit, None
        assert limit is not None  # noqa: S101 - it was entered
        await limit.__aexit__(*raised)  # type: ignore[arg-type]

    async def __aiter__(self) -> AsyncIterator[bytes | memoryview]:
        # From the beginning each time: a client may repeat a request on its own when a kept connection was dead.
        self._wait(self._silence)
        try:
            async for piece in self._body:
                yield piece
                self._wait(self._silence)
        except Exception as error:
            self.error = error
            raise
        self._wait(self._answer)

    def _wait(self, seconds: float) -> None:
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(_clock.now() + seconds)
