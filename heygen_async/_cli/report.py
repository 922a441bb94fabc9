"""
How the jobs of a batch ended: the line of each, and the exit code of the run.
"""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from rich.table import Table

from heygen_async import (
    HeyGenError,
    InsufficientCredit,
    InvalidArgument,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    SessionFailed,
    SessionPaused,
    SessionStalled,
    Unauthorized,
)

from .exit_codes import Exit, hint_of, message_of
from .output import brief

if TYPE_CHECKING:
    from heygen_async import Outcome

    from .output import Output

End = Literal["completed", "failed", "paused", "late", "unfinished", "not_started"]

_MEANING: Final[dict[End, str]] = {
    "completed": "downloaded",
    "failed": "for good; see results.jsonl for the reasons",
    "paused": "the agent asks something: answer with `heygen-async send`, then --resume",
    "late": "the sessions go on: --resume waits for them again",
    "unfinished": "something came in between: --resume goes on with them",
    "not_started": "--resume begins them",
}
_FEW: Final = 3  # jobs in doubt that are shown one by one: the rest are alike
_IN_A_DATABASE: Final[dict[End, str]] = {
    "completed": "downloaded",
    "failed": "for good, unless `heygen-async durable retry` pays for them anew",
    "paused": "ended at a question; `heygen-async durable retry` goes on with them",
    "late": "the sessions go on: `heygen-async durable retry` waits for them again",
    "unfinished": "something came in between: `heygen-async durable retry` goes on with them",
    "not_started": "the same command begins them",
}


def end_of(outcome: Outcome) -> End:
    """Return how a job ended; only `completed` and `failed` are for good."""
    if outcome.not_started:
        return "not_started"
    match outcome.error:
        case None:
            return "completed"
        case SessionFailed() | InvalidArgument() | InvalidRequest() | NotFound():
            return "failed"
        case SessionPaused():
            return "paused"
        case SessionStalled() | TimeoutError():
            return "late"
        case _:
            return "unfinished"


def result_of(outcome: Outcome, fingerprint: str, folder: Path) -> dict[str, object]:
    """
    Return the line of a job that ended.

    Args:
        outcome: Its outcome.
        fingerprint: Its row's.
        folder: What its path is relative to.
    """
    error = outcome.error
    path = outcome.path
    if path is not None and path.is_relative_to(folder):
        path = path.relative_to(folder)
    return {
        "key": outcome.key,
        "status": end_of(outcome),
        "session_id": outcome.session_id,
        "video_id": outcome.video.id if outcome.video else None,
        "path": None if path is None else str(path),
        "error": None if error is None else type(error).__name__,
        "message": None if error is None else brief(str(error), 500),
        "elapsed": round(outcome.elapsed, 1),
        "job": fingerprint,
    }


class Report:
    """
    The ends so far.

    Attributes:
        ends: How many jobs ended in which way, those of earlier runs included.
    """

    def __init__(self, ends: Counter[str], *, is_durable: bool = False) -> None:
        self.ends = ends
        self._meaning = _IN_A_DATABASE if is_durable else _MEANING
        self._refuse: HeyGenError | None = None
        self._in_doubt: dict[str, OutcomeUnknown] = {}

    def add(self, outcome: Outcome) -> None:
        """Count a job."""
        self.ends[end_of(outcome)] += 1
        if isinstance(outcome.error, Unauthorized | InsufficientCredit):
            self._refuse = self._refuse or outcome.error
        if isinstance(outcome.error, OutcomeUnknown):
            self._in_doubt[outcome.key] = outcome.error

    @property
    def trouble(self) -> str:
        """What went wrong, in a few words."""
        trouble_counts = {
            end: self.ends[end] for end in ("failed", "paused", "late", "unfinished") if self.ends[end]
        }
        return ", ".join(f"{count:,} {end}" for end, count in trouble_counts.items())

    def exit(self) -> Exit:
        """Return the exit code of the run."""
        if self._refuse is not None:
            return Exit.REFUSED
        if self.ends["failed"] or self.ends["paused"] or self.ends["unfinished"] or self.ends["not_started"]:
            return Exit.FAILED
        return Exit.LATE if self.ends["late"] else Exit.DONE

    def show_summary(self, output: Output) -> None:
        """
        Show the summary.

        Args:
            output: Where it is shown.
        """
        output.emit("finished", **{end: self.ends[end] for end in sorted(self.ends)})
        output.show(self._table())
        for key, error in islice(self._in_doubt.items(), _FEW):
            output.advise(f"{brief(key)}  {hint_of(error)} None is: give the row a new key.")
        if self._refuse is not None:
            output.error(
                message_of(self._refuse), hint=hint_of(self._refuse), kind=type(self._refuse).__name__
            )

    def _table(self) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False)
        for end, meaning in self._meaning.items():
            if self.ends[end] or end == "completed":
                table.add_row(f"{self.ends[end]:>7,}", end.replace("_", " "), meaning)
        return table
