"""A durable batch with a budget: one for all machines, reserved as a create is announced, and never exceeded."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from durable.campaign import campaign, client, ended, select, service
from durable.processes import finished, killed
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


class Charging(FirstFails):
    """A way to a service that charges for its failure."""

    async def send(self, request: Any) -> MemoryAnswer:
        """Show a wallet that fell with the first create."""
        if not request.url.endswith("/users/me"):
            return await super().send(request)
        wallet = {"currency": "usd", "remaining_balance": 50 if self._simulator.ledger.creates else 90}
        body = json.dumps({"data": {"username": "a", "wallet": wallet}}).encode()
        return MemoryAnswer(200, {"content-type": "application/json"}, body)


async def test_second_tries_end_when_failures_cost(sqlite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the wallet fell by more than was delivered and reserved, a failed session is not made again."""
    monkeypatch.setattr(_repository, "PAUSE_SECONDS", 0.1)
    simulator = service()
    options: dict[str, Any] = {"http": Charging(simulator), "max_spend": 80, "rate": RATE}
    async with campaign(sqlite, simulator, retry_failed=3, **options) as batch:
        await batch.submit(priced(1, seconds=10))
        [outcome] = (await ended(batch)).values()

    assert isinstance(outcome.error, SessionFailed)
    assert 1 == len(simulator.ledger.creates)


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


ASKED = 10.0  # seconds of each video; what comes is 79 to 174 % of it
CAP = 4


def film_seconds(number: int) -> float:
    """Return how long a video turns out."""
    return ASKED * random.Random(number).uniform(0.79, 1.74)


def films_of_any_length(jobs: int) -> Simulator:
    """A service whose videos are shorter and longer than they were asked to be."""
    simulator = Simulator(speed=120, max_jobs=20, idempotency="ignored")
    for number in range(jobs):  # the newest that fits a prompt wins: 12 before 1
        life = Scenario.generate().with_video_seconds(film_seconds(number))
        simulator.script(life, prompt=f"number {number}")
    return simulator


async def watch_money(url: str, seen: list[float]) -> None:
    """Record what is spent and reserved together, time and again."""
    async with DurableBatch(url, name="spring", work=False) as batch:
        while True:
            status = await batch.status(jobs=False)
            seen.append(status.spent + status.reserved)
            await anyio.sleep(0.05)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("jobs", "kills"),
    [pytest.param(200, 40, marks=pytest.mark.chaos, id="many"), pytest.param(40, 9, id="few")],
)
@pytest.mark.parametrize("longest", [ASKED, 1.74 * ASKED], ids=["longer-than-told", "within-max-seconds"])
async def test_three_killed_workers_share_one_budget(
    database: str, crew: Callable[..., Crew], longest: float, jobs: int, kills: int
) -> None:
    """
    Workers that are killed all the time never spend more than the budget while videos keep to `max_seconds`; where they
    do not, it is exceeded by no more than the jobs in flight are longer than they said.
    """
    simulator, spend = films_of_any_length(jobs), 0.5 * jobs * ASKED
    seen: list[float] = []
    async with SimulatorServer(simulator) as server:
        numbers = {"jobs": jobs, "cap": CAP, "seconds": longest, "max-spend": spend, "mode": "generate"}
        workers = crew(database, server.url, *(f"--{name}={value}" for name, value in numbers.items()))
        async with anyio.create_task_group() as group:
            group.start_soon(watch_money, database, seen)
            assert await killed(workers, 3, kills, seed=jobs) >= kills
            await finished(workers)
            group.cancel_scope.cancel()
    async with DurableBatch(database, name="spring", work=False) as batch:
        status, outcomes = await batch.status(), await ended(batch)
    made = [int(create.prompt.split()[-1]) for create in simulator.ledger.creates]
    paid = sum(map(film_seconds, made))
    over = CAP * max(0.0, 1.74 * ASKED - longest)

    assert len(made) == len(set(made)) == status.counts["completed"] == len(simulator.ledger.billed)
    assert jobs == len(outcomes)
    assert pytest.approx([paid, 0]) == [status.spent, status.reserved]
    assert max(seen) <= (spend + over) * (1 + 1e-9)
    assert paid <= (spend + over) * (1 + 1e-9)
    assert spend - longest < paid  # and it is used up
    rows = select(
        database, "select sum(spent), sum(reserved), count(*) from heygen_money where reserved <> 0"
    )
    assert (None, None, 0) == rows
    [spent] = select(database, "select sum(spent) from heygen_money")
    assert pytest.approx(paid) == spent


@pytest.mark.parametrize("options", [{"max_spend": 5}, {"rate": RATE}, {"retry_failed": -1}])
def test_half_a_budget_is_refused(options: dict[str, object]) -> None:
    """A limit needs a price and a price a limit, before anything is opened."""
    with pytest.raises(InvalidArgument):
        DurableBatch("sqlite:///nowhere.db", name="spring", **options)  # type: ignore[arg-type]
