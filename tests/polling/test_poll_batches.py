"""What is polled together stays together until something happens to one of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import pytest

from flows import Line, client, clock, pass_time, rendering
from heygen_async import Cadence, HeyGen, Session, WatchTimeout
from heygen_async.testing import MemoryAnswer, Scenario, Simulator
from polling.events import rumour

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from heygen_async.testing._transports.memory import Outgoing

EVERY = 10.0
STATUSES = "/v3/videos/statuses"
RENDERING = Scenario.generate().timed(thinking=1, generating=2_000)
REVIEWED = Scenario.chat().timed(thinking=1, generating=2_000)


async def follow(session: Session, **options: object) -> None:
    """Watch to the end."""
    async for _ in session.watch(**{"timeout": None, **options}):  # type: ignore[arg-type]
        pass


@pytest.fixture
def line() -> Line:
    """A line to a service whose sessions render for half an hour."""
    return Line(Simulator(max_jobs=10_000, scenario=RENDERING))


@pytest.fixture
async def heygen(line: Line) -> AsyncIterator[HeyGen]:
    """A client that polls every ten seconds."""
    async with client(line, cadence=Cadence.constant(EVERY)) as heygen:
        yield heygen


def shared(line: Line, since: int = 0) -> list[str]:
    """Return the addresses of the shared polls after so many requests."""
    return [sent.path for sent in line.sent[since:] if sent.path.startswith(STATUSES)]


def singles(line: Line, session: Session, since: int = 0) -> int:
    """Return how often a session was read on its own after so many requests."""
    return sum(sent.method == "GET" and sent.path.endswith(f"/{session.id}") for sent in line.sent[since:])


async def test_hundreds_stay_together(line: Line) -> None:
    """Of all shared polls nine in ten ask for the same hundred as one before, though one leaves now and then."""
    async with client(line) as heygen, anyio.create_task_group() as group:
        for session in await rendering(heygen, 640):
            group.start_soon(follow, session)
        await pass_time(30)
        since = len(line.sent)
        await pass_time(200)
        group.cancel_scope.cancel()

    polls = shared(line, since)
    assert len(polls) > 500
    assert len(set(polls)) <= len(polls) / 10


async def test_one_who_leaves_is_not_asked_for(heygen: HeyGen, line: Line) -> None:
    """A session whose only watcher has gone is left out of the next shared poll."""
    sessions = await rendering(heygen, 20)
    async with anyio.create_task_group() as group:
        for session in sessions[1:]:
            group.start_soon(follow, session)
        with anyio.move_on_after(45):
            await follow(sessions[0])
        since = len(line.sent)
        await pass_time(15)
        group.cancel_scope.cancel()

    assert sessions[0].video_id is not None
    assert shared(line, since)
    assert not any(sessions[0].video_id in path for path in shared(line, since))


async def test_an_event_takes_one_out(heygen: HeyGen, line: Line) -> None:
    """An event about one of many that are polled together has it polled on its own, within a second."""
    sessions = await rendering(heygen, 20)
    async with anyio.create_task_group() as group:
        for session in sessions:
            group.start_soon(follow, session)
        await pass_time(45)
        since = len(line.sent)
        heygen.notify(rumour(sessions[7].id))
        await pass_time(1)
        group.cancel_scope.cancel()

    assert 1 == singles(line, sessions[7], since)
    assert len(line.sent) - since <= 2  # and one shared poll, if it was due


@pytest.mark.parametrize("options", [{"cadence": Cadence.constant(2.0)}, {"progress": True}])
async def test_another_watcher_takes_one_out(heygen: HeyGen, line: Line, options: dict[str, object]) -> None:
    """A second watcher who wants more than the shared polls gets it, for this session and no other."""
    sessions = await rendering(heygen, 20)
    async with anyio.create_task_group() as group:
        for session in sessions:
            group.start_soon(follow, session)
        await pass_time(45)
        since = len(line.sent)
        group.start_soon(lambda: follow(heygen.sessions.attach(sessions[7].id), **options))
        await pass_time(40)
        group.cancel_scope.cancel()

    assert sessions[7].video_id is not None
    with_it = [path for path in shared(line, since) if sessions[7].video_id in path]
    assert singles(line, sessions[7], since) + len(with_it) >= 4
    if "progress" in options:
        assert len(with_it) <= 1  # the one that was planned
    assert len(shared(line, since)) - len(with_it) <= 5
    assert all(singles(line, session, since) <= 1 for session in sessions[:7])


async def test_a_deadline_takes_one_out(heygen: HeyGen, line: Line) -> None:
    """A watch of one of many ends at its deadline, and the others go on together."""
    sessions = await rendering(heygen, 20)
    async with anyio.create_task_group() as group:
        for session in sessions[1:]:
            group.start_soon(follow, session)
        began = clock()
        with pytest.raises(WatchTimeout):
            await follow(sessions[0], timeout=47.0)
        ended = clock() - began
        since = len(line.sent)
        await pass_time(15)
        group.cancel_scope.cancel()

    assert 47.0 <= ended < 47.1
    assert all(path.count("%2C") == 18 for path in shared(line, since))


async def test_an_approved_session_joins_the_others() -> None:
    """A session that begins to render between two shared polls is in the next one, and is not read on its own."""
    line = Line(Simulator(max_jobs=10_000, scenario=REVIEWED))
    async with client(line, cadence=Cadence.constant(EVERY)) as heygen, anyio.create_task_group() as group:
        sessions = [await heygen.sessions.create(f"Film {n}") for n in range(20)]
        for session in sessions:
            await session.wait()
        for session in sessions[:15]:
            await session.approve()
            group.start_soon(follow, session)
        await pass_time(45)
        since = len(line.sent)
        for session in sessions[15:]:
            await session.approve()
            group.start_soon(follow, session)
            await pass_time(1)
        await pass_time(30)
        group.cancel_scope.cancel()

    assert [1] * 5 == [singles(line, session, since) for session in sessions[15:]]
    assert len(shared(line, since)) <= 4
    assert shared(line)[-1].count("%2C") == 19


class Lagging(Line):
    """A line on which the statuses of many call one video completed, long before its session says so."""

    video_id: str | None = None

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Pass it on, and change that row of the answer."""
        answer = await super().send(request)
        if STATUSES not in request.url or self.video_id is None:
            return answer
        rows = json.loads(answer.body)["data"]
        for row in rows:
            row["status"] = "completed" if row["video_id"] == self.video_id else row["status"]
        return MemoryAnswer(200, {}, json.dumps({"data": rows}).encode())


async def test_a_video_that_ended_is_not_asked_for_again() -> None:
    """A session that still renders although its video has ended is polled on its own from then on, as planned."""
    line = Lagging(Simulator(max_jobs=10_000, scenario=RENDERING))
    async with client(line, cadence=Cadence.constant(EVERY)) as heygen, anyio.create_task_group() as group:
        sessions = await rendering(heygen, 20)
        for session in sessions:
            group.start_soon(follow, session)
        await pass_time(25)
        line.video_id, since = sessions[7].video_id, len(line.sent)
        await pass_time(100)
        group.cancel_scope.cancel()

    assert line.video_id is not None
    assert 1 == sum(line.video_id in path for path in shared(line, since))
    assert 10 <= singles(line, sessions[7], since) <= 11
