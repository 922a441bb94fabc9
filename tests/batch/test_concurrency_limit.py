"""The limit on jobs in progress: as many as the account has room for, no more and hardly less."""

from __future__ import annotations

import itertools
from typing import Any

import anyio
import pytest

from batches import EventLog, count_ends, fast_service, make_job, make_jobs, run_jobs
from flows import Line, client, clock, pass_time
from heygen_async import Approve, Batch, HeyGen, Job, RateLimited, Reply, Session, SessionState
from heygen_async.testing import Scenario, Simulator

each = pytest.mark.parametrize

SECONDS = 60  # of a fast job


class Census:
    """How full a batch is, second by second."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    async def take(self, run: Batch, service: Simulator, jobs: int) -> None:
        """Count the jobs in progress while there are some to create."""
        while len(service.ledger.creates) < jobs:
            self.counts.append(run.in_progress)
            await pass_time(1)

    def fill(self, most: int) -> float:
        """Return how full it was on average, of so many slots."""
        return sum(self.counts) / len(self.counts) / most


async def filled(
    service: Simulator, jobs: int, cap: int, *, most: int = 10, **options: Any
) -> tuple[float, float]:
    """Run a batch; return how full it was while there were jobs, and the seconds it took."""
    census, began = Census(), clock()
    async with (
        client(service) as heygen,
        heygen.batch(make_jobs(jobs), max_in_flight=most, **options) as run,
        anyio.create_task_group() as group,
    ):
        group.start_soon(census.take, run, service, jobs)
        outcomes = [outcome async for outcome in run]
    assert {"ok": jobs} == count_ends(outcomes)
    return census.fill(cap), clock() - began


@each(("cap", "most"), [(10, 10), (10, 3), (10, 100), (1, 10), (3, 10), (20, 20)])
async def test_the_slots_are_full_and_never_too_full(cap: int, most: int) -> None:
    """Whatever the cap and the wish, as many jobs as fit are in progress, at least 95 percent of the time."""
    service, slots = fast_service(max_jobs=cap), min(cap, most)
    fill, _ = await filled(service, 12 * slots, slots, most=most)

    assert fill >= 0.95
    assert slots == service.ledger.max_in_progress
    assert 12 * slots == len(service.ledger.creates)


async def test_a_full_account_is_asked_rarely() -> None:
    """With ten times more wish than room, refusals stay few: some to learn the cap, then one a minute."""
    service = fast_service(max_jobs=5)
    _, seconds = await filled(service, 60, 5, most=50)
    refused = service.ledger.refused["rate_limit_exceeded"]

    assert refused <= 8 + seconds / 60


async def occupied(service: Simulator, count: int) -> list[Session]:
    """Take slots of the account from another process, until they are stopped."""
    service.script(Scenario.stuck(), prompt="stuck")
    async with client(service) as other:
        return [await other.sessions.create("A stuck one") for _ in range(count)]


async def test_a_job_waits_for_a_slot_as_long_as_it_takes() -> None:
    """While another process has all slots, nothing fails and few requests are made; then the batch goes on."""
    service = fast_service(max_jobs=3)
    stuck = await occupied(service, 3)
    line, hours = Line(service), 0.5 * 3600.0

    async def clear() -> None:
        await pass_time(hours)
        async with client(service) as other:
            for session in stuck:
                await other.sessions.attach(session.id).stop()

    async with anyio.create_task_group() as group:
        group.start_soon(clear)
        outcomes = await run_jobs(line, make_jobs(6))

    assert {"ok": 6} == count_ends(outcomes)
    assert len(line.moments("POST", "/v3/video-agents")) <= hours / 2


async def test_slots_of_others_are_found_when_they_are_free() -> None:
    """When another process gives slots back, the batch takes them within a minute or so."""
    service = fast_service(max_jobs=10)
    stuck = await occupied(service, 8)
    counts: dict[float, int] = {}

    async def clear(run: Batch) -> None:
        await pass_time(300)
        counts[0] = run.in_progress
        async with client(service) as other:
            for session in stuck:
                await other.sessions.attach(session.id).stop()
        await pass_time(75)
        counts[75] = run.in_progress

    async with (
        client(service) as heygen,
        heygen.batch(make_jobs(100)) as run,
        anyio.create_task_group() as group,
    ):
        group.start_soon(clear, run)
        outcomes = [outcome async for outcome in run]

    assert counts[0] <= 5
    assert 10 == counts[75]
    assert {"ok": 100} == count_ends(outcomes)


async def test_two_batches_share_an_account() -> None:
    """Two processes with one account both get through, and the slots are used."""
    service, began = fast_service(max_jobs=10), clock()
    outcomes: list[Any] = []

    async def run(name: str) -> None:
        outcomes.extend(await run_jobs(service, (make_job(n, key=f"{name}{n}") for n in range(60))))

    async with anyio.create_task_group() as group:
        group.start_soon(run, "a")
        group.start_soon(run, "b")

    assert {"ok": 120} == count_ends(outcomes)
    assert clock() - began <= 120 / 10 * SECONDS * 1.35


async def test_refusals_are_attempted_one_at_a_time() -> None:
    """Once refused, a batch has one create on its way until it knows better, at the pace the service asks."""
    service = fast_service(max_jobs=1)
    await occupied(service, 1)
    line = Line(service)
    with anyio.move_on_after(600):
        await run_jobs(line, make_jobs(20))
    posts = line.moments("POST", "/v3/video-agents")
    gaps = [after - before for before, after in itertools.pairwise(posts)][4:]

    assert len(posts) >= 8
    assert min(gaps) >= 2.0


@each("variant", ["missing", "date", "absurd"])
async def test_any_pace_is_survived(variant: str) -> None:
    """Whether a refusal names seconds, a date, a day, or nothing, the job waits and is made."""
    service = fast_service()
    service.faults.add("rate_limit", on="create", times=3, variant=variant)
    outcomes = await run_jobs(service, make_jobs(5))

    assert {"ok": 5} == count_ends(outcomes)
    assert 5 == len(service.ledger.creates)


async def test_a_refused_create_keeps_its_key() -> None:
    """However often it is refused, a job's create has one key, and its intent is emitted once."""
    line, events = Line(fast_service(max_jobs=1)), EventLog()
    await run_jobs(line, make_jobs(4), on_event=events)
    keys = {sent.headers["idempotency-key"] for sent in line.sent if sent.method == "POST"}

    assert 4 == len(keys)
    assert keys == {event.idempotency_key for event in events.of("creating")}
    assert 4 == len(events.of("creating"))


