"""Talking with the agent: send, approve, stop, converse, and what it asks."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from flows import Line, client, clock, pass_time
from heygen_async import (
    Approve,
    HeyGen,
    InvalidArgument,
    InvalidRequest,
    Reply,
    Session,
    SessionBusy,
    SessionFailed,
    SessionPaused,
    SessionState,
    SessionStatus,
    Stop,
)
from heygen_async.testing import Moods, Scenario, Simulator

PROMPT = "An espresso machine"
STORYBOARD = "Here is the storyboard. Shall I go ahead?"
QUESTION = "Who is the audience: newcomers or professionals?"


def said(service: Simulator) -> list[str]:
    """What reached the agent, in order."""
    return [record.text for record in service.ledger.messages]


# -- send --


async def test_sent_message_names_its_run(heygen: HeyGen, service: Simulator) -> None:
    """A send tells the session, the run it started, and the title."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    sent = await session.send("Warmer, please")

    assert session.id == sent.session_id
    assert sent.run_id
    assert PROMPT == sent.title
    assert ["Warmer, please"] == said(service)


async def test_files_go_without_words() -> None:
    """A send with files alone has no message at all, and what the agent shows after it is new."""
    service = Simulator(moods=Moods(message_optional=True))
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT)
        await session.wait()
        await session.send(files=["https://example.test/shot.png"])
        state = await session.wait()

    [record] = service.expect_message()
    assert ("files",) == tuple(record.fields)
    assert ("reviewing", False) == (state.status, state.is_stale)
    assert STORYBOARD == state.new_messages[-1].content


async def test_nothing_at_all_is_not_sent(heygen: HeyGen, service: Simulator) -> None:
    """A send without words needs files or a field of `extra`; whether those are enough, the service decides."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    with pytest.raises(InvalidArgument, match="message"):
        await session.send(voice_id="voice_1")
    with pytest.raises(InvalidRequest, match="message"):
        await session.send(files=["https://example.test/shot.png"])

    assert not service.ledger.messages


async def test_two_sends_at_once(heygen: HeyGen, service: Simulator) -> None:
    """The second of two sends on one session is `SessionBusy`, by whichever handle; the first arrives."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    async with anyio.create_task_group() as group:
        group.start_soon(session.send, "Warmer, please")
        await pass_time(0.001)
        for handle in (session, heygen.sessions.attach(session.id)):
            with pytest.raises(SessionBusy) as caught:
                await handle.send("Colder, please")
            assert session.id == caught.value.session_id

    assert ["Warmer, please"] == said(service)


async def test_send_after_send_is_free(heygen: HeyGen, service: Simulator) -> None:
    """Once the first send is answered, the next is on its way at once."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    await session.send("Warmer, please")
    await session.wait()
    await session.send("Warmer still, please")

    assert 2 == len(said(service))


async def test_generate_session_takes_no_message(heygen: HeyGen, service: Simulator) -> None:
    """In generate mode a send and an approval are refused before anything is sent."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    requests = service.ledger.total_requests
    with pytest.raises(InvalidArgument, match="generate"):
        await session.send("Warmer, please")
    with pytest.raises(InvalidArgument, match="generate"):
        await session.approve()

    assert requests == service.ledger.total_requests


async def test_send_is_followed_by_a_look(line: Line, heygen: HeyGen) -> None:
    """However rarely a pause was polled, a send brings a poll at once, so that a watcher sees what it did."""
    line.service.script(Scenario.question())
    session = await heygen.sessions.create(PROMPT)
    async with session.watch(timeout=None) as states:
        async for state in states:
            if state.status == SessionStatus.WAITING_FOR_INPUT:
                await pass_time(3000)
                await session.send("Newcomers")
                sent = clock()
                assert SessionStatus.THINKING == (await anext(states)).status
                assert clock() - sent < 0.1


# -- approve --


@pytest.mark.parametrize(
    ("contract", "refused"), [("guide", 0), ("openapi", 1)], ids=["takes-it", "refuses-it"]
)
async def test_approval_works_on_both_kinds_of_service(contract: str, refused: int) -> None:
    """Approving works whether the service takes `auto_proceed` or not; a client is refused only once."""
    service = Simulator(contract="guide" if contract == "guide" else "openapi")
    async with client(service) as heygen:
        for _ in range(3):
            session = await heygen.sessions.create(PROMPT)
            await session.wait()
            await session.approve()
            assert (await session.video()).is_downloadable

    assert refused == service.ledger.requests["send"][400]
    assert 3 == service.ledger.requests["send"][200]
    assert 3 == len(said(service))


async def test_approval_in_own_words(heygen: HeyGen, service: Simulator) -> None:
    """The approval is said in the caller's words when there are any."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    await session.approve("Ship it!")

    assert ["Ship it!"] == said(service)


async def test_create_does_not_proceed_by_itself(line: Line, heygen: HeyGen) -> None:
    """`auto_proceed` is sent with a create or a send only if the caller gave it."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    await session.send("Warmer, please")
    assert not any(b"auto_proceed" in (sent.body or b"") for sent in line.sent)

    with pytest.raises(InvalidRequest, match="auto_proceed"):
        await heygen.sessions.create(PROMPT, auto_proceed=True)


# -- stop --


