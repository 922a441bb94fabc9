"""The command in this process, in virtual time, against a simulator on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import loops
from cli.terminal_user import TerminalUser
from heygen_async._cli.app import app
from heygen_async.testing import Simulator, SimulatorServer
from heygen_async.testing._virtual_loop import VirtualLoop

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator


@pytest.fixture(scope="session")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio on a loop whose clock jumps to the next timer when nothing else is left to do."""
    return loops.backend(pytestconfig, VirtualLoop)


@pytest.fixture(scope="session", autouse=True)
def _first_parse() -> None:
    """Parse once before there is a loop: pydantic, where imported, reads the disk for cyclopts the first time."""
    app.parse_args(["sessions", "--limit", "1"])


@pytest.fixture
async def user(
    anyio_backend: object,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[TerminalUser]:
    """A user with a key, in an empty folder, and the service."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    async with SimulatorServer(Simulator(api_key="the-very-secret-key")) as server:
        monkeypatch.setenv("HEYGEN_API_KEY", server.simulator.api_key)
        monkeypatch.setenv("HEYGEN_API_BASE", server.url)
        yield TerminalUser(server.simulator, tmp_path, capsys)
