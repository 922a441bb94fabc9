"""Which session a lost create has made: the decision alone, from what the service shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygen_async._sessions.matching import Adopt, Ambiguous, Found, Verdict, compare_prompt, match_create

OURS = [Found(f"ours-{number}", "same", created_at=number) for number in range(4)]
SIMILAR = Found("similar", "similar")
OLDER = Found("older", "same", is_before=True)
OTHER = Found("other", "other")
UNREAD = Found("unread", None)

each = pytest.mark.parametrize


def match(
    found: list[Found], *, pending: int, interchangeable: bool = True, others_count: bool = False
) -> Adopt | Ambiguous | Verdict:
    """Decide for a service that is not known to echo exactly, or is."""
    return match_create(
        found,
        pending=pending,
        interchangeable=interchangeable,
        echoes_exactly=False,
        others_count=others_count,
    )


def ids(verdict: Adopt | Ambiguous | Verdict) -> object:
    """Return what a verdict is about."""
    match verdict:
        case Adopt():
            return verdict.found.session_id
        case Ambiguous():
            return set(verdict.candidates)
        case _:
            return verdict


@each(
    ("found", "pending", "expected"),
    [
        ([], 1, Verdict.ABSENT),
        ([OTHER, OTHER], 1, Verdict.ABSENT),
        ([UNREAD], 1, Verdict.UNREADABLE),
        ([OTHER, UNREAD], 3, Verdict.UNREADABLE),
        ([OURS[0], UNREAD], 1, Verdict.UNREADABLE),
        ([OURS[0]], 1, "ours-0"),
        ([SIMILAR], 1, "similar"),
        ([OTHER, OURS[1]], 1, "ours-1"),
        ([OURS[1]], 3, "ours-1"),
        (OURS[:3], 3, "ours-0"),
        (OURS[:2], 1, {"ours-0", "ours-1"}),
        ([OURS[0], SIMILAR], 1, {"ours-0", "similar"}),
        ([OLDER], 1, {"older"}),
        ([OURS[0], OLDER], 1, {"ours-0", "older"}),
        ([OTHER, *OURS], 3, {"ours-0", "ours-1", "ours-2", "ours-3"}),
    ],
)
def test_what_is_there_decides(found: list[Found], pending: int, expected: object) -> None:
    """One session for each create is adopted; with more, or older ones, it cannot be told; none is not there."""
    assert expected == ids(match(found, pending=pending, interchangeable=True))


@each(
    ("found", "pending", "expected"),
    [
        (OURS[:1], 1, {"ours-0"}),
        (OURS[:1], 2, {"ours-0"}),
        (OURS[:2], 2, {"ours-0", "ours-1"}),
        ([OTHER], 2, Verdict.ABSENT),
    ],
)
def test_creates_that_differ_are_not_interchangeable(
    found: list[Found], pending: int, expected: object
) -> None:
    """Of two creates that differ in their options, or of which one ended in doubt, neither can claim a session."""
    assert expected == ids(match(found, pending=pending, interchangeable=False))


def test_other_words_prove_nothing_unless_the_service_echoes() -> None:
    """Where the echo is not known to be exact, a session with other words may be ours; an older one is not."""
    older = Found("older", "other", is_before=True)

    assert {"other"} == ids(match([OTHER, older], pending=1, others_count=True))
    assert Verdict.ABSENT is match([older], pending=1, others_count=True)


@each(
    ("texts", "expected"),
    [
        ([], None),
        (["", " "], None),
        (["Something else about bread"], "other"),
        (["https://files.example.com/menu.pdf", "A tour of our bakery"], "same"),
    ],
)
def test_any_text_of_the_user_may_be_the_prompt(texts: list[str], expected: str | None) -> None:
    """The prompt is looked for in all texts of the user; a session that shows none cannot be read."""
    assert expected == compare_prompt("A tour of our bakery", texts)


@given(st.integers(1, 8), st.integers(0, 8))
def test_identical_creates_share_what_is_there(pending: int, made: int) -> None:
    """Of k creates in doubt as many adopt a session of their own as were made; the rest find none and send again."""
    there = [Found(str(number), "same") for number in range(min(made, pending))]
    adopted: list[str] = []
    for left in range(pending, 0, -1):
        unowned = [item for item in there if item.session_id not in adopted]
        verdict = match(unowned, pending=left, interchangeable=True)
        if isinstance(verdict, Adopt):
            adopted.append(verdict.found.session_id)
        else:
            assert verdict is Verdict.ABSENT

    assert [item.session_id for item in there] == adopted
