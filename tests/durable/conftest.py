"""Real databases, real processes, real time: what a durable batch is for cannot be had from a virtual clock."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

import loops

if TYPE_CHECKING:
    from collections.abc import Callable

# Nothing here can be imported without the extra; `nox -s durable_tests` brings it.
collect_ignore_glob = [] if find_spec("dbos") and find_spec("psutil") else ["test_*.py"]


DEBIAN = pathlib.Path("/usr/lib/postgresql")
_SERVER = ("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=200")


@dataclass
class Postgres:
    """A server of our own, in a folder of its own, that can be stopped and started again."""

    binaries: pathlib.Path
    folder: pathlib.Path
    port: int
    databases: int = 0

    def create(self) -> None:
        self._run("initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-D", str(self.folder / "data"))
        self.start()

    def start(self) -> None:
        options = " ".join((*_SERVER, "-p", str(self.port), "-k", str(self.folder)))
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-o", options, "-w", "-s", "start")

    def stop(self) -> None:
        """As a power failure would."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "-s", "stop")

    def database(self) -> str:
        """The address of a new, empty database."""
        self.databases += 1
        name = f"campaign{self.databases}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments]
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            command = [shutil.which("runuser") or "runuser", "-u", "postgres", "--", *command]
        # Not through pipes: the server inherits them, and they would never end.
        with (self.folder / f"{program}.log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd="/")


def _binaries() -> pathlib.Path | None:
    found = sorted(DEBIAN.glob("*/bin/pg_ctl"))
    if found:
        return found[-1].parent
    on_path = shutil.which("pg_ctl")
    return None if on_path is None else pathlib.Path(on_path).parent


@pytest.fixture(scope="session")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio in real time: a virtual clock would run ahead of the threads and processes that write to a database."""
    return loops.backend(pytestconfig)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server; without one the test is skipped, except in continuous integration."""
    binaries = _binaries()
    if binaries is None:
        message = "no PostgreSQL on this machine: what a durable batch does on it is NOT tested"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    # Not below pytest's own folder, which every run of pytest shuts to all other users again.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="heygen-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = Postgres(binaries, folder, port)
    try:
        server.create()
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):  # it may not have come up
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


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
