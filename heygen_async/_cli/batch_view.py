"""
What a batch shows while it runs: a board on a screen, lines in a file, objects for a program.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from rich.live import Live

from .output import brief
from .progress import Board
from .report import end_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from heygen_async import BatchEvent, Outcome

    from .output import Output
    from .report import Report

_PER_SECOND = 4


class View:
    """Shows the events of a batch."""

    def __init__(self, output: Output, report: Report, *, total: int) -> None:
        """
        Begin.

        Args:
            output: Where it is shown.
            report: The ends so far.
            total: Jobs in all.
        """
        self._output = output
        self._report = report
        self._total = total
        self.board = Board(
            output.out, total=total, done=report.ends.total(), reachability=output.reachability
        )
        self.board.spending = report.spending
        self._screen = ExitStack()

    def __enter__(self) -> Self:
        done = self._report.ends.total()
        before = f", {done:,} done before" if done else ""
        self._output.emit("jobs", f"{self._total:,}{before}", total=self._total, done=done)
        if self._output.is_live:
            live = Live(self.board, console=self._output.out, refresh_per_second=_PER_SECOND, transient=True)
            self._screen.enter_context(live)
        return self

    def __exit__(self, *_: object) -> None:
        self._screen.close()

    def event(self, event: BatchEvent) -> None:
        """Show what happened to a job."""
        self._report.spend(event.spent, event.reserved)
        self.board.spending = self._report.spending
        if event.kind == "ended":
            return  # the outcome is shown once it is written down
        self._draw(event)
        words = ""
        if event.kind == "created" and not self._output.is_live:
            words = f"{event.key}  {event.session_id}"
        self._output.emit(event.kind, words, **_fields(event))

    def _draw(self, event: BatchEvent) -> None:
        key, state, transfer = event.key, event.state, event.transfer
        if event.kind == "creating":
            self.board.begin(key, "creating")
        elif state is not None:
            self.board.move(key, state.status, state.progress)
        elif transfer is not None and transfer.total_bytes:
            self.board.move(key, "downloading", 100 * transfer.done_bytes / transfer.total_bytes)

    def end(self, outcome: Outcome, result: Mapping[str, object]) -> None:
        """
        Show how a job ended.

        Args:
            outcome: How.
            result: The same, as it is written down.
        """
        end = end_of(outcome)
        self.board.end(outcome.key, done=end in {"completed", "failed"}, trouble=self._report.trouble)
        if self._output.is_json:
            self._output.emit("ended", **result)
        elif outcome.error is not None and end != "not_started":  # those are counted: there may be very many
            self._output.emit(end, f"{brief(outcome.key)}  {brief(str(outcome.error), 300)}")
        elif outcome.error is None and not self._output.is_live:
            self._output.emit("video", f"{brief(outcome.key)}  {result['path']}")


def _fields(event: BatchEvent) -> dict[str, object]:
    fields: dict[str, object] = {"key": event.key, "session_id": event.session_id}
    if event.state is not None:
        fields |= {"status": event.state.status, "progress": event.state.progress}
    if event.transfer is not None:
        fields |= {"bytes": event.transfer.done_bytes, "total_bytes": event.transfer.total_bytes}
    if event.spent is not None:
        fields |= {"spent": event.spent, "reserved": event.reserved}
    if event.path is not None:
        fields["path"] = str(event.path)
    return fields
