"""Many browsers, one poll: any number of watches of a session cost what one costs, and leave nothing."""

from __future__ import annotations

import anyio
import pytest

from flows import Line, client, pass_time, words
from heygen_async import Cadence, HeyGen
from heygen_async.testing import Simulator
from polling.events import RENDERING


@pytest.fixture
def service() -> Simulator:
    """A service that renders for ten minutes."""
    return Simulator(max_jobs=10_000, scenario=RENDERING)


async def test_many_subscribers_share_the_polls(line: Line) -> None:
    """500 subscribers of 50 sessions cost 50 polls an interval, and all of them see the last state."""
    every = 10.0
    async with client(line, cadence=Cadence.constant(every)) as heygen:
        sessions = [await heygen.sessions.create(f"Film {number}", mode="generate") for number in range(50)]
        last: list[str] = []

        async def subscribe(session_id: str) -> None:
            last.append((await words(heygen.sessions.attach(session_id).watch(progress=True)))[-1])

        async with anyio.create_task_group() as group:
            for number in range(500):
                group.start_soon(subscribe, sessions[number % 50].id)
            await pass_time(100)
            watching = heygen.statistics()
            before = line.service.ledger.polls.total()
            await pass_time(10 * every)
            polled = line.service.ledger.polls.total() - before

        assert (500, 50) == (watching.watchers, watching.watched)
        assert 9 * 50 < polled <= 10 * 50  # the polls themselves take a moment
        assert ["completed"] * 500 == last
        assert 0 == heygen.statistics().watchers


async def test_those_who_leave_leave_nothing(heygen: HeyGen, line: Line) -> None:
    """200 browsers that are closed at any moment leave no watcher, and nobody else notices."""
    sessions = [await heygen.sessions.create(f"Film {number}", mode="generate") for number in range(20)]
    last: list[str] = []

    async def subscribe(session_id: str, closes_after: float | None) -> None:
        with anyio.move_on_after(closes_after):
            last.append((await words(heygen.sessions.attach(session_id).watch(progress=True)))[-1])

    async with anyio.create_task_group() as group:
        for number in range(220):
            closes = None if number < 20 else 0.37 * (number - 19)
            group.start_soon(subscribe, sessions[number % 20].id, closes)
        await pass_time(80)
        assert (20, 20) == (heygen.statistics().watchers, heygen.statistics().watched)

    assert ["completed"] * 20 == last
    assert 0 == heygen.statistics().watchers
    before = len(line.sent)
    await pass_time(600)
    assert before == len(line.sent)
