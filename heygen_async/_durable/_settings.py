"""
How a batch is worked for in this process.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heygen_async._jobs import BatchEvent, BatchReviewer

if TYPE_CHECKING:
    from heygen_async.errors import HeyGenError

OnEvent = Callable[[BatchEvent], Awaitable[Any] | Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `DurableBatch` was given."""

    max_in_flight: int
    reviewer: BatchReviewer | None
    on_event: OnEvent | None
    download_to: Path | None
    stop_on: tuple[type[HeyGenError], ...]
    poll: float
