"""What every test runs under: virtual time, no keys, no network, no blocking call in the loop, no task left behind."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import sys
from typing import TYPE_CHECKING, cast

import anyio.lowlevel
import hypothesis
import pytest
from blockbuster import blockbuster_ctx

import loops
from flows import Line, client
from heygen_async.testing import Simulator, VirtualLoop
from programs import Programs, restore_ctrl_c

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from heygen_async import HeyGen

restore_ctrl_c()

# Deadlines measure the machine, not the code; a failing example is printed in a form that can be replayed.
# New examples at every run, but not in continuous integration: a change must not fail for what it did not touch.
hypothesis.settings.register_profile(
    "house", max_examples=50, deadline=None, print_blob=True, derandomize=os.environ.get("CI") == "true"
)
hypothesis.settings.register_profile("many", max_examples=1_000, deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `nox -s loops` choose what the tests run on."""
    parser.addoption("--loop", choices=loops.KINDS, help="run all async tests on one kind of event loop")


@pytest.fixture(scope="session")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """
    Asyncio on a loop whose clock jumps to the next timer when nothing else is left to do.

    Folders that need real sockets, files or processes choose loops of their own.
    """
    return loops.backend(pytestconfig, VirtualLoop)


@pytest.fixture
def service() -> Simulator:
    """A fresh service that never runs out of slots for jobs."""
    return Simulator(max_jobs=10_000)


@pytest.fixture
def line(service: Simulator) -> Line:
    """The way to it."""
    return Line(service)


@pytest.fixture
async def heygen(line: Line, anyio_backend: object) -> AsyncIterator[HeyGen]:
    """A client of it."""
    async with client(line) as heygen:
        yield heygen


@pytest.fixture
def programs() -> Iterator[Programs]:
    """Starts programs; kills those that are left at the end of the test, even of one that failed or took too long."""
    programs = Programs()
    yield programs
    programs.kill()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own key, base address and proxies."""
    for name in list(os.environ):
        if name.startswith("HEYGEN_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


class _NetworkGuard:
    """Refuses every address but loopback; remembers what it refused, since errors get swallowed."""

    def __init__(self) -> None:
        self.allowed = False
        self.refused: list[str] = []

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if event in {"socket.connect", "socket.sendto"}:
            address = arguments[1]
            if isinstance(address, tuple):  # a string or bytes is a Unix socket
                self._check(_text(cast("tuple[object, ...]", address)[0]))
        elif event == "socket.getaddrinfo":
            host = _text(arguments[0])
            if host.endswith(".invalid"):
                # Reserved never to resolve (RFC 6761): answer here and ask no name server.
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            self._check(host)

    def _check(self, name: str) -> None:
        if self.allowed or name in {"", "localhost"} or _is_loopback(name):
            return
        self.refused.append(name)
        message = f"tests talk to loopback only, this one wanted {name}"
        raise PermissionError(message)


def _text(host: object) -> str:
    # Names arrive as text or as bytes, and as None for "this machine".
    return host.decode() if isinstance(host, bytes) else str(host or "")


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


# An audit hook sees the calls of asyncio and of C code too; it can't be removed, so there is one per process.
_GUARD = _NetworkGuard()
sys.addaudithook(_GUARD)


@pytest.fixture(autouse=True)
def _loopback_only(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that reached beyond this machine, unless it is marked `network`."""
    _GUARD.allowed = request.node.get_closest_marker("network") is not None
    _GUARD.refused.clear()
    yield
    assert _GUARD.refused == []


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[None]:
    """Fail on files, sleeps and sockets that the package would block a running loop with."""
    with blockbuster_ctx(scanned_modules=["heygen_async"]):
        yield


@pytest.fixture(autouse=True)
def _no_tasks_left(request: pytest.FixtureRequest) -> None:
    """Have every async test checked for tasks it leaves behind."""
    if "anyio_backend" in request.fixturenames:
        request.getfixturevalue("_task_census")


@pytest.fixture
async def _task_census(anyio_backend: object) -> AsyncIterator[None]:
    # Set up before the test's own fixtures, so torn down after them, when its clients are closed.
    before = asyncio.all_tasks()
    yield
    for _ in range(5):  # a transport takes a few turns of the loop to close
        await anyio.lowlevel.checkpoint()
    left = asyncio.all_tasks() - before
    lost = [task for task in left if not _is_the_runners(task)]
    for task in lost:
        task.cancel()  # the next test starts clean
    assert sorted(map(repr, lost)) == []


def _is_the_runners(task: asyncio.Task[object]) -> bool:
    # The plugin that runs this very fixture has a task of its own for each step.
    return getattr(task.get_coro(), "__qualname__", "").startswith("TestRunner.")
