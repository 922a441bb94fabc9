"""Creates of the same words in several processes, of which some lose their answers."""

from __future__ import annotations

import random

import anyio
import pytest

from backplane.fleet import Fleet, fleet
from backplane.memory import MemoryEngine
from flows import pass_time
from heygen_async import HeyGen, OutcomeUnknown
from heygen_async.testing import Simulator

PROMPT = "A tour of our bakery"


async def create_in_all(
    processes: Fleet, *, times: int = 1, chance: random.Random | None = None
) -> list[str | OutcomeUnknown]:
    """Create so often in each process, at the same time or by chance within two seconds; the ids, and the errors."""
    ends: list[str | OutcomeUnknown] = []

    async def create(heygen: HeyGen) -> None:
        await pass_time(0.0 if chance is None else chance.uniform(0, 2))
        try:
            ends.append((await heygen.sessions.create(PROMPT)).id)
        except OutcomeUnknown as error:
            ends.append(error)

    async with anyio.create_task_group() as group:
        for heygen in processes.clients * times:
            group.start_soon(create, heygen)
    return ends


def lossy(lost: int) -> Simulator:
    """A service whose last answers of four to creates are lost."""
    service = Simulator()
    service.faults.add("reset_after_processing", on="create", after=4 - lost, times=lost)
    return service


async def test_what_others_have_made_is_not_taken(engine: MemoryEngine, anyio_backend: object) -> None:
    """A process whose create was lost finds its own session among those that other processes have got."""
    service = lossy(1)
    async with fleet(service, 4, engine=engine) as processes:
        ids = await create_in_all(processes)

    assert set(service.ledger.sessions) == set(ids)
    assert 0 == service.ledger.duplicate_creates


async def test_what_was_never_made_is_made_again(engine: MemoryEngine, anyio_backend: object) -> None:
    """A process whose create did not reach the service takes no session of another for its own, but sends again."""
    service = Simulator()
    service.faults.add("reset_before", on="create", after=3, times=1)
    async with fleet(service, 4, engine=engine) as processes:
        ids = await create_in_all(processes)

    assert 4 == len(set(ids)) == len(service.ledger.sessions)
    assert set(service.ledger.sessions) == set(ids)
    assert not any(heygen.sessions.orphans for heygen in processes.clients)


async def test_a_session_that_was_found_is_not_found_again(
    engine: MemoryEngine, anyio_backend: object
) -> None:
    """What one process has found after a lost answer no other process takes later."""
    service = Simulator()
    service.faults.add("reset_after_processing", on="create", times=1)
    service.faults.add("reset_before", on="create", after=1, times=1)
    async with fleet(service, 2, engine=engine) as processes:
        one, other = processes.clients
        async with anyio.create_task_group() as group:
            ids: list[str] = []

            async def create(heygen: HeyGen) -> None:
                ids.append((await heygen.sessions.create(PROMPT)).id)

            group.start_soon(create, one)
            await pass_time(4)
            group.start_soon(create, other)

    assert set(service.ledger.sessions) == set(ids)
    assert 0 == service.ledger.duplicate_creates


@pytest.mark.parametrize("seed", range(5))
async def test_lost_creates_of_several_processes_are_shared_out(
    engine: MemoryEngine, anyio_backend: object, seed: int
) -> None:
    """Of sixteen creates of one prompt in four processes six lose their answers: each ends with its own."""
    chance, service = random.Random(seed), Simulator(max_jobs=100)
    service.faults.add("reset_after_processing", on="create", after=chance.randint(0, 10), times=6)
    async with fleet(service, 4, engine=engine) as processes:
        ids = await create_in_all(processes, times=4, chance=chance)
        await pass_time(120)  # until what was sent again has been looked for once more

    assert 16 == len(ids) == len(service.ledger.sessions)
    assert set(service.ledger.sessions) == set(ids)
    assert not any(heygen.sessions.orphans for heygen in processes.clients)


@pytest.mark.parametrize("seed", range(5))
async def test_made_or_not_each_create_ends_with_its_own(
    engine: MemoryEngine, anyio_backend: object, seed: int
) -> None:
    """Where some of the lost creates were made and some were not, what is missing is made, and nothing else."""
    chance, service = random.Random(seed), Simulator(max_jobs=100)
    for fault in chance.choices(["reset_before", "reset_after_processing", "slow"], k=8):
        service.faults.add(fault, on="create", after=chance.randint(0, 6))
    async with fleet(service, 4, engine=engine) as processes:
        ids = await create_in_all(processes, times=4, chance=chance)

    assert 16 == len(ids) == len(service.ledger.sessions)
    assert set(service.ledger.sessions) == set(ids)


@pytest.mark.parametrize("seed", range(5))
async def test_an_engine_that_stops_meanwhile_costs_knowledge_only(
    engine: MemoryEngine, anyio_backend: object, seed: int
) -> None:
    """When the engine stops while creates are in doubt, none gets another's session and none is made twice."""
    chance, service = random.Random(seed), Simulator(max_jobs=100)
    service.faults.add("reset_after_processing", on="create", after=chance.randint(0, 10), times=6)
    async with fleet(service, 4, engine=engine) as processes, anyio.create_task_group() as group:

        async def stop() -> None:
            await pass_time(chance.uniform(0.2, 3))
            engine.stop()

        group.start_soon(stop)
        ends = await create_in_all(processes, times=4, chance=chance)
    ids = [end for end in ends if isinstance(end, str)]
    named = {one for end in ends if isinstance(end, OutcomeUnknown) for one in end.candidates}

    assert len(ids) == len(set(ids))
    assert 16 == len(service.ledger.sessions)
    assert set(service.ledger.sessions) == {*ids, *named}


@pytest.mark.parametrize("lost", [1, 2])
async def test_without_a_backplane_the_candidates_are_named(lost: int) -> None:
    """Where nothing tells whose a session is, the caller gets all it may be, and nothing is made twice."""
    service = lossy(lost)
    async with fleet(service, 4, engine=None) as processes:
        ends = await create_in_all(processes)
    errors = [end for end in ends if isinstance(end, OutcomeUnknown)]

    assert lost == len(errors)
    assert [set(service.ledger.sessions)] * lost == [set(error.candidates) for error in errors]
    assert 4 == len(service.ledger.sessions)
