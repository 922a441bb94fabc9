"""A batch with a budget: money is reserved before it can be spent, and nothing is created past it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batches import EventLog, count_ends, fast_service, make_job, run_batch, run_jobs
from flows import client, pass_time
from heygen_async import Approve, ClientStateError, HeyGen, InvalidArgument, Job, Rate, Reply, Stop
from heygen_async._batch.budget import Budget
from heygen_async.testing import Scenario, Simulator

each = pytest.mark.parametrize

RATE = Rate(per_second=0.1)


async def video_seconds() -> float:
    """Return how long the videos of the simulated service are."""
    [outcome] = await run_jobs(fast_service(), [make_job(1)])
    assert outcome.video is not None
    assert outcome.video.duration is not None
    return outcome.video.duration


async def test_nothing_is_created_past_the_budget() -> None:
    """Of jobs that keep to their length as many are made as the money is for, and the rest is not started."""
    seconds = await video_seconds()
    service, events = fast_service(), EventLog()
    jobs = [make_job(number, max_seconds=seconds) for number in range(10)]
    spend = 4.5 * seconds * RATE.per_second
    async with client(service) as heygen:
        run = heygen.batch(jobs, max_spend=spend, rate=RATE, on_event=events)
        async with run:
            outcomes = [outcome async for outcome in run]
        assert pytest.approx(4 * seconds * RATE.per_second) == run.spent
        assert 0 == run.reserved

    assert {"ok": 4, "not started": 6} == count_ends(outcomes)
    assert 4 == len(service.ledger.creates)
    assert all(isinstance(outcome.error, ClientStateError) for outcome in outcomes if outcome.not_started)
    assert all((event.spent or 0) + (event.reserved or 0) <= spend * 1.001 for event in events.all)
    assert any(event.reserved for event in events.of("creating"))


async def test_money_that_comes_back_is_spent() -> None:
    """Jobs wait for money that is reserved: what shorter videos leave over makes more of them."""
    seconds = await video_seconds()
    service = fast_service()
    jobs = [make_job(number, expected_seconds=seconds, max_seconds=2 * seconds) for number in range(10)]
    spend = 4 * seconds * RATE.per_second
    outcomes = await run_jobs(service, jobs, max_spend=spend, rate=RATE)

    assert {"ok": 3, "not started": 7} == count_ends(outcomes)
    assert 2 == service.ledger.max_in_progress


async def test_a_failed_session_gives_its_money_back() -> None:
    """A failed job is not charged, so that others can be made in its place."""
    seconds = await video_seconds()
    service = fast_service()
    service.script(Scenario.failing("generating"), prompt="number 0")
    jobs = [make_job(number, max_seconds=seconds) for number in range(4)]
    spend = 2 * seconds * RATE.per_second
    outcomes = await run_jobs(service, jobs, max_spend=spend, rate=RATE, max_in_flight=1)

    assert {"ok": 2, "SessionFailed": 1, "not started": 1} == count_ends(outcomes)


async def test_a_session_without_an_end_keeps_what_it_reserved() -> None:
    """A job that is given up while its session goes on may still cost what it reserved."""
    service = fast_service()
    service.script(Scenario.stuck(), prompt="number 0")
    jobs = [make_job(0, timeout=60, max_seconds=10), make_job(1, max_seconds=10)]
    outcomes = await run_jobs(service, jobs, max_spend=1.5, rate=RATE)

    assert {"WatchTimeout": 1, "not started": 1} == count_ends(outcomes)


async def test_a_revision_is_reserved_too() -> None:
    """An answer that asks for a change is sent only if there is money for another video."""
    service = Simulator(scenario=Scenario.chat())
    jobs = [Job("A tour", max_seconds=10)]
    [outcome] = await run_jobs(service, jobs, reviewer=Reply(message="Warmer"), max_spend=1.5, rate=RATE)

    assert isinstance(outcome.error, ClientStateError)
    assert [] == service.ledger.messages
    assert outcome.session_ref

    [outcome] = await run_jobs(
        Simulator(scenario=Scenario.chat()), jobs, reviewer=Reply(message="Warmer"), max_spend=2, rate=RATE
    )
    assert outcome.ok


async def test_a_job_without_a_length_is_refused() -> None:
    """With a budget a job must say how long its video will be; without one it need not."""
    service = fast_service()
    [outcome] = await run_jobs(service, [make_job(1)], max_spend=1, rate=RATE)

    assert isinstance(outcome.error, InvalidArgument)
    assert "max_seconds" == outcome.error.argument
    assert [] == service.ledger.creates


async def test_a_known_session_is_never_refused() -> None:
    """A session that exists already goes on, whatever is left: it is paid for."""
    service, events = Simulator(), EventLog()
    async with client(service) as heygen:
        await run_batch(heygen, ["A"], on_event=events, reviewer=None)
    [paused] = events.of("paused")
    job = Job("A", ref=paused.ref, max_seconds=100)
    [outcome] = await run_jobs(service, [job], max_spend=1, rate=RATE)

    assert outcome.ok


async def test_a_job_that_waits_for_money_is_not_started_when_creating_stops() -> None:
    """`stop_creating()` ends also the wait for money that is reserved."""
    service = Simulator()

    async def slow(session: Any, state: Any) -> Approve:
        await pass_time(5_000)
        return Approve()

    jobs = [Job("A", max_seconds=10), Job("B", max_seconds=10)]
    async with (
        client(service) as heygen,
        heygen.batch(jobs, reviewer=slow, max_spend=1.5, rate=RATE) as run,
    ):
        await pass_time(600)
        run.stop_creating()
        outcomes = [outcome async for outcome in run]

    assert 1 == len(service.ledger.creates)
    assert 1 == count_ends(outcomes)["not started"]


async def test_a_reviewer_that_stops_costs_nothing() -> None:
    """A session stopped before its video gives its money back."""
    async with client(Simulator()) as heygen:
        run = heygen.batch([Job("A", max_seconds=10)], reviewer=Stop(), max_spend=1.5, rate=RATE)
        async with run:
            _ = [outcome async for outcome in run]
        assert (0, 0) == (run.spent, run.reserved)


@each(
    ("options", "argument"),
    [
        ({"max_spend": 1}, "rate"),
        ({"rate": RATE}, "max_spend"),
        ({"max_spend": 0, "rate": RATE}, "max_spend"),
        ({"max_spend": float("nan"), "rate": RATE}, "max_spend"),
        ({"max_spend": "5", "rate": RATE}, "max_spend"),
        ({"max_spend": 5, "rate": 0.1}, "rate"),
        ({"retry_failed": -1}, "retry_failed"),
        ({"retry_failed": True}, "retry_failed"),
    ],
    ids=["no-rate", "no-budget", "nothing", "nan", "text", "a-number", "negative", "a-truth"],
)
def test_a_bad_budget_is_refused_when_the_batch_is_made(options: Any, argument: str) -> None:
    """What makes no budget is refused before anything is asked of the service."""
    with pytest.raises(InvalidArgument) as raised:
        HeyGen("a-key").batch([], **options)

    assert argument == raised.value.argument


@each(
    ("make", "argument"),
    [
        (lambda: Rate(per_second=0), "per_second"),
        (lambda: Rate(per_second=1, currency=" "), "currency"),
        (lambda: Job("A", max_seconds=-1), "max_seconds"),
        (lambda: Job("A", expected_seconds=float("inf")), "expected_seconds"),
        (lambda: Job("A", expected_seconds=20, max_seconds=10), "max_seconds"),
    ],
    ids=["free", "no-currency", "negative", "endless", "less-than-expected"],
)
def test_bad_lengths_and_prices_are_refused(make: Any, argument: str) -> None:
    """A length or price that is no positive number is refused where it is written."""
    with pytest.raises(InvalidArgument) as raised:
        make()

    assert argument == raised.value.argument


@given(
    lengths=st.lists(st.tuples(st.floats(1, 100), st.floats(0, 1)), max_size=50),
    spend=st.floats(1, 500),
    in_flight=st.integers(1, 8),
)
def test_the_budget_holds_while_videos_keep_to_their_length(
    lengths: list[tuple[float, float]], spend: float, in_flight: int
) -> None:
    """However many jobs are under way, no more is spent than allowed when no video is longer than its maximum."""
    budget, under_way = Budget(spend, Rate(per_second=1)), list[tuple[str, float]]()
    for number, (longest, share) in enumerate(lengths):
        if len(under_way) == in_flight:
            budget.settle(*under_way.pop(0))
        if budget.reserve(str(number), longest):
            under_way.append((str(number), longest * share))
        assert budget.spent + budget.reserved <= spend * 1.001
    for key, cost in under_way:
        budget.settle(key, cost)

    assert budget.spent <= spend * 1.001
    assert 0 == budget.reserved
