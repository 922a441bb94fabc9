"""
`heygen-async batch --database` and `heygen-async worker`: a batch that lives in a database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import anyio.to_thread
from cyclopts import Parameter
from cyclopts.validators import Number

from heygen_async import Approve
from heygen_async.durable import DurableBatch

from .batch_view import View
from .exit_codes import UsageError
from .forecast import check_lengths
from .job_files import open_jobs
from .options import (
    AN_HOUR,
    CURRENCY,
    Currency,
    DownloadTo,
    Json,
    MaxSpend,
    Poll,
    Price,
    RetryFailed,
    Switch,
    Timeout,
    client,
    rate_of,
)
from .output import Output, brief
from .report import Report, Spending, result_of

if TYPE_CHECKING:
    from heygen_async import BatchEvent, Job, Rate
    from heygen_async.durable import BatchStatus
    from heygen_async.models import Mode

    from .exit_codes import Exit

_RESUME_HINT: Final = "Nothing is lost: the same command goes on, and so does `heygen-async worker` anywhere."
_ANSWER_HINT: Final = "give --approve, or answer with `heygen-async durable answer`."


@dataclass(frozen=True, kw_only=True)
class DurableOptions:
    """Which batch, and how it is worked for."""

    database: str
    name: str
    out: Path
    download_to: str | None = None
    max_in_flight: int
    approve: bool
    max_spend: float | None = None
    rate: Rate | None = None
    retry_failed: int = 0
    timeout: float | None = AN_HOUR
    poll: float | None


async def worker(
    *,
    database: str,
    name: str,
    out: Path = Path(),
    download_to: DownloadTo = None,
    max_in_flight: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    approve: Switch = False,
    max_spend: MaxSpend = None,
    rate: Price = None,
    currency: Currency = CURRENCY,
    retry_failed: RetryFailed = 0,
    timeout: Timeout = AN_HOUR,
    poll: Poll = None,
    json: Json = False,
) -> int:
    """
    Work for a batch in a database until all of its jobs have ended; on as many machines as you like.

    Parameters
    ----------
    database
        sqlite:///FILE or postgresql://USER@HOST/DATABASE; PGPASSWORD gives a password nobody else can see.
    name
        The batch's name.
    out
        The folder for the videos this machine sees finished.
    max_in_flight
        Sessions at work at once, on all machines together; the newest worker decides.
    approve
        Approve each storyboard. Otherwise they wait for an answer.
    """
    campaign = DurableOptions(
        database=database,
        name=name,
        out=out,
        download_to=download_to,
        max_in_flight=max_in_flight,
        approve=approve,
        max_spend=max_spend,
        rate=rate_of(max_spend, rate, currency),
        retry_failed=retry_failed,
        timeout=timeout,
        poll=poll,
    )
    return await DurableCommand(campaign, Output(is_json=json)).run(())


async def submit(campaign: DurableOptions, jobs: str, output: Output) -> int:
    """
    Queue the jobs of a file and work for the batch.

    Args:
        campaign: The batch.
        jobs: The file.
        output: Where it is shown.

    Raises:
        UsageError: The file is wrong.
    """
    with output.busy(f"reading {jobs}"):
        wanted = await anyio.to_thread.run_sync(_read, jobs, campaign)
    return await DurableCommand(campaign, output).run(wanted)


def _read(jobs: str, campaign: DurableOptions) -> list[Job]:
    mode: Mode = "chat" if campaign.approve else "generate"
    with open_jobs(jobs, mode) as file:
        rows = list(file.check())
    if campaign.max_spend is not None:
        check_lengths(rows)
    return [row.job() for row in rows]


async def _refuse_changed(batch: DurableBatch, jobs: Sequence[Job]) -> None:
    """
    See that jobs the batch knows are the ones it knows.

    Raises:
        UsageError: One was edited under its key.
    """
    changed = await batch.find_changed(jobs)
    if not changed:
        return
    first = changed[0]
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    raise UsageError(
        f"job {brief(first.key)!r} was submitted before with other words or options{more}: "
        f"{'; '.join(first.differences)}",
        hint="Undo the change (also of --approve), give the changed job a new key, or choose another --name.",
    )


def spending_of(status: BatchStatus) -> Spending | None:
    """Return what a batch has spent; None without a budget."""
    if status.max_spend is None or status.currency is None:
        return None
    return Spending(
        spent=status.spent, reserved=status.reserved, max_spend=status.max_spend, currency=status.currency
    )


class DurableCommand:
    """A campaign at work in this process."""

    def __init__(self, campaign: DurableOptions, output: Output) -> None:
        self._campaign = campaign
        self._output = output
        self._report = Report(Counter(), is_durable=True)
        self._view: View | None = None

    async def run(self, jobs: Sequence[Job]) -> Exit:
        """
        Work until all jobs have ended; return the exit code.

        Args:
            jobs: What is to be in the batch, too.
        """
        campaign = self._campaign
        record = self._output.reachability.record
        async with client(campaign.poll, record, timeout=campaign.timeout) as heygen:
            batch = DurableBatch(
                campaign.database,
                name=campaign.name,
                max_in_flight=campaign.max_in_flight,
                reviewer=Approve() if campaign.approve else None,
                on_event=self._on_event,
                download_to=campaign.download_to or campaign.out,
                heygen=heygen,
                max_spend=campaign.max_spend,
                rate=campaign.rate,
                retry_failed=campaign.retry_failed,
            )
            with self._output.if_left(_RESUME_HINT):
                async with batch:
                    await self.work(batch, jobs)
        return self.show_summary()

    def show_summary(self) -> Exit:
        """Show the summary; return the exit code."""
        self._report.show_summary(self._output)
        return self._report.exit()

    async def work(self, batch: DurableBatch, jobs: Sequence[Job]) -> None:
        """
        Show what becomes of a batch until all of it has ended.

        Args:
            batch: The batch, open.
            jobs: What is to be in it, too.

        Raises:
            UsageError: There is nothing in it.
        """
        if jobs:
            await _refuse_changed(batch, jobs)
            await batch.submit(jobs)
        status = await batch.status(jobs=False)
        if not status.total:
            raise UsageError(
                f"The batch {self._campaign.name} has no jobs in this database.",
                hint="Check --name and --database; `heygen-async batch JOBS --database ...` puts jobs in it.",
            )
        if not self._campaign.approve:
            for review in await batch.pending_reviews():
                self._advise_answer(review.key, review.session_id)
        self._report.spending = spending_of(status)
        self._view = View(self._output, self._report, total=status.total)
        with self._view:
            async for outcome in batch.outcomes():
                self._report.add(outcome)
                self._view.end(outcome, result_of(outcome, "", self._campaign.out))
        self._report.spending = spending_of(await batch.status(jobs=False))

    def _on_event(self, event: BatchEvent) -> None:
        if self._view is not None:
            self._view.event(event)
        if event.kind == "paused" and not self._campaign.approve:
            self._advise_answer(event.key, event.session_id)

    def _advise_answer(self, key: str, session_id: str | None) -> None:
        self._output.advise(f"{brief(key)}  {session_id} waits for an answer: {_ANSWER_HINT}")
