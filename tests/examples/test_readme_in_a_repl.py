"""The blocks of the front page, pasted one after the other into a real `python -m asyncio`."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Final

import anyio.to_thread
import pytest

from heygen_async.testing import Simulator, SimulatorServer
from repository import house

if TYPE_CHECKING:
    import pathlib

    from programs import Programs

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")

README: Final = (house.ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS: Final = [
    block
    for block in re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    if "def test_" not in block
    and "opentelemetry" not in block  # a test module; a change of the whole process
]
ERROR: Final = re.compile(r"^(Traceback|\s+\|? *\w+Error\b|\w+Error:)", re.MULTILINE)
# A client as the page makes it polls every few seconds, however fast its service is.
IN_A_HURRY: Final = """
import functools, heygen_async
quick = heygen_async.Cadence.constant(0.2)
heygen_async.HeyGen = functools.partial(heygen_async.HeyGen, cadence=quick)
"""


class Terminal:
    """A terminal in which a program runs, as a person uses it: type, and read what appears."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.screen = ""

    async def type(self, text: str) -> None:
        """Type or paste a text, a line at a time: a terminal holds no more than a few kilobytes of one."""
        for line in text.splitlines(keepends=True):
            await anyio.to_thread.run_sync(os.write, self._descriptor, line.encode())

    async def wait_for(self, text: str) -> None:
        """Read until a text has appeared."""
        while text not in self.screen:
            chunk = await anyio.to_thread.run_sync(os.read, self._descriptor, 65536, abandon_on_cancel=True)
            self.screen += chunk.decode(errors="replace").replace("\r\n", "\n")


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="without a full terminal this REPL ends a loop after its first line"
)
async def test_the_page_can_be_pasted_in_order(tmp_path: pathlib.Path, programs: Programs) -> None:
    """A newcomer who pastes every block in order into a REPL meets no error, and no loop is skipped."""
    async with SimulatorServer(Simulator(speed=200)) as server:
        ours, theirs = pty.openpty()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))},
            "HEYGEN_API_KEY": server.simulator.api_key,
            "HEYGEN_API_BASE": server.url,
            "PYTHONPATH": str(house.ROOT),
            "TERM": "dumb",
        }
        command = [sys.executable, "-m", "asyncio"]
        programs.start(*command, cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        terminal = Terminal(ours)
        await terminal.wait_for(">>> ")
        await terminal.type(IN_A_HURRY)
        for number, block in enumerate(BLOCKS):
            await terminal.type(f"{block}\nprint('block', 'number', {number})\n")
            await terminal.wait_for(f"block number {number}\n")
            assert not ERROR.search(terminal.screen), terminal.screen[-3000:]
        await terminal.type("await heygen.aclose()\nexit()\n")

    assert "\nreviewing " in terminal.screen  # the loop of the first block ran
    assert (tmp_path / "intro.mp4").stat().st_size > 0
