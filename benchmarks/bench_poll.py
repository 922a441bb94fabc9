"""
What one look at a session costs: the whole client against others and against the least that can be done by hand.

CPU time of this process for each request, since the server is another one; wall time beside it.
"""

from __future__ import annotations

import asyncio
import gc
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from heygen_async import Cadence, HeyGen

from . import _answers
from ._measure import Row, rounds
from ._peers import Peer, peers
from ._stub import stub

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from ._peers import Ask

CALLERS = (1, 50, 1000)
FLOOR = "aiohttp + msgspec (floor)"
WATCH = "heygen_async: watch"
CALL = "heygen_async: refresh"
BULK = "heygen_async: watch, many a request"
SHORTEST = Cadence.constant(0.2)
_STEPS = 50
_AT_ONCE = 100  # connections of our own with a thousand callers


def run(*, quick: bool) -> Row:
    """Measure every combination of size, callers and client."""
    total, count = (1000, 1) if quick else (4000, 3)
    others, missing = peers()
    rows: list[Row] = []
    for size in _answers.SIZES:
        with stub(_answers.changing(size)) as base:
            for callers in CALLERS:
                rows += _case(base, size, callers, others, total, count)
        with stub(_answers.unchanging(size)) as base:
            for callers in CALLERS[:2]:
                rows += _named(_ours(base, callers, total), count, size=f"{size}, unchanged", callers=callers)
    with stub(_answers.unchanging("small")) as base:
        rows += _named({BULK: partial(watch, base, 100, total, bulk=True)}, count, size="bulk", callers=100)
    return {"rows": _with_ratios(rows), "missing": missing}


