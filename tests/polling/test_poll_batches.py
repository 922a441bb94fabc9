"""What is polled together stays together until something happens to one of it."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from flows import Line, client, clock, pass_time, rendering
from heygen_async import Cadence, HeyGen, Session, WatchTimeout
from heygen_async.testing import MemoryAnswer, Scenario, Simulator
from polling.events import rumour

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from heygen_async.cadence import PollContext
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


# -- what happens to one of those that have been polled together for a while --

ROUND = 1.0
Settled = tuple[HeyGen, Session, Line]


async def settle(line: Line) -> None:
    """Wait until all have been polled together for a while, and none will be read alone for five seconds."""
    await pass_time(70)
    while line.sent[-1].path.startswith(STATUSES):
        await pass_time(0.01)
    await pass_time(4.5 * ROUND)


@pytest.fixture
async def settled() -> AsyncIterator[Settled]:
    """A client that polls thirty sessions every second, and one of them; for five seconds none is read alone."""
    line = Line(Simulator(max_jobs=10_000, scenario=REVIEWED))
    async with client(line, cadence=Cadence.constant(ROUND)) as heygen, anyio.create_task_group() as group:
        sessions = [await heygen.sessions.create(f"Film {n}") for n in range(30)]
        for session in sessions:
            await session.wait()
            await session.approve()
            group.start_soon(follow, session)
        await settle(line)
        yield heygen, sessions[7], line
        group.cancel_scope.cancel()


def polls(line: Line, session: Session, since: int) -> int:
    """Return how often a session was read, alone or with others, after so many requests."""
    return singles(line, session, since) + len(together(line, session, since))


def together(line: Line, session: Session, since: int) -> list[str]:
    """Return the addresses of the polls it shared, after so many requests."""
    assert session.video_id is not None
    return [path for path in shared(line, since) if session.video_id in path]


async def under_way(line: Line, session: Session) -> int:
    """Wait until a poll that it shares is under way; return how many requests have been sent."""
    since = len(line.sent)
    while not together(line, session, since):
        await pass_time(0.002)
    return len(line.sent)


async def test_without_an_event_all_stay_together(settled: Settled) -> None:
    """A session to which nothing happens is in each shared poll, which asks the same each time, and in no other."""
    _, session, line = settled
    since = len(line.sent)
    await pass_time(4 * ROUND)

    assert 4 == len(together(line, session, since)) == len(shared(line, since))
    assert 1 == len(set(shared(line, since)))
    assert 0 == singles(line, session, since)


@pytest.mark.parametrize("moment", ["between", "during"])
async def test_an_event_takes_one_out(settled: Settled, moment: str) -> None:
    """An event about one of them, also one that comes during a poll, has it polled on its own within a second."""
    heygen, session, line = settled
    since = await under_way(line, session) if moment == "during" else len(line.sent)
    heygen.notify(rumour(session.id))
    await pass_time(1)

    assert 1 == singles(line, session, since)


@pytest.mark.parametrize("moment", ["between", "during"])
async def test_a_poll_that_is_wanted_now(settled: Settled, moment: str) -> None:
    """A session that is to be polled now, as after a stop, is polled at once, or after the poll under way."""
    heygen, session, line = settled
    since = await under_way(line, session) if moment == "during" else len(line.sent)
    heygen._core.scheduler.poll_now(session.id)
    await pass_time(ROUND / 4)

    assert 1 == polls(line, session, since)


async def test_a_watcher_of_progress_takes_one_out(settled: Settled) -> None:
    """A second watcher who wants progress has the session polled on its own from the next poll on."""
    heygen, session, line = settled
    since = len(line.sent)
    async with anyio.create_task_group() as group:
        group.start_soon(partial(follow, heygen.sessions.attach(session.id), progress=True))
        await pass_time(4 * ROUND)
        group.cancel_scope.cancel()

    assert 1 == len(together(line, session, since))  # the one that was planned
    assert 3 <= singles(line, session, since)


async def test_a_watcher_in_a_hurry_takes_one_out(settled: Settled) -> None:
    """A second watcher with a quicker schedule gets it."""
    heygen, session, line = settled
    since = len(line.sent)
    async with anyio.create_task_group() as group:
        quick = Cadence.constant(ROUND / 4)
        group.start_soon(partial(follow, heygen.sessions.attach(session.id), cadence=quick))
        await pass_time(4 * ROUND)
        group.cancel_scope.cancel()

    assert 14 <= polls(line, session, since) <= 17


async def test_a_message_from_elsewhere_takes_one_out(settled: Settled) -> None:
    """A session to which another process has sent something, as a ref may tell, is read on its own."""
    _, session, line = settled
    since = len(line.sent)
    session._track.record_send("Shorter, please", since=clock(), settle=30.0, cursor=None)
    await pass_time(2 * ROUND)

    assert 1 <= singles(line, session, since)


async def test_all_that_are_brought_forward_are_asked_for_once() -> None:
    """Sessions whose schedule becomes shorter are polled once at the new moment, and not at the old one too."""
    line = Line(Simulator(max_jobs=10_000, scenario=RENDERING), latency=1.0)
    seconds = 30.0

    def wait(_: PollContext) -> float:
        return seconds

    async with client(line, cadence=wait) as heygen, anyio.create_task_group() as group:
        sessions = await rendering(heygen, 100)
        for session in sessions:
            group.start_soon(follow, session)
        await pass_time(70)
        await under_way(line, sessions[0])
        await pass_time(30.7)
        since, seconds = len(line.sent), 0.2
        heygen._core.scheduler.advance()
        seconds = 30.0
        await pass_time(10)
        group.cancel_scope.cancel()

    assert 1 == len(shared(line, since))


async def test_deadlines_take_one_out_each(line: Line) -> None:
    """Watches end at their deadlines, with a poll more for each at most, and the others go on together."""
    async with client(line, cadence=Cadence.constant(ROUND)) as heygen, anyio.create_task_group() as group:
        sessions = await rendering(heygen, 30)
        late: list[float] = []

        async def end_late(session: Session, timeout: float) -> None:
            deadline = clock() + timeout
            with pytest.raises(WatchTimeout):
                await follow(session, timeout=timeout)
            late.append(clock() - deadline)

        for session in sessions[4:]:
            group.start_soon(follow, session)
        for number, session in enumerate(sessions[:4]):
            group.start_soon(end_late, session, 80.5 + 2 * number)
        await pass_time(80)
        since = len(line.sent)
        await pass_time(10)
        group.cancel_scope.cancel()

    assert 4 == len(late)
    assert 0.1 > max(late)
    assert len(shared(line, since)) <= 10 + 4
    assert shared(line)[-1].count("%2C") == 25


async def test_a_rare_schedule_is_kept(heygen: HeyGen, line: Line) -> None:
    """A session whose watcher wants few polls is not drawn into those of the others."""
    sessions = await rendering(heygen, 20)
    async with anyio.create_task_group() as group:
        for session in sessions[1:]:
            group.start_soon(follow, session)
        group.start_soon(partial(follow, sessions[0], cadence=Cadence.constant(45.0)))
        await pass_time(10)
        since = len(line.sent)
        await pass_time(100)
        group.cancel_scope.cancel()

    assert 2 <= polls(line, sessions[0], since) <= 3


async def test_reading_aside_puts_the_poll_off(heygen: HeyGen, line: Line) -> None:
    """A rendering session that its program reads often itself is not polled besides."""
    (session,) = await rendering(heygen, 1)
    async with anyio.create_task_group() as group:
        group.start_soon(follow, session)
        await pass_time(1)
        since = len(line.sent)
        for _ in range(10):
            await session.refresh()
            await pass_time(5)
        group.cancel_scope.cancel()

    assert 10 == len(line.sent) - since


class Renaming(Line):
    """A line on which one session has another video from some moment on."""

    renamed: tuple[str, str] | None = None

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Pass it on, and change the name of the video in a session's answer."""
        answer = await super().send(request)
        if self.renamed is not None and STATUSES not in request.url:
            old, new = self.renamed
            return MemoryAnswer(
                answer.status, answer.headers, answer.body.replace(old.encode(), new.encode())
            )
        return answer


async def test_another_video_read_during_a_poll() -> None:
    """A session of which a read shows another video, while a shared poll is under way, is asked for by that."""
    line = Renaming(Simulator(max_jobs=10_000, scenario=RENDERING))
    sessions: list[Session] = []
    async with client(line, cadence=Cadence.constant(ROUND)) as heygen, anyio.create_task_group() as group:
        sessions = await rendering(heygen, 30)
        for session in sessions:
            group.start_soon(follow, session)
        await settle(line)
        old, new = str(sessions[7].video_id), str(sessions[8].video_id)
        await under_way(line, sessions[7])
        await pass_time(line.sent[-1].at + ROUND + 0.005 - clock())
        line.renamed, since = (old, new), len(line.sent)
        await sessions[7].refresh()
        await pass_time(3 * ROUND)
        group.cancel_scope.cancel()

    assert sessions[7].video_id == new
    assert 1 == sum(old in path for path in shared(line, since))  # the one that was under way


async def test_an_approved_session_joins_the_others() -> None:
    """A session that begins to render between two shared polls is in the next one, and is not read on its own."""
    line = Line(Simulator(max_jobs=10_000, scenario=REVIEWED))
    sessions: list[Session] = []
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
    sessions: list[Session] = []
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