async def test_stop_ends_the_run(heygen: HeyGen, service: Simulator) -> None:
    """A stop is asked for once and seen within seconds."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    await pass_time(5)
    await session.stop()
    stopped = clock()
    with pytest.raises(SessionFailed, match="stopped"):
        await session.wait()

    assert clock() - stopped < 30
    assert [session.id] == service.ledger.stops
    assert [] == service.ledger.billed


# -- what it asks --


@pytest.mark.parametrize(
    ("life", "asked"),
    [
        pytest.param(Scenario.chat(), STORYBOARD, id="reviewing"),
        pytest.param(Scenario.question(), QUESTION, id="waiting_for_input"),
    ],
)
async def test_pause_says_what_is_asked(
    heygen: HeyGen, service: Simulator, life: Scenario, asked: str
) -> None:
    """When a video was wanted and the agent asks something, the error says what, and answers nothing itself."""
    service.script(life)
    session = await heygen.sessions.create(PROMPT)
    with pytest.raises(SessionPaused) as caught:
        await session.video()

    assert asked in str(caught.value)
    assert caught.value.last_state is not None
    assert caught.value.last_state.is_paused
    assert session.id == heygen.sessions.restore(caught.value.ref).id
    assert [] == said(service)


# -- converse --


async def test_conversation_with_a_waiting_reviewer(heygen: HeyGen, service: Simulator) -> None:
    """An async reviewer is asked at each pause and may take hours; its answers reach the agent in order."""
    service.script(Scenario.question())
    answers: Iterator[Reply | Approve] = iter(
        [Reply(message="Newcomers"), Reply(message="Warmer, please"), Approve(message="Ship it!")]
    )
    pauses: list[str] = []

    async def review(session: Session, state: SessionState) -> Reply | Approve:
        pauses.append(str(state.status))
        assert state.new_messages
        await pass_time(3 * 3600)
        return next(answers)

    session = await heygen.sessions.create(PROMPT)
    video = await session.converse(review)

    assert ["waiting_for_input", "reviewing", "reviewing"] == pauses
    assert ["Newcomers", "Warmer, please", "Ship it!"] == said(service)
    assert [video.id] == service.ledger.billed


async def test_conversation_with_a_plain_function(heygen: HeyGen, service: Simulator) -> None:
    """A reviewer may be a plain function."""
    session = await heygen.sessions.create(PROMPT)
    video = await session.converse(lambda session, state: Approve())

    assert video.is_downloadable
    assert 1 == len(said(service))


async def test_reply_carries_its_options(line: Line, heygen: HeyGen) -> None:
    """A reply may choose avatar, voice and brand kit for its message."""
    answers: Iterator[Reply | Approve] = iter(
        [Reply(message="Her, please", avatar_id="look_1", voice_id="voice_2"), Approve()]
    )
    session = await heygen.sessions.create(PROMPT)
    await session.converse(lambda session, state: next(answers))

    [body] = [sent.body or b"" for sent in line.sent if b"Her, please" in (sent.body or b"")]
    assert b'"avatar_id":"look_1"' in body
    assert b'"voice_id":"voice_2"' in body
    assert b"brand_kit_id" not in body


async def test_reviewer_stops(heygen: HeyGen, service: Simulator) -> None:
    """A reviewer who stops ends the session; without a video that is a failure by the reviewer."""
    session = await heygen.sessions.create(PROMPT)
    with pytest.raises(SessionFailed) as caught:
        await session.converse(lambda session, state: Stop())

    assert "reviewer" == caught.value.reason_source
    assert [session.id] == service.ledger.stops
    assert [] == said(service)


async def test_reviewer_stops_a_revision(heygen: HeyGen, service: Simulator) -> None:
    """When an earlier run made a video, stopping a revision returns that video."""
    session = await heygen.sessions.create(PROMPT)
    first = await session.converse(lambda session, state: Approve())
    await session.send("The same, but shorter")
    kept = await session.converse(lambda session, state: Stop())

    assert first.id == kept.id


async def test_wrong_answer_names_the_reviewer(heygen: HeyGen, service: Simulator) -> None:
    """A reviewer that returns something else is told so; nothing was said to the agent."""
    session = await heygen.sessions.create(PROMPT)
    with pytest.raises(InvalidArgument, match=r"reviewer.*str"):
        await session.converse(lambda session, state: "yes")  # type: ignore[arg-type,return-value]

    assert [] == said(service)


async def test_reviewers_own_error_passes(heygen: HeyGen, service: Simulator) -> None:
    """What a reviewer raises reaches the caller as it is, and the session is not harmed."""

    def review(session: Session, state: SessionState) -> Approve:
        raise ZeroDivisionError

    session = await heygen.sessions.create(PROMPT)
    with pytest.raises(ZeroDivisionError):
        await session.converse(review)

    assert SessionStatus.REVIEWING == (await session.refresh()).status


async def test_failure_ends_the_conversation(heygen: HeyGen, service: Simulator) -> None:
    """A session that fails in the middle of a conversation raises with the reason."""
    service.script(Scenario.failing("generating", mode="chat"))
    session = await heygen.sessions.create(PROMPT)
    with pytest.raises(SessionFailed, match="narration"):
        await session.converse(lambda session, state: Approve())


async def test_a_permit_that_came_late_is_asked_for_again() -> None:
    """Who stood still between being permitted to speak and speaking asks again, and says nothing if replaced."""
    service, asked = Simulator(), list[float]()

    async def permit() -> None:
        asked.append(clock())
        if len(asked) > 1:
            raise LookupError
        await pass_time(60)

    async with client(service) as heygen:
        session = await heygen.sessions.create("A film", mode="chat")
        await session.wait()
        with pytest.raises(LookupError):
            await heygen._factory.restore(session.ref(), permit).send("Go on")

    assert [] == service.ledger.messages
