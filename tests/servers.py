"""Servers of our own for tests: each in a folder of its own, on a free port, stopped and started as a test likes."""
# ruff: noqa: TID251 - they come up in real time

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

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


@dataclass
class Redis:
    """The same for Redis, which keeps nothing."""

    binary: str
    folder: pathlib.Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        options = ("--bind", "127.0.0.1", "--port", str(self.port), "--save", "", "--appendonly", "no")
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen((self.binary, *options), stdout=log, stderr=log, cwd=self.folder)
        for _ in range(1000):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise TimeoutError("the Redis of this test did not start")

    def stop(self) -> None:
        """As a power failure would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def free_port() -> int:
    """Return a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_postgres() -> Generator[Postgres]:
    """Run a PostgreSQL server; without one the test is skipped, except in continuous integration."""
    on_path = shutil.which("pg_ctl")
    found = sorted(DEBIAN.glob("*/bin/pg_ctl")) or ([pathlib.Path(on_path)] if on_path else [])
    if not found:
        miss("no PostgreSQL on this machine: what happens on it is NOT tested")
    # Not below pytest's own folder, which every run of pytest shuts to all other users again.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="heygen-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    server = Postgres(found[-1].parent, folder, free_port())
    try:
        server.create()
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):  # it may not have come up
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def run_redis() -> Generator[Redis]:
    """Run a Redis server; without one the test is skipped, except in continuous integration."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        miss("no Redis on this machine: what happens on it is NOT tested")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="heygen-redis-"))
    server = Redis(binary or "", folder, free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def miss(message: str) -> None:
    """Skip the test loudly, or fail it where the engine must be there."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
