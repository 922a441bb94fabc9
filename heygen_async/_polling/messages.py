"""
Which messages are new: bookkeeping over a window that shows only the newest 40, newest first.

Messages have no ids, so one is known by its content, author and time; windows may repeat or reorder them
(contract.md). Numbers count messages in the order they were first seen; a cursor is the number of the last one
delivered. Reads are not monotonic (contract.md, 16): a window that lacks what was shown before and brings nothing new
is older, and is not taken.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Literal

import msgspec
from msgspec import Struct

from ..models import Message, SessionState, VideoInfo

WINDOW = 40
_REMEMBERED = 200  # fingerprints: enough for windows that fall back, little enough for 100,000 sessions
_NONE: Mapping[str, int] = MappingProxyType({})  # most of 50,000 sessions have not said anything yet
_ENCODER = msgspec.msgpack.Encoder()


class Conversation(Struct, eq=False, gc=False):
    """
    The messages seen so far; the newest 40 are kept whole.

    Nothing in it leads back to it, so that the garbage collector need not visit it.

    Attributes:
        cursor: The number of the newest message.
        messages: The newest messages, oldest first.
        window: The newest window, as it was read.
        digest: The hash of the bytes it was read from; 0 where it was not told apart from the rest of the answer.
        shown: The fingerprints of the newest window, oldest first.
        newest_at: The service's time of the newest message.
        lag: For how many seconds it has been shown as it was before a message of ours.
        shows_user: Whether a message of the user was ever shown; some services may show the model's only.
    """

    cursor: int = 0
    messages: Sequence[Message] = ()
    window: Sequence[Message] = ()
    digest: int = 0
    shown: Sequence[str] = ()
    newest_at: int = 0
    lag: float = 0.0
    shows_user: bool = False
    _gap: int = 0
    _numbers: Mapping[str, int] = _NONE

    def fingerprints(self, cursor: int) -> list[str]:
        """Return the fingerprints of the newest messages up to the cursor, oldest first."""
        return [mark for mark, number in self._numbers.items() if number <= cursor][-WINDOW:]

    def recall(self, fingerprints: Sequence[str], shown: Sequence[str] = (), newest_at: int = 0) -> int:
        """
        Return the cursor after these; a conversation not read yet counts them as delivered.

        `shown` are those of the newest window that was read, `newest_at` is the time of its newest message.
        """
        if not self._numbers:
            self._numbers = {mark: number for number, mark in enumerate(fingerprints, start=1)}
            self.cursor = len(fingerprints)
            self.shown, self.newest_at = tuple(shown), newest_at
        return max((self._numbers.get(mark, 0) for mark in fingerprints), default=0)

    def add(self, window: Sequence[Message]) -> bool:
        """Take a window as read, newest first; False when it is older than what is known, and is not taken."""
        if window is self.window or window == self.window:
            return True
        named = name_messages(window)
        marks = {mark for mark, _ in named}
        newest_at = max((message.created_at or 0 for message in window), default=0)
        if not marks.issuperset(self.shown) and not self._brings_news(marks, newest_at):
            return False
        self.window, self.digest, self.newest_at = window, 0, newest_at
        self.shown = tuple(mark for mark, _ in named)
        self.shows_user = self.shows_user or any(message.role == "user" for message in window)
        fresh = [(mark, message) for mark, message in named if mark not in self._numbers]
        if self._numbers and len(window) >= WINDOW and len(fresh) == len(named):
            self._gap = self.cursor + 1
        numbers = dict(self._numbers)
        for mark, _ in fresh:
            self.cursor += 1
            numbers[mark] = self.cursor
        for mark in list(numbers)[: max(0, len(numbers) - _REMEMBERED)]:
            del numbers[mark]
        self._numbers = numbers
        self.messages = (*self.messages, *(message for _, message in fresh))[-WINDOW:]
        return True

    def _brings_news(self, marks: Iterable[str], newest_at: int) -> bool:
        """Whether a window that lacks messages is newer: it has others that were not seen, and none is from before."""
        if newest_at < self.newest_at and newest_at:
            return False
        return not all(mark in self._numbers or mark in self.shown for mark in marks)

    def since(self, cursor: int) -> tuple[tuple[Message, ...], bool]:
        """Return the messages after the cursor, oldest first, and whether some went by unseen."""
        unread = self.cursor - cursor
        missed = cursor < self._gap or unread > len(self.messages)
        return tuple(self.messages[-unread:] if unread > 0 else ()), missed and unread > 0

    def before_answer(self) -> frozenset[str]:
        """Return the fingerprints shown but for messages of the user at the end, which may be answers to a pause."""
        named = name_messages(self.window)
        while named and named[-1][1].role == "user":
            named.pop()
        return frozenset(mark for mark, _ in named) if self.window else frozenset(self.shown)


def name_messages(window: Sequence[Message]) -> list[tuple[str, Message]]:
    """Name each message, oldest first; without a time, the second of two alike is another message."""
    named: list[tuple[str, Message]] = []
    seen: dict[str, int] = {}
    for message in reversed(window):
        mark = blake2b(_ENCODER.encode(message), digest_size=8).hexdigest()
        count = seen[mark] = seen.get(mark, 0) + 1
        if count > 1:
            if message.created_at is not None:
                continue
            mark = f"{mark}.{count}"
        named.append((mark, message))
    return named


# ---- how an echo compares with what was sent ----------------------------------------------------------------------

Likeness = Literal["same", "similar", "other"]

_OVERLAP = 12  # letters and digits that a cut or prefixed echo must share with what was sent
_UNESCAPES = 3  # an escaped text may have been escaped again
_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc`\u00b4", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        "\u2026": "...",
    }
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def compare_texts(sent: str, shown: str) -> Likeness:
    """
    Compare a text of ours with one the service shows, whose echo need not be exact (contract.md, 17).

    `same`: equal but for line ends, spaces, Unicode form, quotes, dashes, HTML escapes and marks nobody sees.
    `similar`: the rest of it may be ours, cut short, with something before or after it, or without its punctuation.
    """
    if sent == shown:
        return "same"
    ours, theirs = normalize_text(sent), normalize_text(shown)
    if ours == theirs:
        return "same"
    return "similar" if _share_letters(_letters(ours), _letters(theirs)) else "other"


def normalize_text(text: str) -> str:
    """Return a text without what services change in an echo though a reader sees no difference."""
    import html  # a table of all its entities, for the few texts that are compared

    for _ in range(_UNESCAPES):
        text = html.unescape(text)
    text = _INVISIBLE.sub("", _SURROGATES.sub("\ufffd", text)).translate(_TYPOGRAPHY)
    return " ".join(unicodedata.normalize("NFC", text).split())


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def _share_letters(ours: str, theirs: str) -> bool:
    """Whether one text may be the other, cut short or with something around it."""
    if not ours or not theirs:
        return False
    start = theirs.find(ours[:_OVERLAP])  # ours may begin later: something was put before it
    if start < 0:
        return False
    rest = theirs[start:]
    if len(rest) >= len(ours):
        return rest.startswith(ours)
    return len(rest) >= _OVERLAP and ours.startswith(rest)


# ---- why a session failed, and what the agent said last -----------------------------------------------------------

NO_REASON = (
    "No reason given; it happens intermittently, more with prompts over 2,500 characters; "
    "the same prompt often works again."
)


def failure(video: VideoInfo | None, messages: Sequence[Message]) -> tuple[str, str]:
    """
    Say why a session failed, as (reason, source), from what the service did tell.

    Both of the video's fields are often null (contract.md, 2). The agent's last words are no reason: they may be its
    friendly first line (contract.md, 8). `messages` oldest first.
    """
    for reason in () if video is None else (video.failure_message, video.failure_code):
        if reason and reason.strip():
            return reason, "video"
    for message in reversed(messages):
        if message.type == "error" and message.content.strip():
            return message.content, "error_message"
    return NO_REASON, "sdk"


def last_words(state: SessionState | None) -> str | None:
    """Return the agent's newest words, at a pause what it asks; None when it said nothing."""
    for message in () if state is None else state.messages:
        if message.role == "model" and message.content.strip():
            return message.content
    return None
