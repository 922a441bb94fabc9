"""Whoever watches is told, whatever happens around the watch: to its neighbours, its schedule, its client."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from flows import Line, client, clock, pass_time, rendering
from heygen_async import Cadence, ClientStateError, HeyGen, Session, SessionStatus
from heygen_async._polling.watched import WatchedSession
from heygen_async._polling.watcher import Watcher
from heygen_async.testing import MemoryAnswer, Scenario, Simulator
from heygen_async.testing._virtual_loop import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from heygen_async import Watch
    from heygen_async.cadence import PollContext
    from heygen_async.testing._transports.memory import Outgoing

PROMPT = "An espresso machine"
ENDS = 110  # seconds from the create of a default session in generate mode to its video
RAREST_LOOK = 1.15 * 60  # seconds, by the default schedule
RENDERING = Scenario.generate().timed(thinking=1, generating=600)


async def outcome(session: Session, told: list[object], **options: Any) -> None:
    """Add what a wait without a time limit came to: the status or the error."""
    try:
        told.append((await session.wait(timeout=None, **options)).status)
    except Exception as error:  # noqa: BLE001 - told as it is
        told.append(error)


@asynccontextmanager
async def one_of_many() -> AsyncGenerator[Session]:
    """A session that renders, among 299 that are polled together."""
    async with (
        client(Simulator(max_jobs=1000, scenario=RENDERING)) as heygen,
        anyio.create_task_group() as group,
    ):
        first, *others = await rendering(heygen, 300)
        for session in others:
            group.start_soon(outcome, session, list[object]())
        yield first
        group.cancel_scope.cancel()


def failing(looks: int) -> Callable[[PollContext], float]:
    """Return a schedule that fails when it has been asked so often."""
    intervals = [10.0] * looks

    def interval(moment: PollContext) -> float:
        return intervals.pop()

    return interval


# -- schedules --


async def test_a_schedule_that_fails_ends_its_own_watch() -> None:
    """Who brings a schedule that raises is told its error; all who share its polls are told how it went."""
    async with client(Simulator(max_jobs=100, scenario=RENDERING)) as heygen:
        sessions = await rendering(heygen, 5)
        told, ended = list[object](), list[object]()
        async with anyio.create_task_group() as group:
            for session in sessions:
                group.start_soon(outcome, session, told)
            group.start_soon(partial(outcome, sessions[0], ended, cadence=failing(3)))

    assert [IndexError] == [type(error) for error in ended]
    assert [SessionStatus.COMPLETED] * 5 == told


async def test_a_client_whose_schedule_fails() -> None:
    """When it is the client's own schedule that raises, every watch is told."""
    async with client(Simulator(max_jobs=100, scenario=RENDERING), cadence=failing(60)) as heygen:
        sessions, told = await rendering(heygen, 20), list[object]()
        async with anyio.create_task_group() as group:
            for session in sessions:
                group.start_soon(outcome, session, told)

    assert [IndexError] * 20 == [type(error) for error in told]


async def test_who_joins_with_a_keener_schedule(heygen: HeyGen) -> None:
    """Who joins a watch that polls rarely, with a schedule of his own, does not wait for that one's next poll."""
    session, told, began = await heygen.sessions.create(PROMPT, mode="generate"), list[object](), clock()
    async with anyio.create_task_group() as group:
        group.start_soon(partial(outcome, session, [], cadence=Cadence.constant(1000)))
        await pass_time(5)
        await outcome(session, told, cadence=Cadence.constant(1))
        ended = clock()
        group.cancel_scope.cancel()

    assert [SessionStatus.COMPLETED] == told
    assert ENDS == pytest.approx(ended - began, abs=2)


async def test_progress_is_told_to_who_takes_over() -> None:
    """Who wants to know of progress is told of it also when he takes over from somebody who did not."""
    async with one_of_many() as session:
        first = session.watch(timeout=None)
        await anext(first)
        await pass_time(60)
        second = session.watch(timeout=None, progress=True)
        await anext(second)
        await first.aclose()
        with anyio.fail_after(RAREST_LOOK):
            await anext(second)


