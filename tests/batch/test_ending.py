"""The end of a batch: stopped, left, cancelled or refused, it loses no session and pays for none twice."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from batches import EventLog, count_ends, fast_service, finished, make_job, make_jobs, run_batch, run_jobs
from flows import Line, client, clock, pass_time
from heygen_async import (
    Batch,
    BatchEvent,
    Forbidden,
    HeyGen,
    InsufficientCredit,
    InvalidArgument,
    Job,
    Outcome,
    Unauthorized,
)
from heygen_async.testing import MemoryAnswer, Scenario, Simulator

each = pytest.mark.parametrize

Cut = Callable[[Awaitable[Any], float], Awaitable[None]]


# ---- stopped ------------------------------------------------------------------------------------------------------


async def refused_from(number: int, fault: str, **options: Any) -> tuple[Simulator, list[Outcome]]:
    """Run 60 jobs against a service that refuses all creates from that one on."""
    service = fast_service()
    events = EventLog()

    def listen(event: BatchEvent) -> None:
        events(event)
        if event.kind == "creating" and event.key == str(number):
            service.faults.add(fault, on="create", times=10_000)

    outcomes = await run_jobs(service, (make_job(n) for n in range(60)), on_event=listen, **options)
    assert [str(n) for n in range(1, 61)] == sorted((o.key for o in outcomes), key=int)
    assert 60 == len(events.of("ended"))
    return service, outcomes


@each(("fault", "error"), [("payment_required", InsufficientCredit), ("unauthorized_once", Unauthorized)])
async def test_after_a_refusal_for_all_nothing_is_created(fault: str, error: type[Exception]) -> None:
    """Without credit, or with a refused key, what is in flight ends well and the rest is not started."""
    service, outcomes = await refused_from(20, fault)
    ended = count_ends(outcomes)

    assert ended["ok"] == len(service.ledger.sessions) >= 10
    assert 1 <= ended[error.__name__] <= 10
    assert 60 == ended["ok"] + ended[error.__name__] + ended["not started"]
    assert all(isinstance(outcome.error, error) for outcome in outcomes if outcome.not_started)
    assert all(outcome.session_ref is None for outcome in outcomes if outcome.not_started)


async def test_other_errors_do_not_stop_it() -> None:
    """Errors that are not in `stop_on` are single outcomes."""
    _, outcomes = await refused_from(20, "forbidden")

    assert count_ends(outcomes)["Forbidden"] >= 35
    assert 0 == count_ends(outcomes)["not started"]


async def test_what_stops_it_is_a_choice() -> None:
    """Any error can be one after which nothing more is created."""
    _, outcomes = await refused_from(20, "forbidden", stop_on=Forbidden)

    assert count_ends(outcomes)["not started"] >= 25


async def test_stop_creating_ends_creating() -> None:
    """After `stop_creating()` what is in flight ends well, and the rest is not started."""
    service = fast_service()
    outcomes: list[Outcome] = []
    made_before = 0
    async with client(service) as heygen, heygen.batch(make_jobs(100)) as run:
        async for outcome in run:
            outcomes.append(outcome)
            if len(outcomes) == 25:
                run.stop_creating()
                run.stop_creating()
                made_before = len(service.ledger.sessions)

    assert made_before == len(service.ledger.sessions) == count_ends(outcomes)["ok"]
    assert 100 - made_before == count_ends(outcomes)["not started"]
    assert repr(outcomes[-1]).endswith(" not started>") or outcomes[-1].ok


async def test_a_job_that_waits_for_a_slot_is_not_started() -> None:
    """A job that the full account refused is not created after `stop_creating()`, and comes back at once."""
    service = fast_service(max_jobs=1)
    service.script(Scenario.stuck(), prompt="stuck")
    async with client(service) as heygen:
        await heygen.sessions.create("A stuck one")
        async with heygen.batch(make_jobs(5)) as run:
            await pass_time(100)
            run.stop_creating()
            began = clock()
            outcomes = [outcome async for outcome in run]

    assert {"not started": 5} == count_ends(outcomes)
    assert clock() - began < 1


async def test_failures_of_a_stopped_batch_are_raised_once() -> None:
    """The reason why a hundred jobs were not started is one error of the group."""
    service = fast_service()
    service.faults.add("payment_required", on="create", times=10_000)
    async with client(service) as heygen, heygen.batch(make_jobs(100), max_in_flight=1) as run:
        with pytest.raises(ExceptionGroup, match="100 of 100 jobs failed") as raised:
            await run.raise_failures()

    assert 1 == len(raised.value.exceptions)


# ---- before it begins ---------------------------------------------------------------------------------------------


@each(("least", "error"), [(1e9, InsufficientCredit), (0.01, None)], ids=["too-little", "enough"])
async def test_the_wallet_is_checked_first(least: float, error: type[Exception] | None) -> None:
    """With less in the wallet than asked for, nothing is created."""
    line = Line(fast_service())
    async with client(line) as heygen:
        with contextlib.nullcontext() if error is None else pytest.raises(error):
            await run_batch(heygen, make_jobs(2), min_balance=least)

    assert (0 if error else 2) == len(line.service.ledger.sessions)


async def test_an_account_without_a_wallet_cannot_be_checked() -> None:
    """Where there is no wallet the check says so instead of passing."""

    class Poor(Line):
        async def send(self, request: Any) -> MemoryAnswer:
            if request.url.endswith("/users/me"):
                return MemoryAnswer(200, {"content-type": "application/json"}, b'{"data": {"username": "a"}}')
            return await super().send(request)

    async with client(Poor(fast_service())) as heygen:
        with pytest.raises(InvalidArgument, match="no wallet"):
            await run_batch(heygen, make_jobs(2), min_balance=1)


# ---- left ---------------------------------------------------------------------------------------------------------


async def left_after(run: Batch, count: int) -> None:
    """Take so many outcomes and go."""
    async for _ in run:
        count -= 1
        if count <= 0:
            return


async def test_leaving_detaches() -> None:
    """After leaving early nothing more is asked or created, and the sessions go on at the service."""
    line = Line(fast_service())
    async with client(line) as heygen:
        async with heygen.batch(make_jobs(100)) as run:
            await left_after(run, 12)
            began = clock()
        sent = len(line.sent)
        await pass_time(600)

        assert sent == len(line.sent)
        assert max(line.moments("POST", "/v3/video-agents")) <= began
        assert [session async for session in heygen.sessions.list()]
    assert [] == line.service.ledger.stops
    assert len(line.service.ledger.sessions) == len(line.service.ledger.billed) <= 12 + 20


async def test_leaving_may_stop() -> None:
    """With `on_exit="stop"` every session in flight is stopped, and none that had ended."""
    service = fast_service()
    events = EventLog()
    async with (
        client(service) as heygen,
        heygen.batch(make_jobs(100), on_exit="stop", on_event=events) as run,
    ):
        await left_after(run, 12)
    ended = {event.session_id for event in events.of("ended")}

    assert set(service.ledger.sessions) - ended - finished(events) == set(service.ledger.stops)


async def test_running_to_the_end_stops_nothing(service: Simulator) -> None:
    """A batch that ends by itself stops no session."""
    await run_jobs(service, ["A", "B"], on_exit="stop")

    assert [] == service.ledger.stops


@each("error", [LookupError("mine"), SystemExit("mine")], ids=["error", "exit"])
async def test_the_callers_error_is_raised_as_it_is(error: BaseException) -> None:
    """What the block raises comes out unchanged, not in a group."""
    async with client(fast_service()) as heygen:
        with pytest.raises(type(error), match="mine"):
            await failing(heygen, error)


async def failing(heygen: HeyGen, error: BaseException) -> None:
    """Raise an error within a batch's block."""
    async with heygen.batch(make_jobs(5)) as run:
        await anext(run)
        raise error


async def test_a_closed_client_ends_the_jobs() -> None:
    """When the client is closed under a batch, its jobs end with an error and the iteration ends."""
    heygen = client(fast_service())
    async with heygen.batch(make_jobs(5)) as run:
        await pass_time(20)
        await heygen.aclose()
        outcomes = [outcome async for outcome in run]

    assert {"ClientStateError": 5} == count_ends(outcomes)


@each("is_ours", [True, False], ids=["a-generators-maker", "a-generator"])
async def test_an_input_made_here_is_closed_here(is_ours: bool) -> None:
    """An iterator made for the batch is closed when it is left; the caller's own generator is the caller's."""
    closed = list[bool]()

    async def jobs() -> AsyncIterator[Job]:
        try:
            for job in make_jobs(100):
                yield job
        finally:
            closed.append(True)

    class Table:
        def __aiter__(self) -> AsyncIterator[Job]:
            return jobs()

    source: AsyncIterable[Job] = Table() if is_ours else jobs()
    async with client(fast_service()) as heygen, heygen.batch(source) as run:
        await left_after(run, 3)
    assert is_ours == bool(closed)
    if not is_ours:
        assert "Job number 99" == [job async for job in source][-1].prompt
