"""The blocks of the front page and then of the guides, pasted one after the other into a real `python -m asyncio`."""

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

# What the guides go on from: "`heygen` is an open client, and `session` a session of it".
OPENING: Final = """
from heygen_async import HeyGen
heygen = HeyGen()
session = await heygen.sessions.create("A 30-second intro to our espresso machine")
"""
ERROR: Final = re.compile(r"^(Traceback|\s+\|? *\w+Error\b|\w+Error:)", re.MULTILINE)
# A client as the page makes it polls every few seconds, however fast its service is.
IN_A_HURRY: Final = """
import functools, heygen_async
quick = heygen_async.Cadence.constant(0.2)
heygen_async.HeyGen = functools.partial(heygen_async.HeyGen, cadence=quick)
"""


# The REPL of 3.13 edits blocks and not lines. It does so in a terminal that can move its cursor, and takes a paste for
# one block when the terminal says where the paste begins and ends.
EDITS_BLOCKS: Final = sys.version_info >= (3, 13)
BEGIN, END = ("\x1b[200~", "\x1b[201~\n") if EDITS_BLOCKS else ("", "")
CONTROL: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[=>]|\(.)|\r")


class Terminal:
    """A terminal in which a program runs, as a person uses it: paste, and read what appears."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._shown = ""

    @property
    def screen(self) -> str:
        """All that has appeared, without colours and movements of the cursor."""
        return CONTROL.sub("", self._shown)

    async def paste(self, text: str) -> None:
        """Paste a text, a line at a time: a terminal holds no more than a few kilobytes of one."""
        for line in [BEGIN, *text.splitlines(keepends=True), END]:
            await anyio.to_thread.run_sync(os.write, self._descriptor, line.encode())

    async def wait_for(self, text: str) -> None:
        """Read until a text has appeared."""
        while text not in self.screen:
            chunk = await anyio.to_thread.run_sync(os.read, self._descriptor, 65536, abandon_on_cancel=True)
            self._shown += chunk.decode(errors="replace")


def pasted(page: pathlib.Path) -> list[str]:
    """The blocks of a page but test modules and what changes the whole process."""
    blocks = [
        block
        for block in house.blocks(page, "python")
        if "def test_" not in block and "opentelemetry" not in block
    ]
    return blocks if page == house.README else [OPENING, *blocks]


@pytest.mark.parametrize("page", house.PAGES, ids=lambda page: page.stem)
async def test_a_page_can_be_pasted_in_order(
    page: pathlib.Path, tmp_path: pathlib.Path, programs: Programs
) -> None:
    """A newcomer who pastes every block of a page in order into a REPL meets no error, and no loop is skipped."""
    async with SimulatorServer(Simulator(speed=200)) as server:
        ours, theirs = pty.openpty()
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))},
            "HEYGEN_API_KEY": server.simulator.api_key,
            "HEYGEN_API_BASE": server.url,
            "PYTHONPATH": str(house.ROOT),
            "TERM": "xterm" if EDITS_BLOCKS else "dumb",
        }
        command = [sys.executable, "-m", "asyncio"]
        programs.start(*command, cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        terminal = Terminal(ours)
        await terminal.wait_for(">>> ")
        await terminal.paste(IN_A_HURRY)
        for number, block in enumerate(pasted(page)):
            await terminal.paste(f"{block}\nprint('block', 'number', {number})\n")
            await terminal.wait_for(f"block number {number}\n")
            assert not ERROR.search(terminal.screen), terminal.screen[-3000:]
        await terminal.paste("'heygen' in globals() and await heygen.aclose()\nexit()\n")

    if page == house.README:
        assert "\nreviewing " in terminal.screen  # the loop of the first block ran
        assert (tmp_path / "intro.mp4").stat().st_size > 0
