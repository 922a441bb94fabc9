"""What tests of batches share: jobs, a service with a cap, a batch run to its end, and a log of its events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from flows import Line, client
from heygen_async import Approve, BatchEvent, HeyGen, Job, Outcome, SessionStatus
from heygen_async.testing import Scenario, Simulator

GENERATE = "generate"


def make_job(number: int, **options: Any) -> Job:
    """Return a job that needs no reviewer."""
    return Job(f"Job number {number}", mode="generate", **options)


def make_jobs(count: int) -> list[Job]:
    """Return so many."""
    return [make_job(number) for number in range(count)]


class SlowLine(Line):
    """A line with a high latency, so that a cancel can come at any point of an exchange."""

    def __init__(self, service: Simulator) -> None:
        super().__init__(service, latency=1.0)


@dataclass
class EventLog:
    """The events that `on_event` got, in order."""

    all: list[BatchEvent] = field(default_factory=list[BatchEvent])

    def __call__(self, event: BatchEvent) -> None:
        self.all.append(event)

    def kinds(self, key: str) -> list[str]:
        """Return what happened to one job, states left out."""
        return [event.kind for event in self.all if event.key == key and event.kind != "state"]

    def of(self, kind: str) -> list[BatchEvent]:
        """Return the events of one kind."""
        return [event for event in self.all if event.kind == kind]


def finished(events: EventLog) -> set[str | None]:
    """Return the sessions that were known to have ended."""
    return {event.session_id for event in events.of("state") if event.state and event.state.is_terminal}


async def run_batch(heygen: HeyGen, jobs: Any, **options: Any) -> list[Outcome]:
    """Run a batch to its end."""
    async with heygen.batch(jobs, **options) as run:
        return [outcome async for outcome in run]


async def run_jobs(service: Simulator | Line, jobs: Any, **options: Any) -> list[Outcome]:
    """The same with a client of its own."""
    async with client(service) as heygen:
        return await run_batch(heygen, jobs, **{"reviewer": Approve(), **options})


def count_ends(outcomes: list[Outcome]) -> Counter[str]:
    """Count how they ended: `ok`, `not started`, or the error's name."""
    return Counter(
        "ok" if o.ok else "not started" if o.not_started else type(o.error).__name__ for o in outcomes
    )


def errors(outcomes: list[Outcome]) -> list[Exception]:
    """Return the errors there are."""
    return [outcome.error for outcome in outcomes if outcome.error is not None]


def statuses(outcome: Outcome) -> list[SessionStatus]:
    """Return the statuses of an outcome."""
    return [state.status for state in outcome.states]


def fast_service(**options: Any) -> Simulator:
    """Return a service whose sessions take a minute."""
    scenario = Scenario.generate().timed(thinking=10, generating=50)
    settings: dict[str, Any] = {"scenario": scenario, "idempotency": "ignored", **options}
    return Simulator(**settings)
