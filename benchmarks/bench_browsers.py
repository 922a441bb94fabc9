"""
A web backend under load: browsers that follow sessions, leave at random and come again.

The FastAPI example on uvicorn, in a process of its own; the service and the browsers share another one. First one
browser for each of ten sessions, which stays; then 300 that leave after three seconds on average and come again at
once, twice, so that what grows from one round to the next is seen. Memory and descriptors are of the app's process.
"""

from __future__ import annotations

import asyncio
import os
import pathlib
import random
import re
import sys
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import aiohttp

from heygen_async.testing import Scenario, Simulator, SimulatorServer

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ._measure import Row

SESSIONS, BROWSERS = 10, 300
STAY = 3.0  # seconds, on average
EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"


def run(*, quick: bool) -> Row:
    """Play all phases."""
    return asyncio.run(_run(3.0 if quick else 20.0, 2.0 if quick else 5.0))


async def _run(loaded: float, idle: float) -> Row:
    service = Simulator(max_jobs=100, scenario=Scenario.generate().timed(thinking=20, generating=600))
    rows: list[Row] = []
    async with SimulatorServer(service) as server, _app(server) as (pid, url), _browsers() as http:
        app = _App(pid, service, rows)
        ids = [await _create(http, url, number) for number in range(SESSIONS)]
        async with app.phase("before", 0):
            await asyncio.sleep(idle)
        for name, browsers, stay in (
            ("one browser a session, none leaves", SESSIONS, float("inf")),
            ("300 browsers that leave at random", BROWSERS, STAY),
            ("the same again", BROWSERS, STAY),
        ):
            page = _Page(http, url, ids, stay)
            async with app.phase(name, browsers, page):
                tasks = [asyncio.create_task(page.follow(number)) for number in range(browsers)]
                await asyncio.sleep(loaded)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await asyncio.sleep(1)
            async with app.phase("after", 0):
                await asyncio.sleep(idle)
    return {"sessions": SESSIONS, "browsers": BROWSERS, "stay": STAY, "rows": rows}


class _Page:
    """What the browsers do, and how often."""

    def __init__(self, http: aiohttp.ClientSession, url: str, ids: list[str], stay: float) -> None:
        self.streams = self.events = 0
        self._http, self._url, self._ids, self._stay = http, url, ids, stay
        self._dice = random.Random(1)

    async def follow(self, number: int) -> None:
        """Follow a session, leave without a word, and come again for another."""
        if self._stay != float("inf"):
            await asyncio.sleep(self._dice.uniform(0, 1))  # people don't come as one
        while True:
            with suppress(TimeoutError):
                seconds = None if self._stay == float("inf") else self._dice.expovariate(1 / self._stay)
                async with (
                    asyncio.timeout(seconds),
                    self._http.get(f"{self._url}/sessions/{self._ids[number % SESSIONS]}/events") as answer,
                ):
                    answer.raise_for_status()
                    self.streams += 1
                    async for line in answer.content:
                        self.events += line.startswith(b"event: state")
            number = self._dice.randrange(SESSIONS)


class _App:
    """The app's process, as the system sees it, and what it asks the service."""

    def __init__(self, pid: int, service: Simulator, rows: list[Row]) -> None:
        self._folder = pathlib.Path("/proc") / str(pid)
        self._service, self._rows = service, rows

    @asynccontextmanager
    async def phase(self, name: str, browsers: int, page: _Page | None = None) -> AsyncGenerator[None]:
        """Measure what is done meanwhile."""
        polls, cpu, began = self._polls(), self._cpu(), time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        made = self._polls() - polls
        row: Row = {"phase": name, "browsers": browsers, "seconds": seconds}
        if page is not None:
            row |= {"streams": page.streams, "events": page.events}
        self._rows.append(
            row
            | {
                "polls": made,
                "polls_each": 60 * made / seconds / SESSIONS,
                "mb": self._resident() / 1e6,
                "descriptors": len(list((self._folder / "fd").iterdir())),
                "cpu_percent": 100 * (self._cpu() - cpu) / seconds,
            }
        )

    def _polls(self) -> int:
        ledger = self._service.ledger
        return ledger.polls.total() + ledger.video_polls.total()

    def _cpu(self) -> float:
        fields = (self._folder / "stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _resident(self) -> int:
        return int((self._folder / "statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def _app(server: SimulatorServer) -> AsyncGenerator[tuple[int, str]]:
    """Run the example on uvicorn; the process, and the address."""
    env = os.environ | {"HEYGEN_API_KEY": server.simulator.api_key, "HEYGEN_API_BASE": server.url}
    options = ("--app-dir", str(EXAMPLES), "--port", "0", "--no-access-log")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uvicorn", "fastapi_app:app", *options, env=env, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        while (found := re.search(r"http://\S+", (await process.stderr.readline()).decode())) is None:
            pass
        yield process.pid, found[0]
    finally:
        process.terminate()
        await process.communicate()


@asynccontextmanager
async def _browsers() -> AsyncGenerator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield session


async def _create(http: aiohttp.ClientSession, url: str, number: int) -> str:
    async with http.post(f"{url}/sessions", json={"prompt": f"Video {number}"}) as answer:
        made: Row = await answer.json()
        return str(made["id"])
