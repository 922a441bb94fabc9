"""A batch through bad weather: every job one outcome, none paid for twice, and the slots full."""

# ruff: noqa: TID251 - a storm owns the time of its loop

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from heygen_async import Approve, Batch, HeyGen, Job, Reply, Session, SessionState, SessionStatus
from heygen_async.testing import FAULTS, MemoryTransport, Moods, Scenario, Simulator

if TYPE_CHECKING:
    from heygen_async.testing._service.state import Idempotency

CAP = 10
RATE = 0.05
SEED = 20260606

both_services = pytest.mark.parametrize("idempotency", ["honoured", "ignored"])


@dataclass
class Report:
    """What a batch did and what it cost."""

    service: Simulator
    jobs: int
    ends: Counter[str] = field(default_factory=Counter[str])
    keys: set[str] = field(default_factory=set[str])
    told: set[str | None] = field(default_factory=set[str | None])
    counts: list[int] = field(default_factory=list[int])
    seconds: float = 0.0

    @property
    def fill(self) -> float:
        """Return the share of slots taken while there were jobs to create."""
        return sum(self.counts) / len(self.counts) / CAP

    def __str__(self) -> str:
        ledger = self.service.ledger
        struck = sum(ledger.faults.values()) / ledger.total_requests
        ends = ", ".join(f"{count} {name}" for name, count in self.ends.most_common())
        return (
            f"{self.jobs:,} jobs in {self.seconds / 3600:.1f} h, {ledger.total_requests:,} exchanges, "
            f"{struck:.1%} struck, filled {self.fill:.1%}, most {ledger.max_in_progress}; {ends}"
        )


def jobs(count: int) -> Iterator[Job]:
    """Yield films and chats, some with questions, some doomed."""
    kinds = ("film", "film", "chat", "unsure", "doomed")
    for number in range(count):
        kind = kinds[number % len(kinds)]
        yield Job(f"A {kind}, number {number}", mode="generate" if kind == "film" else "chat")


def review(session: Session, state: SessionState) -> Reply | Approve:
    """Answer questions, approve storyboards."""
    return Reply(message="Newcomers") if state.status == SessionStatus.WAITING_FOR_INPUT else Approve()


def faulty_service(idempotency: Idempotency, rate: float, moods: Moods | None = None) -> Simulator:
    """Return a service where this share of all exchanges goes wrong."""
    service = Simulator(seed=SEED, idempotency=idempotency, max_jobs=CAP, moods=moods)
    unknown = "in_progress" if idempotency == "ignored" else ""  # only who honours keys knows one is in use
    weather = tuple(name for name, fault in FAULTS.items() if fault.survivable and name != unknown)
    service.faults.mix(rate, seed=SEED, only=weather)
    return service


async def batched(count: int, idempotency: Idempotency, most: int = CAP) -> Report:
    """Run so many jobs against a service where a twentieth of all exchanges goes wrong."""
    service = faulty_service(idempotency, RATE)
    service.script(Scenario.question(), prompt="unsure")
    service.script(Scenario.failing("generating", mode="chat"), prompt="doomed")
    report = Report(service, count)

    async def take_census(run: Batch) -> None:
        while len(service.ledger.creates) < count:
            report.counts.append(run.in_progress)
            await anyio.sleep(1)

    def listen(event: Any) -> None:
        if event.kind == "created":
            report.told.add(event.session_id)

    heygen = client(service)
    began = anyio.current_time()
    options: dict[str, Any] = {"max_in_flight": most, "reviewer": review, "on_event": listen}
    async with (
        heygen,
        heygen.batch(jobs(count), **options) as run,
        anyio.create_task_group() as group,
    ):
        group.start_soon(take_census, run)
        async for outcome in run:
            report.ends[type(outcome.error).__name__] += 1
            report.keys.add(outcome.key)
        group.cancel_scope.cancel()
    report.seconds = anyio.current_time() - began
    return report


def client(service: Simulator) -> HeyGen:
    """Return a client whose dice fall the same way each time."""
    http = MemoryTransport(service, latency=0.1)
    return HeyGen("test-key", base_url=service.base_url, http=http, rng=random.Random(SEED))


def check(report: Report) -> None:
    """Fail unless every job came out once, was made at most once, and the slots were used."""
    ledger = report.service.ledger
    print(f"\n{report}")
    assert report.jobs == report.ends.total() == len(report.keys)
    assert 0 == ledger.duplicate_creates
    assert len(ledger.creates) == len({record.prompt for record in ledger.creates})
    assert set(ledger.sessions) >= report.told - {None}
    assert ledger.max_in_progress <= CAP
    assert report.fill >= 0.95
    assert report.ends["NoneType"] >= 0.7 * report.jobs


@pytest.mark.parametrize(("idempotency", "most"), [("honoured", 40), ("ignored", CAP)])
async def test_a_hundred_jobs(idempotency: Idempotency, most: int) -> None:
    """Of 100 jobs with a twentieth of all exchanges going wrong each has one outcome, and none is made twice."""
    check(await batched(100, idempotency, most))


@pytest.mark.chaos
@pytest.mark.timeout(300)
@both_services
@pytest.mark.parametrize("most", [CAP, 40])
async def test_three_thousand_jobs(idempotency: Idempotency, most: int) -> None:
    """The same for 3,000 jobs: ten in progress, never more, and hardly ever less."""
    check(await batched(3_000, idempotency, most))


@pytest.mark.timeout(300)
@both_services
@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.chaos)])
async def test_silent_failures_are_made_up_for(idempotency: Idempotency, count: int) -> None:
    """
    Where a quarter of the sessions fails in silence, and a tenth of the exchanges, 98 % of the jobs are delivered, each
    billed once, and no session is made that an outcome does not tell of.
    """
    service = faulty_service(idempotency, 2 * RATE, Moods(failure_rate=0.25))
    jobs = (Job(f"A film, number {number} of them", mode="generate") for number in range(count))
    async with client(service) as heygen, heygen.batch(jobs, max_in_flight=CAP, retry_failed=3) as run:
        outcomes = [outcome async for outcome in run]
    delivered = [outcome.video.id for outcome in outcomes if outcome.video is not None]
    attempts = Counter({outcome.job.prompt: 1 + len(outcome.failures) for outcome in outcomes if outcome.job})

    assert count == len(outcomes) == len(attempts)
    assert 0.98 * count <= len(delivered)
    assert sorted(delivered) == sorted(service.ledger.billed)
    assert not Counter(create.prompt for create in service.ledger.creates) - attempts
    assert sum(service.ledger.faults.values()) > 0.09 * service.ledger.total_requests
