"""
Durable batches: kill anything, lose nothing, on one machine or many. Needs `pip install heygen-async[durable]`.

    async with DurableBatch("sqlite:///campaign.db", name="spring", reviewer=Approve()) as batch:
        await batch.submit(jobs)
        async for outcome in batch.outcomes():
            print(outcome.key, outcome.video or outcome.error)

The jobs, outcomes, reviewers and events are those of `heygen.batch`. What is begun here goes on after any crash,
in this process or in another one that opens the same batch: give a PostgreSQL address, and that may be on any machine.
"""

from ._batch import DurableBatch as DurableBatch
from ._types import BatchStatus as BatchStatus
from ._types import ChangedJob as ChangedJob
from ._types import DatabaseUnavailable as DatabaseUnavailable
from ._types import JobCancelled as JobCancelled
from ._types import JobStatus as JobStatus
from ._types import PendingReview as PendingReview
from ._types import SubmitReport as SubmitReport

__all__ = [
    "BatchStatus",
    "ChangedJob",
    "DatabaseUnavailable",
    "DurableBatch",
    "JobCancelled",
    "JobStatus",
    "PendingReview",
    "SubmitReport",
]
