"""Which session a lost create has made: the decision alone, from what the service shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygen_async._sessions.matching import Doubt, Found, candidates, compare_prompt, match_create

OURS = [Found(f"ours-{number}", "same", created_at=number) for number in range(4)]
SIMILAR = Found("similar", "similar")
OLDER = Found("older", "same", is_before=True)
OTHER = Found("other", "other")
UNREAD = Found("unread", None)
ABSENT, UNREADABLE = "absent", "unreadable"

each = pytest.mark.parametrize


def match(
    found: list[Found],
    *,
    pending: int,
    interchangeable: bool = True,
    others_count: bool = False,
    has_files: bool = False,
) -> object:
    """Return the id of what is adopted, the ids of what it may be, UNREADABLE while that may pass, or ABSENT."""
    decision = match_create(
        found,
        pending=pending,
        interchangeable=interchangeable,
        others_count=others_count,
        has_files=has_files,
    )
    match decision:
        case Found():
            return decision.session_id
        case Doubt(may_pass=True):
            return UNREADABLE
        case Doubt():
            return set(candidates(found, others_count=others_count))
        case None:
            return ABSENT


@each(
    ("found", "pending", "expected"),
    [
        ([], 1, ABSENT),
        ([OTHER, OTHER], 1, ABSENT),
        ([UNREAD], 1, UNREADABLE),
        ([OTHER, UNREAD], 3, UNREADABLE),
        ([OURS[0], UNREAD], 1, UNREADABLE),
        ([OURS[0]], 1, "ours-0"),
        ([SIMILAR], 1, "similar"),
        ([OTHER, OURS[1]], 1, "ours-1"),
        ([OURS[1]], 3, "ours-1"),
        (OURS[:3], 3, "ours-0"),
        (OURS[:2], 1, {"ours-0", "ours-1"}),
        ([SIMILAR, OURS[0]], 1, "ours-0"),
        ([*OURS[:2], SIMILAR], 1, {"ours-0", "ours-1", "similar"}),
        ([OLDER], 1, {"older"}),
        ([OURS[0], OLDER], 1, {"ours-0", "older"}),
        ([OTHER, *OURS], 3, {"ours-0", "ours-1", "ours-2", "ours-3"}),
    ],
)
def test_what_is_there_decides(found: list[Found], pending: int, expected: object) -> None:
    """One session for each create is adopted; with more, or older ones, it cannot be told; none is not there."""
    assert expected == match(found, pending=pending)


@each(
    ("found", "pending", "expected"),
    [
        (OURS[:1], 1, {"ours-0"}),
        (OURS[:1], 2, {"ours-0"}),
        (OURS[:2], 2, {"ours-0", "ours-1"}),
        ([OTHER], 2, ABSENT),
    ],
)
def test_creates_that_differ_are_not_interchangeable(
    found: list[Found], pending: int, expected: object
) -> None:
    """Of two creates that differ in their options, or of which one ended in doubt, neither can claim a session."""
    assert expected == match(found, pending=pending, interchangeable=False)


def test_other_words_prove_nothing_unless_the_service_echoes() -> None:
    """Where the echo is not known to be exact, a session with other words may be ours; an older one is not."""
    older = Found("older", "other", is_before=True)

    assert {"other"} == match([OTHER, older], pending=1, others_count=True)
    assert ABSENT == match([older], pending=1, others_count=True)


def test_files_may_be_shown_as_words_of_the_prompt() -> None:
    """With files the same words are no better than similar ones: those may be the prompt and the files."""
    assert {"ours-0", "similar"} == match([OURS[0], SIMILAR], pending=1, has_files=True)


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
        taken = match(unowned, pending=left)
        if unowned:
            adopted.append(str(taken))
        else:
            assert taken == ABSENT

    assert [item.session_id for item in there] == adopted
