from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from heygen_async._polling import refs
from heygen_async._polling.state import SessionTracker
from heygen_async.errors import InvalidArgument
from heygen_async.models import Message, SessionData, SessionStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

MESSAGES = tuple(
    Message(
        role="model", content=f"Draft {number}: https://files.test/{number}.png?sig=s3cr3t", created_at=number
    )
    for number in (3, 2, 1)
)


def track(*states: SessionData, mode: str | None = "chat") -> SessionTracker:
    """What is known of a session after these reads, a second apart."""
    known = SessionTracker(strategies.SESSION_ID, mode)
    for moment, state in enumerate(states):
        known.record_session(state, asked=float(moment), now=float(moment))
    return known


def state(status: str, messages: Sequence[Message] = (), video_id: str | None = None) -> SessionData:
    """A session as read."""
    return SessionData(
        session_id=strategies.SESSION_ID,
        status=SessionStatus(status),
        created_at=1,
        progress=40,
        title="A title",
        video_id=video_id,
        messages=tuple(messages),
    )


def test_session_goes_on_elsewhere() -> None:
    """Id, mode, video and the last state come back in another process, unknown words included."""
    here = track(state("thinking"), state("a_word_of_tomorrow", MESSAGES, "v1"))
    there, cursor = refs.read(refs.write(here, 2))

    assert (here.session_id, "chat", "v1", 2) == (there.session_id, there.mode, there.video_id, cursor)
    assert here.state is not None
    assert there.state is not None
    assert [here.state.status, here.state.previous, here.state.elapsed, 40, "A title"] == [
        there.state.status, there.state.previous, there.state.elapsed, there.state.progress, there.state.title,
    ]  # fmt: skip


def test_messages_are_not_told_again() -> None:
    """What was delivered before the ref is not new after it, what was not is."""
    here = track(state("reviewing", MESSAGES))
    there, cursor = refs.read(refs.write(here, 2))
    there.record_session(state("reviewing", MESSAGES), asked=0.0, now=0.0)

    assert ((MESSAGES[0],), False) == there.conversation.since(cursor)


def test_restored_time_does_not_count() -> None:
    """How long a restored session has been in its status nobody knows; it is not the age of the machine."""
    there, _ = refs.read(refs.write(track(state("thinking")), 0))
    there.record_session(state("thinking"), asked=50_000.0, now=50_000.0)
    assert (SessionStatus.THINKING, 50_000.0) == there.phase()

    there.record_session(state("reviewing"), asked=50_007.0, now=50_007.0)
    assert there.state is not None
    assert (SessionStatus.THINKING, 7.0) == (there.state.previous, there.state.elapsed)


def test_restored_state_is_not_fresh() -> None:
    """What a ref tells was true once: the first thing to do with it is to poll."""
    there, _ = refs.read(refs.write(track(state("reviewing")), 0))

    assert not there.is_fresh(0.0)


def test_unread_session_has_a_ref() -> None:
    """A session that was never read is its id."""
    there, cursor = refs.read(refs.write(SessionTracker("s"), 0))

    assert ("s", None, None, None, 0) == (there.session_id, there.mode, there.video_id, there.state, cursor)


def test_known_session_is_joined() -> None:
    """A ref of a session this client knows gives that session, with the ref's place in the conversation."""
    here = track(state("reviewing", MESSAGES))
    there, cursor = refs.read(refs.write(here, 1), {here.session_id: here}.get)

    assert there is here
    assert 1 == cursor


def said(here: SessionTracker, words: str = "Bluer") -> SessionTracker:
    """The same after a message of ours, which is known to be there."""
    here.record_send(words, since=10.0, settle=30.0, cursor=here.conversation.cursor)
    return here


def turn(words: str, at: int) -> list[Message]:
    """A message of ours and the model's answer, newest first."""
    answer = Message(role="model", content="Like this?", created_at=at + 1)
    return [answer, Message(role="user", content=words, created_at=at)]


def test_who_followed_before_looks_again() -> None:
    """A client that knows the session from before reads it again: whoever wrote the ref may have gone on."""
    here = track(state("reviewing", MESSAGES))
    refs.read(refs.write(track(state("reviewing", MESSAGES)), 3), {here.session_id: here}.get)

    assert not here.is_fresh(0.0)


def test_who_followed_before_doubts_the_pause_another_answered() -> None:
    """A pause that somebody else has answered is not believed while the service may show it still."""
    here = track(state("reviewing", MESSAGES))
    elsewhere = said(track(state("reviewing", MESSAGES)))
    refs.read(refs.write(elsewhere, 3), {here.session_id: here}.get)
    here.record_session(state("reviewing", MESSAGES), asked=12.0, now=12.0)
    assert here.is_stale

    here.record_session(state("thinking", MESSAGES), asked=14.0, now=14.0)
    assert not here.is_stale


