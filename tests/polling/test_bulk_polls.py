"""Many rendering sessions are polled together; the session stays the authority."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from flows import Line, client, pass_time, rendering, words
from heygen_async import Cadence, Session
from heygen_async.testing import Scenario, Simulator

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

RENDERING = Scenario.generate().timed(thinking=1, generating=2_000)


def watch_all(group: TaskGroup, sessions: list[Session], *, progress: bool = False) -> None:
    """Watch them all to their ends."""

    async def watch(session: Session) -> None:
        async for _ in session.watch(timeout=None, progress=progress):
            pass

    for session in sessions:
        group.start_soon(watch, session)


async def told(sessions: list[Session]) -> list[list[str]]:
    """Watch them all to their ends and return what each was told."""
    seen: dict[str, list[str]] = {}

    async def watch(session: Session) -> None:
        seen[session.id] = await words(session.watch(timeout=None))

    async with anyio.create_task_group() as group:
        for session in sessions:
            group.start_soon(watch, session)
    return [seen[session.id] for session in sessions]


@pytest.fixture
def service() -> Simulator:
    """A service whose sessions render for half an hour."""
    return Simulator(max_jobs=10_000, scenario=RENDERING)


async def test_a_thousand_renders_cost_eleven_requests_a_round(service: Simulator) -> None:
    """A thousand rendering sessions at one poll in ten seconds cost ten requests, and one for an authority."""
    line = Line(service)
    async with client(line, cadence=Cadence.constant(10)) as heygen, anyio.create_task_group() as group:
        watch_all(group, await rendering(heygen, 1_000))
        await pass_time(100)
        before = heygen.statistics()
        await pass_time(100)
        after = heygen.statistics()
        group.cancel_scope.cancel()

    assert 110 >= after.requests - before.requests
    assert 100 <= after.bulk_polls - before.bulk_polls


async def test_everybody_learns_the_end(service: Simulator) -> None:
    """Sessions polled together end as those polled alone, within one poll."""
    async with client(service, cadence=Cadence.constant(10)) as heygen:
        sessions = await rendering(heygen, 30)
        seen = await told(sessions)

    assert [["generating", "completed"]] * 30 == seen
    assert 0 < service.ledger.bulk_requests


@pytest.mark.parametrize("status", [404, 403])
async def test_a_service_without_the_endpoint(service: Simulator, status: int) -> None:
    """A missing endpoint is noticed once, and everybody is polled alone from then on."""
    service.faults.add("statuses_missing", on="statuses", times=None, status=status)
    async with client(service, cadence=Cadence.constant(10)) as heygen:
        sessions = await rendering(heygen, 20)
        seen = await told(sessions)

    assert [["generating", "completed"]] * 20 == seen
    assert {status: 1} == service.ledger.requests["statuses"]


async def test_trouble_with_the_endpoint_passes(service: Simulator) -> None:
    """An endpoint that fails for a while is asked again, and no watcher hears of it."""
    service.faults.add("error_500", on="statuses", times=5)
    async with client(service, cadence=Cadence.constant(10)) as heygen:
        sessions = await rendering(heygen, 20)
        seen = await told(sessions)

    assert [["generating", "completed"]] * 20 == seen
    assert 5 < sum(service.ledger.requests["statuses"].values())


async def test_ids_the_endpoint_does_not_know(service: Simulator) -> None:
    """A video the statuses call not_found is polled through its session."""
    async with client(service, cadence=Cadence.constant(10)) as heygen:
        sessions = await rendering(heygen, 20)
        lost = sessions[7]
        assert lost.video_id is not None
        await heygen.videos.delete(lost.video_id)
        async with anyio.create_task_group() as group:
            watch_all(group, sessions)
            await pass_time(100)
            before = service.ledger.polls[lost.id]
            await pass_time(100)
            group.cancel_scope.cancel()

    assert 8 <= service.ledger.polls[lost.id] - before


async def test_progress_is_read_alone(service: Simulator) -> None:
    """A watcher who wants progress gets it: the statuses of many tell none."""
    async with client(service, cadence=Cadence.constant(10)) as heygen:
        sessions = await rendering(heygen, 3)
        async with anyio.create_task_group() as group:
            watch_all(group, sessions, progress=True)
            await pass_time(300)
            group.cancel_scope.cancel()

    assert all(25 <= service.ledger.polls[session.id] for session in sessions)
    assert 0 == service.ledger.bulk_requests


async def test_one_render_is_read_as_itself(service: Simulator) -> None:
    """A single rendering session is read as a session: a group of one would tell less for the same price."""
    async with client(service, cadence=Cadence.constant(10)) as heygen:
        sessions = await rendering(heygen, 1)
        async with anyio.create_task_group() as group:
            watch_all(group, sessions)
            await pass_time(300)
            group.cancel_scope.cancel()

    assert 0 == service.ledger.bulk_requests


async def test_the_session_stays_the_authority(service: Simulator) -> None:
    """Each of a few sessions polled together is still read on its own every few minutes."""
    async with client(service, cadence=Cadence.constant(10)) as heygen:
        sessions = await rendering(heygen, 5)
        polls = dict(service.ledger.polls)
        async with anyio.create_task_group() as group:
            watch_all(group, sessions)
            await pass_time(600)
            group.cancel_scope.cancel()

    assert all(3 <= service.ledger.polls[session.id] - polls.get(session.id, 0) for session in sessions)


async def test_slow_restart_after_a_pause(service: Simulator) -> None:
    """After a pause polls start over one at a time, so that a crowd is not refused again."""
    line = Line(service, latency=0.2)
    async with client(line, cadence=Cadence.constant(10)) as heygen, anyio.create_task_group() as group:
        sessions = await rendering(heygen, 60)
        watch_all(group, sessions, progress=True)
        await pass_time(30)
        service.faults.add("rate_limit", on="get", retry_after=60)
        await pass_time(40)
        before = len(line.sent)
        while len(line.sent) == before:
            await pass_time(0.05)
        await pass_time(0.15)
        first = len(line.sent) - before
        await pass_time(60)
        group.cancel_scope.cancel()

    assert 1 == first
    assert 60 <= len(line.sent) - before
