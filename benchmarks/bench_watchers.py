"""
Watching many sessions: memory for each watcher, CPU, and how late looks are.

Every session is looked at every ten seconds, over sockets, on answers that change. Against the plain way: a task for
each watcher that sleeps, asks (aiohttp + msgspec, at most 100 at once) and sleeps again. Each measurement is a process
of its own.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from heygen_async import Cadence, HeyGen

from . import _answers
from ._memory import bytes_each
from ._peers import aiohttp_msgspec
from ._stub import stub

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._measure import Row

EVERY = 10.0
CASES = ((1_000, 1_000), (10_000, 10_000), (50_000, 50_000), (10_000, 1_000))
"""Watchers and sessions."""
OURS = "heygen_async"
TASKS = "a task each, asyncio.sleep"


def run(*, quick: bool) -> Row:
    """Measure all cases, in turn."""
    rows: list[Row] = []
    for watchers, sessions in CASES[:2] if quick else CASES:
        for kind in (OURS, TASKS):
            rows.append({"client": kind, "watchers": watchers, "sessions": sessions})
            rows[-1] |= _child(kind, watchers, sessions, 4.0 if quick else EVERY)
    return {"rows": rows, "memory": bytes_each(1_000 if quick else 10_000)}


def _child(kind: str, watchers: int, sessions: int, seconds: float) -> Row:
    arguments = [kind, str(watchers), str(sessions), str(seconds)]
    command = [sys.executable, "-m", "benchmarks.bench_watchers", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: Row = json.loads(done.stdout.splitlines()[-1])
    return answer


# ---- in the child -------------------------------------------------------------------------------------------------


async def _ours(base: str, watchers: int, sessions: int, spread: Spread) -> Callable[[], list[float]]:
    heygen = HeyGen("k", base_url=base, cadence=Cadence.constant(EVERY))
    handles = [heygen.sessions.attach(f"sess_{number}") for number in range(sessions)]

    async def consume(number: int) -> None:
        async for _ in handles[number % sessions].watch(until=(), timeout=None):
            pass

    await spread(consume, watchers)
    scheduler = heygen._core.scheduler

    def lateness() -> list[float]:
        seen = list(scheduler._queues._lateness)
        scheduler._queues._lateness.clear()
        return seen

    return lateness


async def _tasks(base: str, watchers: int, sessions: int, spread: Spread) -> Callable[[], list[float]]:
    opened = aiohttp_msgspec(base, sessions)  # kept by the tasks, and left open to the end of the process
    ask = await opened.__aenter__()
    gate, late, loop = asyncio.Semaphore(100), list[float](), asyncio.get_running_loop()

    async def watch(number: int) -> None:
        due, _ = loop.time(), opened
        while True:
            async with gate:
                late.append(loop.time() - due)
                await ask(number % sessions)
            due = loop.time() + EVERY
            await asyncio.sleep(EVERY)

    await spread(watch, watchers)

    def lateness() -> list[float]:
        seen = late.copy()
        late.clear()
        return seen

    return lateness


class Spread:
    """Starts watchers evenly over the first ten seconds, as people come."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[Any]] = []

    async def __call__(self, start: Callable[[int], Awaitable[Any]], count: int) -> None:
        """Start so many."""
        began, step = time.perf_counter(), max(count // 1000, 1)
        for first in range(0, count, step):
            self.tasks += [
                asyncio.ensure_future(start(number)) for number in range(first, min(first + step, count))
            ]
            await asyncio.sleep(max(0.0, began + EVERY * first / count - time.perf_counter()))


async def _watch(kind: str, base: str, watchers: int, sessions: int, seconds: float) -> Row:
    before, spread = _resident(), Spread()
    lateness = await (_ours if kind == OURS else _tasks)(base, watchers, sessions, spread)
    # So many beginning within ten seconds are more than one core can do: what is late from then must be over.
    await asyncio.sleep(EVERY if watchers > 10_000 else 1)
    lateness()
    late: list[float] = []
    cpu, wall = time.process_time(), time.perf_counter()
    while time.perf_counter() - wall < seconds:
        await asyncio.sleep(0.05)
        late += lateness()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    late.sort()
    return {
        "kb_each": (_resident() - before) / watchers / 1024,
        "cpu_percent": 100 * cpu / wall,
        "looks_per_second": len(late) / wall,
        "late_p50_ms": late[len(late) // 2] * 1e3,
        "late_p99_ms": late[len(late) * 99 // 100] * 1e3,
        "late_max_ms": late[-1] * 1e3,
        "tasks": len(asyncio.all_tasks()),
    }


def _resident() -> int:
    with pathlib.Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def _main(kind: str, watchers: str, sessions: str, seconds: str) -> None:
    async def main(base: str) -> Row:
        row = await _watch(kind, base, int(watchers), int(sessions), float(seconds))
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return row

    with stub(_answers.changing("small")) as base:
        print(json.dumps(asyncio.run(main(base))), flush=True)


if __name__ == "__main__":
    _main(*sys.argv[1:])
