"""A hundred conversations at once through one client."""

from __future__ import annotations

import random
from collections import Counter

import anyio

from flows import Line, client, pass_time
from heygen_async import Approve, Cadence, HeyGen, Reply, RetryPolicy, Session, SessionState, Video
from heygen_async.testing import Scenario, Simulator

MANY = 100


async def hold(heygen: HeyGen, number: int, videos: dict[int, Video]) -> None:
    """Hold one conversation: one revision, then the approval, each after a while of thought."""
    answers = iter([Reply(message=f"Warmer, please, in film {number}"), Approve()])
    thought = random.Random(number)

    async def review(session: Session, state: SessionState) -> Reply | Approve:
        await pass_time(thought.uniform(1, 60))
        answer = next(answers)
        assert isinstance(answer, Reply | Approve)
        return answer

    session = await heygen.sessions.create(f"Film {number}")
    videos[number] = await session.converse(review)


async def hold_many(heygen: HeyGen) -> dict[int, Video]:
    """Hold them all at once; return the videos."""
    videos: dict[int, Video] = {}
    async with anyio.create_task_group() as group:
        for number in range(MANY):
            group.start_soon(hold, heygen, number, videos)
    return videos


async def test_hundred_conversations(line: Line, heygen: HeyGen) -> None:
    """A hundred chat sessions, each revised once and approved, are all completed, and the books are exact."""
    videos = await hold_many(heygen)

    ledger = line.service.ledger
    assert {f"Film {number}" for number in range(MANY)} == {record.prompt for record in ledger.creates}
    assert (MANY, MANY) == (len(ledger.creates), ledger.requests["create"].total())
    assert sorted(video.id for video in videos.values()) == sorted(ledger.billed)
    assert MANY == len(set(ledger.billed))
    assert Counter(dict.fromkeys(ledger.sessions, 2)) == Counter(r.session_id for r in ledger.messages)
    assert (0, 0) == (ledger.duplicate_creates, ledger.duplicate_messages)
    assert ([], [], []) == (ledger.stops, ledger.key_leaks, ledger.unmatched)
    assert {400} == set(ledger.requests["send"]) - {200}  # `auto_proceed`, until the client has learnt
    assert 2 * MANY == ledger.requests["send"][200]
    assert all(f"Film {number}" == video.title for number, video in videos.items())


async def test_hundred_conversations_are_watched_sparingly(heygen: HeyGen) -> None:
    """Four minutes of conversation cost each session a few dozen polls, and the client no watcher that stays."""
    await hold_many(heygen)
    after = heygen.statistics()

    assert after.polls + after.bulk_polls <= 60 * MANY
    assert 0 == after.watchers
    assert 0 == after.retries


async def test_more_sessions_than_places() -> None:
    """When the account has ten places, a 429 on create waits for one, and every session is made exactly once."""
    service = Simulator(max_jobs=10, scenario=Scenario.generate().timed(thinking=5, generating=10))
    async with client(service, retry=RetryPolicy(max_attempts=60)) as heygen:
        videos: list[str] = []

        async def make(number: int) -> None:
            session = await heygen.sessions.create(f"Film {number}", mode="generate")
            videos.append((await session.video()).id)

        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(make, number)

    assert 10 == service.ledger.max_in_progress
    assert sorted(videos) == sorted(service.ledger.billed)
    assert 20 == len(service.ledger.creates)


async def test_a_look_of_ones_own_is_everybodys(line: Line) -> None:
    """What one reads with `refresh` is known at once to all who watch the session, without a poll of theirs."""
    async with client(line, cadence=Cadence.constant(600)) as heygen:
        session = await heygen.sessions.create("A tour of our bakery")
        seen: list[SessionState] = []

        async def watch() -> None:
            seen.extend([state async for state in heygen.sessions.attach(session.id).watch()])

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            await pass_time(120)
            polls = heygen.statistics().polls
            await session.refresh()
            await pass_time(1)
            assert ["thinking", "reviewing"] == [state.status for state in seen]
            assert polls == heygen.statistics().polls
