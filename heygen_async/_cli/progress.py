"""
The progress of a batch on a screen: the whole, and each session at work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from .output import brief, duration
from .reachability import Reachability

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.progress import Task

    from .report import Spending

_BESIDE: Final = 6  # lines of the screen that are not for sessions
_ECHO: Final = (
    3  # columns for the ^C that a terminal writes: wrapped, it would leave a line of the board behind
)
_FEW: Final = 3
_NARROW: Final = 60  # columns below which there is room for names, phases and percents alone
_MEMORY: Final = 3600.0  # seconds whose videos tell the pace: they take minutes each
_SURE: Final = 3  # percent of movement before an end is guessed
_STYLES: Final = {
    "generating": "green",
    "reviewing": "yellow",
    "waiting_for_input": "yellow",
    "downloading": "blue",
}


@dataclass(slots=True)
class BoardRow:
    """A session on the board; `since` and `start` are of its phase."""

    key: str
    phase: str
    began: float
    since: float
    progress: float = 0.0
    start: float = 0.0

    def remaining(self, now: float) -> float | None:
        """Return the seconds to its end if it goes on as in this phase; None when it is not known."""
        moved = self.progress - self.start
        if moved < _SURE or now <= self.since:
            return None
        return (now - self.since) / moved * (100 - self.progress)


class _RemainingColumn(TimeRemainingColumn):
    """The time left, as long as the service answers."""

    def __init__(self, reachability: Reachability) -> None:
        super().__init__()
        self._reachability = reachability

    def render(self, task: Task) -> Text:
        """Return the time left of a task."""
        if self._reachability.outage is not None:
            return Text("-:--:--", style="progress.remaining")
        return super().render(task)


class Board:
    """
    What a screen shows while a batch runs; drawn anew whenever the screen wants it.

    Attributes:
        spending: What is spent and reserved; None without a budget.
    """

    def __init__(
        self, console: Console, *, total: int, done: int, reachability: Reachability | None = None
    ) -> None:
        """
        Begin.

        Args:
            console: The screen, for its clock and its size.
            total: Jobs in all.
            done: Jobs that earlier runs have ended.
            reachability: Whether the service answers.
        """
        self.spending: Spending | None = None
        self._reachability = reachability or Reachability(console.get_time)
        self._console = console
        self._now = console.get_time
        self._places: dict[str, BoardRow] = {}
        self._whole = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None, complete_style="green"),
            MofNCompleteColumn(),
            TextColumn("{task.fields[trouble]}", style="red"),
            TimeElapsedColumn(),
            TextColumn("left"),
            _RemainingColumn(self._reachability),
            console=console,
            get_time=self._now,
            speed_estimate_period=_MEMORY,
            expand=True,
        )
        self._task = self._whole.add_task("videos", total=total, completed=done, trouble="")

    def begin(self, key: str, phase: str) -> None:
        """
        Put a job on the board.

        Args:
            key: The job's.
            phase: What it does.
        """
        now = self._now()
        self._places.setdefault(key, BoardRow(brief(key, 24), phase, now, now))

    def move(self, key: str, phase: str, progress: float) -> None:
        """
        Move a job.

        Args:
            key: The job's.
            phase: What it does.
            progress: How far it is, of 100.
        """
        self.begin(key, phase)
        place = self._places[key]
        if place.phase != phase:
            place.phase, place.since, place.start = phase, self._now(), progress
        place.progress = progress

    def end(self, key: str, *, done: bool, trouble: str) -> None:
        """
        Take a job off the board.

        Args:
            key: The job's.
            done: Whether it is one more of the whole.
            trouble: What to say of those that went wrong.
        """
        self._places.pop(key, None)
        self._whole.update(self._task, advance=int(done), trouble=trouble)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        is_wide = options.max_width >= _NARROW
        lines = Group(self._sessions(options.height or console.height, is_wide=is_wide), self._whole)
        if self.spending is not None:
            lines.renderables.append(Text(f"spent {self.spending}"))
        if (outage := self._reachability.outage) is not None:
            lines.renderables.append(Text(f"not reached for {duration(outage)}, trying on", style="bold red"))
        yield from console.render(lines, options.update_width(options.max_width - _ECHO))

    def _sessions(self, height: int, *, is_wide: bool) -> Table:
        table = Table.grid(padding=(0, 2), expand=is_wide)
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=24)
        table.add_column(no_wrap=True, min_width=18 if is_wide else None)
        if is_wide:
            table.add_column(ratio=1)
        table.add_column(justify="right", no_wrap=True)
        if is_wide:
            table.add_column(justify="right", no_wrap=True, min_width=12)
        places = list(self._places.values())
        shown = places[: max(_FEW, height - _BESIDE)]
        now = self._now()
        for place in shown:
            name, phase, bar, percent, eta = _cells(place, now, is_reached=self._reachability.outage is None)
            table.add_row(*((name, phase, bar, percent, eta) if is_wide else (name, phase, percent)))
        if len(places) > len(shown):
            table.add_row(Text(f"and {len(places) - len(shown)} more", style="dim"))
        return table


def _cells(place: BoardRow, now: float, *, is_reached: bool) -> tuple[Text, Text, ProgressBar, Text, Text]:
    left = place.remaining(now) if is_reached else None
    style = _STYLES.get(place.phase, "cyan")
    eta = f"~{duration(left)} left" if left is not None else duration(now - place.began)
    return (
        Text(place.key),
        Text(brief(place.phase, 18).replace("_", " "), style=style),
        ProgressBar(total=100, completed=place.progress, complete_style=style, finished_style=style),
        Text(f"{place.progress:.0f} %"),
        Text(eta, style="dim"),
    )
