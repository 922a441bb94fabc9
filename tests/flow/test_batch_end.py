"""The end of a batch: stopped, left, cancelled or refused, it loses no session and pays for none twice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest

from flow.batches import Notes, client, ends, errors, film, films, made, quick, through
from flow.parties import Line, clock, pass_time
from flow.test_cancel import CUTS
from heygen_async import (
    Approve,
    Batch,
    BatchEvent,
    Forbidden,
    HeyGen,
    InsufficientCredit,
    InvalidArgument,
    Job,
    Outcome,
    Reply,
    Session,
    SessionState,
    Unauthorized,
)
from heygen_async.testing import MemoryAnswer, Scenario, Simulator

each = pytest.mark.parametrize

Cut = Callable[[Awaitable[Any], float], Awaitable[None]]


# ---- stopped ------------------------------------------------------------------------------------------------------


async def refused_from(number: int, fault: str, **options: Any) -> tuple[Simulator, list[Outcome]]:
    """Run 60 jobs against a service that refuses all creates from that one on."""
    service = quick()
    notes = Notes()

    def listen(event: BatchEvent) -> None:
        notes(event)
        if event.kind == "creating" and event.key == str(number):
            service.faults.add(fault, on="create", times=10_000)

    outcomes = await made(service, (film(n) for n in range(60)), on_event=listen, **options)
    assert [str(n) for n in range(1, 61)] == sorted((o.key for o in outcomes), key=int)
    assert 60 == len(notes.of("ended"))
    return service, outcomes


@each(("fault", "error"), [("payment_required", InsufficientCredit), ("unauthorized_once", Unauthorized)])
async def test_after_a_refusal_for_all_nothing_is_created(fault: str, error: type[Exception]) -> None:
    """Without credit, or with a refused key, what is in flight ends well and the rest is not started."""
    service, outcomes = await refused_from(20, fault)
    ended = ends(outcomes)

    assert ended["ok"] == len(service.ledger.sessions) >= 10
    assert 1 <= ended[error.__name__] <= 10
    assert 60 == ended["ok"] + ended[error.__name__] + ended["not started"]
    assert all(isinstance(outcome.error, error) for outcome in outcomes if outcome.not_started)
    assert all(outcome.session_ref is None for outcome in outcomes if outcome.not_started)


async def test_other_errors_do_not_stop_it() -> None:
    """Errors that are not in `stop_on` are single outcomes."""
    _, outcomes = await refused_from(20, "forbidden")

    assert ends(outcomes)["Forbidden"] >= 35
    assert 0 == ends(outcomes)["not started"]


async def test_what_stops_it_is_a_choice() -> None:
    """Any error can be one after which nothing more is created."""
    _, outcomes = await refused_from(20, "forbidden", stop_on=Forbidden)

    assert ends(outcomes)["not started"] >= 25


async def test_stop_creating_ends_creating() -> None:
    """After `stop_creating()` what is in flight ends well, and the rest is not started."""
    service = quick()
    outcomes: list[Outcome] = []
    made_before = 0
    async with client(service) as heygen, heygen.batch(films(100)) as run:
        async for outcome in run:
            outcomes.append(outcome)
            if len(outcomes) == 25:
                run.stop_creating()
                run.stop_creating()
                made_before = len(service.ledger.sessions)

    assert made_before == len(service.ledger.sessions) == ends(outcomes)["ok"]
    assert 100 - made_before == ends(outcomes)["not started"]
    assert repr(outcomes[-1]).endswith(" not started>") or outcomes[-1].ok


async def test_a_job_that_waits_for_a_place_is_not_started() -> None:
    """A job that the full account refused is not created after `stop_creating()`, and comes back at once."""
    service = quick(max_jobs=1)
    service.script(Scenario.stuck(), prompt="stuck")
    async with client(service) as heygen:
        await heygen.sessions.create("A stuck one")
        async with heygen.batch(films(5)) as run:
            await pass_time(100)
            run.stop_creating()
            began = clock()
            outcomes = [outcome async for outcome in run]

    assert {"not started": 5} == ends(outcomes)
    assert clock() - began < 1


async def test_failures_of_a_stopped_batch_are_raised_once() -> None:
    """The reason why a hundred jobs were not started is one error of the group."""
    service = quick()
    service.faults.add("payment_required", on="create", times=10_000)
    async with client(service) as heygen, heygen.batch(films(100), max_in_flight=1) as run:
        with pytest.raises(ExceptionGroup, match="100 of 100 jobs failed") as raised:
            await run.raise_failures()

    assert 1 == len(raised.value.exceptions)


# ---- before it begins ---------------------------------------------------------------------------------------------


@each(("least", "error"), [(1e9, InsufficientCredit), (0.01, None)], ids=["too-little", "enough"])
async def test_the_wallet_is_checked_first(least: float, error: type[Exception] | None) -> None:
    """With less in the wallet than asked for, nothing is created."""
    line = Line(quick())
    async with client(line) as heygen:
        with contextlib.nullcontext() if error is None else pytest.raises(error):
            await through(heygen, films(2), min_balance=least)

    assert (0 if error else 2) == len(line.service.ledger.sessions)


async def test_an_account_without_a_wallet_cannot_be_checked() -> None:
    """Where there is no wallet the check says so instead of passing."""

    class Poor(Line):
        async def send(self, request: Any) -> MemoryAnswer:
            if request.url.endswith("/users/me"):
                return MemoryAnswer(200, {"content-type": "application/json"}, b'{"data": {"username": "a"}}')
            return await super().send(request)

    async with client(Poor(quick())) as heygen:
        with pytest.raises(InvalidArgument, match="no wallet"):
            await through(heygen, films(2), min_balance=1)


# ---- left ---------------------------------------------------------------------------------------------------------


async def left_after(run: Batch, count: int) -> None:
    """Take so many outcomes and go."""
    async for _ in run:
        count -= 1
        if count <= 0:
            return


async def test_leaving_detaches() -> None:
    """After leaving early nothing more is asked or created, and the sessions go on at the service."""
    line = Line(quick())
    async with client(line) as heygen:
        async with heygen.batch(films(100)) as run:
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
    service = quick()
    notes = Notes()
    async with client(service) as heygen, heygen.batch(films(100), on_exit="stop", on_event=notes) as run:
        await left_after(run, 12)
    ended = {event.session_id for event in notes.of("ended")}

    assert set(service.ledger.sessions) - ended - finished(notes) == set(service.ledger.stops)


async def test_running_to_the_end_stops_nothing(service: Simulator) -> None:
    """A batch that ends by itself stops no session."""
    await made(service, ["A", "B"], on_exit="stop")

    assert [] == service.ledger.stops


async def test_the_callers_error_is_raised_as_it_is() -> None:
    """What the block raises comes out unchanged, not in a group."""
    async with client(quick()) as heygen:
        with pytest.raises(LookupError, match="mine"):
            await failing(heygen)


async def failing(heygen: HeyGen) -> None:
    """Raise an error within a batch's block."""
    async with heygen.batch(films(5)) as run:
        await anext(run)
        raise LookupError("mine")


