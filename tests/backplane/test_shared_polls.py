"""Processes on one backplane: each session is polled once for all of them, and all see what one reads."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable

import anyio
import pytest

from backplane.fleet import Fleet, fleet, last
from backplane.memory import MemoryEngine
from flows import clock, pass_time
from heygen_async import Cadence, ConfigError, HeyGen, InvalidArgument
from heygen_async.backplane import PostgresBackplane, RedisBackplane
from heygen_async.testing import Simulator
from polling.events import RENDERING

LEASE = 10.0
LITTLE = 3.0  # seconds: two ticks of whoever takes over, and a poll
WHOLE = ["thinking", "generating", "completed"]


# ---- one poll for all -----------------------------------------------------------------------------------------------


async def test_requests_do_not_grow_with_processes(engine: MemoryEngine, anyio_backend: object) -> None:
    """Four processes with 25 watchers on each of 50 sessions send at most 1.1 times the requests of one process."""
    reads: dict[int, int] = {}
    for count in (1, 4):
        async with fleet(Simulator(max_jobs=1000), count, engine=engine) as processes:
            ids = [session.id for session in await processes.sessions(50)]
            await processes.watch_all(ids, watchers=25)
            reads[count] = processes.reads

            assert {tuple(WHOLE)} == {tuple(seen) for them in processes.seen.values() for seen in them}
            assert count * 50 * 25 == sum(map(len, processes.seen.values()))

    assert reads[4] <= 1.1 * reads[1]


async def test_sessions_gather_at_one_process(engine: MemoryEngine, anyio_backend: object) -> None:
    """Processes that come to their sessions one by one, in any order, send the requests of one all the same."""
    reads: list[int] = []
    for count in (1, 4):
        dice = random.Random(1)
        async with fleet(Simulator(max_jobs=1000), count, engine=engine) as processes:

            async def come(after: float, place: int, session_id: str, processes: Fleet = processes) -> None:
                await pass_time(after)
                await processes.watch(place, session_id)

            sessions = await processes.sessions(50)
            async with anyio.create_task_group() as group:
                for place in range(4):
                    for session in sessions:
                        group.start_soon(come, dice.uniform(0, 20), place % count, session.id)
                await pass_time(60)
                assert 1 == len({owner for owner, _, _ in engine.leases.values()})
            reads.append(processes.reads)

    assert reads[1] <= 1.1 * reads[0]


async def test_a_process_that_joins_late_asks_nobody_but_the_others(
    engine: MemoryEngine, anyio_backend: object
) -> None:
    """A watch of a session that another process polls begins with its newest state, and without a request."""
    async with fleet(Simulator(scenario=RENDERING), 2, engine=engine) as processes:
        (session,) = await processes.sessions(1)
        async with anyio.create_task_group() as group:
            group.start_soon(processes.watch, 0, session.id)
            await pass_time(60)
            group.start_soon(processes.watch, 1, session.id)
            await pass_time(1)

            assert [["generating"]] == processes.seen[1, session.id]
            assert 0 == processes.cables[1].reads
            group.cancel_scope.cancel()


async def test_the_keenest_schedule_of_all_counts(engine: MemoryEngine, anyio_backend: object) -> None:
    """The process that polls does so as often as the keenest watcher of any process asks for."""
    async with fleet(Simulator(scenario=RENDERING), 2, engine=engine) as processes:
        (session,) = await processes.sessions(1)
        watches = [
            client.sessions.attach(session.id).watch(cadence=Cadence.constant(seconds), progress=True)
            for client, seconds in zip(processes.clients, (60, 2), strict=True)
        ]

        async def follow(place: int) -> None:
            async for _ in watches[place]:
                pass

        async with anyio.create_task_group() as group:
            group.start_soon(follow, 0)
            await pass_time(1)
            group.start_soon(follow, 1)
            await pass_time(100)
            group.cancel_scope.cancel()

        assert 45 <= processes.reads <= 60


async def test_all_know_at_once(engine: MemoryEngine, anyio_backend: object) -> None:
    """What one process has read is known in the others within a moment."""
    known: dict[int, float] = {}

    async with fleet(Simulator(scenario=RENDERING), 3, engine=engine) as processes:
        (session,) = await processes.sessions(1)

        async def wait(place: int) -> None:
            await processes.clients[place].sessions.attach(session.id).wait(until=["completed"])
            known[place] = clock()

        async with anyio.create_task_group() as group:
            for place in range(3):
                group.start_soon(wait, place)

    assert max(known.values()) - min(known.values()) < 0.1


async def test_nothing_is_lost_by_alone(engine: MemoryEngine, anyio_backend: object) -> None:
    """A process that is alone on its backplane polls as one without, but for the wait for an answer of the engine."""
    reads: list[int] = []
    for where in (engine, None):
        async with fleet(Simulator(max_jobs=1000), 1, engine=where) as processes:
            ids = [session.id for session in await processes.sessions(20)]
            await processes.watch_all(ids)
            reads.append(processes.reads)

    assert abs(reads[0] - reads[1]) <= 0.1 * reads[1]


# ---- holders come and go --------------------------------------------------------------------------------------------


async def test_a_holder_hands_over(engine: MemoryEngine, anyio_backend: object) -> None:
    """When the process that polls has no watchers any more, another polls at once."""
    async with fleet(Simulator(scenario=RENDERING), 2, engine=engine) as processes:
        (session,) = await processes.sessions(1)
        async with anyio.create_task_group() as group:
            holder = anyio.CancelScope()

            async def hold() -> None:
                with holder:
                    await processes.watch(0, session.id)

            group.start_soon(hold)
            await pass_time(1)
            group.start_soon(processes.watch, 1, session.id)
            await pass_time(30)
            before = processes.cables[0].reads
            holder.cancel()
            await pass_time(0.5)
            assert 1 == len(engine.leases)

        assert before == processes.cables[0].reads
        assert WHOLE[1:] == processes.seen[1, session.id][0][-2:]
        assert {} == engine.leases


async def test_a_holder_that_falls_silent_is_replaced(engine: MemoryEngine, anyio_backend: object) -> None:
    """A process that dies or stops is replaced within a lease and a little."""
    ends = 605.0
    async with fleet(Simulator(scenario=RENDERING), 3, engine=engine) as processes:
        (session,) = await processes.sessions(1)
        began = clock()
        async with anyio.create_task_group() as group:
            group.start_soon(processes.watch, 0, session.id)
            await pass_time(1)
            for place in (1, 2):
                group.start_soon(processes.watch, place, session.id)
            await pass_time(30)
            ((holder, _, _),) = engine.leases.values()
            lost = processes.holder(engine)
            processes.cables[lost].is_cut = True
            for connection in engine.connections:
                connection.is_silent |= connection.owner == holder
            before = processes.reads
            await pass_time(LEASE + LITTLE)
            assert processes.holder(engine) != lost

            await pass_time(began + ends + 30 - clock())
            left = {0, 1, 2} - {lost}
            assert ["completed"] * 2 == [last(processes.seen[place, session.id][0]) for place in left]
            assert processes.reads - before < 200
            group.cancel_scope.cancel()


async def test_a_process_that_cannot_reach_the_service_gives_up_its_leases(
    engine: MemoryEngine, anyio_backend: object
) -> None:
    """A holder whose own polls fail lets a process poll that can, and is fed by it."""
    async with fleet(Simulator(scenario=RENDERING), 2, engine=engine) as processes:
        (session,) = await processes.sessions(1)
        async with anyio.create_task_group() as group:
            group.start_soon(processes.watch, 0, session.id)
            await pass_time(1)
            group.start_soon(processes.watch, 1, session.id)
            await pass_time(30)
            processes.cables[processes.holder(engine)].is_cut = True

        assert WHOLE == processes.seen[0, session.id][0]
        assert WHOLE[1:] == processes.seen[1, session.id][0][-2:]


# ---- the engine goes away -------------------------------------------------------------------------------------------


async def test_while_the_engine_is_away_each_polls_for_itself(
    engine: MemoryEngine, anyio_backend: object, caplog: pytest.LogCaptureFixture
) -> None:
    """An engine that stops and comes back costs polls, loses nothing, and is reported once each way."""
    caplog.set_level(logging.INFO, "heygen_async")
    async with fleet(Simulator(max_jobs=100, scenario=RENDERING), 3, engine=engine) as processes:
        ids = [session.id for session in await processes.sessions(10)]
        async with anyio.create_task_group() as group:
            group.start_soon(processes.watch_all, ids)
            await pass_time(60)
            assert [False] * 3 == [one.statistics().is_backplane_away for one in processes.clients]
            engine.stop()
            await pass_time(2)
            assert [True] * 3 == [one.statistics().is_backplane_away for one in processes.clients]
            alone = [cable.reads for cable in processes.cables]
            await pass_time(60)
            assert all(cable.reads > before for cable, before in zip(processes.cables, alone, strict=True))
            engine.start()
            await pass_time(30)
            assert [False] * 3 == [one.statistics().is_backplane_away for one in processes.clients]
            back = [cable.reads for cable in processes.cables]
            await pass_time(100)
            assert 1 == sum(
                cable.reads > before for cable, before in zip(processes.cables, back, strict=True)
            )

        assert {tuple(WHOLE)} == {tuple(seen) for them in processes.seen.values() for seen in them}
        assert 3 == sum("away" in record.message for record in caplog.records)
        assert 3 == sum("is back" in record.message for record in caplog.records)


async def test_an_engine_that_was_never_there(
    engine: MemoryEngine, anyio_backend: object, caplog: pytest.LogCaptureFixture
) -> None:
    """A client whose backplane cannot be reached works as one without."""
    engine.stop()
    async with fleet(Simulator(), 1, engine=engine) as processes:
        (session,) = await processes.sessions(1)

        assert WHOLE == await processes.watch(0, session.id)
        assert processes.clients[0].statistics().is_backplane_away
    assert 1 == sum("away" in record.message for record in caplog.records)


# ---- making a client ------------------------------------------------------------------------------------------------


def test_tokens_are_no_secret(engine: MemoryEngine) -> None:
    """With an access token, which changes, a secret must be given."""
    from backplane.memory import MemoryBackplane

    with pytest.raises(ConfigError, match="secret"):
        HeyGen(access_token="a-token", backplane=MemoryBackplane(engine))
    HeyGen(access_token="a-token", backplane=MemoryBackplane(engine, secret="long and random"))


@pytest.mark.parametrize(
    "make",
    [
        lambda: HeyGen("a-key", backplane="redis://localhost"),  # type: ignore[arg-type]
        lambda: RedisBackplane("http://localhost"),
        lambda: RedisBackplane(6379),  # type: ignore[arg-type]
        lambda: RedisBackplane("redis://localhost", lease=0.5),
        lambda: RedisBackplane("redis://localhost", secret=""),
        lambda: PostgresBackplane("http://localhost"),
        lambda: PostgresBackplane("postgresql://localhost/app", secret=5),  # type: ignore[arg-type]
    ],
    ids=["none", "scheme", "number", "lease", "empty", "database", "type"],
)
def test_bad_arguments_are_refused_by_name(make: Callable[[], object]) -> None:
    """What cannot work is refused where it is given, and says by name what it is."""
    with pytest.raises(InvalidArgument, match=r"^(backplane|url|lease|secret|dsn): "):
        make()


async def test_a_closed_client_leaves_nothing(engine: MemoryEngine, anyio_backend: object) -> None:
    """A client that is closed gives its leases back and its connection up; closing without any use is free."""
    async with fleet(Simulator(scenario=RENDERING), 2, engine=engine) as processes:
        (session,) = await processes.sessions(1)
        async with anyio.create_task_group() as group:
            group.start_soon(processes.watch, 0, session.id)
            await pass_time(5)
            assert 1 == len(engine.leases)
            group.cancel_scope.cancel()

    assert ({}, []) == (engine.leases, engine.connections)


def test_fleets_are_made_without_a_loop(engine: MemoryEngine) -> None:
    """Making a client with a backplane does no I/O."""
    Fleet(Simulator(), 1, engine=engine)
