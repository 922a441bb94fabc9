"""Which session a lost create has made: a decision from what the service shows."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from .._polling.messages import Likeness, compare_texts

_LIKEST_FIRST: tuple[Likeness, ...] = ("same", "similar", "other")


class Found(Struct, frozen=True):
    """
    A session that this client does not own.

    Attributes:
        session_id: Its id.
        likeness: How its prompt compares with ours; None while it cannot be read, `other` if it is that of another
            create in doubt.
        is_longer: Whether it shows more than was sent.
        is_before: Whether it seems older than our attempt, as far as the clocks can be compared.
        created_at: When the service made it, in its own Unix seconds.
    """

    session_id: str
    likeness: Likeness | None
    is_longer: bool = False
    is_before: bool = False
    created_at: int = 0


class Doubt(Struct, frozen=True):
    """It cannot be told which session it is, or whether there is one; further reads may tell if it `may_pass`."""

    why: str
    may_pass: bool = False


def compare_prompt(sent: str, texts: Sequence[str]) -> Likeness | None:
    """Compare a prompt with the texts of a session's user; None when there is none that can be read."""
    likenesses: set[Likeness] = {compare_texts(sent, text) for text in texts if text.strip()}
    return min(likenesses, key=_LIKEST_FIRST.index, default=None)


def candidates(found: Sequence[Found], *, others_count: bool) -> tuple[str, ...]:
    """Return the sessions that may be it; those with other words if they count and there are no better ones."""
    likely = tuple(item.session_id for item in found if item.likeness != "other")
    others = tuple(item.session_id for item in found if not item.is_before) if others_count else ()
    return likely or others


def match_create(
    found: Sequence[Found], *, pending: int, interchangeable: bool, others_count: bool, has_files: bool
) -> Found | Doubt | None:
    """
    Decide which session a create with an unknown outcome has made; None when it has made none.

    `pending` creates of this prompt are recovered at the same time. While they are interchangeable any of them may
    take any match. When there are more matches than creates, one of them is another process's; when they differ in
    their options, or one has ended in doubt, they cannot be told apart. What seems older than the attempt is never
    taken. A session with other words may be ours, changed beyond recognition, if `others_count`.

    A service that showed our prompt changed would not show it unchanged elsewhere, so the same words are better than
    similar ones ("Film 1" and "Film 12"); but it may show files as words of a prompt, so not if it `has_files`.
    """
    matches = [item for item in found if item.likeness == "same"]
    if has_files or not matches:
        matches = [item for item in found if item.likeness in ("same", "similar")]
    if len(matches) > pending:
        return Doubt("several sessions may be it")
    if any(item.likeness is None for item in found):
        return Doubt("a session that may be it cannot be read", may_pass=True)
    if not matches:
        has_others = others_count and any(not item.is_before for item in found)
        return Doubt("the service may show the prompt in other words") if has_others else None
    if not interchangeable:
        return Doubt("creates of one prompt cannot be told apart")
    takeable = [item for item in matches if not item.is_before]
    if not takeable:
        return Doubt("a session that may be it seems older")
    # The oldest: a create that began later could not take it, and would find none if it had the newer one taken away.
    return min(takeable, key=lambda item: (item.likeness != "same", item.created_at))
