from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from heygen_async._polling.messages import (
    Conversation,
    compare_texts,
)
from heygen_async._polling.staleness import Evidence, SentText, StaleGuard, text_mark
from heygen_async.models import Message


def said(number: int, role: str = "model") -> Message:
    """One of many messages, all different."""
    return Message(role=role, content=f"message {number}", created_at=1000 + number)


def window(first: int, last: int) -> tuple[Message, ...]:
    """The messages of these numbers as the service shows them: newest first."""
    return tuple(said(number) for number in range(last, first - 1, -1))


def has_sent(conversation: Conversation, text: str, cursor: int) -> bool:
    """Whether a message of the user after the cursor is this text, or similar."""
    new, _ = conversation.since(cursor)
    return any(message.role == "user" and compare_texts(text, message.content) != "other" for message in new)


def is_answered(conversation: Conversation, text: str, cursor: int) -> bool:
    """Whether the model has answered a message of ours that was sent when the conversation stood at the cursor."""
    before = frozenset(conversation.fingerprints(cursor))
    window = tuple(reversed(conversation.messages))
    sent = SentText(text_mark(text), text)
    guard = StaleGuard(0.0, 30.0, 600.0, sent, before, None)
    return Evidence.ANSWERED is guard.look_for_ours(window, shows_user=True)


class Reader:
    """Someone who wants each message once."""

    def __init__(self, conversation: Conversation, cursor: int = 0) -> None:
        self.conversation = conversation
        self.cursor = cursor
        self.told: list[Message] = []
        self.gaps: list[bool] = []

    def read(self) -> list[Message]:
        """Take what is new, as a watcher does."""
        messages, gap = self.conversation.since(self.cursor)
        self.cursor = self.conversation.cursor
        self.told += messages
        self.gaps.append(gap)
        return list(messages)


def read_all(windows: Sequence[Sequence[Message]]) -> Reader:
    """A reader who looked after each of these windows."""
    reader = Reader(Conversation())
    for shown in windows:
        reader.conversation.add(shown)
        reader.read()
    return reader


def test_messages_come_oldest_first() -> None:
    """What is new is told in the order it was said, though the service shows the newest first."""
    reader = read_all([window(1, 3), window(1, 5)])

    assert [said(number) for number in range(1, 6)] == reader.told
    assert [False, False] == reader.gaps


def test_same_window_brings_nothing() -> None:
    """Reading again what was read before tells nothing."""
    assert list(reversed(window(1, 3))) == read_all([window(1, 3), window(1, 3), tuple(window(1, 3))]).told


def test_first_message_is_not_told_again_when_it_leaves_the_window() -> None:
    """A window of 40 that slides over a hundred messages tells each of them once."""
    reader = read_all([window(max(1, last - 39), last) for last in range(1, 101)])

    assert [said(number) for number in range(1, 101)] == reader.told
    assert not any(reader.gaps)


@pytest.mark.parametrize(
    "shown",
    [
        (said(2), said(1), said(1)),
        (said(1), said(2)),
        (said(2), said(2), said(1), said(2)),
        (said(1),),
    ],
    ids=["repeated", "reordered", "both", "fallen-back"],
)
def test_disturbed_window_brings_nothing_new(shown: tuple[Message, ...]) -> None:
    """A window that repeats, reorders or forgets messages tells none of them twice."""
    reader = read_all([window(1, 2), shown, window(1, 3)])

    assert [said(1), said(2), said(3)] == reader.told


def test_late_message_is_told_when_it_shows() -> None:
    """A message that shows only after newer ones is told after them, not lost."""
    reader = read_all([(said(3), said(1)), window(1, 3)])

    assert [said(1), said(3), said(2)] == reader.told


def test_alike_messages_are_told_apart_by_time() -> None:
    """The same words at another time are another message; at the same time they are the same one."""
    yes, later = (
        Message(role="user", content="Yes", created_at=1),
        Message(role="user", content="Yes", created_at=2),
    )

    assert [yes, later] == read_all([(later, yes, yes), (later, yes)]).told


def test_alike_messages_without_times_are_counted() -> None:
    """Where the service gives no times, the second "Yes" in a window is a second message."""
    yes = Message(role="user", content="Yes")

    assert [yes, yes] == read_all([(yes,), (yes, yes), (yes, yes)]).told


@given(
    st.integers(1, 120).flatmap(lambda count: strategies.windows([said(number) for number in range(count)]))
)
def test_each_message_is_told_exactly_once(windows: list[tuple[Message, ...]]) -> None:
    """However a window slides, falls back, repeats and reorders, each message is told once, as first seen."""
    first_seen = list(dict.fromkeys(message for shown in windows for message in reversed(shown)))
    reader = read_all(windows)

    assert first_seen == reader.told
    assert not any(reader.gaps)


@given(
    st.lists(st.lists(strategies.messages(), max_size=45).map(tuple), max_size=8),
    st.lists(st.booleans(), min_size=8, max_size=8),
)
def test_any_windows_keep_the_books_straight(windows: list[tuple[Message, ...]], looks: list[bool]) -> None:
    """Whatever windows come, cursors only grow, at most 40 messages are kept, and what is told was shown."""
    reader = Reader(Conversation())
    for shown, looked in zip(windows, looks, strict=False):
        before = reader.conversation.cursor
        reader.conversation.add(shown)
        if looked:
            assert len(reader.read()) <= 40

        assert before <= reader.conversation.cursor
        assert len(reader.conversation.messages) <= 40
    assert {*reader.told} <= {message for shown in windows for message in shown}


