"""
Watching many sessions: memory for each watcher, CPU, how late polls are, and how long the collector stops everything.

Every session is polled every ten seconds, over sockets, on answers that change. Against the plain way: a task for each
watcher that sleeps, asks (aiohttp + msgspec, at most 100 at once) and sleeps again.
"""

from __future__ import annotations

import asyncio
import gc
import pathlib
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from heygen_async import Cadence, HeyGen

from ._measure import apart, run_async
from ._memory import bytes_each, objects_each
from ._peers import aiohttp_msgspec
from ._stub import stub

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, MutableSequence

    from ._measure import Row

EVERY = 10.0
CASES = ((10_000, 10_000), (50_000, 50_000), (10_000, 1_000))
"""Watchers and sessions."""
QUICK = ((1_000, 1_000),)
OURS = "heygen_async"
TASKS = "a task each, asyncio.sleep"


def run(*, quick: bool) -> Row:
    """Measure all cases, in turn."""
    rows: list[Row] = []
    with stub("small") as base:
        for watchers, sessions in QUICK if quick else CASES:
            for kind in (OURS, TASKS):
                seconds = 4.0 if quick else EVERY
                measured = apart(partial(run_async, _watch, kind, base, watchers, sessions, seconds))
                rows.append({"client": kind, "watchers": watchers, "sessions": sessions, **measured})
    count = 1_000 if quick else 10_000
    memory, objects = apart(partial(bytes_each, count)), apart(partial(objects_each, count // 10))
    return {"rows": rows, "memory": memory, "objects": objects}


class FullCollections:
    """Notes how long each full collection of the garbage collector stops everything, in seconds."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self._began = 0.0
        gc.callbacks.append(self._note)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] == 2:
            if phase == "start":
                self._began = time.perf_counter()
            else:
                self.pauses.append(time.perf_counter() - self._began)


async def _ours(base: str, watchers: int, sessions: int, spread: Spread) -> MutableSequence[float]:
    """Begin to watch; return how late polls were, which grows."""
    heygen = await spread.enter_async_context(HeyGen("k", base_url=base, cadence=Cadence.constant(EVERY)))
    handles = [heygen.sessions.attach(f"sess_{number}") for number in range(sessions)]

    async def consume(number: int) -> None:
        async for _ in handles[number % sessions].watch(until=(), timeout=None):
            pass

    await spread.start(consume, watchers)
    late: MutableSequence[float] = heygen._core.scheduler._workers._lateness
    return late


async def _tasks(base: str, watchers: int, sessions: int, spread: Spread) -> MutableSequence[float]:
    """Do the same by hand."""
    ask = await spread.enter_async_context(aiohttp_msgspec(base, sessions))
    gate, late, loop = asyncio.Semaphore(100), list[float](), asyncio.get_running_loop()

    async def watch(number: int) -> None:
        due = loop.time()
        while True:
            async with gate:
                late.append(loop.time() - due)
                await ask(number % sessions)
            due = loop.time() + EVERY
            await asyncio.sleep(EVERY)

    await spread.start(watch, watchers)
    return late


class Spread(AsyncExitStack):
    """Starts watchers evenly over the first ten seconds, as people come, and ends them before what they watch with."""

    async def start(self, watch: Callable[[int], Coroutine[Any, Any, None]], count: int) -> None:
        """Start so many."""
        tasks: list[asyncio.Task[None]] = []
        self.push_async_callback(_end, tasks)
        began, step = time.perf_counter(), max(count // 1000, 1)
        for first in range(0, count, step):
            tasks += [asyncio.create_task(watch(number)) for number in range(first, min(first + step, count))]
            await asyncio.sleep(max(0.0, began + EVERY * first / count - time.perf_counter()))


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def _watch(kind: str, base: str, watchers: int, sessions: int, seconds: float) -> Row:
    before, collections = _resident(), FullCollections()
    async with Spread() as spread:
        late = await (_ours if kind == OURS else _tasks)(base, watchers, sessions, spread)
        # So many beginning within ten seconds are more than one core can do: what is late from then must be over.
        await asyncio.sleep(EVERY if watchers > 10_000 else 1)
        row = await _measure(late, seconds)
        kb_each, pauses = (_resident() - before) / watchers / 1024, collections.pauses.copy()
        gc.collect()  # what one takes now, whether or not any came
        return {
            "kb_each": kb_each,
            **row,
            "tasks": len(asyncio.all_tasks()),
            "full_collections": len(pauses),
            "paused_ms": sum(pauses) * 1e3,
            "longest_pause_ms": max(pauses, default=0.0) * 1e3,
            "pause_now_ms": collections.pauses[-1] * 1e3,
        }


async def _measure(late: MutableSequence[float], seconds: float) -> Row:
    late.clear()
    seen: list[float] = []
    cpu, wall = time.process_time(), time.perf_counter()
    while time.perf_counter() - wall < seconds:
        await asyncio.sleep(0.05)
        seen += late  # of which the client remembers the last thousand
        late.clear()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    seen.sort()
    return {
        "cpu_percent": 100 * cpu / wall,
        "polls_per_second": len(seen) / wall,
        "late_p50_ms": seen[len(seen) // 2] * 1e3,
        "late_p99_ms": seen[len(seen) * 99 // 100] * 1e3,
        "late_max_ms": seen[-1] * 1e3,
    }


def _resident() -> int:
    with pathlib.Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096
