"""The command as a process of its own, beside the service in this one."""

from __future__ import annotations

import json
import os
import sys
from asyncio import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pathlib

    from heygen_async.testing import SimulatorServer
    from programs import Programs

COMMAND: Final = (sys.executable, "-W", "error", "-m", "heygen_async")
# The command itself but for its client, which does not look for ten seconds for a session that was never made.
HASTY: Final = """
import asyncio, pathlib, sys
from heygen_async import Cadence, HeyGen, RetryPolicy
from heygen_async._cli.batch import Wish, make
from heygen_async._cli.interruption import attended
from heygen_async._cli.voice import Voice

async def main():
    wish = Wish(jobs="jobs.csv", out=pathlib.Path("videos"), resume=True)
    retry = RetryPolicy(base=0.05, settle_time=0.5)
    async with HeyGen(cadence=Cadence.constant(0.2), retry=retry) as heygen:
        return await make(heygen, wish, Voice(is_json=True))

sys.exit(asyncio.run(attended(main())))
"""


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

    async def left(self, said: bytes = b"") -> Left:
        """Wait for its end, with this as all it hears."""
        out, err = await self.process.communicate(said)
        assert self.process.returncode is not None
        return Left(self.process.returncode, (out or b"").decode(), err.decode())
