"""A batch that is cancelled, at any moment, has emitted every session it made, and begins nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest

from batches import EventLog, SlowLine, fast_service, finished, make_job, make_jobs, run_batch
from flows import Line, client, pass_time
from heygen_async import Approve, BatchEvent, HeyGen, Job, Session, SessionState
from heygen_async.testing import MemoryAnswer, Simulator
from sessions.test_cancel import CUTS

each = pytest.mark.parametrize

Cut = Callable[[Awaitable[Any], float], Awaitable[None]]


MOMENTS = (0.0, 0.2, 0.6, 0.99, 1.0, 1.3, 2.4, 15.0, 30.5, 62.0, 75.0, 130.0, 200.3)


def review(session: Session, state: SessionState) -> Awaitable[Approve]:
    """Approve after some time."""

    async def think() -> Approve:
        await pass_time(3)
        return Approve()

    return think()


def mixed() -> Iterator[Job]:
    """Yield jobs with and without pauses."""
    for number in range(40):
        yield make_job(number) if number % 2 else Job(f"Chat {number}")


async def check_nothing_is_lost(line: Line, heygen: HeyGen, events: EventLog) -> None:
    """Fail unless every session was emitted or is an orphan, and the client is quiet."""
    service, posts = line.service, len(line.sent)
    emitted = {event.session_id for event in events.of("created")}
    orphans = {session.id for session in heygen.sessions.orphans}
    await pass_time(600)

    assert set(service.ledger.sessions) == emitted | orphans
    assert orphans <= emitted
    assert posts == len(line.sent)
    assert 0 == service.ledger.duplicate_creates


@each("on_exit", ["detach", "stop"])
@each("cut", CUTS, ids=lambda cut: cut.__name__)
@each("moment", MOMENTS, ids=str)
async def test_a_cancelled_batch_loses_no_session(cut: Cut, moment: float, on_exit: Any) -> None:
    """Whenever and however a batch is cancelled, every session that was made has been emitted."""
    service = Simulator(scenario=None, max_jobs=4)
    line, events = SlowLine(service), EventLog()
    async with client(line) as heygen:
        await cut(
            run_batch(heygen, mixed(), max_in_flight=4, reviewer=review, on_event=events, on_exit=on_exit),
            moment,
        )
        assert [] == [task for task in asyncio.all_tasks() if task.get_name().startswith("heygen_async job")]
        await check_nothing_is_lost(line, heygen, events)
    if on_exit == "stop":
        ended = {event.session_id for event in events.of("ended")}
        assert set(service.ledger.sessions) - ended - finished(events) <= set(service.ledger.stops)


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
    """Cancelled at any single exchange, a create, a poll or an answer, every session is emitted."""
    service = Simulator(max_jobs=3)
    line, events = Cutting(service, number, answered=answered), EventLog()
    async with client(line) as heygen:
        work = run_batch(heygen, mixed(), max_in_flight=3, reviewer=review, on_event=events)
        line.victim = asyncio.ensure_future(work)
        await asyncio.wait([line.victim])
        await check_nothing_is_lost(line, heygen, events)


async def test_a_slow_journal_is_waited_for_when_cancelled() -> None:
    """A session that is just being written down is written down to the end, though the batch is cancelled."""
    written: list[str | None] = []

    async def slowly(event: BatchEvent) -> None:
        if event.kind == "created":
            await pass_time(10)
            written.append(event.session_id)

    service = fast_service()
    async with client(service) as heygen:
        with anyio.move_on_after(5):
            await run_batch(heygen, make_jobs(4), on_event=slowly)

    assert sorted(service.ledger.sessions) == sorted(str(one) for one in written)


@each("moment", [0.7, 5.0], ids=["being-made", "being-watched"])
async def test_a_session_that_was_not_written_down_is_logged(
    moment: float, caplog: pytest.LogCaptureFixture
) -> None:
    """When the journal fails and the batch is then cancelled, the log names the sessions."""

    def fail(event: BatchEvent) -> None:
        if event.kind == "created":
            raise OSError("disk full")

    service = fast_service()
    async with client(SlowLine(service)) as heygen:
        with anyio.move_on_after(moment):
            await run_batch(heygen, make_jobs(2), on_event=fail)

    assert 2 == len(service.ledger.sessions)
    assert all(f"{session} was not written down" in caplog.text for session in service.ledger.sessions)


async def test_an_intent_being_written_when_cancelled_is_not_sent() -> None:
    """A create whose intent is still being written down when the batch is cancelled is not sent."""

    async def slowly(event: BatchEvent) -> None:
        await pass_time(10)

    line = Line(fast_service())
    async with client(line) as heygen:
        with anyio.move_on_after(5):
            await run_batch(heygen, make_jobs(4), on_event=slowly)

    assert [] == line.sent


async def test_a_stop_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A session that cannot be stopped on the way out is named in the log, and leaving goes on."""
    service = fast_service()
    service.faults.add("forbidden", on="stop", times=100)
    async with client(service) as heygen, heygen.batch(make_jobs(3), on_exit="stop"):
        await pass_time(10)

    assert 3 == caplog.text.count("could not be stopped: Forbidden")
