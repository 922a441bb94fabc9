"""A durable batch with a budget: one for all machines, reserved as a create is announced, and never exceeded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from durable.campaign import PATIENCE, campaign, client, ended, service
from heygen_async import (
    Approve,
    BatchEvent,
    ClientStateError,
    InvalidArgument,
    Job,
    Outcome,
    Rate,
    Reply,
    SessionFailed,
)
from heygen_async.durable import DurableBatch, _repository
from heygen_async.testing import MemoryAnswer, MemoryTransport, Scenario, Simulator, SimulatorServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from durable.conftest import Crew

pytestmark = pytest.mark.durable

RATE = Rate(per_second=0.5)
FAILING = Scenario.failing("thinking", with_reason=False, mode="generate")


def priced(count: int, *, seconds: float, mode: str = "generate") -> list[Job]:
    """Jobs whose videos are at most so long."""
    return [
        Job(f"A film about the number {number}", f"film-{number}", mode=mode, max_seconds=seconds)  # type: ignore[arg-type]
        for number in range(count)
    ]


class FirstFails(MemoryTransport):
    """A way to a service whose first session fails in silence."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__(simulator)
        self._simulator = simulator

    async def send(self, request: Any) -> MemoryAnswer:
        """Script each session before it is made."""
        if request.method == "POST":
            is_first = not self._simulator.ledger.creates
            self._simulator.script(FAILING if is_first else Scenario.generate())
        return await super().send(request)


async def video_seconds() -> float:
    """Return how long the videos of the simulated service are."""
    async with client(service()) as heygen, heygen.batch([Job("One", mode="generate")]) as run:
        [outcome] = [one async for one in run]
    assert outcome.video is not None
    assert outcome.video.duration is not None
    return outcome.video.duration


def count_ends(outcomes: dict[str, Outcome]) -> dict[str, int]:
    """Count the outcomes that are fine, and those that were not started."""
    return {
        "ok": sum(outcome.ok for outcome in outcomes.values()),
        "not started": sum(outcome.not_started for outcome in outcomes.values()),
    }


async def test_nothing_is_created_past_the_budget(database: str) -> None:
    """As many jobs are made as the money is for; the rest is not started, and made by an opening with more."""
    seconds = await video_seconds()
    price, simulator = seconds * RATE.per_second, service()
    async with campaign(database, simulator, max_spend=3.5 * price, rate=RATE, max_in_flight=2) as batch:
        await batch.submit(priced(6, seconds=seconds))
        first = await ended(batch)
        status = await batch.status()
    async with campaign(database, simulator, max_spend=5.5 * price, rate=RATE) as batch:
        second = await ended(batch)
        later = await batch.status()

    assert {"ok": 3, "not started": 3} == count_ends(first)
    assert all(isinstance(one.error, ClientStateError) for one in first.values() if one.not_started)
    assert 3 == status.counts["unfunded"]
    assert pytest.approx([3 * price, 0]) == [status.spent, status.reserved]
    assert {"ok": 5, "not started": 1} == count_ends(second)
    assert pytest.approx([5 * price, 0]) == [later.spent, later.reserved]
    assert 5 == len(simulator.ledger.creates)


async def test_events_tell_of_the_money(sqlite: str) -> None:
    """Each event says what the batch has spent and reserved by then, its end included."""
    seconds, events = await video_seconds(), list[BatchEvent]()
    options: dict[str, Any] = {"max_spend": 9, "rate": RATE, "on_event": events.append}
    async with campaign(sqlite, service(), **options) as batch:
        await batch.submit(priced(1, seconds=2 * seconds))
        await ended(batch)
    money = {event.kind: (event.spent, event.reserved) for event in events}
    price = seconds * RATE.per_second

    assert pytest.approx((0, 2 * price)) == money["creating"] == money["created"] == money["state"]
    assert pytest.approx((price, 0)) == money["ended"]


async def test_money_that_comes_back_is_spent(database: str) -> None:
    """What shorter videos leave over makes more of the jobs that wait for it, also with fewer slots than jobs."""
    seconds = await video_seconds()
    price, simulator = seconds * RATE.per_second, service()
    async with campaign(database, simulator, max_spend=4 * price, rate=RATE, max_in_flight=2) as batch:
        await batch.submit(priced(6, seconds=2 * seconds))
        outcomes = await ended(batch)
        status = await batch.status()

    assert {"ok": 3, "not started": 3} == count_ends(outcomes)
    assert pytest.approx([3 * price, 0]) == [status.spent, status.reserved]


async def test_a_budget_holds_for_those_that_do_not_give_it(sqlite: str) -> None:
    """The budget is the batch's: an opening without one spends no more, and refuses a job that has no length."""
    seconds = await video_seconds()
    simulator = service()
    spend = 1.5 * seconds * RATE.per_second
    async with campaign(sqlite, simulator, max_spend=spend, rate=RATE, work=False) as batch:
        await batch.submit(priced(2, seconds=seconds))
    async with campaign(sqlite, simulator) as batch:
        with pytest.raises(InvalidArgument, match="max_seconds"):
            await batch.submit([Job("No length", "none")])
        outcomes = await ended(batch)

    assert {"ok": 1, "not started": 1} == count_ends(outcomes)