async def test_a_closed_client_ends_the_jobs() -> None:
    """When the client is closed under a batch, its jobs end with an error and the iteration ends."""
    heygen = client(quick())
    async with heygen.batch(films(5)) as run:
        await pass_time(20)
        await heygen.aclose()
        outcomes = [outcome async for outcome in run]

    assert {"ClientStateError": 5} == ends(outcomes)


@each("is_ours", [True, False], ids=["a-generators-maker", "a-generator"])
async def test_an_input_made_here_is_closed_here(is_ours: bool) -> None:
    """An iterator made for the batch is closed when it is left; the caller's own generator is the caller's."""
    closed = list[bool]()

    async def jobs() -> AsyncIterator[Job]:
        try:
            for job in films(100):
                yield job
        finally:
            closed.append(True)

    class Table:
        def __aiter__(self) -> AsyncIterator[Job]:
            return jobs()

    source: AsyncIterable[Job] = Table() if is_ours else jobs()
    async with client(quick()) as heygen, heygen.batch(source) as run:
        await left_after(run, 3)
    assert is_ours == bool(closed)
    if not is_ours:
        assert "Film number 99" == [job async for job in source][-1].prompt


# ---- cancelled ----------------------------------------------------------------------------------------------------

MOMENTS = (0.0, 0.2, 0.6, 0.99, 1.0, 1.3, 2.4, 15.0, 30.5, 62.0, 75.0, 130.0, 200.3)


