"""
Whether a session read after a message of ours is still the one from before it: decided by evidence, never by time.

A conversation only grows. So what it shows without our message is from before it, and so is what the service made
before we sent it, where its time is known.
"""

from __future__ import annotations

from enum import Enum, auto
from hashlib import blake2b
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from ..models import Message, SessionData, SessionStatus
from .messages import WINDOW, Conversation, compare_texts, name_messages, normalize_text

if TYPE_CHECKING:
    from collections.abc import Sequence

STALE = 600.0  # seconds after which a pause that was answered and still shows is an error


class Staleness(Enum):
    """What a session read after a message of ours is."""

    OLD = auto()
    WORKING = auto()  # believed, but does not show our message: a pause after it may still be the old one
    NEW = auto()


class Evidence(Enum):
    """What a window shows of a message of ours."""

    UNKNOWN = auto()  # nothing can be concluded: the service shows no messages of the user
    ABSENT = auto()
    SHOWN = auto()
    ANSWERED = auto()  # with a message of the model after it


class SentText(Struct, frozen=True):
    """
    A text of ours, to be recognised in an echo.

    Attributes:
        mark: The fingerprint of its normalised form.
        text: Itself; None in another process, which recognises the normalised form only.
    """

    mark: str
    text: str | None = None

    def is_echo(self, shown: str) -> bool:
        """Whether a text shown may be this one."""
        if self.text is not None:
            return compare_texts(self.text, shown) != "other"
        return self.mark == text_mark(shown)


def text_mark(text: str) -> str:
    """Return what a text is recognised by, without keeping it."""
    return blake2b(normalize_text(text).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class StaleGuard(Struct):
    """
    After a send: what is not believed until there is evidence that it is new.

    Attributes:
        since: When the message was there; None for a restored one, which counts from the first read.
        settle: Seconds after which the state from before may be shown, marked as stale.
        stale: Seconds after which it is an error for who waits.
        sent: The text; None when the pause is only doubted.
        before: The messages from before it; None when none were read.
        status: The state from before; None when it is not known.
        sent_at: The service's time before which our message cannot have been made; None when that is not known.
        is_blocking: Whether the newest read showed the state from before, or nothing was read yet.
        is_shown: Whether the state from before was shown, marked as stale.
    """

    since: float | None
    settle: float
    stale: float
    sent: SentText | None
    before: frozenset[str] | None
    status: SessionStatus | None
    sent_at: int | None = None
    is_blocking: bool = True
    is_shown: bool = False

    def without_words(self) -> StaleGuard:
        """Return it for another process: the words stay here, and the time is of this loop."""
        sent = None if self.sent is None else SentText(self.sent.mark)
        return structs.replace(self, since=None, sent=sent, is_blocking=True, is_shown=False)

    def judge(
        self, data: SessionData, conversation: Conversation, now: float, *, has_new_video: bool
    ) -> Staleness:
        """Decide whether a session is as before our message, as far as is known (design §3.6)."""
        status, shown = data.status, Evidence.UNKNOWN
        if conversation.shown and not data.messages:
            shown = Evidence.ABSENT
        elif data.messages:
            shown = self.look_for_ours(data.messages, shows_user=conversation.shows_user)
        # One that was at work since, and shows no message that says otherwise, has ended anew.
        may_be_old = self.status in (None, status) and (bool(data.messages) or self.is_blocking)
        if status.is_terminal and (has_new_video or not may_be_old):
            return Staleness.NEW
        if not (status.is_paused or status.is_terminal):
            # In a conversation that has our message, or never shows it, what pauses after this is new.
            is_certain = shown is not Evidence.ABSENT or self.sent is None
            return Staleness.NEW if is_certain else Staleness.WORKING
        if shown is Evidence.ANSWERED or self._is_only_doubted(shown, now):
            return Staleness.NEW
        if self.since is not None and self.sent is not None:
            conversation.lag = max(conversation.lag, now - self.since)
        return Staleness.OLD

    def look_for_ours(self, window: Sequence[Message], *, shows_user: bool) -> Evidence:
        """
        Say what a window shows of our message, and learn from one that lacks it what was there before.

        Args:
            window: The messages, newest first.
            shows_user: Whether the service shows messages of the user at all.
        """
        named = name_messages(window)
        new = [message for mark, message in named if not self._is_from_before(mark, message)]
        is_certain = self.before is not None or self.sent_at is not None
        if not shows_user:
            if is_certain and any(message.role == "model" and self._is_after(message) for message in new):
                return Evidence.ANSWERED
            self.before = frozenset(mark for mark, _ in named) if self.before is None else self.before
            # Forty of the model may have pushed out those of the user: only in fewer is it known that none is shown.
            return Evidence.UNKNOWN if len(window) < WINDOW else Evidence.ABSENT
        ours = self._find_ours(new, is_certain=is_certain)
        if ours is not None:
            # Where older messages were not read, one with the same words may be another.
            is_answered = is_certain and any(message.role == "model" for message in new[ours + 1 :])
            return Evidence.ANSWERED if is_answered else Evidence.SHOWN
        has_time = self.sent_at is not None
        if has_time and len(window) >= WINDOW and len(new) == len(named) and all(map(self._is_after, new)):
            return Evidence.ANSWERED  # forty newer messages have pushed it out; nothing older can look so
        self.before = (self.before or frozenset()) | {mark for mark, _ in named}
        return Evidence.ABSENT

    def _is_from_before(self, mark: str, message: Message) -> bool:
        if self.before is not None and mark in self.before:
            return True
        made_at = message.created_at
        return self.sent_at is not None and made_at is not None and made_at < self.sent_at

    def _is_after(self, message: Message) -> bool:
        """Whether a message can only be newer than ours; in the same second it may be older, and shown late."""
        return self.sent_at is None or message.created_at is None or message.created_at > self.sent_at

    def _find_ours(self, new: Sequence[Message], *, is_certain: bool) -> int | None:
        """Find our message; an echo that cannot be recognised is the first new one of the user."""
        users = [place for place, message in enumerate(new) if message.role == "user"]
        if self.sent is not None:
            for place in reversed(users):
                if self.sent.is_echo(new[place].content):
                    return place
        return users[0] if users and is_certain else None

    def _is_only_doubted(self, shown: Evidence, now: float) -> bool:
        """Whether a doubted pause has stood for so long without an answer that it is one."""
        if self.sent is not None or shown is Evidence.SHOWN:
            return False
        return self.since is not None and now - self.since >= self.settle
