"""
Which messages are new: bookkeeping over a window that shows only the newest 40, newest first.

Messages have no ids, so one is known by its content, author and time; windows may repeat or reorder them
(contract.md). Numbers count messages in the order they were first seen; a cursor is the number of the last one
delivered.
"""

from __future__ import annotations

import html
import re
import unicodedata
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..models import Message

WINDOW = 40
_REMEMBERED = 200  # fingerprints: enough for windows that fall back, little enough for 100,000 sessions
_NONE: Mapping[str, int] = MappingProxyType({})  # most of 50,000 sessions have not said anything yet
_ENCODER = msgspec.msgpack.Encoder()


class Conversation:
    """The messages seen so far; the newest 40 are kept whole."""

    __slots__ = ("_gap", "_kept", "_last", "_numbers", "cursor")

    def __init__(self) -> None:
        self.cursor: int = 0
        self._gap = 0
        self._kept: Sequence[Message] = ()
        self._last: Sequence[Message] = ()
        self._numbers: Mapping[str, int] = _NONE

    @property
    def messages(self) -> Sequence[Message]:
        """The newest messages, oldest first."""
        return self._kept

    def fingerprints(self, cursor: int) -> list[str]:
        """Return what `recall` needs to know the newest messages up to the cursor again, oldest first."""
        return [mark for mark, number in self._numbers.items() if number <= cursor][-WINDOW:]

    def recall(self, fingerprints: Sequence[str]) -> int:
        """Return the cursor after these; a conversation not read yet counts them as seen."""
        if not self._numbers:
            self._numbers = {mark: number for number, mark in enumerate(fingerprints, start=1)}
            self.cursor = len(fingerprints)
        return max((self._numbers.get(mark, 0) for mark in fingerprints), default=0)

    def add(self, window: Sequence[Message]) -> None:
        """Take a window as read, newest first."""
        if window is self._last or window == self._last:
            return
        self._last = window
        told = _fingerprints(window)
        fresh = [(mark, message) for mark, message in told if mark not in self._numbers]
        if self._numbers and len(window) >= WINDOW and len(fresh) == len(told):
            self._gap = self.cursor + 1
        numbers = dict(self._numbers)
        for mark, _ in fresh:
            self.cursor += 1
            numbers[mark] = self.cursor
        for mark in list(numbers)[: max(0, len(numbers) - _REMEMBERED)]:
            del numbers[mark]
        self._numbers = numbers
        self._kept = (*self._kept, *(message for _, message in fresh))[-WINDOW:]

    def since(self, cursor: int) -> tuple[tuple[Message, ...], bool]:
        """Return the messages after the cursor, oldest first, and whether some went by unseen."""
        unread = self.cursor - cursor
        missed = cursor < self._gap or unread > len(self._kept)
        return tuple(self._kept[-unread:] if unread > 0 else ()), missed and unread > 0

    def has_sent(self, said: str, cursor: int) -> bool:
        """Whether a message of the user with this mark came after the cursor."""
        return self._own(said, cursor) is not None

    def answers(self, said: str, cursor: int) -> bool:
        """Whether the model spoke after the user's message with this mark, itself after the cursor."""
        place = self._own(said, cursor)
        return place is not None and any(message.role == "model" for message in self._kept[place + 1 :])

    def _own(self, said: str, cursor: int) -> int | None:
        unread = min(self.cursor - cursor, len(self._kept))
        for place in range(len(self._kept) - unread, len(self._kept)):
            message = self._kept[place]
            if message.role == "user" and marked(message.content) == said:
                return place
        return None


def marked(text: str) -> str:
    """Return what a message's words are known again by, without keeping them."""
    return blake2b(text.strip().encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _fingerprints(window: Sequence[Message]) -> list[tuple[str, Message]]:
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
    for _ in range(_UNESCAPES):
        unescaped = html.unescape(text)
        if unescaped == text:
            break
        text = unescaped
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
