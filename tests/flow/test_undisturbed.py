"""Whoever watches is told, whatever happens around the watch: to its neighbours, its schedule, its client."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from flow.parties import Line, client, clock, pass_time
from heygen_async import Cadence, HeyGen, Session, SessionStatus
from heygen_async.testing import Scenario, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from heygen_async.cadence import Moment

PROMPT = "An espresso machine"
ENDS = 110  # seconds from the create of a default session in generate mode to its video
RENDERING = Scenario.generate().timed(thinking=1, generating=600)


async def rendering(heygen: HeyGen, count: int) -> list[Session]:
    """Return so many sessions that render, and have just been seen doing so."""
    sessions = [await heygen.sessions.create(f"Film {n}", mode="generate") for n in range(count)]
    await pass_time(2)
    for session in sessions:
        await session.refresh()
    return sessions


async def outcome(session: Session, told: list[object], **options: Any) -> None:
    """Add what a wait without a time limit came to: the status or the error."""
    try:
        told.append((await session.wait(timeout=None, **options)).status)
    except Exception as error:  # noqa: BLE001 - told as it is
        told.append(error)


def failing(looks: int) -> Callable[[Moment], float]:
    """Return a schedule that fails when it has been asked so often."""
    intervals = [10.0] * looks

    def interval(moment: Moment) -> float:
        return intervals.pop()

    return interval


# -- schedules --


async def test_a_schedule_that_fails_ends_its_own_watch() -> None:
    """Who brings a schedule that raises is told its error; all who share its looks are told how it went."""
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
    """Who joins a watch that looks rarely, with a schedule of his own, does not wait for that one's next look."""
    session, told, began = await heygen.sessions.create(PROMPT, mode="generate"), list[object](), clock()
    async with anyio.create_task_group() as group:
        group.start_soon(partial(outcome, session, [], cadence=Cadence.constant(1000)))
        await pass_time(5)
        await outcome(session, told, cadence=Cadence.constant(1))
        ended = clock()
        group.cancel_scope.cancel()

    assert [SessionStatus.COMPLETED] == told
    assert ENDS == pytest.approx(ended - began, abs=2)


async def test_a_watch_taken_up_after_a_message(heygen: HeyGen) -> None:
    """A watch whose step was given up long ago looks at once when something was said in the meantime."""
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
