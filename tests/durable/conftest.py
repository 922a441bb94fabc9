"""Real databases, real processes, real time: what a durable batch is for cannot be had from a virtual clock."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

import loops
from servers import Postgres, run_postgres

if TYPE_CHECKING:
    from collections.abc import Callable

# Nothing here can be imported without the extra; `nox -s durable_tests` brings it.
collect_ignore_glob = [] if find_spec("dbos") and find_spec("psutil") else ["test_*.py"]


@pytest.fixture(scope="session")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio in real time: a virtual clock would run ahead of the threads and processes that write to a database."""
    return loops.backend(pytestconfig)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; without one the test is skipped, except in continuous integration."""
    with run_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> str:
    """The address of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'campaign.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def sqlite(tmp_path: pathlib.Path) -> str:
    """The address of an empty database in a file."""
    return f"sqlite:///{tmp_path / 'campaign.db'}"


@dataclass
class Crew:
    """Worker processes; see worker.py."""

    database: str
    service: str
    options: tuple[str, ...]
    log: pathlib.Path
    processes: list[subprocess.Popen[bytes]]

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        worker = pathlib.Path(__file__).with_name("worker.py")
        command = [sys.executable, str(worker), self.database, self.service, *self.options, *more]
        # What is killed while it writes a cache may leave half of one to everybody after it.
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment
            )
        self.processes.append(process)
        return process

    def replace(self, place: int) -> None:
        """Kill a worker as a power failure would, and start another in its place."""
        old = self.processes[place]
        old.kill()
        old.wait()
        self.processes[place] = self.start()
        self.processes.pop()

    @property
    def are_done(self) -> bool:
        return all(process.poll() is not None for process in self.processes)

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")


@pytest.fixture
def crew(tmp_path: pathlib.Path) -> Iterator[Callable[..., Crew]]:
    """Makes crews, and sends home who is still there at the end."""
    crews: list[Crew] = []

    def make(database: str, service: str, *options: str) -> Crew:
        crews.append(Crew(database, service, options, tmp_path / f"crew{len(crews)}.log", []))
        return crews[-1]

    yield make
    for one in crews:
        for process in one.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