async def test_a_revision_is_reserved_and_refused_without_money(sqlite: str) -> None:
    """A reply may cost another video: without money for it, it is not sent, and the job says so."""
    simulator = service(scenario=Scenario.chat())
    jobs = priced(1, seconds=10, mode="chat")
    async with campaign(sqlite, simulator, reviewer=Reply(message="Warmer"), max_spend=9, rate=RATE) as batch:
        await batch.submit(jobs)
        [outcome] = (await ended(batch)).values()
        status = await batch.status()

    assert isinstance(outcome.error, ClientStateError)
    assert [] == simulator.ledger.messages
    assert pytest.approx([5.0, 0]) == [status.spent, status.reserved]


async def test_an_approval_costs_nothing_more(sqlite: str) -> None:
    """An approval is no revision: the money of the create is enough."""
    simulator = service(scenario=Scenario.chat())
    async with campaign(sqlite, simulator, reviewer=Approve(), max_spend=9, rate=RATE) as batch:
        await batch.submit(priced(1, seconds=10, mode="chat"))
        [outcome] = (await ended(batch)).values()

    assert outcome.ok


async def test_what_was_cancelled_before_it_was_made_costs_nothing(sqlite: str) -> None:
    """The money of a job that is cancelled before its create is there for others."""
    async with campaign(sqlite, service(), work=False, max_spend=5, rate=RATE) as batch:
        await batch.submit(priced(1, seconds=10))
        assert await batch.cancel("film-0")
        status = await batch.status()

    assert (0, 0) == (status.spent, status.reserved)


async def test_an_early_failure_is_made_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that failed without a video is made again with the money it had, and the outcome tells of both."""
    monkeypatch.setattr(_repository, "PAUSE_SECONDS", 0.1)
    seconds, simulator = await video_seconds(), service()
    spend = 1.5 * seconds * RATE.per_second
    options: dict[str, Any] = {"http": FirstFails(simulator), "max_spend": spend, "rate": RATE}
    async with campaign(database, simulator, retry_failed=2, **options) as batch:
        await batch.submit(priced(1, seconds=seconds))
        [outcome] = (await ended(batch)).values()
        status = await batch.status()

    assert outcome.ok
    [failure] = outcome.failures
    assert failure.session_id != outcome.session_id
    assert {failure.session_id, outcome.session_id} == set(simulator.ledger.sessions)
    assert pytest.approx([seconds * RATE.per_second, 0]) == [status.spent, status.reserved]


async def test_a_job_is_made_again_only_so_often(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that always fails early ends with its last failure, and with those before it; nothing is spent."""
    monkeypatch.setattr(_repository, "PAUSE_SECONDS", 0.1)
    simulator = service(scenario=FAILING)
    async with campaign(sqlite, simulator, retry_failed=2, max_spend=9, rate=RATE) as batch:
        await batch.submit(priced(1, seconds=10))
        [outcome] = (await ended(batch)).values()
        status = await batch.status()

    assert isinstance(outcome.error, SessionFailed)
    assert 2 == len(outcome.failures)
    assert 3 == len(simulator.ledger.sessions)
    assert (0, 0) == (status.spent, status.reserved)


@pytest.mark.timeout(400)
async def test_three_workers_share_one_budget(database: str, crew: Callable[..., Crew]) -> None:
    """Of three workers, all killed once, none spends what another has reserved: the budget is used up to its end."""
    seconds, jobs, paid = await video_seconds(), 16, 9
    simulator = Simulator(speed=120, max_jobs=20)
    async with SimulatorServer(simulator) as server:
        workers = crew(
            database,
            server.url,
            "--jobs",
            str(jobs),
            "--cap",
            "4",
            "--seconds",
            str(seconds),
            "--max-spend",
            str((paid + 0.5) * seconds),
        )
        for _ in range(3):
            workers.start()
        for place in range(3):
            await anyio.sleep(1.5)
            await anyio.to_thread.run_sync(workers.replace, place)
        with anyio.fail_after(PATIENCE * 3):
            while not workers.are_done:
                await anyio.sleep(0.1)
    assert [0, 0, 0] == [process.returncode for process in workers.processes], workers.said
    async with DurableBatch(database, name="spring", work=False) as batch:
        status = await batch.status()

    assert {"completed": paid, "unfunded": jobs - paid} == status.counts
    assert pytest.approx([paid * seconds, 0]) == [status.spent, status.reserved]
    assert (paid + 0.5) * seconds == status.max_spend
    assert paid == len(simulator.ledger.creates) == len(simulator.ledger.billed)


@pytest.mark.parametrize("options", [{"max_spend": 5}, {"rate": RATE}, {"retry_failed": -1}])
def test_half_a_budget_is_refused(options: dict[str, object]) -> None:
    """A limit needs a price and a price a limit, before anything is opened."""
    with pytest.raises(InvalidArgument):
        DurableBatch("sqlite:///nowhere.db", name="spring", **options)  # type: ignore[arg-type]