# ---- reviewers ----------------------------------------------------------------------------------------------------


async def test_a_slow_reviewer_holds_no_slot() -> None:
    """While people take their time over storyboards, other jobs are made in the meantime."""
    service = Simulator(max_jobs=2, scenario=Scenario.chat().timed(thinking=10, generating=50))
    service.script(Scenario.generate().timed(thinking=10, generating=50), prompt="Job")

    async def slow(session: Session, state: SessionState) -> Approve:
        await pass_time(1000)
        return Approve()

    began, moments = clock(), dict[str, float]()
    async with client(service) as heygen:
        jobs = [*(Job(f"Chat {n}") for n in range(4)), *make_jobs(20)]
        async with heygen.batch(jobs, max_in_flight=2, reviewer=slow) as run:
            async for outcome in run:
                assert outcome.ok
                moments[outcome.key] = clock() - began

    assert 24 == len(moments)
    assert max(moments[str(n)] for n in range(5, 25)) < 1000
    assert max(moments[str(n)] for n in range(1, 5)) < 1300
    assert 2 == service.ledger.max_in_progress


async def test_reviewed_sessions_come_before_new_ones() -> None:
    """A session whose answer is there gets the next slot before a new job does."""
    service = Simulator(max_jobs=1, scenario=Scenario.chat().timed(thinking=10, generating=50))
    order: list[str] = []

    async def review(session: Session, state: SessionState) -> Approve:
        await pass_time(5)
        return Approve()

    chats = (f"Chat {n}" for n in range(6))
    async with client(service) as heygen, heygen.batch(chats, max_in_flight=1, reviewer=review) as run:
        order = [outcome.key async for outcome in run]

    assert ["1", "2", "3", "4", "5", "6"] == order


