"""
Durable batches as users write them; never run, only read by type checkers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import assert_type

from heygen_async import Approve, BatchEvent, HeyGen, HeyGenError, Job, Outcome, Reply, SessionState
from heygen_async.durable import (
    BatchStatus,
    ChangedJob,
    DatabaseUnavailable,
    DurableBatch,
    JobCancelled,
    JobStatus,
    PendingReview,
    SubmitReport,
)

ERRORS: tuple[type[HeyGenError], ...] = (DatabaseUnavailable, JobCancelled)


async def durable(heygen: HeyGen, jobs: AsyncIterator[Job | str]) -> None:
    """Everything a durable batch takes and gives."""

    async def listen(event: BatchEvent) -> None:
        assert_type(event.key, str)

    async with DurableBatch(
        "sqlite:///campaign.db",
        name="spring",
        max_in_flight=5,
        reviewer=Approve(),
        on_event=listen,
        download_to="videos",
        heygen=heygen,
        poll_interval=0.5,
    ) as batch:
        assert_type(batch, DurableBatch)
        report = await batch.submit(jobs)
        assert_type(report, SubmitReport)
        assert_type(report.changed, tuple[ChangedJob, ...])
        assert_type(batch.outcomes(), AsyncIterator[Outcome])
        async for outcome in batch.outcomes():
            assert_type(outcome.ok, bool)


async def looked_after(batch: DurableBatch) -> None:
    """What a desk does with one, in another process too."""
    status = await batch.status(jobs=True)
    assert_type(status, BatchStatus)
    assert_type((status.total, status.unfinished), tuple[int, int])
    assert_type(status.jobs, tuple[JobStatus, ...])
    for review in await batch.pending_reviews():
        assert_type(review, PendingReview)
        assert_type(review.state, SessionState)
        assert_type(review.since, datetime)
        assert_type(await batch.answer(review.key, Reply(message="Warmer")), None)
    assert_type(await batch.find_changed(["A tour of our mill"]), tuple[ChangedJob, ...])
    assert_type(await batch.cancel("mill"), bool)
    assert_type(await batch.retry(), list[str])
    assert_type(await batch.purge(older_than=86_400), int)
    assert_type(await batch.aclose(), None)
