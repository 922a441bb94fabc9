"""
Sessions that exist at the service and that no caller has got.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, overload

from .. import _clock
from .session import Session

if TYPE_CHECKING:
    from .._polling.state import SessionTracker
    from .._resources._context import Core

log = logging.getLogger("heygen_async")

MOST = 1000


class Orphan(Session):
    """
    A session that no caller has got: its `create()` was cancelled, or it was made twice.

    It is a session like any other, and yours to use, to keep or to stop.

    Attributes:
        prompt: What it is about.
        idempotency_key: The key its create was sent with.
        found_at: When this client learned of it.
    """

    __slots__ = ("found_at", "idempotency_key", "prompt")

    def __init__(self, core: Core, tracker: SessionTracker, *, prompt: str, idempotency_key: str) -> None:
        super().__init__(core, tracker)
        self.prompt: str = prompt
        self.idempotency_key: str = idempotency_key
        self.found_at: datetime = datetime.fromtimestamp(_clock.wall(), UTC)


class Orphans(Sequence[Orphan]):
    """
    The orphans of one client, oldest first.

    At most a thousand are kept; one that has to go is logged.
    """

    def __init__(self) -> None:
        self._kept: deque[Orphan] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Orphan]:
        return iter(tuple(self._kept))

    @overload
    def __getitem__(self, index: int) -> Orphan: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Orphan, ...]: ...
    def __getitem__(self, index: int | slice) -> Orphan | tuple[Orphan, ...]:
        return tuple(self._kept)[index]

    def __repr__(self) -> str:
        return f"<Orphans {list(self._kept)!r}>"

    def pop(self) -> Orphan | None:
        """Take the oldest; None when there is none."""
        return self._kept.popleft() if self._kept else None

    def drain(self) -> tuple[Orphan, ...]:
        """Take them all."""
        taken = tuple(self._kept)
        self._kept.clear()
        return taken

    def add(self, orphan: Orphan) -> None:
        """Keep one more."""
        self._kept.append(orphan)
        while len(self._kept) > MOST:
            oldest = self._kept.popleft()
            key = oldest.idempotency_key
            extra = {"event": "orphan_dropped", "session_id": oldest.id, "idempotency_key": key}
            log.warning("Session %s (key %s) is no longer among the orphans", oldest.id, key, extra=extra)

    def discard(self, session_id: str) -> None:
        """Forget one that a caller has come for."""
        self._kept = deque(orphan for orphan in self._kept if orphan.id != session_id)
