"""
How the jobs of a batch ended: the line of each, and the exit code of the run.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from rich.table import Table

from heygen_async import (
    DownloadError,
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
    from heygen_async import Outcome, Rate

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
    if isinstance(path, Path) and path.is_relative_to(folder):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What is spent of a budget, and reserved for what is under way."""

    spent: float = 0.0
    reserved: float = 0.0
    max_spend: float
    currency: str

    @classmethod
    def begin(cls, max_spend: float | None, rate: Rate | None) -> Spending | None:
        """Return the spending of a batch that begins; None without a budget."""
        if max_spend is None or rate is None:
            return None
        return cls(max_spend=max_spend, currency=rate.currency)

    def __str__(self) -> str:
        reserved = f", {self.reserved:,.2f} reserved" if round(self.reserved, 2) else ""
        return f"{self.spent:,.2f} of {self.max_spend:,.2f} {self.currency}{reserved}"


class Report:
    """
    The ends so far.

    Attributes:
        ends: How many jobs ended in which way, those of earlier runs included.
        spending: What is spent; None without a budget.
    """

    def __init__(
        self, ends: Counter[str], *, spending: Spending | None = None, is_durable: bool = False
    ) -> None:
        self.ends = ends
        self.spending = spending
        self._meaning = _IN_A_DATABASE if is_durable else _MEANING
        self._refuse: HeyGenError | None = None
        self._not_started: HeyGenError | None = None
        self._in_doubt: dict[str, OutcomeUnknown] = {}
        self._unsaved: dict[str, DownloadError] = {}

    def spend(self, spent: float | None, reserved: float | None) -> None:
        """Record what is spent and reserved now, of the budget there may be."""
        if self.spending is not None and spent is not None:
            self.spending = replace(self.spending, spent=spent, reserved=reserved or 0.0)

    def add(self, outcome: Outcome) -> None:
        """Count a job."""
        self.ends[end_of(outcome)] += 1
        if isinstance(outcome.error, Unauthorized | InsufficientCredit):
            self._refuse = self._refuse or outcome.error
        elif outcome.not_started and isinstance(outcome.error, HeyGenError):
            self._not_started = self._not_started or outcome.error
        if isinstance(outcome.error, OutcomeUnknown):
            self._in_doubt[outcome.key] = outcome.error
        if isinstance(outcome.error, DownloadError):
            self._unsaved[outcome.key] = outcome.error

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
        spending = {} if self.spending is None else asdict(self.spending)
        output.emit("finished", **{end: self.ends[end] for end in sorted(self.ends)}, **spending)
        output.show(self._table())
        for key, unknown in islice(self._in_doubt.items(), _FEW):
            output.advise(f"{brief(key)}  {hint_of(unknown)} If it is none, give the row a new key.")
        for key, unsaved in islice(self._unsaved.items(), _FEW):
            output.advise(f"{brief(key)}  {hint_of(unsaved)}")
        if (error := self._refuse or self._not_started) is not None:
            output.error(message_of(error), hint=hint_of(error), kind=type(error).__name__)

    def _table(self) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False)
        for end, meaning in self._meaning.items():
            if self.ends[end] or end == "completed":
                table.add_row(f"{self.ends[end]:>7,}", end.replace("_", " "), meaning)
        if self.spending is not None:
            table.add_row("", "spent", str(self.spending))
        return table
