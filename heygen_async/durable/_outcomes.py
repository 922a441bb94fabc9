"""
What the user gets of a job: its status, its pause, its outcome, its video, from what the database keeps.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from .._batch.job import Outcome
from .._resources._context import bind
from .._resources.videos import Video
from ..errors import SessionFailed
from ..models import VideoInfo
from . import _records
from ._records import OutcomeRecord
from ._types import JobStatus, PendingReview

if TYPE_CHECKING:
    from .. import HeyGen
    from ._schema import JobRow


def outcome_of(row: JobRow, heygen: HeyGen | None) -> Outcome:
    """Return what became of a job that has ended, from its row."""
    record = _records.read(OutcomeRecord, row.outcome or "{}")
    return Outcome(
        key=row.key,
        job=_records.read_job(row.job, row.key),
        session_id=row.session_id,
        session_ref=None if row.ref is None else row.ref.encode(),
        video=None if record.video is None else video_of(record.video, heygen),
        path=record.path_there,
        error=None if record.error is None else _records.read_error(record.error),
        states=tuple(_records.read_history(row.states).states),
        elapsed=record.elapsed,
        failures=tuple(
            error for error in map(_records.read_error, record.failures) if isinstance(error, SessionFailed)
        ),
    )


def video_of(info: VideoInfo, heygen: HeyGen | None) -> Video:
    """Return a video as the user knows them; without a client it can be read, not downloaded."""
    if heygen is not None:
        return bind(Video, info, heygen._core)
    return Video(**structs.asdict(info))


def plain(video: VideoInfo) -> VideoInfo:
    """Return the values of a video alone."""
    return msgspec.convert(structs.asdict(video), VideoInfo)


def moment(seconds: float) -> datetime:
    """Return a time of the database as one of the user's."""
    return datetime.fromtimestamp(seconds, UTC)


def status_of(row: JobRow) -> JobStatus:
    """Return how far a job is."""
    return JobStatus(
        key=row.key,
        phase=row.phase,
        attempts=row.attempt,
        session_id=row.session_id,
        error=row.error,
        ended_at=None if row.ended_at is None else moment(row.ended_at),
    )


def review_of(row: JobRow) -> PendingReview:
    """Return the pause that a job waits with."""
    return PendingReview(
        key=row.key,
        job=_records.read_job(row.job, row.key),
        session_id=row.session_id or "",
        state=_records.read(_records.PauseRecord, row.pause or "{}").state,
        since=moment(row.paused_at or 0.0),
    )
