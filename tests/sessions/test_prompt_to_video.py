"""The main job, end to end: create, watch, review, approve, video."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import clock, pass_time, words
from heygen_async import HeyGen, SessionFailed, SessionStatus
from heygen_async._polling.messages import NO_REASON
from heygen_async.testing import Scenario, Simulator
from heygen_async.testing._scenario import FAILURE
from heygen_async.testing._storage.media import video_bytes

PROMPT = "A 30-second intro to our espresso machine"


async def test_tour(heygen: HeyGen, service: Simulator, tmp_path: Path) -> None:
    """The tour of the README goes from a prompt to a playable file, for one create and two messages."""
    session = await heygen.sessions.create(PROMPT, orientation="landscape")
    first = await words(session.watch())
    await session.send("Warmer opening shot, please")
    reviewed = await session.wait()
    await session.approve()
    video = await session.video()
    path = await video.download(tmp_path / "intro.mp4")

    assert ["thinking", "reviewing"] == first
    assert SessionStatus.REVIEWING == reviewed.status
    assert tmp_path / "intro.mp4" == path
    assert video_bytes() == path.read_bytes()
    assert [video.id] == service.ledger.billed
    assert [PROMPT] == [record.prompt for record in service.ledger.creates]
    assert 2 == len(service.ledger.messages)
    assert ([], []) == (service.ledger.key_leaks, service.ledger.unmatched)


async def test_tour_takes_hardly_longer_than_the_service(heygen: HeyGen) -> None:
    """The caller soon knows what happened: with two pauses the tour takes less than half as long again."""
    started = clock()
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    await session.approve()
    await session.video()

    assert 110 <= clock() - started <= 110 * 1.5


async def test_generate_mode_needs_no_word(heygen: HeyGen, service: Simulator) -> None:
    """In generate mode the session runs from the prompt to the video without a pause or a message."""
    session = await heygen.sessions.create(PROMPT, mode="generate")

    assert ["thinking", "generating", "completed"] == await words(session.watch())
    assert (await session.video()).is_downloadable
    assert [] == service.ledger.messages


async def test_question_is_answered_inside_the_loop(heygen: HeyGen, service: Simulator) -> None:
    """The agent's question is yielded and the watch goes on, so that the caller answers inside the loop."""
    service.script(Scenario.question())
    session = await heygen.sessions.create(PROMPT)
    seen: list[str] = []
    async for state in session.watch():
        seen.append(str(state.status))
        if state.status == SessionStatus.WAITING_FOR_INPUT:
            assert "Who is the audience" in state.new_messages[-1].content
            await session.send("Newcomers")

    assert ["thinking", "waiting_for_input", "thinking", "reviewing"] == seen
    assert ["Newcomers"] == [record.text for record in service.ledger.messages]


async def test_question_is_where_wait_settles(heygen: HeyGen, service: Simulator) -> None:
    """`wait` returns at the agent's question, since somebody has to answer it."""
    service.script(Scenario.question())
    session = await heygen.sessions.create(PROMPT)

    assert SessionStatus.WAITING_FOR_INPUT == (await session.wait()).status


@pytest.mark.parametrize(
    ("life", "mode", "reason", "source"),
    [
        pytest.param(Scenario.failing("thinking"), "generate", FAILURE, "error_message", id="thinking"),
        pytest.param(Scenario.failing("generating"), "generate", FAILURE, "video", id="generating"),
        pytest.param(
            Scenario.failing("reviewing", mode="chat"), "chat", FAILURE, "error_message", id="reviewing"
        ),
        pytest.param(
            Scenario.failing("waiting_for_input", mode="chat"), "chat", FAILURE, "error_message", id="asking"
        ),
        pytest.param(
            Scenario.failing("thinking", with_reason=False),
            "generate",
            NO_REASON,
            "sdk",
            id="thinking-silent",
        ),
        pytest.param(
            Scenario.failing("generating", with_reason=False),
            "generate",
            NO_REASON,
            "sdk",
            id="generating-silent",
        ),
        pytest.param(
            Scenario.failing("reviewing", mode="chat", with_reason=False),
            "chat",
            NO_REASON,
            "sdk",
            id="reviewing-silent",
        ),
    ],
)
async def test_failure_says_why_and_how_it_knows(
    heygen: HeyGen, service: Simulator, life: Scenario, mode: str, reason: str, source: str
) -> None:
    """A session that fails at any stage raises `SessionFailed` with a reason and where the reason is from."""
    service.script(life)
    session = await heygen.sessions.create(PROMPT, mode="chat" if mode == "chat" else "generate")
    with pytest.raises(SessionFailed) as caught:
        await session.wait(until=["completed"])

    assert (reason, source) == (caught.value.reason, caught.value.reason_source)
    assert reason in str(caught.value)
    assert caught.value.last_state is not None
    assert (reason, source) == (
        caught.value.last_state.failure_reason,
        caught.value.last_state.failure_source,
    )
    assert session.id == heygen.sessions.restore(caught.value.ref).id
    assert [] == service.ledger.billed


async def test_failure_after_approval(heygen: HeyGen, service: Simulator) -> None:
    """A render that fails after the approval is told by `video()` with the reason of the video itself."""
    service.script(Scenario.failing("generating", mode="chat"))
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    await session.approve()
    with pytest.raises(SessionFailed) as caught:
        await session.video()

    assert (FAILURE, "video") == (caught.value.reason, caught.value.reason_source)


async def test_failure_is_yielded_by_watch(heygen: HeyGen, service: Simulator) -> None:
    """A watch tells a failure as its last state and does not raise: looking on is no mistake."""
    service.script(Scenario.failing("thinking"))
    session = await heygen.sessions.create(PROMPT, mode="generate")

    assert ["thinking", "failed"] == await words(session.watch())


async def test_first_item_is_what_is_known(heygen: HeyGen, service: Simulator) -> None:
    """The first item of a watch is the state the create has just told, without asking again."""
    session = await heygen.sessions.create(PROMPT)
    known = session.state
    async with session.watch() as states:
        first = await anext(states)

    assert known is not None
    assert (known.status, known.session_id) == (first.status, first.session_id)
    assert 0 == service.ledger.polls[session.id]


async def test_first_item_is_not_old_news(heygen: HeyGen) -> None:
    """After a minute without a poll the first item is what the session is now, not what it was then."""
    session = await heygen.sessions.create(PROMPT)
    await pass_time(60)

    assert ["reviewing"] == await words(session.watch())


@pytest.mark.parametrize(
    ("life", "last"),
    [
        pytest.param(Scenario.chat(), "reviewing", id="reviewing"),
        pytest.param(Scenario.generate(), "completed", id="completed"),
        pytest.param(Scenario.failing("generating"), "failed", id="failed"),
    ],
)
async def test_loop_ends(heygen: HeyGen, service: Simulator, life: Scenario, last: str) -> None:
    """The loop over a watch ends by itself after reviewing, completed or failed."""
    service.script(life)
    session = await heygen.sessions.create(PROMPT)

    assert last == (await words(session.watch()))[-1]


async def test_states_know_what_was_before(heygen: HeyGen) -> None:
    """Each state knows the status before it and how long that lasted, as seen from here."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    thinking, generating, completed = [state async for state in session.watch()]

    assert (None, 0.0) == (thinking.previous, thinking.elapsed)
    assert SessionStatus.THINKING == generating.previous
    assert 20 <= generating.elapsed <= 40
    assert SessionStatus.GENERATING == completed.previous
    assert 70 <= completed.elapsed <= 130
