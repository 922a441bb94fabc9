"""What one process learns from outside, a webhook or an answer of ours, counts in all."""

from __future__ import annotations

import anyio
import pytest

from backplane.fleet import fleet, last
from backplane.memory import MemoryEngine
from flows import clock, pass_time
from heygen_async import SessionState
from heygen_async.testing import Scenario, Simulator
from polling.events import RENDERING, told


async def test_a_webhook_to_one_process_wakes_all(engine: MemoryEngine, anyio_backend: object) -> None:
    """A webhook that reaches a process is a poll within 100 ms, and a state in all others within 250 ms."""
    async with fleet(Simulator(scenario=RENDERING), 4, engine=engine) as processes:
        (session,) = await processes.sessions(1)
        ends = clock() + 605
        await pass_time(5)
        (another,) = await processes.sessions(1)
        async with anyio.create_task_group() as group:
            for place in range(3):
                group.start_soon(processes.watch, place, session.id)
            group.start_soon(processes.watch, 3, another.id)
            await pass_time(ends - clock() + 0.01)
            before = processes.reads
            processes.clients[3].notify(told(session.id))  # which watches another session
            await pass_time(0.1)
            assert processes.reads == before + 1
            await pass_time(0.15)

            assert ["completed"] * 3 == [last(processes.seen[place, session.id][0]) for place in range(3)]
            group.cancel_scope.cancel()


@pytest.mark.parametrize("sender", [0, 1, 2], ids=["who polls", "who is fed", "who watches nothing"])
async def test_no_process_takes_an_old_pause_for_a_new_one(
    engine: MemoryEngine, anyio_backend: object, sender: int
) -> None:
    """After an approval in one process, a service that still shows the review does not show it to the others again."""
    service = Simulator(scenario=Scenario.chat().timed(generating=120))
    service.faults.add("stale_reads", seconds=20)
    async with fleet(service, 3, engine=engine) as processes:
        (session,) = await processes.sessions(1, mode="chat")
        async with anyio.create_task_group() as group:
            for place in (0, 1):
                group.start_soon(processes.watch, place, session.id)
                await pass_time(1)
            await pass_time(60)
            await processes.clients[sender].sessions.attach(session.id).approve()

        assert {("thinking", "reviewing", "generating", "completed")} == {
            tuple(seen) for them in processes.seen.values() for seen in them
        }


async def test_a_process_that_joins_after_an_answer_sees_no_old_pause(
    engine: MemoryEngine, anyio_backend: object
) -> None:
    """A watch that begins in another process while the service still shows an answered pause waits for news."""
    service = Simulator(scenario=Scenario.chat().timed(generating=120))
    service.faults.add("stale_reads", seconds=20)
    async with fleet(service, 2, engine=engine) as processes:
        (session,) = await processes.sessions(1, mode="chat")
        async with anyio.create_task_group() as group:
            group.start_soon(processes.watch, 0, session.id)
            await pass_time(60)
            await session.approve()
            await pass_time(2)
            group.start_soon(processes.watch, 1, session.id)

        assert [["generating", "completed"]] == processes.seen[1, session.id]


async def test_one_answers_each_pause(engine: MemoryEngine, anyio_backend: object) -> None:
    """Two processes that converse with one session in turn pay for each answer once, and both get the video."""
    service = Simulator(scenario=Scenario.chat().timed(generating=60))
    async with fleet(service, 2, engine=engine) as processes:
        (session,) = await processes.sessions(1, mode="chat")

        async def wait() -> SessionState:
            return await processes.clients[1].sessions.attach(session.id).wait(until=["completed"])

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await session.wait()
            await session.send("Warmer, please")
            await session.wait()
            await session.approve()

        assert 2 == len(service.ledger.messages)
