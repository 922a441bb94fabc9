"""
Statuses this release does not know: each is logged once, and none fills the memory.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ._redact import clean

if TYPE_CHECKING:
    from .models import SessionState

log = logging.getLogger("heygen_async")

_MOST = 100


class Vocabulary:
    """The unknown statuses one client has met."""

    __slots__ = ("_unknown",)

    def __init__(self) -> None:
        self._unknown: set[str] = set()

    def note(self, state: SessionState) -> None:
        """Log the status if it is new and unknown."""
        status = state.status
        if status.is_known or status in self._unknown or len(self._unknown) > _MOST:
            return
        self._unknown.add(str(status))
        said = {"event": "unknown_status", "session_id": state.session_id, "status": clean(str(status))}
        log.warning("The service uses a status this release does not know: %s", said["status"], extra=said)