class Slow(Line):
    """A line with long ways, so that a cancel can come anywhere on them."""

    def __init__(self, service: Simulator) -> None:
        super().__init__(service, latency=1.0)


def review(session: Session, state: SessionState) -> Awaitable[Approve]:
    """Approve after some time."""

    async def think() -> Approve:
        await pass_time(3)
        return Approve()

    return think()


def mixed() -> Iterator[Job]:
    """Yield films and chats."""
    for number in range(40):
        yield film(number) if number % 2 else Job(f"Chat {number}")


async def check_nothing_is_lost(line: Line, heygen: HeyGen, notes: Notes) -> None:
    """Fail unless every session was told or is an orphan, and the client is quiet."""
    service, posts = line.service, len(line.sent)
    told = {event.session_id for event in notes.of("created")}
    orphans = {session.id for session in heygen.sessions.orphans}
    await pass_time(600)

    assert set(service.ledger.sessions) == told | orphans
    assert orphans <= told
    assert posts == len(line.sent)
    assert 0 == service.ledger.duplicate_creates


@each("on_exit", ["detach", "stop"])
@each("cut", CUTS, ids=lambda cut: cut.__name__)
@each("moment", MOMENTS, ids=str)
async def test_a_cancelled_batch_loses_no_session(cut: Cut, moment: float, on_exit: Any) -> None:
    """Whenever and however a batch is cancelled, every session that was made has been told."""
    service = Simulator(scenario=None, max_jobs=4)
    line, notes = Slow(service), Notes()
    async with client(line) as heygen:
        await cut(
            through(heygen, mixed(), max_in_flight=4, reviewer=review, on_event=notes, on_exit=on_exit),
            moment,
        )
        assert [] == [task for task in asyncio.all_tasks() if task.get_name().startswith("heygen_async job")]
        await check_nothing_is_lost(line, heygen, notes)
    if on_exit == "stop":
        ended = {event.session_id for event in notes.of("ended")}
        assert set(service.ledger.sessions) - ended - finished(notes) <= set(service.ledger.stops)


def finished(notes: Notes) -> set[str | None]:
    """Return the sessions that were known to have ended."""
    return {event.session_id for event in notes.of("state") if event.state and event.state.is_terminal}


class Cutting(Line):
    """A line that has a task cancelled at one request: before it leaves, or when its answer is here."""

    def __init__(self, service: Simulator, number: int, *, answered: bool) -> None:
        super().__init__(service)
        self._left = number
        self._answered = answered
        self.victim: asyncio.Task[Any] | None = None

    async def send(self, request: Any) -> MemoryAnswer:
        """Count, cancel, pass on."""
        self._left -= 1
        is_it = self._left == 0 and self.victim is not None
        if is_it and self.victim and not self._answered:
            self.victim.cancel()
        answer = await super().send(request)
        if is_it and self.victim and self._answered:
            self.victim.cancel()
        return answer


@each("answered", [False, True], ids=["leaving", "answered"])
@each("number", range(1, 61, 2), ids=str)
async def test_a_batch_cancelled_at_any_request_loses_nothing(number: int, answered: bool) -> None:
    """Cancelled at any single exchange, be it a create, a look, an answer, every session is told."""
    service = Simulator(max_jobs=3)
    line, notes = Cutting(service, number, answered=answered), Notes()
    async with client(line) as heygen:
        work = through(heygen, mixed(), max_in_flight=3, reviewer=review, on_event=notes)
        line.victim = asyncio.ensure_future(work)
        await asyncio.wait([line.victim])
        await check_nothing_is_lost(line, heygen, notes)


async def test_a_slow_journal_is_waited_for_when_cancelled() -> None:
    """A session that is just being written down is written down to the end, though the batch is cancelled."""
    written: list[str | None] = []

    async def slowly(event: BatchEvent) -> None:
        if event.kind == "created":
            await pass_time(10)
            written.append(event.session_id)

    service = quick()
    async with client(service) as heygen:
        with anyio.move_on_after(5):
            await through(heygen, films(4), on_event=slowly)

    assert sorted(service.ledger.sessions) == sorted(str(one) for one in written)