async def test_a_look_together_becomes_one_of_its_own() -> None:
    """Whoever joins for progress is told of it at the next poll, although that was planned for many together."""
    async with one_of_many() as session:
        first = session.watch(timeout=None, cadence=(gate := Cadence.constant(20)))
        await anext(first)
        await pass_time(50)
        second = session.watch(timeout=None, progress=True, cadence=gate)
        before = await anext(second)
        with anyio.fail_after(21):
            after = await anext(second)

    assert before.progress < after.progress


async def test_a_watch_taken_up_after_a_message(heygen: HeyGen) -> None:
    """A watch whose step was given up long ago polls at once when something was said in the meantime."""
    session = await heygen.sessions.create(PROMPT, mode="chat")
    watch = session.watch(until=(), timeout=None)
    while (await anext(watch)).status != SessionStatus.REVIEWING:
        pass
    with anyio.move_on_after(200):
        await anext(watch)
    await pass_time(200)
    await session.send("Warmer, please")

    with anyio.fail_after(10):
        assert SessionStatus.REVIEWING != (await anext(watch)).status


async def test_a_crowd_comes_and_goes_at_once(heygen: HeyGen, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thousand watchers of one session want is not worked out anew for each that joins, or is told the end."""
    session, told, seen, keep = (
        await heygen.sessions.create(PROMPT, mode="generate"),
        list[object](),
        0,
        WatchedSession.keep,
    )

    def counting(record: WatchedSession, watchers: list[Watcher]) -> None:
        nonlocal seen
        seen += len(watchers)
        keep(record, watchers)

    monkeypatch.setattr(WatchedSession, "keep", counting)
    async with anyio.create_task_group() as group:
        for _ in range(1000):
            group.start_soon(outcome, session, told)

    assert [SessionStatus.COMPLETED] * 1000 == told
    assert seen <= 1000 * heygen.statistics().polls


# -- joint polls --


async def test_looks_together_see_no_stall() -> None:
    """Sessions that render and get on are not taken for stalled because joint polls show no progress."""
    async with client(Simulator(max_jobs=100, scenario=RENDERING)) as heygen:
        sessions, told = await rendering(heygen, 40), list[object]()
        async with anyio.create_task_group() as group:
            for session in sessions:
                group.start_soon(partial(outcome, session, told, stall_timeout=60))

    assert [SessionStatus.COMPLETED] * 40 == told


async def test_looks_out_of_turn_are_not_late() -> None:
    """A poll that follows from one at many sessions counts as late by seconds at most."""
    async with client(Simulator(max_jobs=100, scenario=RENDERING)) as heygen:
        async with anyio.create_task_group() as group:
            for session in await rendering(heygen, 10):
                group.start_soon(outcome, session, list[object]())

        assert 5 > heygen.statistics().lateness_p99


# -- polls that break off --


class Uneasy(Line):
    """A line on which reads can hang, or be cancelled from within."""

    hangs: bool = False
    breaks: bool = False

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Pass it on, unless told not to."""
        if request.method == "GET" and self.breaks:
            self.breaks = False
            raise asyncio.CancelledError
        if request.method == "GET" and self.hangs:
            self.hangs = False
            await pass_time(1000)
        return await super().send(request)


async def test_a_look_cancelled_from_within(service: Simulator) -> None:
    """When what makes the exchange is cancelled by itself, the poll counts as failed and is made again."""
    line, told = Uneasy(service), list[object]()
    async with client(line) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="generate")
        line.breaks = True
        with anyio.fail_after(ENDS + 30):
            await outcome(session, told)

    assert [SessionStatus.COMPLETED] == told


async def test_news_while_a_look_hangs(service: Simulator) -> None:
    """What a read of the caller's brings is told to all who watch, although a poll of theirs hangs."""
    line, told = Uneasy(service), list[object]()
    async with client(line, cadence=Cadence.constant(10)) as heygen, anyio.create_task_group() as group:
        session = await heygen.sessions.create(PROMPT, mode="generate")
        group.start_soon(outcome, session, told)
        await pass_time(ENDS - 10)
        line.hangs = True
        await pass_time(20)
        await session.refresh()
        await pass_time(1)
        group.cancel_scope.cancel()

    assert [SessionStatus.COMPLETED] == told


