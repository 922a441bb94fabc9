"""Processes that watch the same sessions of a simulated service, over sockets and a real engine."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from heygen_async import HeyGen
from heygen_async.testing import Simulator, SimulatorServer

ORDER = {status: place for place, status in enumerate(("thinking", "generating", "completed"))}
HANGING = 150.0  # seconds: a guard, many times what is expected


@dataclass
class Seen:
    """What one watch has yielded: statuses, and when."""

    statuses: list[str] = field(default_factory=list[str])
    moments: list[float] = field(default_factory=list[float])


@dataclass
class Worker:
    """One process."""

    process: subprocess.Popen[bytes]
    log: pathlib.Path

    def signal(self, number: signal.Signals) -> None:
        """Stop it, let it go on, or kill it."""
        self.process.send_signal(number)

    def pass_on(self, line: str) -> None:
        """Give it a line: the sessions, then webhooks."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    @property
    def lines(self) -> list[list[str]]:
        """What it has written."""
        whole = self.log.read_text(encoding="utf-8").rpartition("\n")[0]
        return [line.split() for line in whole.splitlines() if line.startswith(("state ", "done "))]

    @property
    def is_ready(self) -> bool:
        """Whether it waits for the sessions."""
        return self.log.read_bytes().startswith(b"ready ")

    @property
    def seen(self) -> dict[tuple[str, str], Seen]:
        """What each of its watches has yielded, by session and number."""
        found: dict[tuple[str, str], Seen] = {}
        for line in self.lines:
            if line[0] == "state":
                one = found.setdefault((line[1], line[2]), Seen())
                one.statuses.append(line[3])
                one.moments.append(float(line[4]))
        return found

    @property
    def totals(self) -> tuple[int, int, float]:
        """Its requests, the reads it was fed, and the seconds of a core it took."""
        (line,) = (line for line in self.lines if line[0] == "done")
        return int(line[1]), int(line[2]), float(line[3])


class Crew:
    """
    A service with sessions under way, and processes that watch them.

    Attributes:
        simulator: The service.
        session_ids: What is watched.
        workers: In the order in which they were started.
        began: When the sessions were created, of the time that all processes share.
    """

    def __init__(self, simulator: Simulator, folder: pathlib.Path, options: dict[str, object]) -> None:
        self.simulator = simulator
        self.session_ids: list[str] = []
        self.workers: list[Worker] = []
        self.began = 0.0
        self._folder = folder
        self._options = options

    @property
    def reads(self) -> int:
        """The requests that the service has answered for watchers."""
        ledger = self.simulator.ledger
        return sum(ledger.polls.values()) + sum(ledger.video_polls.values()) + ledger.bulk_requests

    async def create(self, count: int) -> None:
        """Create sessions once all processes are ready, and have them watched."""
        await self.wait(lambda: all(one.is_ready for one in self.workers), "processes that are ready")
        async with HeyGen("test-key", base_url=self.simulator.base_url) as heygen:
            for number in range(count):
                session = await heygen.sessions.create(f"Film {number}", mode="generate")
                self.session_ids.append(session.id)
        self.began = time.monotonic()
        for worker in self.workers:
            worker.pass_on(" ".join(self.session_ids))

    def replace(self) -> Worker:
        """Start a process that watches at once."""
        self.start().pass_on(" ".join(self.session_ids))
        return self.workers[-1]

    def start(self) -> Worker:
        """Start a process."""
        options = [f"--{name}={value}" for name, value in self._options.items()]
        program = str(pathlib.Path(__file__).with_name("worker.py"))
        command = [sys.executable, program, self.simulator.base_url, *options]
        log = self._folder / f"{id(self)}-{len(self.workers)}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                # What is killed while it writes a cache may leave half of one to everybody after it.
                env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        self.workers.append(Worker(process, log))
        return self.workers[-1]

    async def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something is so."""
        with anyio.move_on_after(HANGING):
            while not condition():
                await anyio.sleep(0.05)
            return
        logs = "\n".join(worker.log.read_text(encoding="utf-8")[-2000:] for worker in self.workers)
        raise TimeoutError(f"not within {HANGING} s: {what}\n{logs}")

    async def watched(self, *workers: Worker) -> None:
        """Wait until processes have yielded a state of each session."""
        names = set(self.session_ids)
        await self.wait(
            lambda: all(names == {session_id for session_id, _ in one.seen} for one in workers),
            "a first state of each session",
        )

    async def finish(self, *workers: Worker) -> None:
        """Wait for the end of processes."""
        await self.wait(
            lambda: all(one.process.poll() is not None for one in workers), "the end of all watches"
        )
        for worker in workers:
            assert worker.process.returncode == 0, worker.log.read_text(encoding="utf-8")[-4000:]

    def close(self) -> None:
        """Leave no process."""
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()
            if worker.process.stdin is not None:
                worker.process.stdin.close()


@asynccontextmanager
async def crew(
    simulator: Simulator, folder: pathlib.Path, *, sessions: int, workers: int, **options: object
) -> AsyncGenerator[Crew]:
    """Run a service with so many sessions, and so many processes that watch them."""
    async with SimulatorServer(simulator):
        made = Crew(simulator, folder, options)
        try:
            for _ in range(workers):
                made.start()
            await made.create(sessions)
            yield made
        finally:
            made.close()
