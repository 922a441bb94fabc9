"""
The words of a durable batch that the local one does not have.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from .._batch.job import BatchEvent
from ..errors import HeyGenError

if TYPE_CHECKING:
    from .._batch.budget import Rate
    from .._batch.job import Job
    from .._batch.output_folder import OutputFolder
    from .._sessions.session import BatchReviewer
    from ..models import SessionState

Phase = Literal[
    "queued",
    "unfunded",
    "creating",
    "rendering",
    "reviewing",
    "answered",
    "completed",
    "failed",
    "cancelled",
]

ALIVE: Final[tuple[Phase, ...]] = ("queued", "unfunded", "creating", "rendering", "reviewing", "answered")
ENDED: Final[tuple[Phase, ...]] = ("completed", "failed", "cancelled")


class DatabaseUnavailable(HeyGenError):
    """The batch's database does not answer; what is under way is watched on, and nothing is created meanwhile."""

    hint = "Bring the database back; the batch goes on by itself. Then ask again."


class JobCancelled(HeyGenError):
    """The job was cancelled with `DurableBatch.cancel`."""

    hint = "`retry` makes it anew."


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedJob:
    """
    A job that was submitted again under its key and reads differently now.

    Attributes:
        key: The job's key.
        differences: For each field that differs, its name and both values in words.
    """

    key: str
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitReport:
    """
    What `submit` did.

    Attributes:
        new: How many jobs were queued.
        known: How many were there already and were left alone, however far they are.
        changed: Known jobs that now read differently; they were left alone too, as they were submitted first.
    """

    new: int = 0
    known: int = 0
    changed: tuple[ChangedJob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """
    How far one job is.

    Attributes:
        key: The job's key.
        phase: `queued`, `unfunded` (the budget has no room for it now), `creating`, `rendering`, `reviewing` (it
            waits for an answer), `answered` (the answer is on its way), and at the end `completed`, `failed` or
            `cancelled`.
        attempts: How often it was begun by `submit` and `retry`.
        session_id: The session of the newest attempt; None before there is one.
        error: Why it failed; None otherwise.
        ended_at: When it ended; None before.
    """

    key: str
    phase: Phase
    attempts: int
    session_id: str | None = None
    error: str | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStatus:
    """
    How far a batch is, on all machines together.

    Attributes:
        counts: Jobs by phase.
        window: How many jobs may be in progress now: `max_in_flight`, or fewer after the service refused more.
        jobs: Each job, in the order they were submitted; empty when only the counts were asked for.
        spent: What was spent of the budget, and what unfinished sessions that were left may cost; 0 without a budget.
        reserved: What the jobs under way may still cost.
        max_spend: The budget; None without one.
        currency: What the three are in.
    """

    counts: dict[str, int]
    window: int
    spent: float = 0.0
    reserved: float = 0.0
    max_spend: float | None = None
    currency: str | None = None
    jobs: tuple[JobStatus, ...] = field(default=(), repr=False)

    @property
    def total(self) -> int:
        """All jobs."""
        return sum(self.counts.values())

    @property
    def unfinished(self) -> int:
        """Jobs that have not ended."""
        return self.total - sum(self.counts.get(phase, 0) for phase in ENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingReview:
    """
    A job that waits for `DurableBatch.answer`.

    Attributes:
        key: The job's key.
        job: The job.
        session_id: Its session.
        state: The state at the pause, with the messages: what the agent asks.
        since: When it paused.
    """

    key: str
    job: Job = field(repr=False)
    session_id: str
    state: SessionState = field(repr=False)
    since: datetime


OnEvent = Callable[[BatchEvent], Awaitable[Any] | Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """What `DurableBatch` was given."""

    max_in_flight: int
    reviewer: BatchReviewer | None
    on_event: OnEvent | None
    output: OutputFolder | None
    stop_on: tuple[type[HeyGenError], ...]
    poll: float
    max_spend: float | None
    rate: Rate | None
    retry_failed: int
