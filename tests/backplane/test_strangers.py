"""Others on the same engine: they can neither feed states, nor see whose sessions these are."""

from __future__ import annotations

import anyio

from backplane.fleet import fleet, last
from backplane.memory import MemoryEngine
from flows import pass_time
from heygen_async.testing import Scenario, Simulator
from polling.events import RENDERING

WHOLE = ["thinking", "generating", "completed"]


async def test_what_strangers_publish_is_ignored(engine: MemoryEngine, anyio_backend: object) -> None:
    """Noise, truncated messages, messages of another account and messages played again change and cost nothing."""
    scenario = Scenario.generate().timed(thinking=5, generating=120)
    async with fleet(Simulator(scenario=scenario), 2, engine=engine) as processes:
        (session,) = await processes.sessions(1)

        async def attack() -> None:
            while True:
                await pass_time(1)
                recorded = list(engine.messages)
                for message in recorded:
                    engine.pass_on(message)
                    engine.pass_on(message[:-1])
                    engine.pass_on(message[:10])
                    engine.pass_on(message[:-1] + bytes([message[-1] ^ 1]))
                engine.pass_on(b"")
                engine.pass_on(bytes(40))

        async with anyio.create_task_group() as group:
            group.start_soon(attack)
            await processes.watch_all([session.id])
            group.cancel_scope.cancel()
        attacked = processes.reads

        assert {tuple(WHOLE)} == {tuple(seen) for them in processes.seen.values() for seen in them}
    async with fleet(Simulator(scenario=scenario), 2, engine=MemoryEngine()) as processes:
        (session,) = await processes.sessions(1)
        await processes.watch_all([session.id])

        assert processes.reads == attacked


async def test_a_process_that_is_new_takes_no_recorded_state(
    engine: MemoryEngine, anyio_backend: object
) -> None:
    """A process that joins late is not shown an old pause by messages that somebody has recorded."""
    service = Simulator(scenario=Scenario.chat().timed(generating=300))
    async with fleet(service, 2, engine=engine) as processes:
        (session,) = await processes.sessions(1, mode="chat")
        async with anyio.create_task_group() as group:
            group.start_soon(processes.watch, 0, session.id)
            await pass_time(60)
            recorded = list(engine.messages)
            await session.approve()
            await pass_time(10)

            group.start_soon(processes.watch, 1, session.id)
            for _ in range(20):
                for message in recorded:
                    engine.pass_on(message)
                await pass_time(0.05)

        assert [["generating", "completed"]] == processes.seen[1, session.id]


async def test_accounts_do_not_meet(engine: MemoryEngine, anyio_backend: object) -> None:
    """Processes of another account, or of one with another secret, share nothing, not even by chance."""
    service = Simulator(scenario=RENDERING)
    async with (
        fleet(service, 1, engine=engine) as ours,
        fleet(service, 1, engine=engine, secret="another") as theirs,
    ):
        (session,) = await ours.sessions(1)
        async with anyio.create_task_group() as group:
            group.start_soon(ours.watch, 0, session.id)
            await pass_time(1)
            group.start_soon(theirs.watch, 0, session.id)
            await pass_time(60)
            assert 2 == len(engine.leases)
            assert (
                0 == ours.clients[0].statistics().shared_reads == theirs.clients[0].statistics().shared_reads
            )
            group.cancel_scope.cancel()


async def test_what_must_not_travel(engine: MemoryEngine, anyio_backend: object) -> None:
    """Neither the key nor a signed link ever goes to the engine, and each process reads for itself what quotes one."""
    link = "https://files.example/draft.mp4?X-Amz-Signature=SIGNED"
    async with fleet(Simulator(scenario=Scenario.chat().timed(generating=30)), 2, engine=engine) as processes:
        (session,) = await processes.sessions(1, mode="chat")
        async with anyio.create_task_group() as group:
            for place in (0, 1):
                group.start_soon(processes.watch, place, session.id)
            await session.wait()
            await session.send(f"Look at {link}")
            await session.wait()
            await session.approve()

        assert {"completed"} == {last(seen) for them in processes.seen.values() for seen in them}
        traffic = b"".join(engine.messages)
        assert b"thinking" in traffic
        assert b"test-key" not in traffic
        assert b"SIGNED" not in traffic
        assert not any(session.id in name for name in engine.leases)
