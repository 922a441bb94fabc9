"""
The tables beside the engine's own: one row for each job, one for each session that was ever paid for.

Two indexes are the backbone of "never twice": a session belongs to one job, and of one prompt only one create of a
batch is under way at a time, so that what is found after a crash cannot be another job's.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import sqlalchemy as sa
from msgspec import Struct

from ._types import Phase

APP: Final = "heygen-async"
# Pinned: by default it is a hash of the workflows' source, and a deploy would strand what the one before began. What
# a workflow does in which order is frozen under its name instead (`….v1`); another order is another name beside it.
ENGINE_VERSION: Final = "heygen-async"

METADATA: Final = sa.MetaData()

JOBS: Final = sa.Table(
    "heygen_jobs",
    METADATA,
    sa.Column("batch", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("turn", sa.Integer, nullable=False, server_default="0"),
    sa.Column("prompt_id", sa.Text, nullable=False),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("create_key", sa.Text),
    sa.Column("begun_at", sa.Double),
    sa.Column("sender", sa.Text),
    sa.Column("sent_at", sa.Double),
    sa.Column("session_id", sa.Text),
    sa.Column("ref", sa.Text),
    sa.Column("paused_at", sa.Double),
    sa.Column("pause", sa.Text),
    sa.Column("answer", sa.Text),
    sa.Column("said", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("states", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("outcome", sa.Text),
    sa.Column("ended", sa.BigInteger),
    sa.Column("ended_at", sa.Double),
    sa.Index("heygen_jobs_by_phase", "batch", "phase"),
    sa.Index("heygen_jobs_in_order", "batch", "number"),
    sa.Index("heygen_jobs_as_they_ended", "batch", "ended", unique=True),
    sa.Index(
        "heygen_one_create_of_a_prompt",
        "batch",
        "prompt_id",
        unique=True,
        sqlite_where=sa.text("phase = 'creating'"),
        postgresql_where=sa.text("phase = 'creating'"),
    ),
)

SESSIONS: Final = sa.Table(
    "heygen_sessions",
    METADATA,
    sa.Column("session_id", sa.Text, primary_key=True),
    sa.Column("batch", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("prompt_id", sa.Text, nullable=False),
    sa.Column("owned_at", sa.Double, nullable=False),
    sa.Index("heygen_sessions_by_prompt", "prompt_id", "owned_at"),
)

BUDGETS: Final = sa.Table(
    "heygen_budgets",
    METADATA,
    sa.Column("batch", sa.Text, primary_key=True),
    sa.Column("max_spend", sa.Double, nullable=False),
    sa.Column("per_second", sa.Double, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("balance", sa.Double),
    # The sums of the jobs' money, so that an announcement costs the same for any number of them.
    sa.Column("spent", sa.Double, nullable=False, server_default="0"),
    sa.Column("reserved", sa.Double, nullable=False, server_default="0"),
)

# Kept when a job is forgotten: what is spent stays spent. `longest` is in seconds of video.
MONEY: Final = sa.Table(
    "heygen_money",
    METADATA,
    sa.Column("batch", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("longest", sa.Double, nullable=False),
    sa.Column("reserved", sa.Double, nullable=False, server_default="0"),
    sa.Column("spent", sa.Double, nullable=False, server_default="0"),
)

RENDER: Final = "heygen.render.v1"

CONTINUE: Final = "heygen.continue.v1"

REVIEW: Final = "heygen.review.v1"

DAY: Final = 86_400.0

# What is emptied when a job begins again. Not `ended`: who listens for outcomes knows them by that number, and a
# later end must not get it again.
AN_END: Final[tuple[str, ...]] = ("answer", "pause", "paused_at", "error", "outcome", "ended_at")
AN_ATTEMPT: Final[tuple[str, ...]] = (
    *AN_END,
    "begun_at",
    "sender",
    "sent_at",
    "create_key",
    "session_id",
    "ref",
)


class MovedOn(Exception):
    """The job is not where a piece of work thinks it is; the work is not wanted any more."""


class JobRow(Struct, frozen=True, kw_only=True):
    """One job as the database has it; times are Unix seconds."""

    batch: str
    key: str
    number: int
    phase: Phase
    attempt: int
    turn: int
    prompt_id: str
    job: str
    create_key: str | None = None
    begun_at: float | None = None
    sender: str | None = None
    sent_at: float | None = None
    session_id: str | None = None
    ref: str | None = None
    paused_at: float | None = None
    pause: str | None = None
    answer: str | None = None
    said: bool = False
    states: str | None = None
    error: str | None = None
    outcome: str | None = None
    ended: int | None = None
    ended_at: float | None = None


class Stage(Struct, frozen=True, kw_only=True):
    """Which part of a job's life a piece of work belongs to."""

    key: str
    attempt: int
    turn: int


class Claim(NamedTuple):
    """A workflow that an executor took from a queue and has not finished."""

    workflow_id: str
    executor: str
    queue: str
