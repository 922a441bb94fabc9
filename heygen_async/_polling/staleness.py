"""
Whether a session read after a message of ours is still the one from before it: decided by evidence, never by time.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from msgspec import Struct

from ..models import SessionStatus
from .messages import Evidence, SentText, evidence

if TYPE_CHECKING:
    from ..models import SessionData
    from .messages import Conversation

STALE = 600.0  # seconds after which a pause that was answered and still shows is an error


class Staleness(Enum):
    """What a session read after a message of ours is."""

    OLD = auto()
    WORKING = auto()  # believed, but does not show our message: a pause after it may still be the old one
    NEW = auto()


class StaleGuard(Struct):
    """
    After a send: what is not believed until there is evidence that it is new.

    Attributes:
        since: When the message was there; None for a restored one, which counts from the first read.
        settle: Seconds after which the state from before may be shown, marked as stale.
        stale: Seconds after which it is an error for who waits.
        sent: The text; None when the pause is only doubted.
        before: The messages from before it; None when they were not read.
        status: The state from before; None when it is not known.
        is_blocking: Whether the newest read showed the state from before, or nothing was read yet.
        is_shown: Whether the state from before was shown, marked as stale.
    """

    since: float | None
    settle: float
    stale: float
    sent: SentText | None
    before: frozenset[str] | None
    status: SessionStatus | None
    is_blocking: bool = True
    is_shown: bool = False

    def stalled_since(self, now: float) -> float | None:
        """Return since when a pause that was answered shows still, if that is too long; else None."""
        if self.since is None or not self.is_blocking or now - self.since < self.stale:
            return None
        return self.since

    def judge(
        self, data: SessionData, conversation: Conversation, now: float, *, has_new_video: bool
    ) -> Staleness:
        """Decide whether a session is as before our message, as far as is known (design §3.6)."""
        status, shown = data.status, Evidence.UNKNOWN
        if conversation.shown and not data.messages:
            shown = Evidence.ABSENT
        elif data.messages:
            shown = evidence(data.messages, self.before, self.sent, shows_user=conversation.shows_user)
        if status.is_terminal and (has_new_video or not self._may_be_old_end(data)):
            return Staleness.NEW
        if not (status.is_paused or status.is_terminal):
            # In a conversation that has our message, or never shows it, what pauses after this is new.
            is_certain = shown is not Evidence.ABSENT or self.sent is None
            return Staleness.NEW if is_certain else Staleness.WORKING
        is_new = shown is Evidence.ANSWERED or self._is_only_doubted(shown, now)
        return Staleness.NEW if is_new else Staleness.OLD

    def _may_be_old_end(self, data: SessionData) -> bool:
        if not data.messages and not self.is_blocking:
            return False  # it was at work since, and shows nothing that says otherwise
        return self.status in (None, data.status)

    def _is_only_doubted(self, shown: Evidence, now: float) -> bool:
        """Whether a doubted pause has stood for so long without an answer that it is one."""
        if self.sent is not None or shown is Evidence.SHOWN:
            return False
        return self.since is not None and now - self.since >= self.settle
