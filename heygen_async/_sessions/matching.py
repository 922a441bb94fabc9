"""Which session a lost create has made: a decision from what the service shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from .._polling.messages import compare_texts

Likeness = Literal["same", "similar", "other"]


@dataclass(frozen=True, slots=True)
class Found:
    """
    A session that this client does not own.

    Attributes:
        session_id: Its id.
        likeness: How its prompt compares with ours; None while it cannot be read.
        is_longer: Whether it shows more than was sent.
        is_before: Whether it seems older than our attempt, as far as the clocks can be compared.
        created_at: When the service made it, in its own Unix seconds.
    """

    session_id: str
    likeness: Likeness | None
    is_longer: bool = False
    is_before: bool = False
    created_at: int = 0


@dataclass(frozen=True, slots=True)
class Adopt:
    """Take over this session."""

    found: Found


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """It cannot be told which of these it is, or whether it is one of them."""

    candidates: tuple[str, ...]
    why: str


class Verdict(Enum):
    """Nothing to adopt among what was found."""

    ABSENT = auto()
    UNREADABLE = auto()


def compare_prompt(sent: str, texts: Sequence[str]) -> Likeness | None:
    """Compare a prompt with the texts of a session's user; None when there is none that can be read."""
    likenesses = {compare_texts(sent, text) for text in texts if text.strip()}
    for likeness in ("same", "similar", "other"):
        if likeness in likenesses:
            return likeness
    return None


def match_create(
    found: Sequence[Found],
    *,
    pending: int,
    interchangeable: bool,
    echoes_exactly: bool,
    others_count: bool,
) -> Adopt | Ambiguous | Verdict:
    """
    Decide which session a create with an unknown outcome has made, if any.

    `pending` creates of this prompt are recovered at the same time. While they are interchangeable any of them may
    take any match. When there are more matches than creates, one of them is another process's; when they differ in
    their options, or one has ended in doubt, they cannot be told apart. What seems older than the attempt is never
    taken. A session with other words may be ours, changed beyond recognition, if `others_count`; one with more words
    is not, where the service is known to echo exactly.
    """
    if echoes_exactly:
        found = [item for item in found if not (item.likeness == "similar" and item.is_longer)]
    matches = [item for item in found if item.likeness in ("same", "similar")]
    unread = [item for item in found if item.likeness is None]
    others = [item for item in found if item.likeness == "other" and not item.is_before]
    if unread and len(matches) <= pending:
        return Verdict.UNREADABLE
    if matches:
        return _choose(matches, unread, pending, interchangeable=interchangeable)
    if others and others_count:
        ids = tuple(item.session_id for item in others)
        return Ambiguous(ids, "the service may show the prompt in other words")
    return Verdict.ABSENT


def _choose(
    matches: Sequence[Found], unread: Sequence[Found], pending: int, *, interchangeable: bool
) -> Adopt | Ambiguous:
    ids = tuple(item.session_id for item in (*matches, *unread))
    if len(matches) > pending:
        return Ambiguous(ids, "several sessions may be it")
    if not interchangeable:
        return Ambiguous(ids, "creates of one prompt cannot be told apart")
    if matches[0].is_before:
        return Ambiguous(ids, "a session that may be it seems older")
    return Adopt(matches[0])
