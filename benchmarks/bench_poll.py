"""
What one poll of a session costs: the whole client against others and against the least that can be done by hand.

CPU time of the client's process for each request, since the server is another one; wall time beside it. Page faults
say whether each answer was read into memory that was mapped for it anew, a quarter of the time then (`_measure.apart`).
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from heygen_async import Cadence, HeyGen

from . import _answers
from ._measure import Row, rounds
from ._peers import Peer, aiohttp_msgspec, aiohttp_msgspec_kept, peers
from ._stub import stub

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Mapping

    from ._peers import Ask

    Contestants = Mapping[str, Callable[[], Mapping[str, float]]]

CALLERS = (1, 50, 1000)
FLOOR = "aiohttp + msgspec (floor)"
KEPT = "aiohttp + msgspec, memory kept"
WATCH = "heygen_async: watch"
CALL = "heygen_async: refresh"
BULK = "heygen_async: watch, many a request"
SHORTEST = Cadence.constant(0.2)
_STEPS = 50
_WARM = 200  # polls before any that count
_AT_ONCE = 100  # connections of our own with a thousand callers
_BLOCK = 256 * 1024  # what asyncio reads into
_room: list[bytes] = []


def run(*, quick: bool) -> Row:
    """Measure every combination of size, callers and client; ours and the floor with fifty callers more often."""
    total, count, often = (1000, 1, 3) if quick else (4000, 3, 5)
    rounds_of = {1: count, 50: often, 1000: count}
    others, missing = peers()
    rows: list[Row] = []
    for size in _answers.SIZES:
        with stub(size) as base:
            for callers in CALLERS:
                enough = max(total, (2 if quick else 8) * callers) if callers > 50 else total
                rows += _case(_ours(base, callers, enough), rounds_of[callers], size=size, callers=callers)
                if callers > 50 and (quick or size == "large"):
                    continue  # some take milliseconds a request
                for peers_of_cost, few in _others(base, callers, enough, others, count):
                    rows += _case(peers_of_cost, few, size=size, callers=callers)
        with stub(size, changing=False) as base:
            for callers in CALLERS[:2]:
                case = {"size": f"{size}, unchanged", "callers": callers}
                rows += _case(_ours(base, callers, total), rounds_of[callers], **case)
    with stub("small", changing=False) as base:
        shared = {
            BULK: partial(watch, base, 100, total // 2, bulk=True),
            FLOOR: _ours(base, 100, total)[FLOOR],
        }
        rows += _case(shared, count, size="bulk", callers=100)
    return {"rows": _with_ratios(rows), "missing": missing}


def _ours(base: str, callers: int, total: int) -> Contestants:
    """Return ours and the floor, with fifty callers also one that keeps its memory."""
    asked = {CALL: open_client, FLOOR: aiohttp_msgspec} | (
        {KEPT: aiohttp_msgspec_kept} if callers == 50 else {}
    )
    return {
        WATCH: partial(watch, base, min(callers, _AT_ONCE), total),
        **{name: partial(ask, base, Peer(opened), callers, total) for name, opened in asked.items()},
    }


def _others(
    base: str, callers: int, total: int, others: Mapping[str, Peer], count: int
) -> Iterator[tuple[Contestants, int]]:
    """Yield the fast and the slow ones, and how many rounds they get."""
    fast = {n: partial(ask, base, p, callers, total) for n, p in others.items() if p.cost == 1}
    yield fast, count
    slow = {
        n: partial(ask, base, p, callers, max(total // min(p.cost, 8), callers))
        for n, p in others.items()
        if p.cost > 1
    }
    yield slow, (count + 1) // 2 if callers == 50 else 1


def _case(contestants: Contestants, count: int, **case: Any) -> list[Row]:
    return [{**case, "client": name, **row} for name, row in rounds(contestants, count).items()]


def _with_ratios(rows: list[Row]) -> list[Row]:
    floors = {(row["size"], row["callers"]): row["cpu_us"] for row in rows if row["client"] == FLOOR}
    for row in rows:
        row["ratio"] = row["cpu_us"] / (row.get("sessions", 1.0) * floors[row["size"], row["callers"]])
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
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())


def ask(base: str, peer: Peer, callers: int, total: int, loop: str = "asyncio") -> Row:
    """Measure callers who ask again as soon as they were answered."""

    async def main() -> Row:
        async with peer.opened(base, callers) as once:
            _take_room()
            return await _ask_all(once, callers, total)

    return _looped(main, "uvloop" if peer.is_on_uvloop else loop)


def _take_room() -> None:
    """
    Take the room that the process happens to have for the blocks that asyncio reads into.

    Where there is some, glibc need not map them, which is a quarter of a poll's time; how much the imports left behind
    is chance. A process that has once freed a larger block maps none any more, so that twenty taken change nothing.
    """
    reader, writer = os.pipe()
    for _ in range(20):
        before = _Spent()
        for _ in range(10):
            os.write(writer, b"x")
            os.read(reader, _BLOCK)
        if _Spent().faults - before.faults >= 10:
            break
        _room.append(bytes(_BLOCK))
    os.close(reader)
    os.close(writer)


async def _ask_all(ask: Ask, callers: int, total: int) -> Row:
    """
    Let all ask until so many answers are there.

    What counts begins when all callers are at it and have been for a while. They start in steps: when fifty start as
    one, httpx's pool takes four times its usual time for thousands of requests. `drift` is the cost of the second half
    over that of the first; far from 1 it would say that the figure is no steady one.
    """
    answered, done, marks, until = [0] * callers, 0, list[_Spent](), float("inf")
    enough = asyncio.Event()

    async def api(number: int) -> None:
        nonlocal done
        while not enough.is_set():
            await ask(number)
            done += 1
            answered[number] += 1
            if done in points:
                marks.append(_Spent())
            if done >= until:
                enough.set()

    points: set[int] = set()
    tasks = list[asyncio.Future[None]]()
    step = max(callers // (_STEPS if callers <= _STEPS else 10), 1)
    for first in range(0, callers, step):
        tasks += [asyncio.ensure_future(api(number)) for number in range(first, min(first + step, callers))]
        await asyncio.sleep(0.004)
    begin, answered[:] = done + max(callers, _WARM), [0] * callers
    until = begin + total
    points |= {begin, begin + total // 2, until}
    await asyncio.wait({asyncio.ensure_future(enough.wait()), *tasks}, return_when=asyncio.FIRST_COMPLETED)
    await _ended(tasks)
    first_half, second_half = marks[1].cpu - marks[0].cpu, marks[2].cpu - marks[1].cpu
    return {
        **marks[2].since(marks[0], total),
        "fairness": max(answered) / max(min(answered), 1),
        "drift": second_half / first_half * (total // 2) / (total - total // 2),
    }


class _Spent:
    """What this process has spent so far."""

    def __init__(self) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()
        self.faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    def since(self, before: _Spent, count: int) -> Row:
        """Return what each of so many took since then."""
        return {
            "cpu_us": (self.cpu - before.cpu) / count * 1e6,
            "wall_us": (self.wall - before.wall) / count * 1e6,
            "page_faults": (self.faults - before.faults) / count,
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
            _take_room()
            return await _count(heygen, total, bulk=bulk)

    return _looped(main, loop)


def reference(number: int, *, bulk: bool) -> str:
    """Return the ref of a session, which renders where polls are to be shared."""
    video = f',"video_id":"video_{number:08}"' if bulk else ""
    return f'{{"v":1,"session_id":"sess_{number}"{video}}}'


async def _count(heygen: HeyGen, total: int, *, bulk: bool) -> Row:
    counters = heygen._core.api.counters  # `statistics()` would count the watchers of every session, too

    def count() -> tuple[int, int]:
        return counters.polls, counters.bulk_polls

    begun, before = count(), _Spent()
    while count()[bulk] - begun[bulk] < total:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.02)
    after = _Spent()
    single, many = (now - then for now, then in zip(count(), begun, strict=True))
    if not bulk:
        return after.since(before, single)
    return {**after.since(before, many), "sessions": 100.0, "single_polls": single / many}
