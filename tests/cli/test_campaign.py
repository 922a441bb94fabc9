"""What the command says of a batch in a database; that it works is in `tests/durable`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from heygen_async import Job, Outcome, SessionState, SessionStatus, Unauthorized
from heygen_async._cli.durable import DurableCommand, DurableOptions
from heygen_async._cli.exit_codes import UsageError
from heygen_async._cli.output import Output
from heygen_async.durable import BatchStatus, DurableBatch, PendingReview

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STATE = SessionState(session_id="sess_1", status=SessionStatus.REVIEWING, created_at=1_760_000_000)


class OutputFolder:
    """A batch without a database, of one job that waits for an answer or of none."""

    def __init__(self, *, jobs: int = 1) -> None:
        self.jobs = jobs

    async def status(self, *, jobs: bool) -> BatchStatus:
        return BatchStatus(counts={"reviewing": self.jobs}, window=10)

    async def pending_reviews(self) -> list[PendingReview]:
        return [PendingReview(key="tour", job=Job("A tour"), session_id="sess_1", state=STATE, since=NOON)]

    async def outcomes(self) -> AsyncIterator[Outcome]:
        error = Unauthorized("No.", status=401)
        yield Outcome(key="later", job=Job("Later"), error=error, not_started=True)


def working() -> DurableCommand:
    """The command at work for a batch."""
    campaign = DurableOptions(
        database="sqlite:///spring.db",
        name="spring",
        out=Path(),
        max_in_flight=1,
        approve=False,
        poll=None,
    )
    return DurableCommand(campaign, Output())


async def work(on: OutputFolder) -> None:
    """Work for it to its end."""
    await working().work(cast("DurableBatch", on), ())


async def test_who_waits_for_an_answer_is_told(
    anyio_backend: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker that approves nothing names the jobs that wait, and what answers them."""
    await work(OutputFolder())
    printed = capsys.readouterr().err

    assert "tour  sess_1 waits for an answer" in printed
    assert "--approve" in printed


async def test_a_batch_without_jobs_is_a_mistake(anyio_backend: object) -> None:
    """A worker with a slip in the batch's name does not end as if all were done."""
    with pytest.raises(UsageError, match="spring has no jobs") as caught:
        await work(OutputFolder(jobs=0))

    assert "--name" in caught.value.hint


async def test_the_last_word_suggests_what_there_is(
    anyio_backend: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was not begun is begun by the same command, as there is no --resume here."""
    at_work = working()
    await at_work.work(cast("DurableBatch", OutputFolder()), ())
    at_work.show_summary()
    printed = capsys.readouterr().out

    assert "the same command begins them" in printed
    assert "--resume" not in printed
