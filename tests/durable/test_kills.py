"""Kill anything, lose nothing: worker processes, one or several, and the database under them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from durable.campaign import ended
from durable.processes import PATIENCE, finished, killed
from heygen_async.durable import BatchStatus, DurableBatch
from heygen_async.testing import Simulator, SimulatorServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable.conftest import Crew
    from servers import Postgres

pytestmark = [pytest.mark.durable, pytest.mark.timeout(1200)]

MANY = pytest.param(200, 20, marks=pytest.mark.chaos, id="many")
FEW = pytest.param(60, 6, id="few")


def service(idempotency: Any, *, speed: float = 120) -> Simulator:
    """A service whose sessions take a second."""
    return Simulator(speed=speed, max_jobs=20, idempotency=idempotency)


async def books(url: str, simulator: Simulator, jobs: int) -> None:
    """Hold the database against the ledger: each job one outcome, each session paid for one job's."""
    async with DurableBatch(url, name="spring", work=False) as batch:
        status: BatchStatus = await batch.status()
        outcomes = await ended(batch)
    creates = simulator.ledger.creates
    mine = [job.session_id for job in status.jobs]

    assert {"completed": jobs} == status.counts
    assert jobs == len(outcomes)
    assert all(outcome.ok for outcome in outcomes.values())
    assert [] == [prompt for prompt, count in Counter(one.prompt for one in creates).items() if count > 1]
    assert sorted(mine, key=str) == sorted(one.session_id for one in creates)
    assert Counter(mine) == Counter(message.session_id for message in simulator.ledger.messages)
    assert simulator.ledger.max_in_progress <= 20


@pytest.mark.parametrize(("jobs", "kills"), [FEW, MANY])
@pytest.mark.parametrize("idempotency", ["honoured", "ignored"])
async def test_two_workers_on_one_database(
    postgres: Postgres, crew: Callable[..., Crew], idempotency: str, jobs: int, kills: int
) -> None:
    """One or both of two workers killed at random moments: no job is lost, none is paid for twice."""
    simulator = service(idempotency)
    async with SimulatorServer(simulator) as server:
        workers = crew(postgres.database(), server.url, "--jobs", str(jobs))
        assert await killed(workers, 2, kills, seed=len(idempotency)) >= kills
        await finished(workers)
        await books(workers.database, simulator, jobs)


@pytest.mark.parametrize(("jobs", "kills"), [FEW, MANY])
@pytest.mark.parametrize("idempotency", ["honoured", "ignored"])
async def test_one_worker_on_a_file(
    sqlite: str, crew: Callable[..., Crew], idempotency: str, jobs: int, kills: int
) -> None:
    """The only worker killed at random moments: no job is lost, none is paid for twice."""
    simulator = service(idempotency)
    async with SimulatorServer(simulator) as server:
        workers = crew(sqlite, server.url, "--jobs", str(jobs))
        assert await killed(workers, 1, kills, seed=len(idempotency)) >= kills
        await finished(workers)
        await books(workers.database, simulator, jobs)


async def test_the_database_goes_away_in_the_middle(postgres: Postgres, crew: Callable[..., Crew]) -> None:
    """A database that dies twice stops creating while it is away, and the work goes on by itself."""
    simulator = service("ignored")
    async with SimulatorServer(simulator) as server:
        workers = crew(postgres.database(), server.url, "--jobs", "80")
        workers.start()
        workers.start()
        with anyio.fail_after(PATIENCE):
            while workers.said.count("working") < 2:  # one that is still opening its batch would rightly end
                await anyio.sleep(0.05)
        for wanted in (10, 40):
            with anyio.fail_after(PATIENCE):
                while len(simulator.ledger.creates) < wanted and not workers.are_done:
                    await anyio.sleep(0.05)
            await anyio.to_thread.run_sync(postgres.stop)
            await anyio.sleep(2)  # what was announced is through
            before = len(simulator.ledger.creates)
            await anyio.sleep(2)
            assert before == len(simulator.ledger.creates)
            await anyio.to_thread.run_sync(postgres.start)
        await finished(workers)
        await books(workers.database, simulator, 80)


@pytest.mark.parametrize("idempotency", ["honoured", "ignored"])
async def test_workers_that_take_each_other_for_dead(
    database: str, crew: Callable[..., Crew], idempotency: str
) -> None:
    """Two that live, and take over each other's work again and again, do not create or say anything twice."""
    simulator = service(idempotency, speed=30)
    async with SimulatorServer(simulator) as server:
        workers = crew(database, server.url, "--jobs", "30", "--suspicious")
        workers.start()
        workers.start()
        await finished(workers)
        await books(workers.database, simulator, 30)


@pytest.mark.parametrize("idempotency", ["honoured", "ignored"])
async def test_the_answer_was_here_and_not_written_down(
    database: str, crew: Callable[..., Crew], idempotency: str
) -> None:
    """A process that dies between the answer to a create and writing it down is the window: it is not paid twice."""
    simulator = service(idempotency)
    async with SimulatorServer(simulator) as server:
        workers = crew(database, server.url, "--jobs", "30")
        for creates in (1, 5, 12):
            doomed = workers.start("--die-at-create", str(creates))
            await anyio.to_thread.run_sync(doomed.wait)
            workers.processes.remove(doomed)
        workers.start()
        await finished(workers)
        await books(workers.database, simulator, 30)


async def test_a_polite_end_leaves_nothing_open(sqlite: str, crew: Callable[..., Crew]) -> None:
    """Ctrl-C brings creates under way to their checkpoint: the next process has nothing to look for."""
    simulator = service("ignored")
    async with SimulatorServer(simulator) as server:
        workers = crew(sqlite, server.url, "--jobs", "40")
        worker = workers.start()
        with anyio.fail_after(PATIENCE):
            while not simulator.ledger.creates and not workers.are_done:
                await anyio.sleep(0.005)
        worker.send_signal(2)
        with anyio.fail_after(PATIENCE):
            await anyio.to_thread.run_sync(worker.wait)
        async with DurableBatch(sqlite, name="spring", work=False) as batch:
            known = [job.session_id for job in (await batch.status()).jobs if job.session_id]

    assert 130 == worker.returncode
    assert sorted(known) == sorted(simulator.ledger.sessions)
