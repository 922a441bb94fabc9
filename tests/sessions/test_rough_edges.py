"""The rough edges of the service (design §3.6), one by one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from flows import Line, all_of, client, clock, words
from heygen_async import (
    Approve,
    HeyGen,
    NotFound,
    RateLimited,
    Session,
    SessionFailed,
    SessionStalled,
    SessionState,
    SessionStatus,
    WatchTimeout,
)
from heygen_async.testing import Scenario, Simulator
from sessions.losses import PROMPT, each

WORDS = "Warmer opening shot, please"


async def paused(heygen: HeyGen) -> Session:
    """Return a session that waits for the caller."""
    session = await heygen.sessions.create(PROMPT)
    await session.wait()
    return session


# ---- what is still said after we have spoken ----------------------------------------------------------------------


@each("polls", [1, 2, 3])
async def test_old_pause_after_a_message(heygen: HeyGen, service: Simulator, polls: int) -> None:
    """The pause from before a message is not taken for the next one, however often reads still show it."""
    session = await paused(heygen)
    service.faults.add("stale_status", on="send", polls=polls)
    await session.send(WORDS)
    state = await session.wait()

    said = [message.content for message in state.messages]
    assert (SessionStatus.REVIEWING, WORDS) == (state.status, said[1])


async def test_old_completion_after_a_revision(heygen: HeyGen, service: Simulator) -> None:
    """After a revision of a finished video the old `completed` is not taken for the new one."""
    session = await heygen.sessions.create(PROMPT)
    first = await session.converse(lambda session, state: Approve())
    service.faults.add("stale_status", on="send", polls=3)
    await session.send(WORDS)
    second = await session.converse(lambda session, state: Approve())

    assert [first.id, second.id] == service.ledger.billed


async def test_pause_that_outlives_all_patience(heygen: HeyGen, service: Simulator) -> None:
    """When reads show an old pause for minutes, it is answered once, and the conversation still ends well."""
    session = await heygen.sessions.create(PROMPT)
    asked: list[SessionState] = []
    service.faults.add("stale_status", on="send", polls=7)
    service.script(Scenario.chat())

    def review(session: Session, state: SessionState) -> Approve:
        asked.append(state)
        return Approve()

    video = await session.converse(review)

    assert [video.id] == service.ledger.billed
    assert 1 == len(asked)


async def test_status_goes_backwards(heygen: HeyGen, service: Simulator) -> None:
    """A read that shows an earlier status is told as it is, and the watch goes on to the end."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    service.faults.add("status_backwards", on="get", after=12, times=1)
    told = await words(session.watch())

    assert "completed" == told[-1]
    assert 1 == told.count("completed")


async def test_progress_goes_back(heygen: HeyGen, service: Simulator) -> None:
    """Progress that jumps back harms nobody."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    service.faults.add("progress_back", on="get", times=5)
    states = await all_of(session.watch(progress=True))

    assert (SessionStatus.COMPLETED, 100) == (states[-1].status, states[-1].progress)


@each("word", ["processing", "pending", "waiting", "dreaming"])
async def test_unknown_status(heygen: HeyGen, service: Simulator, word: str) -> None:
    """A word this release does not know counts as still working and is passed on as it is."""
    session = await heygen.sessions.create(PROMPT)
    service.faults.add("unknown_status", on="get", word=word)
    told = await words(session.watch())

    assert ["thinking", word, "reviewing"] == list(dict.fromkeys(told))


@each("fault", ["json_null", "json_array", "missing_data"])
async def test_unreadable_refusal_of_an_approval(heygen: HeyGen, service: Simulator, fault: str) -> None:
    """A service that refuses `auto_proceed` in words nobody can read still gets the approval, once."""
    session = await paused(heygen)
    service.faults.add(fault, on="send")
    await session.approve()
    video = await session.video()

    assert [video.id] == service.ledger.billed
    assert 1 == len(service.ledger.messages)


# ---- sessions that vanish, videos that lag ------------------------------------------------------------------------


@each("mode", ["generate", "chat"])
async def test_session_vanishes_behind_its_video(heygen: HeyGen, service: Simulator, mode: str) -> None:
    """A session that answers 404 from the moment its video exists is followed to that video, its id told or not."""
    service.faults.add("session_gone", on="create")
    session = await heygen.sessions.create(PROMPT, mode=mode)  # type: ignore[arg-type]
    video = await session.converse(lambda session, state: Approve())

    assert [video.id] == service.ledger.billed


async def test_session_vanishes_and_its_video_fails(heygen: HeyGen, service: Simulator) -> None:
    """The failure of a vanished session is told by its video, with the reason."""
    service.script(Scenario.failing("generating"))
    service.faults.add("session_gone", on="create")
    session = await heygen.sessions.create(PROMPT, mode="generate")
    with pytest.raises(SessionFailed) as caught:
        await session.video()

    assert "video" == caught.value.reason_source


async def test_session_is_hidden_at_first(heygen: HeyGen, service: Simulator) -> None:
    """A new session that answers 404 for a while is waited for."""
    service.faults.add("early_404", on="create", polls=3)
    session = await heygen.sessions.create(PROMPT)

    assert SessionStatus.REVIEWING == (await session.wait()).status


async def test_session_is_lost_for_good(heygen: HeyGen, service: Simulator) -> None:
    """One that the service has lost ends its watch, also where its list of videos is there, and empty."""
    service.faults.add("early_404", on="create", polls=1000)
    session = await heygen.sessions.create(PROMPT)
    with pytest.raises(NotFound):
        await session.wait()

    assert heygen.statistics().polls < 100


@each("seconds", [5.0, 60.0, 200.0])
async def test_video_lags_behind(heygen: HeyGen, service: Simulator, seconds: float) -> None:
    """A completed session whose video is still processing is waited for until the video can be downloaded."""
    service.faults.add("video_lags", on="create", seconds=seconds)
    session = await heygen.sessions.create(PROMPT, mode="generate")
    video = await session.video()

    assert video.is_downloadable


# ---- failures without a word --------------------------------------------------------------------------------------


@each("at", ["thinking", "generating"])
async def test_failure_without_a_reason(heygen: HeyGen, service: Simulator, at: str) -> None:
    """A failure with null fields says that no reason was given, and quotes the agent's last words apart."""
    service.script(Scenario.failing(at, with_reason=False))  # type: ignore[arg-type]
    session = await heygen.sessions.create(PROMPT, mode="generate")
    with pytest.raises(SessionFailed) as caught:
        await session.video()

    assert "No reason given" in caught.value.reason
    assert "sdk" == caught.value.reason_source
    assert ("The agent's last words" in str(caught.value)) == (at == "generating")
    assert session.id == caught.value.session_id