def test_who_knows_more_does_not_doubt() -> None:
    """A ref from before an answer that is here already casts no doubt on the next pause."""
    ref = refs.write(said(track(state("reviewing", MESSAGES))), 3)
    here = track(state("reviewing", MESSAGES), state("reviewing", [*turn("Bluer", 20), *MESSAGES]))
    refs.read(ref, {here.session_id: here}.get)

    assert not here.is_stale


@pytest.mark.parametrize("delivered", [5, 3], ids=["all that came before", "not all"])
def test_an_answer_ends_the_doubt_elsewhere(delivered: int) -> None:
    """A pause that answers our message is another one, also when nobody saw the agent at work in between."""
    before = [*turn("Bluer", 20), *MESSAGES]
    here = said(track(state("reviewing", before)))
    there, _ = refs.read(refs.write(here, delivered))
    there.record_session(state("reviewing", before), asked=12.0, now=12.0)
    assert there.is_stale

    there.record_session(state("reviewing", [*turn("Bluer", 40), *before]), asked=14.0, now=14.0)
    assert not there.is_stale


def test_an_older_snapshot_is_known_elsewhere() -> None:
    """A replica that lags shows nothing new to another process either, also of what was read and not delivered."""
    here = said(track(state("reviewing", MESSAGES)))
    here.record_session(
        state("thinking", [Message(role="user", content="Bluer", created_at=20), *MESSAGES]), asked=11, now=11
    )
    there, _ = refs.read(refs.write(here, 3))
    there.record_session(state("reviewing", MESSAGES), asked=12.0, now=12.0)

    assert there.state is not None
    assert "thinking" == there.state.status


def test_mode_is_learnt_from_a_ref() -> None:
    """A session attached without its mode learns it from the ref."""
    attached = track(state("thinking"), mode=None)
    refs.read(refs.write(track(state("thinking")), 0), {attached.session_id: attached}.get)

    assert "chat" == attached.mode


def test_ref_says_nothing_it_should_not() -> None:
    """A ref is plain JSON without messages, addresses and what they are signed with."""
    failing = [
        Message(role="model", content="No: https://u:pw@files.test/a?sig=s3cr3t", type="error", created_at=4)
    ]
    here = track(state("reviewing", MESSAGES), state("failed", [*failing, *MESSAGES]))
    ref = refs.write(here, here.conversation.cursor)

    assert strategies.SESSION_ID == json.loads(ref)["session_id"]
    assert 1 == json.loads(ref)["v"]
    for hidden in (b"Draft", b"s3cr3t", b"pw@", b"sig="):
        assert hidden not in ref


def test_ref_is_small() -> None:
    """A hundred thousand refs fit into memory: each is at most a kilobyte or two."""
    many = [Message(role="model", content="word " * 500, created_at=number) for number in range(40)]
    here = track(state("reviewing", many))

    assert len(refs.write(here, 40)) < 2_000


@pytest.mark.parametrize(
    "ref",
    [
        b"",
        b"null",
        b"[]",
        b"5",
        b"{}",
        b"\xff",
        b"not json",
        b'{"v": 1}',
        b'{"session_id": "s"}',
        b'{"v": "1", "session_id": "s"}',
        b'{"v": 1, "session_id": ""}',
        b'{"v": 1, "session_id": "s", "seen": "all"}',
        b'{"v": 1, "session_id": "s", "state": {}}',
        b'{"v": 1, "session_id": "s", "state": {"session_id": ',
    ],
)
def test_other_bytes_are_no_ref(ref: bytes) -> None:
    """What `ref()` did not return is refused by name, before it can become a path or a state."""
    with pytest.raises(InvalidArgument) as raised:
        refs.read(ref)

    assert "ref" == raised.value.argument


@pytest.mark.parametrize("version", [0, 2, 99])
def test_later_version_is_refused(version: int) -> None:
    """A ref of another release says so, instead of being half understood."""
    with pytest.raises(InvalidArgument, match=f"version {version}"):
        refs.read(json.dumps({"v": version, "session_id": "s"}))


def test_text_is_taken_too() -> None:
    """A ref that was kept as text is the same ref."""
    there, _ = refs.read(refs.write(track(state("thinking")), 0).decode())

    assert strategies.SESSION_ID == there.session_id


@given(st.binary() | strategies.json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_ref_or_refused(ref: bytes) -> None:
    """No bytes bring anything but a session or an InvalidArgument."""
    try:
        refs.read(ref)
    except InvalidArgument as error:
        argument = error.argument
    else:
        argument = "ref"

    assert "ref" == argument


@given(st.lists(strategies.sessions, max_size=6), st.integers(0, 30))
def test_ref_survives_the_journey(states: list[SessionData], cursor: int) -> None:
    """Whatever a session went through, its ref written again elsewhere is the same ref."""
    here = track(*states)
    ref = refs.write(here, min(cursor, here.conversation.cursor))
    there, place = refs.read(ref)

    assert json.loads(ref) == json.loads(refs.write(there, place))
