"""
Draws the picture of the README: a batch at work, in virtual time, so that it comes out the same each time.

`nox -s picture` writes it anew.
"""

from __future__ import annotations

import asyncio
import io
import pathlib
import re
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from cli.terminal_user import as_csv
from heygen_async import Cadence, HeyGen
from heygen_async._cli.batch import BatchCommand, CommandOptions, Plan
from heygen_async._cli.output import Output
from heygen_async.testing import MemoryTransport, Scenario, Simulator, Step, run

if TYPE_CHECKING:
    from collections.abc import Sequence


PICTURE: Final = pathlib.Path(__file__).parents[2] / ".github" / "progress.svg"
TOWNS: Final = (
    "Bergen",
    "Cádiz",
    "Delft",
    "Évora",
    "Faro",
    "Ghent",
    "Haarlem",
    "Ioannina",
    "Jena",
    "Kraków",
    "Łódź",
)
MOMENT: Final = 640.0
# Rich would have browsers fetch a font from elsewhere.
FORMAT: Final = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def paced(steps: Sequence[Step], factor: float) -> tuple[Step, ...]:
    """The same steps, each this many times as long."""
    return tuple(replace(step, seconds=step.seconds * factor) for step in steps)


def service() -> Simulator:
    """A service where each town takes its time, and one cannot be filmed."""
    simulator = Simulator()
    chat = Scenario.chat()
    for number, town in enumerate(TOWNS):
        life = replace(
            chat, opening=paced(chat.opening, 1 + number % 4), approval=paced(chat.approval, 1 + number / 4)
        )
        simulator.script(life, prompt=town)
    simulator.script(
        replace(Scenario.failing("generating", mode="chat"), failure_reason="Content policy."),
        prompt="Faro 1",
    )
    return simulator


class Witness(Output):
    """Says what stands above the board, and has no screen to redraw it on."""

    @property
    def is_live(self) -> bool:
        """No."""
        return False

    def emit(self, event: str, words: str = "", /, **fields: object) -> None:
        """Tell of the beginning and of failures."""
        if event in {"jobs", "failed"}:
            super().emit(event, words, **fields)


async def watched(folder: pathlib.Path) -> str:
    """Run the batch, and draw it at one moment."""
    console = Console(
        file=io.StringIO(),
        record=True,
        width=92,
        height=30,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        get_time=asyncio.get_running_loop().time,
        _environ={},
    )
    console.print(Text("$ heygen-async batch towns.csv --out films --approve", style="bold"))
    simulator, output = service(), Witness(out=io.StringIO())
    output.out = console
    options = CommandOptions(jobs=str(folder / "towns.csv"), out=folder / "films", approve=True)
    async with HeyGen(
        simulator.api_key, http=MemoryTransport(simulator), cadence=Cadence.constant(5)
    ) as heygen:
        with ExitStack() as stack:
            making = BatchCommand(heygen, await anyio.to_thread.run_sync(Plan.made, stack, options), output)
            with anyio.move_on_after(MOMENT):
                await making.run()
            console.print(making.board)
    return console.export_svg(title="heygen-async batch", code_format=FORMAT, unique_id="batch")


def drawn() -> str:
    """Return the picture."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rows = [
            {"key": f"{town.lower()}-{n}", "prompt": f"A tour of {town} {n}"}
            for n in range(4)
            for town in TOWNS
        ]
        (folder / "towns.csv").write_bytes(as_csv(rows))
        return run(watched, folder)


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