async def test_an_intent_being_written_when_cancelled_is_not_sent() -> None:
    """A create whose intent is still being written down when the batch is cancelled is not sent."""

    async def slowly(event: BatchEvent) -> None:
        await pass_time(10)

    line = Line(quick())
    async with client(line) as heygen:
        with anyio.move_on_after(5):
            await through(heygen, films(4), on_event=slowly)

    assert [] == line.sent


async def test_a_stop_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A session that cannot be stopped on the way out is named in the log, and leaving goes on."""
    service = quick()
    service.faults.add("forbidden", on="stop", times=100)
    async with client(service) as heygen, heygen.batch(films(3), on_exit="stop"):
        await pass_time(10)

    assert 3 == caplog.text.count("could not be stopped: Forbidden")


# ---- gone on with -------------------------------------------------------------------------------------------------


async def test_jobs_go_on_from_their_refs(tmp_path: Any) -> None:
    """Sessions of a batch that was left are gone on with by the next, and nothing is created."""
    service, notes = Simulator(max_jobs=10), Notes()
    async with client(service) as heygen:
        with anyio.move_on_after(70):
            await through(heygen, ["A", "B", "C"], reviewer=Approve(), on_event=notes)
    refs = {event.key: event.ref for event in notes.events if event.ref}
    jobs = [Job("again", key=key, ref=ref) for key, ref in refs.items()]
    later = Notes()
    outcomes = await made(service, jobs, download_to=tmp_path, on_event=later)

    assert {"ok": 3} == ends(outcomes)
    assert 3 == len(service.ledger.sessions)
    assert [] == later.of("creating")
    assert {event.session_id for event in notes.of("created")} == {o.session_id for o in outcomes}
    assert 0 == service.ledger.duplicate_messages


async def test_a_fixed_reply_is_not_said_again() -> None:
    """A job that is gone on with does not repeat the batch's one reply."""
    service, notes = Simulator(scenario=Scenario.question()), Notes()
    reply = Reply(message="Newcomers")
    async with client(service) as heygen:
        with anyio.move_on_after(30):
            await through(heygen, ["A"], on_event=notes, reviewer=reply)
    ref = [event.ref for event in notes.events if event.ref][-1]
    [outcome] = await made(service, [Job("A", ref=ref)], reviewer=reply)

    assert outcome.ok
    assert ["Newcomers", "Looks good, go ahead and generate."] == [m.text for m in service.ledger.messages]


def reply_once() -> Any:
    """Return one reply for all."""
    from heygen_async import Reply

    return Reply(message="Newcomers")


@each("idempotency", ["honoured", "ignored"])
@each("moment", [0.3, 0.7, 1.1, 1.6])
async def test_jobs_go_on_from_their_intents(idempotency: Any, moment: float) -> None:
    """Creates whose outcome was never learnt are found or made by the next batch, each once."""
    service = quick(idempotency=idempotency)
    intents: dict[str, BatchEvent] = {}
    line = Slow(service)
    dead = client(line)  # its process is killed: nothing of it goes on

    def listen(event: BatchEvent) -> None:
        if event.kind == "creating":
            intents[event.key] = event

    async with dead:
        with anyio.move_on_after(moment):
            await through(dead, films(4), on_event=listen)
        again = [
            Job(
                f"Film number {int(key) - 1}",
                key=key,
                mode="generate",
                idempotency_key=event.idempotency_key,
                begun_at=event.started_at,
            )
            for key, event in intents.items()
        ]
        notes = Notes()
        outcomes = await made(service, again, on_event=notes)

    assert {"ok": 4} == ends(outcomes)
    assert 4 == len(service.ledger.sessions)
    assert {e.started_at for e in notes.of("creating")} == {e.started_at for e in intents.values()}


async def test_a_doubtful_intent_is_an_outcome() -> None:
    """When nobody can say which session a job made, it ends with the candidates, and nothing is paid for."""
    service = quick()
    twice: list[Job] = []

    def listen(event: BatchEvent) -> None:
        if event.kind == "creating":
            twice.append(
                Job("Same", mode="generate", idempotency_key="k", begun_at=event.started_at, key="same")
            )

    await made(service, [Job("Same", mode="generate") for _ in range(3)], on_event=listen)
    [outcome] = await made(service, twice[:1])

    assert "OutcomeUnknown" == type(outcome.error).__name__
    assert set(service.ledger.sessions) == set(getattr(errors([outcome])[0], "candidates", ()))
