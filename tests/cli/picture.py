"""
Records the board of the README: a batch at work, in virtual time, so that it comes out the same each time.

`nox -s picture` writes the recordings anew, one for a narrow and one for a wide screen.
"""
# ruff: noqa: TID251 - the loop of the recording owns the time

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
from heygen_async import Cadence, HeyGen, Rate
from heygen_async._cli.batch import BatchCommand, CommandOptions, Plan
from heygen_async._cli.output import Output
from heygen_async.testing import MemoryTransport, Scenario, Simulator, Step, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType


WIDTHS: Final = (80, 200)
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
MOMENTS: Final = (20, 120, 260, 420, 640, 880, 1_120)  # seconds into the batch; its end comes last
SECONDS_A_PICTURE: Final = 2
LINES: Final = 17
COMMAND: Final = "$ heygen-async batch towns.csv --out films --approve --max-spend 90 --rate 0.05"
# Rich would have browsers fetch a font from elsewhere.
FORMAT: Final = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
# Who wants no motion sees one picture in the middle.
FILM: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}"><style>
.picture {{ opacity: 0; animation: show {all}s steps(1) infinite }}
@keyframes show {{ 0% {{ opacity: 1 }} {share:.2f}% {{ opacity: 0 }} }}
@media (prefers-reduced-motion) {{ .picture {{ animation: none }} .still {{ opacity: 1 }} }}
</style>
{pictures}
</svg>
"""


def path_of(width: int) -> pathlib.Path:
    """Where the recording of a screen so wide is kept."""
    return pathlib.Path(__file__).parents[2] / ".github" / f"board-{width}.svg"


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
        simulator.script(life.with_video_seconds(28 + 2 * number), prompt=town)
    simulator.script(
        replace(Scenario.failing("generating", mode="chat"), failure_reason="Content policy."),
        prompt="Faro 1",
    )
    return simulator


class Witness(Output):
    """Keeps what is shown above the board, and has no screen to redraw it on."""

    def __init__(self) -> None:
        super().__init__(out=io.StringIO(), err=io.StringIO())
        self.shown: list[RenderableType] = [Text(COMMAND, style="bold")]

    @property
    def is_live(self) -> bool:
        """No."""
        return False

    def emit(self, event: str, words: str = "", /, **fields: object) -> None:
        """Keep the beginning and the failures."""
        if event in {"jobs", "failed"} and words:
            self.shown.append(Text(f"{event:<8} {words}", style="red" if event == "failed" else ""))

    def show(self, what: RenderableType) -> None:
        """Keep the last table."""
        self.shown.append(what)


def draw(shown: Sequence[RenderableType], width: int, name: str) -> str:
    """Return one picture: what is shown on a screen so wide."""
    console = Console(
        file=io.StringIO(),
        record=True,
        width=width,
        height=LINES,
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        get_time=asyncio.get_running_loop().time,
        _environ={},
    )
    for what in shown:
        console.print(what)
    written = console.export_text(clear=False, styles=False).count("\n")
    console.print("\n" * (LINES - written - 1))
    return console.export_svg(title="heygen-async batch", code_format=FORMAT, unique_id=name)


def film(pictures: Sequence[str]) -> str:
    """Return pictures as one that moves, without a script."""
    [box] = {re.findall('viewBox="([^"]*)"', picture)[0] for picture in pictures}
    frames = [
        f'<g class="picture{" still" if number == len(pictures) // 2 else ""}" '
        f'style="animation-delay: {number * SECONDS_A_PICTURE}s">{picture}</g>'
        for number, picture in enumerate(pictures)
    ]
    everything = SECONDS_A_PICTURE * len(pictures)
    return FILM.format(box=box, all=everything, share=100 / len(pictures), pictures="\n".join(frames))


async def record(folder: pathlib.Path) -> dict[int, str]:
    """Run the batch, and draw it at some moments and at its end, for each width."""
    simulator, output = service(), Witness()
    output.out.get_time = asyncio.get_running_loop().time
    options = CommandOptions(
        jobs=str(folder / "towns.csv"),
        out=folder / "films",
        approve=True,
        max_spend=90,
        rate=Rate(per_second=0.05),
    )
    pictures: dict[int, list[str]] = {width: [] for width in WIDTHS}

    def take(*shown: RenderableType) -> None:
        for width, taken in pictures.items():
            taken.append(draw([*output.shown, *shown], width, f"at{len(taken)}"))

    async with HeyGen(
        simulator.api_key, http=MemoryTransport(simulator), cadence=Cadence.constant(5)
    ) as heygen:
        with ExitStack() as stack:
            making = BatchCommand(heygen, await anyio.to_thread.run_sync(Plan.made, stack, options), output)
            async with anyio.create_task_group() as group:
                group.start_soon(making.run)
                began = anyio.current_time()
                for moment in MOMENTS:
                    await anyio.sleep(began + moment - anyio.current_time())
                    take(making.board)
            take()
    return {width: film(taken) for width, taken in pictures.items()}


def recordings() -> dict[int, str]:
    """Return the recordings, by width."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rows = [
            {"key": f"{town.lower()}-{n}", "prompt": f"A tour of {town} {n}", "max_seconds": "60"}
            for n in range(4)
            for town in TOWNS
        ]
        (folder / "towns.csv").write_bytes(as_csv(rows))
        return run(record, folder)


if __name__ == "__main__":
    for screen, recording in recordings().items():
        path_of(screen).write_text(recording, encoding="utf-8")
