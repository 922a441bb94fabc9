"""The command as a process of its own, beside the service in this one."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from asyncio import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from heygen_async.testing import SimulatorServer
    from programs import Programs

COMMAND: Final = (sys.executable, "-W", "error", "-m", "heygen_async")
HASTY: Final = (sys.executable, "-W", "error", str(pathlib.Path(__file__).with_name("hasty.py")))


def environment(server: SimulatorServer, **extra: str) -> dict[str, str]:
    """The environment of a user: nothing of this test run in it."""
    ours = ("COV", "PYTEST", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"HEYGEN_API_KEY": server.simulator.api_key, "HEYGEN_API_BASE": server.url, **extra}


@dataclass(frozen=True)
class Left:
    """What a process left behind."""

    code: int
    out: str
    err: str


class Program:
    """A process that speaks JSON lines."""

    def __init__(self, process: subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def started(
        cls,
        programs: Programs,
        server: SimulatorServer,
        folder: pathlib.Path,
        *command: str,
        stdout: int = subprocess.PIPE,
    ) -> Program:
        """Start a command in a folder."""
        process = await programs.open(
            *command,
            cwd=folder,
            env=environment(server),
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.PIPE,
        )
        return cls(process)

    async def line(self) -> str:
        """The next line it says; empty at its end."""
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode()

    async def event(self) -> dict[str, Any] | None:
        """The next event it tells of; None at its end."""
        line = await self.line()
        return json.loads(line) if line else None

    async def left(self, printed: bytes = b"") -> Left:
        """Wait for its end, with this as all it hears."""
        out, err = await self.process.communicate(printed)
        assert self.process.returncode is not None
        return Left(self.process.returncode, (out or b"").decode(), err.decode())