async def test_waiting_reviews_are_bounded() -> None:
    """When no review comes back, no more sessions are made than may wait."""
    service = Simulator(max_jobs=10)

    async def never(session: Session, state: SessionState) -> Approve:
        await pass_time(1e6)
        return Approve()

    with anyio.move_on_after(3600):
        await run_jobs(service, (f"Chat {n}" for n in range(1000)), reviewer=never, max_paused=25)

    assert 25 <= len(service.ledger.creates) <= 25 + 10


async def test_an_answer_waits_for_a_slot_in_a_full_account() -> None:
    """When others took the slots meanwhile, the answer is sent once there is one, and the reviewer is asked once."""
    service = Simulator(max_jobs=2, scenario=Scenario.chat().timed(thinking=10, generating=50))
    asked, stuck = list[str](), list[Session]()

    async def review(session: Session, state: SessionState) -> Reply:
        asked.append(session.id)
        stuck.extend(await occupied(service, 2))
        return Reply(message="Looks good")

    async def clear() -> None:
        await pass_time(900)
        async with client(service) as other:
            for session in stuck:
                await other.sessions.attach(session.id).stop()

    async with anyio.create_task_group() as group:
        group.start_soon(clear)
        outcomes = await run_jobs(service, ["Chat"], reviewer=review)

    assert {"ok": 1} == count_ends(outcomes)
    assert 1 == len(asked)
    assert 1 == len(service.ledger.messages)


# ---- the consumer -------------------------------------------------------------------------------------------------


async def test_a_slow_consumer_holds_back_new_jobs_only() -> None:
    """While outcomes are not taken: what is in progress ends, and soon nothing new is created."""
    service = fast_service()
    async with client(service) as heygen, heygen.batch(make_jobs(1000), max_in_flight=5) as run:
        await anext(run)
        await pass_time(3600)
        held = len(service.ledger.creates)
        assert held <= 1 + 3 * 5
        assert 0 == run.in_progress
        assert held == len(service.ledger.billed)
        for _ in range(held - 5):
            await anext(run)
        await pass_time(200)
        assert len(service.ledger.creates) > held


async def test_several_consumers_share_the_outcomes() -> None:
    """Tasks that iterate over one batch get each outcome once between them."""
    keys: list[str] = []

    async def consume(run: Batch) -> None:
        async for outcome in run:
            keys.append(outcome.key)
            await pass_time(7)

    async with (
        client(fast_service()) as heygen,
        heygen.batch(make_jobs(40)) as run,
        anyio.create_task_group() as group,
    ):
        for _ in range(3):
            group.start_soon(consume, run)

    assert [str(n) for n in range(1, 41)] == sorted(keys, key=int)


async def test_watching_costs_no_more_than_watching() -> None:
    """A batch asks no more often than single watches of the same sessions would."""

    async def alone(heygen: HeyGen, number: int) -> None:
        session = await heygen.sessions.create(f"Job number {number}", mode="generate")
        await session.video()

    single, batch = Line(fast_service(max_jobs=100)), Line(fast_service(max_jobs=100))
    async with client(single) as heygen, anyio.create_task_group() as group:
        for number in range(40):
            group.start_soon(alone, heygen, number)
    await run_jobs(batch, make_jobs(40), max_in_flight=40)

    assert len(batch.sent) <= len(single.sent) * 1.1


async def test_quota_in_stop_on_ends_creating() -> None:
    """`RateLimited` in `stop_on` is never a full account, which is waited for."""
    outcomes = await run_jobs(fast_service(max_jobs=1), make_jobs(5), stop_on=RateLimited)

    assert {"ok": 5} == count_ends(outcomes)
