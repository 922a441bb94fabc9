"""
What one client knows of its sessions: the same for all handles and watches of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from .._polling import refs
from .._polling.state import SessionTracker

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._resources._context import Core
    from ..models import SessionState


class SessionRegistry:
    """
    The sessions of one client.

    Attributes:
        core: The client's parts.
        takes_auto_proceed: Whether the service has not yet refused the field.
    """

    __slots__ = ("_on_transition", "_trackers", "core", "takes_auto_proceed")

    def __init__(self, core: Core, on_transition: Callable[[SessionState], None] | None = None) -> None:
        self.core: Core = core
        self.takes_auto_proceed: bool = True
        self._on_transition = on_transition
        self._trackers: WeakValueDictionary[str, SessionTracker] = WeakValueDictionary()
        core.scheduler.trackers = self._trackers

    def tracker(self, session_id: str) -> SessionTracker:
        """Return what is known of a session, which is little when nobody holds a handle of it."""
        tracker = self._trackers.get(session_id)
        if tracker is None:
            tracker = self._keep(SessionTracker(session_id))
        return tracker

    def restore(self, ref: bytes | str) -> tuple[SessionTracker, int]:
        """
        Return what is known of the session of a ref, and the cursor of what was delivered.

        Raises:
            InvalidArgument: Not a ref, or one of a later release.
        """
        tracker, cursor = refs.read(ref, self._trackers)
        return self._keep(tracker), cursor

    def _keep(self, tracker: SessionTracker) -> SessionTracker:
        self._trackers[tracker.session_id] = tracker
        tracker.on_transition = self._on_transition
        return tracker
