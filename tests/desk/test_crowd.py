"""Many browsers cost the service what one costs, and leave nothing behind."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from desk.visitor import Stream
from heygen_async import Cadence, HeyGen, _clock
from review_desk.board import LISTED

if TYPE_CHECKING:
    from starlette.types import Message

    from desk.conftest import OpenDesk
    from desk.visitor import Visitor
    from heygen_async.testing import Simulator

SESSIONS = 50
BROWSERS = 500
WAIT = 4.0
INTERVAL = WAIT + 0.01  # the simulated network takes a hundredth of a second


async def make_sessions(visitor: Visitor, count: int = SESSIONS) -> list[str]:
    """Start so many sessions; return where their streams are."""
    forms = [{"form": f"form-{number}", "prompt": f"Video number {number}"} for number in range(count)]
    return [f"{(await visitor.post('/sessions', form)).json['url']}/events" for form in forms]


def client(visitor: Visitor) -> HeyGen:
    """The client of the desk."""
    heygen: HeyGen = visitor.app.state.heygen
    return heygen


async def test_five_hundred_browsers_cost_fifty_polls(open_desk: OpenDesk, service: Simulator) -> None:
    """500 open pages of 50 sessions cost one poll of each session in each interval, and all see the last state."""
    async with open_desk(cadence=Cadence.constant(WAIT)) as visitor, AsyncExitStack() as tabs:
        paths = await make_sessions(visitor)
        streams = [
            await tabs.enter_async_context(visitor.watch(paths[number % SESSIONS]))
            for number in range(BROWSERS)
        ]
        await _clock.sleep(INTERVAL)
        before, requests = service.ledger.polls.copy(), service.ledger.total_requests
        await _clock.sleep(3 * INTERVAL)
        polls, others = service.ledger.polls - before, service.ledger.total_requests - requests
        async with asyncio.TaskGroup() as seeing:
            for stream in streams:
                seeing.create_task(stream.until(status="reviewing"))

    assert {3} == set(polls.values())
    assert 3 * SESSIONS == polls.total() == others


async def test_two_hundred_disconnects_leave_no_watcher(open_desk: OpenDesk, service: Simulator) -> None:
    """Tabs that close at any moment free the desk of all they were for."""
    chance = random.Random(8)
    async with open_desk() as visitor:
        paths = ["/events", *await make_sessions(visitor, 20)]

        async def look_for_a_while() -> None:
            await _clock.sleep(chance.uniform(0, 30))
            async with visitor.watch(chance.choice(paths)):
                await _clock.sleep(chance.uniform(0, 10))

        tasks = asyncio.all_tasks()
        async with asyncio.TaskGroup() as crowd:
            for _ in range(200):
                crowd.create_task(look_for_a_while())
        await _clock.sleep(0.1)

        assert (0, 0) == (client(visitor).statistics().watchers, client(visitor).statistics().watched)
        assert all(task in tasks or "hub" in task.get_name() for task in asyncio.all_tasks())
        polls = client(visitor).statistics().polls
        await _clock.sleep(600)
        assert polls == client(visitor).statistics().polls


class Stuck(Stream):
    """A browser that is there and takes nothing any more."""

    async def _take(self, message: Message) -> None:
        await asyncio.Event().wait()


async def test_a_browser_that_takes_nothing_is_let_go(visitor: Visitor) -> None:
    """A browser that does not read is given up after some seconds and holds nothing from then on."""
    [path] = await make_sessions(visitor, 1)
    async with Stuck(visitor.app, path) as stuck, asyncio.timeout(30):
        await _clock.sleep(1)
        await stuck.end()

    assert 0 == client(visitor).statistics().watchers


async def test_a_slow_browser_misses_steps_but_not_the_last(visitor: Visitor) -> None:
    """Ten seconds to take each event are too slow for every step; the last one comes all the same."""

    class Slow(Stream):
        async def _take(self, message: Message) -> None:
            await _clock.sleep(10)
            await super()._take(message)

    [path] = await make_sessions(visitor, 1)
    async with visitor.watch(path) as quick, Slow(visitor.app, path) as slow:
        await quick.until(status="reviewing")
        await slow.until(status="reviewing")

    assert len(slow.events) < len(quick.events)


async def test_a_quiet_stream_says_that_it_is_there(visitor: Visitor) -> None:
    """While nothing happens a stream gives a sign of life, so that a browser that is gone is noticed."""
    beats: list[object] = []

    class Counting(Stream):
        async def _take(self, message: Message) -> None:
            beats.append(message.get("body"))
            await super()._take(message)

    async with Counting(visitor.app, "/events"):
        await _clock.sleep(50)

    assert 3 == beats.count(b": still here\n\n")


async def test_all_streams_end_when_the_desk_closes(open_desk: OpenDesk) -> None:
    """A desk that closes lets every browser go at once; they come back when it does."""
    async with open_desk() as visitor:
        [path] = await make_sessions(visitor, 1)
        async with visitor.watch(path) as page, visitor.watch("/events") as rows:
            await page.until(status="thinking")
            began = asyncio.get_running_loop().time()
            visitor.app.state.board.end_streams()
            await page.end()
            await rows.end()

            assert asyncio.get_running_loop().time() - began < 0.1


async def test_a_desk_that_closes_makes_nothing_new(visitor: Visitor, service: Simulator) -> None:
    """Once the desk was told to end, a form is refused and nothing is paid for."""
    await visitor.app.state.board.stop()
    answer = await visitor.post("/sessions", {"form": "a-form", "prompt": "A tour"})

    assert (503, "This desk is closing.") == (answer.status, answer.json["error"])
    assert [] == service.ledger.sessions


async def test_a_long_list_shows_the_newest(visitor: Visitor) -> None:
    """However many sessions there are, a browser is told the newest two hundred."""
    await make_sessions(visitor, LISTED + 3)
    async with visitor.watch("/events") as rows:
        first = await rows.when(lambda event: bool(event["ids"]))

    assert LISTED == len(first["rows"])
    assert f"Video number {LISTED + 2}" == first["rows"][-1]["title"]