# ---- gaps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (window(3, 42), True),
        (window(2, 41), False),
        (window(3, 41), False),
        (window(61, 100), True),
        ((*window(62, 100), said(62)), True),
    ],
    ids=["just-out", "just-in", "not-full", "far-out", "far-out-with-a-repetition"],
)
def test_gap_is_told(then: tuple[Message, ...], expected: bool) -> None:
    """When a full window shows nothing that was known, messages went by unseen, and the reader is told."""
    reader = read_all([window(1, 2), then])

    assert [False, expected] == reader.gaps


def test_gap_is_told_once_to_each_reader() -> None:
    """Each reader of the conversation learns of the gap with the messages after it, and only then."""
    conversation = Conversation()
    early, late = Reader(conversation), Reader(conversation)
    conversation.add(window(1, 2))
    early.read()
    conversation.add(window(61, 100))
    for last in (100, 101):
        conversation.add(window(last - 39, last))
        early.read()
    late.read()

    assert [False, True, False] == early.gaps
    assert [True] == late.gaps


def test_slow_reader_gets_the_newest_and_a_gap() -> None:
    """A reader who looked away for more than 40 messages gets the newest 40 and is told of the rest."""
    conversation = Conversation()
    reader = Reader(conversation)
    for last in range(1, 51):
        conversation.add(window(max(1, last - 39), last))

    assert [said(number) for number in range(11, 51)] == reader.read()
    assert [True] == reader.gaps
    assert ([], [True, False]) == (reader.read(), reader.gaps)


# ---- elsewhere ----------------------------------------------------------------------------------------------------


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 30))
def test_recalled_conversation_goes_on(known: int, told: int, more: int) -> None:
    """Another process that recalls the fingerprints tells what was not told here, and nothing twice."""
    told = min(known, told)
    here = Conversation()
    for last in range(1, known + 1):
        here.add(window(max(1, last - 39), last))
    there = Conversation()
    reader = Reader(there, there.recall(here.fingerprints(told)))
    there.add(window(max(1, known + more - 39), known + more))
    first = max(told, known + more - 40) + 1

    assert [said(number) for number in range(first, known + more + 1)] == reader.read()


def test_recall_joins_a_known_conversation() -> None:
    """Fingerprints name the place in a conversation this process has read further."""
    here = Conversation()
    here.add(window(1, 5))

    assert 3 == here.recall(here.fingerprints(3))
    assert 5 == here.cursor
    assert 0 == here.recall(["unknown"])
    assert 0 == Conversation().recall([])


def test_fingerprints_are_few_and_say_nothing() -> None:
    """At most 40 fingerprints leave the process, and no words."""
    here = Conversation()
    for last in range(1, 101):
        here.add(window(max(1, last - 39), last))
    marks = here.fingerprints(here.cursor)

    assert 40 == len(marks)
    assert not any("message" in mark for mark in marks)


def test_memory_is_bounded() -> None:
    """A conversation of ten thousand messages is remembered by a few hundred fingerprints."""
    here = Conversation()
    for last in range(10, 10_001, 10):
        here.add(window(max(1, last - 39), last))

    assert 10_000 == here.cursor
    assert len(here._numbers) <= 240
    assert 40 == len(here.messages)


# ---- what became of ours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "sent", "answered"),
    [
        ([], False, False),
        ([("user", "Warmer, please")], True, False),
        ([("user", "  Warmer, please\n")], True, False),
        ([("user", "Colder, please")], False, False),
        ([("model", "Warmer, please")], False, False),
        ([("model", "Working."), ("user", "Warmer, please")], True, False),
        ([("user", "Warmer, please"), ("model", "Working.")], True, True),
        ([("user", "Warmer, please"), ("user", "And longer.")], True, False),
    ],
    ids=["nothing", "ours", "stripped", "another", "echo", "answer-before", "answered", "two-of-ours"],
)
def test_own_message_is_found(after: list[tuple[str, str]], sent: bool, answered: bool) -> None:
    """Our message is found by its words and its author; an answer counts only after it."""
    conversation = Conversation()
    conversation.add(window(1, 2))
    shown = [Message(role=role, content=words, created_at=2000 + n) for n, (role, words) in enumerate(after)]
    conversation.add((*reversed(shown), *window(1, 2)))

    assert (sent, answered) == (
        has_sent(conversation, "Warmer, please", 2),
        is_answered(conversation, "Warmer, please", 2),
    )


def test_older_message_with_the_same_words_is_not_ours() -> None:
    """What was said before we spoke does not count as what we said."""
    conversation = Conversation()
    conversation.add((Message(role="model", content="Hm."), Message(role="user", content="Yes")))

    assert not has_sent(conversation, "Yes", conversation.cursor)
    assert not is_answered(conversation, "Yes", conversation.cursor)
    assert has_sent(conversation, "Yes", 0)


def test_an_older_window_after_a_gap_is_not_taken() -> None:
    """A window of which some went by unseen is still older when its newest message is older."""
    conversation = Conversation()
    conversation.add(window(1, 2))
    assert conversation.add(window(30, 69))

    assert not conversation.add(window(1, 3))
    assert conversation.add(window(31, 70))


def test_a_message_that_changes_is_news() -> None:
    """A message that is written on in place does not make every later window an older one."""
    conversation = Conversation()
    conversation.add((Message(role="model", content="Wor", created_at=1005), *window(1, 2)))

    assert conversation.add((Message(role="model", content="Working", created_at=1005), *window(1, 2)))
    assert conversation.add((Message(role="model", content="Working", created_at=1005), *window(1, 2)))