async def test_a_message_while_a_look_hangs(service: Simulator) -> None:
    """A message said while a poll hangs is followed by another poll as soon as that one is back."""
    line = Uneasy(service)
    async with client(line, cadence=Cadence.constant(600)) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="chat")
        await session.wait(cadence=Cadence.constant(2))
        watch = session.watch(until=(), timeout=None)
        await anext(watch)
        line.hangs = True
        await pass_time(
            601
        )  # the poll under way ends at 1000 seconds and has then been asked before the message
        await session.send("Warmer, please")
        began = clock()
        with anyio.move_on_after(2000):
            await anext(watch)
        waited = clock() - began

    assert 1005 > waited


async def test_tasks_cancelled_from_outside(heygen: HeyGen) -> None:
    """Who cancels all other tasks of the loop during a poll ends the watches that are on, and the next one works."""
    session = await heygen.sessions.create(PROMPT, mode="generate")
    watch = session.watch(timeout=None)
    await anext(watch)
    while not heygen.statistics().in_flight:
        await pass_time(0.001)
    for task in asyncio.all_tasks():
        if task.get_name().startswith("heygen_async"):
            task.cancel()

    with anyio.fail_after(1), pytest.raises(ClientStateError):
        await anext(watch)
    assert SessionStatus.COMPLETED == (await session.wait()).status


# -- the client's life --


async def test_who_comes_while_the_client_closes(line: Line) -> None:
    """A watch that begins while a client ends its polls is told that it is closed, like those before it."""
    heygen = client(line)
    session, told = await heygen.sessions.create(PROMPT, mode="generate"), list[object]()

    async def watch_twice() -> None:
        await outcome(session, told)
        await outcome(session, told)

    async with anyio.create_task_group() as group:
        group.start_soon(watch_twice)
        while not heygen.statistics().in_flight:
            await pass_time(0.001)
        await heygen.aclose()
        with anyio.move_on_after(60):
            while len(told) < 2:
                await pass_time(1)
        group.cancel_scope.cancel()

    assert [ClientStateError] * 2 == [type(error) for error in told]


async def test_nothing_is_kept_of_those_who_left(heygen: HeyGen) -> None:
    """When all watches are given up at once, the client keeps nothing of their sessions."""
    sessions = [await heygen.sessions.create(f"Film {n}", mode="generate") for n in range(40)]
    kept = [weakref.ref(session._track) for session in sessions]
    with anyio.move_on_after(20):
        async with anyio.create_task_group() as group:
            for session in sessions:
                group.start_soon(session.wait)
    del session, sessions
    await pass_time(1)
    gc.collect()

    assert [None] * 40 == [reference() for reference in kept]


def test_a_watch_goes_on_in_the_next_loop(service: Simulator) -> None:
    """A watch begun in one loop is taken up by a step in the next, as is whatever else the client does there."""
    heygen = client(service)
    made: list[tuple[Session, Watch]] = []

    async def begin() -> None:
        session = await heygen.sessions.create(PROMPT, mode="chat")
        watch = session.watch(timeout=None)
        await anext(watch)
        made.append((session, watch))

    async def go_on() -> None:
        (session, watch) = made[0]
        await session.refresh()
        with anyio.fail_after(1000):
            assert SessionStatus.REVIEWING == [state.status async for state in watch][-1]
        await heygen.aclose()
        assert 1 == len(asyncio.all_tasks())

    for part in begin, go_on:
        loop = VirtualLoop()
        loop.set_exception_handler(
            lambda loop, context: None
        )  # what is left behind in the first is the point
        loop.run_until_complete(part())
        loop.close()


async def test_the_same_pause_again() -> None:
    """A session that pauses anew before anybody has seen it at work is told as paused anew."""
    scenario = Scenario.chat().timed(thinking=0.001)
    async with client(Simulator(scenario=scenario), cadence=Cadence.constant(30)) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="chat")
        watch = session.watch(until=(), timeout=None)
        while (await anext(watch)).status != SessionStatus.REVIEWING:
            pass
        await session.send("Warmer, please")

        with anyio.fail_after(100):
            assert SessionStatus.REVIEWING == (await anext(watch)).status