async def test_failure_fields_go_null_later(heygen: HeyGen, service: Simulator) -> None:
    """The same for a session whose reason is taken back by a fault."""
    service.script(Scenario.failing("generating"))
    service.faults.add("null_failure", on="create")
    session = await heygen.sessions.create(PROMPT, mode="generate")
    with pytest.raises(SessionFailed) as caught:
        await session.wait()

    assert caught.value.reason


# ---- messages -----------------------------------------------------------------------------------------------------


async def test_more_messages_than_are_shown(heygen: HeyGen, service: Simulator) -> None:
    """When more went by than the service shows, the gap is told and nothing is told twice."""
    session = await heygen.sessions.create(PROMPT)
    service.faults.add("many_messages", on="get")
    states = await all_of(session.watch(progress=True))

    heard = [message.content for state in states for message in state.new_messages]
    assert any(state.messages_gap for state in states)
    assert sorted(set(heard)) == sorted(heard)


@each("fault", ["duplicate_messages", "reordered_messages"])
async def test_messages_repeated_or_out_of_order(heygen: HeyGen, service: Simulator, fault: str) -> None:
    """Each message is told once, even if reads repeat or reorder them."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    service.faults.add(fault, on="get", times=None)
    states = await all_of(session.watch(progress=True))

    heard = [message.content for state in states for message in state.new_messages]
    assert sorted(set(heard)) == sorted(heard)
    assert {PROMPT, "I am rendering your video now.", "Your video is ready."} == set(heard)


# ---- stuck and late -----------------------------------------------------------------------------------------------


async def test_stuck_session_stalls(heygen: HeyGen, service: Simulator) -> None:
    """With a stall timeout a session in which nothing moves is told as stalled, soon after it is."""
    service.faults.add("stuck_thinking", on="create")
    session = await heygen.sessions.create(PROMPT)
    began = clock()
    with pytest.raises(SessionStalled) as caught:
        await session.wait(stall_timeout=120)

    assert 120 <= clock() - began <= 20 + 120 + 15  # its progress moves for twenty seconds
    assert session.id == heygen.sessions.restore(caught.value.ref).id


async def test_stuck_session_is_late(heygen: HeyGen, service: Simulator) -> None:
    """Without a stall timeout a stuck session is only late."""
    service.faults.add("stuck_thinking", on="create")
    session = await heygen.sessions.create(PROMPT)
    with pytest.raises(WatchTimeout):
        await session.wait(timeout=300)


# ---- asked to go slower -------------------------------------------------------------------------------------------


@each(("form", "least"), [(7, 7), ("date", 1), ("missing", 2.5)], ids=["seconds", "date", "none"])
async def test_pace_of_polls(service: Simulator, form: object, least: float) -> None:
    """A 429 on a poll keeps this client's polls of all sessions away for as long as it asks, in each of its forms."""
    line = Line(service)
    async with client(line) as heygen:
        sessions = [await heygen.sessions.create(f"{PROMPT} {number}") for number in range(5)]
        service.faults.add("rate_limit", on="get", retry_after=form)
        watches = [session.watch(progress=True) for session in sessions]
        for watch in watches:
            await watch.__anext__()
        for watch in watches:
            await watch.__anext__()
        polls = line.moments("GET", "/v3/video-agents/")

    gaps = [later - earlier for earlier, later in pairwise(polls)]
    assert least <= max(gaps)
    assert 1 == service.ledger.refused["rate_limit_exceeded"]


@each("operation", ["create", "send", "list"])
async def test_absurd_pace_is_told_at_once(heygen: HeyGen, service: Simulator, operation: str) -> None:
    """A pace beyond all patience is raised at once, with its value, instead of being slept through."""
    session = await paused(heygen)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "create": lambda: heygen.sessions.create(PROMPT),
        "send": lambda: session.send(WORDS),
        "list": lambda: all_of(heygen.sessions.list()),
    }
    service.faults.add("rate_limit", on=operation, retry_after="absurd")
    began = clock()
    with pytest.raises(RateLimited) as caught:
        await calls[operation]()

    assert clock() - began < 1
    assert 86_400 == caught.value.retry_after


@each(
    ("form", "least", "most"),
    [(7, 7, 7.8), ("date", 1, 3), ("missing", 0.1, 6)],
    ids=["seconds", "date", "none"],
)
async def test_pace_of_creates(
    heygen: HeyGen, service: Simulator, form: object, least: float, most: float
) -> None:
    """A 429 on a create is waited out, a little longer than asked and never shorter."""
    service.faults.add("rate_limit", on="create", retry_after=form)
    began = clock()
    await heygen.sessions.create(PROMPT)

    assert least <= clock() - began <= most + 0.1
