"""Processes, the engine, the service and the cables fail as chance has it: nothing is lost, and nothing goes back."""

from __future__ import annotations

import itertools
import random
from contextlib import suppress

import anyio
import pytest

from backplane.fleet import Fleet, fleet, last
from backplane.memory import MemoryEngine
from flows import pass_time
from heygen_async import HeyGen, HeyGenError
from heygen_async.testing import Scenario, Simulator
from polling.events import rumour

SEEDS = 8


async def break_things(processes: Fleet, engine: MemoryEngine, ids: list[str], dice: random.Random) -> None:
    """Break one thing after the other, and mend it."""
    while True:
        await pass_time(dice.uniform(1, 15))
        place = dice.randrange(len(processes.clients))
        match dice.randrange(5):
            case 0:
                engine.stop()
                await pass_time(dice.uniform(0.1, 30))
                engine.start()
            case 1:
                processes.cables[place].is_cut = True
                await pass_time(dice.uniform(0.1, 30))
                processes.cables[place].is_cut = False
            case 2:
                for connection in dice.sample(engine.connections, min(1, len(engine.connections))):
                    connection.is_silent = True
            case 3:
                processes.clients[place].notify(rumour(dice.choice(ids)))
            case _:
                for message in dice.choices(engine.messages or [b""], k=20):
                    engine.pass_on(message)


async def approve(client: HeyGen, session_id: str) -> bool:
    """Approve, if the way to the service is not cut."""
    with suppress(HeyGenError):
        await client.sessions.attach(session_id).approve()
        return True
    return False


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_what_breaks_costs_polls_and_no_more(seed: int, anyio_backend: object) -> None:
    """Each watch of each process yields a session's life in order and to its end, with each pause answered once."""
    dice, engine = random.Random(seed), MemoryEngine()
    service = Simulator(scenario=Scenario.chat().timed(thinking=20, generating=100), max_jobs=1000)
    service.faults.add("stale_reads", seconds=15)
    async with fleet(service, 3, engine=engine) as processes:
        sessions = await processes.sessions(8, mode="chat")
        ids = [session.id for session in sessions]

        async def answer(session_id: str) -> None:
            await dice.choice(processes.clients).sessions.attach(session_id).wait(until=["reviewing"])
            while not await approve(dice.choice(processes.clients), session_id):
                await pass_time(1)

        async def come_late(place: int, session_id: str) -> None:
            await pass_time(dice.uniform(0, 40))
            await processes.watch(place, session_id)

        async with anyio.create_task_group() as group:
            group.start_soon(break_things, processes, engine, ids, dice)
            async with anyio.create_task_group() as watches:
                for session_id in ids:
                    watches.start_soon(answer, session_id)
                    for place in range(3):
                        watches.start_soon(come_late, place, session_id)
            group.cancel_scope.cancel()

        life = ["thinking", "reviewing", "generating", "completed"]
        for seen in itertools.chain(*processes.seen.values()):
            assert last(seen) == "completed"
            assert seen == [status for status in life if status in seen]
        assert 8 == len(service.ledger.messages)


async def test_videos_and_failures_reach_every_process(anyio_backend: object) -> None:
    """Each process gets the link of a video, and the reason of a failure, by a read of its own."""
    engine = MemoryEngine()
    async with fleet(Simulator(max_jobs=100), 3, engine=engine) as processes:
        (session,) = await processes.sessions(1)
        links: list[str | None] = []

        async def film(place: int) -> None:
            video = await processes.clients[place].sessions.attach(session.id).video()
            links.append(video.video_url)

        async with anyio.create_task_group() as group:
            for place in range(3):
                group.start_soon(film, place)
        assert 3 == len(links)
        assert None not in links

    reasons: list[tuple[str | None, str | None]] = []
    async with fleet(Simulator(scenario=Scenario.generate().failing()), 3, engine=engine) as processes:
        (session,) = await processes.sessions(1)

        async def fail(place: int) -> None:
            watch = processes.clients[place].sessions.attach(session.id).watch(until=["failed"])
            state = [state async for state in watch][-1]
            reasons.append((state.failure_reason, state.failure_source))

        async with anyio.create_task_group() as group:
            for place in range(3):
                group.start_soon(fail, place)

    assert 3 == len(reasons)
    assert 1 == len(set(reasons))
    assert None not in reasons[0]