def _case(
    base: str, size: str, callers: int, others: Mapping[str, Peer], total: int, count: int
) -> list[Row]:
    total = max(total, 8 * callers) if callers > 50 else total
    quick = {n: partial(ask, base, p, callers, total) for n, p in others.items() if p.cost == 1}
    slow = {
        n: partial(ask, base, p, callers, max(total // min(p.cost, 4), callers))
        for n, p in others.items()
        if p.cost > 1
    }
    few = 1 if callers == max(CALLERS) else (count + 1) // 2  # some take milliseconds a request
    rows = _named({**_ours(base, callers, total), **quick}, count, size=size, callers=callers)
    return rows + _named(slow, few, size=size, callers=callers)


def _ours(base: str, callers: int, total: int) -> dict[str, Callable[[], Mapping[str, float]]]:
    asked: Callable[[], Mapping[str, float]] = partial(ask, base, Peer(open_client), callers, total)
    return {WATCH: partial(watch, base, min(callers, _AT_ONCE), total), CALL: asked}


def _named(
    contestants: Mapping[str, Callable[[], Mapping[str, float]]], count: int, **case: Any
) -> list[Row]:
    return [{**case, "client": name, **row} for name, row in rounds(contestants, count).items()]


def _with_ratios(rows: list[Row]) -> list[Row]:
    floors = {(row["size"], row["callers"]): row["cpu_us"] for row in rows if row["client"] == FLOOR}
    for row in rows:
        size, callers = row["size"].removesuffix(", unchanged"), row["callers"]
        floor = floors.get((size, callers)) or floors["small", 50]
        row["ratio"] = row["cpu_us"] / (row.get("sessions", 1.0) * floor)
    return rows


# ---- one measurement ----------------------------------------------------------------------------------------------


def _looped(main: Callable[[], Coroutine[Any, Any, Row]], loop: str = "asyncio") -> Row:
    factory = None
    if loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    elif loop == "aiofastnet":
        import aiofastnet

        factory = aiofastnet.loop_factory()
    gc.collect()
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


def ask(base: str, peer: Peer, callers: int, total: int, loop: str = "asyncio") -> Row:
    """Measure callers who ask again as soon as they were answered."""

    async def main() -> Row:
        async with peer.opened(base, callers) as once:
            return await _ask_all(once, callers, total)

    return _looped(main, "uvloop" if peer.is_on_uvloop else loop)


async def _ask_all(ask: Ask, callers: int, total: int) -> Row:
    """
    Let all ask until so many answers are there.

    What counts begins when all callers are at it and have been for a while. They start in steps: when fifty start as
    one, httpx's pool takes four times its usual time for thousands of requests. `drift` is the cost of the second half
    over that of the first; far from 1 it would say that the figure is no steady one.
    """
    answered, done, marks, until = [0] * callers, 0, list[tuple[float, float]](), float("inf")
    enough = asyncio.Event()

    async def api(number: int) -> None:
        nonlocal done
        while not enough.is_set():
            await ask(number)
            done += 1
            answered[number] += 1
            if done in points:
                marks.append((time.process_time(), time.perf_counter()))
            if done >= until:
                enough.set()

    points: set[int] = set()
    tasks = list[asyncio.Future[None]]()
    step = max(callers // (_STEPS if callers <= _STEPS else 10), 1)
    for first in range(0, callers, step):
        tasks += [asyncio.ensure_future(api(number)) for number in range(first, min(first + step, callers))]
        await asyncio.sleep(0.004)
    begin, answered[:] = done + 2 * callers, [0] * callers
    until = begin + total
    points |= {begin, begin + total // 2, until}
    await asyncio.wait({asyncio.ensure_future(enough.wait()), *tasks}, return_when=asyncio.FIRST_COMPLETED)
    await _ended(tasks)
    (cpu0, wall0), (cpu1, _), (cpu2, wall2) = marks
    return {
        "cpu_us": (cpu2 - cpu0) / total * 1e6,
        "wall_us": (wall2 - wall0) / total * 1e6,
        "fairness": max(answered) / max(min(answered), 1),
        "drift": (cpu2 - cpu1) / (cpu1 - cpu0) * (total // 2) / (total - total // 2),
    }


async def _ended(tasks: list[asyncio.Future[None]]) -> None:
    """Let nobody ask any more; an error of a caller is ours."""
    for task in tasks:
        task.cancel()
    for ended_as in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended_as, Exception):
            raise ended_as


def open_client(base: str, callers: int) -> Any:
    """Our client, called like the others."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opened() -> Any:
        async with HeyGen("k", base_url=base, max_connections=min(callers, _AT_ONCE)) as heygen:
            sessions = [heygen.sessions.attach(f"sess_{number}") for number in range(callers)]

            async def ask(number: int) -> object:
                return await sessions[number].refresh()

            yield ask

    return opened()


def watch(base: str, at_once: int, total: int, loop: str = "asyncio", *, bulk: bool = False) -> Row:
    """Measure as many watched sessions as keep the client busy all the time."""

    async def main() -> Row:
        async with HeyGen("k", base_url=base, max_connections=at_once, cadence=SHORTEST) as heygen:
            number = 20_000 if bulk else 1000 + 60 * at_once
            refs = [reference(one, bulk=bulk) for one in range(number)]
            watches = [heygen.sessions.restore(ref).watch(until=(), timeout=None) for ref in refs]
            tasks = [asyncio.create_task(anext(watch)) for watch in watches]
            await asyncio.gather(*tasks)
            return await _count(heygen, total // 10 if bulk else total, bulk=bulk)

    return _looped(main, loop)


def reference(number: int, *, bulk: bool) -> str:
    """Return the ref of a session, which renders where polls are to be shared."""
    video = f',"video_id":"video_{number:08}"' if bulk else ""
    return f'{{"v":1,"session_id":"sess_{number}"{video}}}'


async def _count(heygen: HeyGen, total: int, *, bulk: bool) -> Row:
    counters = heygen._core.api.counters  # `statistics()` would count the watchers of every session, too

    def looks() -> tuple[int, int]:
        return counters.polls, counters.bulk_polls

    single, many = looks()
    cpu, wall = time.process_time(), time.perf_counter()
    while looks()[bulk] - (many if bulk else single) < total:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.02)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    now_single, now_many = looks()
    done = (now_many - many) if bulk else (now_single - single)
    row: Row = {"cpu_us": cpu / done * 1e6, "wall_us": wall / done * 1e6}
    if bulk:
        row["sessions"] = 100.0
        row["own_looks"] = (now_single - single) / done
    return row
