"""Polls where webhooks come: rare as long as they come, and as ever when they cease."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest

from flows import client, clock, pass_time
from heygen_async import HeyGen, Session
from heygen_async.testing import Scenario, Simulator
from polling.events import RENDERING, notify_at, render, rumour, session_known, told

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = 0.1  # seconds: at once


@pytest.fixture
def service() -> Simulator:
    """A service that renders for ten minutes."""
    return Simulator(max_jobs=10_000, scenario=RENDERING)


async def test_polling_relies_on_webhooks_that_work(heygen: HeyGen) -> None:
    """Once webhooks have told the ends of renderings, ten minutes of rendering cost a handful of polls."""
    without = min([(await render(heygen, event_after=None))[1] for _ in range(3)])
    with_webhooks = [await render(heygen) for _ in range(6)]

    assert with_webhooks[-1][1] <= 9 <= without / 3
    assert max(late for late, _ in with_webhooks) <= NOW


async def test_polling_returns_when_events_cease(heygen: HeyGen) -> None:
    """The first end that no event told is known two minutes late at most, and polling is then as without webhooks."""
    usual = min([(await render(heygen, event_after=None))[1] for _ in range(3)])
    for _ in range(5):
        await render(heygen)
    first, _ = await render(heygen, event_after=None)
    second, again = await render(heygen, event_after=None)

    assert first <= 121
    assert second <= 61
    assert again >= usual - 5


async def test_an_end_that_nobody_told_is_a_lesson_for_all(heygen: HeyGen) -> None:
    """When webhooks cease, those who had relied on them are polled as usual from the first silent end on."""
    for _ in range(5):
        await render(heygen)
    known: list[tuple[float, float]] = []

    async def wait(session: Session, ends: float) -> None:
        await session.wait(until=["completed"])
        known.append((ends, clock()))

    async with anyio.create_task_group() as group:
        for number in range(30):
            session = await heygen.sessions.create(f"Film {number}", mode="generate")
            group.start_soon(wait, session, clock() + 605)
            await pass_time(10)

    first = min(at for _, at in known)
    assert first - min(ends for ends, _ in known) <= 121
    assert max(at - max(ends, first) for ends, at in known) <= 15


async def test_an_end_while_nobody_watched_is_no_lesson(heygen: HeyGen) -> None:
    """An event that came while nobody watched that session was not missed."""
    for _ in range(5):
        await render(heygen)
    session = await heygen.sessions.create("A tour of our bakery", mode="generate")
    async for state in session.watch():
        if state.status == "generating":
            break
    await pass_time(700)
    await session.wait()
    _, made = await render(heygen)

    assert made <= 9


async def test_a_video_that_lags_is_looked_for(heygen: HeyGen, service: Simulator) -> None:
    """The event tells the end of the session; a video that is ready a minute later is looked for as ever."""
    for _ in range(5):
        await render(heygen)
    service.script(RENDERING.with_lag(video=60))
    session = await heygen.sessions.create("A tour of our bakery", mode="generate")
    ends = clock() + 605
    async with anyio.create_task_group() as group:
        group.start_soon(notify_at, heygen, ends, told(session.id))
        await session.video()

    assert clock() - ends - 60 <= 30


async def test_events_are_forgotten(heygen: HeyGen) -> None:
    """Webhooks that worked long ago are not relied on."""
    for _ in range(5):
        await render(heygen)
    await pass_time(3600)
    _, made = await render(heygen)

    assert made > 20


async def test_a_slower_event_is_excused(heygen: HeyGen) -> None:
    """An event that comes seconds after the poll that was quicker is a sign that webhooks work."""
    for _ in range(5):
        await render(heygen)
    session = await heygen.sessions.create("A tour of our bakery", mode="generate")
    async with anyio.create_task_group() as group:
        group.start_soon(session.wait)
        await pass_time(607)
        heygen._core.scheduler.poll_now(session.id)
    heygen.notify(told(session.id))
    _, made = await render(heygen)

    assert made <= 9


async def test_unverified_events_are_never_relied_on(heygen: HeyGen) -> None:
    """However often unverified events were right, polling goes on as without them."""
    for _ in range(6):
        session = await heygen.sessions.create("A tour of our bakery", mode="generate")
        async with anyio.create_task_group() as group:
            group.start_soon(notify_at, heygen, clock() + 605, rumour(session.id))
            await session.wait(until=["completed"])
    _, made = await render(heygen)

    assert made > 20


async def test_what_webhooks_do_not_tell_is_looked_for(heygen: HeyGen, service: Simulator) -> None:
    """That a storyboard is ready is not announced, so it is looked for as ever, however well webhooks work."""
    for _ in range(5):
        await render(heygen)
    service.script(Scenario.chat().timed(thinking=60))
    session = await heygen.sessions.create("Another")
    ready = clock() + 60
    await session.wait()

    assert session_known(session, ready) <= 20


@pytest.mark.parametrize("seed", range(5))
async def test_two_processes_with_one_address_are_no_later_than_without(seed: int) -> None:
    """Where two processes share a webhook address, what the other one gets costs trust, not time."""
    chance = random.Random(seed)
    late: dict[bool, list[float]] = {False: [], True: []}

    async def work(heygen: HeyGen, processes: Sequence[HeyGen], *, are_told: bool) -> None:
        for _ in range(24):
            to = chance.choice(processes)
            late[are_told].append((await render(heygen, event_after=0.0 if are_told else None, to=to))[0])

    for are_told in late:
        service = Simulator(max_jobs=10_000, scenario=RENDERING)
        async with client(service) as one, client(service) as other, anyio.create_task_group() as group:
            for heygen in (one, other):
                group.start_soon(partial(work, heygen, (one, other), are_told=are_told))

    assert 48 == len(late[True]) == len(late[False])
    assert sum(late[True]) <= sum(late[False])
