"""
`heygen-async batch`: a file of prompts becomes a folder of videos and a report.
"""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio.to_thread
from cyclopts import Parameter
from cyclopts.validators import Number

from heygen_async import Approve, HeyGen, InvalidArgument, Job, Rate

from .batch_view import View
from .durable import DurableOptions, submit
from .exit_codes import Exit, UsageError
from .forecast import check_lengths, show_findings, show_forecast
from .interrupt import run_in_thread
from .job_files import STDIN, JobFile, RowFault, open_jobs
from .journal import FINAL, Journal
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
    from heygen_async import BatchEvent, Outcome
    from heygen_async.models import Mode

    from .job_rows import ParsedRow
    from .progress import Board

_AT_A_TIME: Final = 50  # rows read in one go, while the batch waits for none of them


@dataclass(frozen=True, kw_only=True)
class CommandOptions:
    """What the user asked for."""

    jobs: str
    out: Path
    download_to: str | None = None
    max_in_flight: int = 10
    approve: bool = False
    resume: bool = False
    min_balance: float | None = None
    max_spend: float | None = None
    rate: Rate | None = None
    retry_failed: int = 0
    timeout: float | None = AN_HOUR
    poll: float | None = None

    @property
    def command(self) -> str:
        """The command that goes on with it."""
        words = ["heygen-async", "batch", "-" if self.jobs == STDIN else self.jobs, "--out", str(self.out)]
        words += [] if self.download_to is None else ["--download-to", self.download_to]
        if self.max_in_flight != CommandOptions.max_in_flight:
            words += ["--max-in-flight", str(self.max_in_flight)]
        words += ["--approve"] if self.approve else []
        if self.min_balance is not None:
            words += ["--min-balance", f"{self.min_balance:g}"]
        if self.max_spend is not None and self.rate is not None:
            words += ["--max-spend", f"{self.max_spend:g}", "--rate", f"{self.rate.per_second:g}"]
            words += ["--currency", self.rate.currency] if self.rate.currency != CURRENCY else []
        words += ["--retry-failed", str(self.retry_failed)] if self.retry_failed else []
        if self.timeout not in {None, AN_HOUR}:
            words += ["--timeout", f"{self.timeout:g}"]
        if self.poll is not None:
            words += ["--poll", f"{self.poll:g}"]
        return shlex.join([*words, "--resume"])


async def batch(
    jobs: str,
    /,
    *,
    out: Path,
    download_to: DownloadTo = None,
    max_in_flight: Annotated[int, Parameter(validator=Number(gte=1))] = 10,
    approve: Switch = False,
    resume: Switch = False,
    min_balance: Annotated[float | None, Parameter(validator=Number(gte=0))] = None,
    max_spend: MaxSpend = None,
    rate: Price = None,
    currency: Currency = CURRENCY,
    retry_failed: RetryFailed = 0,
    check: Switch = False,
    dry_run: Switch = False,
    database: str | None = None,
    name: str | None = None,
    timeout: Timeout = AN_HOUR,
    poll: Poll = None,
    json: Json = False,
) -> int:
    """
    Make a video of each row of a file.

    A file ends in .csv, .jsonl or .ndjson and is UTF-8. Each row has a prompt and, if you like, a key (your name for
    it) and the options of a session: mode, orientation, avatar_id, voice_id, style_id, brand_kit_id, brand_glossary_id,
    files (several between semicolons), callback_url, callback_id, incognito_mode, extra (JSON); for a budget,
    expected_seconds and max_seconds. All rows are checked before anything is created.

    Parameters
    ----------
    jobs
        The file; - reads standard input.
    out
        The folder for the videos, results.jsonl (a line for each job that ended) and journal.jsonl.
    max_in_flight
        Sessions at work at once; fewer when the service takes fewer.
    approve
        Let the agent show a storyboard, and approve each. Otherwise it goes straight to the video.
    resume
        Go on with what an earlier run in this folder left: nothing is made twice.
    min_balance
        Begin only if the wallet has this much, in its currency.
    check
        Only look, by free reads, for what would be refused or fail in silence; nothing is created.
    dry_run
        Only say how many videos there would be, what they may cost and how long it may take; nothing is sent.
    database
        Keep the batch in a database (sqlite:///FILE or postgresql://USER@HOST/DATABASE; needs the extra durable):
        it goes on after any crash by itself, workers on other machines help, and --max-spend is one budget for all.
    name
        The batch's name in the database.
    """
    output = Output(is_json=json)
    if check or dry_run:
        price = None if rate is None else Rate(per_second=rate, currency=currency)
        return await look_ahead(
            jobs, output, at_once=max_in_flight, approve=approve, rate=price, check=check, dry_run=dry_run
        )
    price = rate_of(max_spend, rate, currency)
    if database is None and name is not None:
        raise UsageError("--name is for a batch in a database.", hint="Add --database, or leave --name out.")
    if database is not None:
        if name is None or resume or min_balance is not None:
            raise UsageError("--database needs --name, and goes on by itself: no --resume, no --min-balance.")
        campaign = DurableOptions(
            database=database,
            name=name,
            out=out,
            download_to=download_to,
            max_in_flight=max_in_flight,
            approve=approve,
            max_spend=max_spend,
            rate=price,
            retry_failed=retry_failed,
            timeout=timeout,
            poll=poll,
        )
        return await submit(campaign, jobs, output)
    options = CommandOptions(
        jobs=jobs,
        out=out,
        download_to=download_to,
        max_in_flight=max_in_flight,
        approve=approve,
        resume=resume,
        min_balance=min_balance,
        max_spend=max_spend,
        rate=price,
        retry_failed=retry_failed,
        timeout=timeout,
        poll=poll,
    )
    async with client(poll, output.reachability.record) as heygen:
        return await make(heygen, options, output)


async def look_ahead(
    jobs: str, output: Output, *, at_once: int, approve: bool, rate: Rate | None, check: bool, dry_run: bool
) -> int:
    """
    Say what can be known of a batch before anything is paid for.

    Args:
        jobs: The file.
        output: Where it is shown.
        at_once: How many videos are made at a time.
        approve: Whether storyboards are approved.
        rate: What a second of video costs, if that is known.
        check: Whether the service is read.
        dry_run: Whether cost and time are estimated.
    """
    rows, faults = await run_in_thread(partial(_survey, jobs, "chat" if approve else "generate", check))
    if dry_run:
        show_forecast(rows, output, at_once=at_once, rate=rate)
    if not check:
        return Exit.DONE
    async with client(None) as heygen:
        return await show_findings(rows, faults, heygen, output, rate=rate)


def _survey(jobs: str, mode: Mode, allow_faults: bool) -> tuple[list[ParsedRow], list[RowFault]]:  # noqa: FBT001
    with open_jobs(jobs, mode) as file:
        items = list(file.survey() if allow_faults else file.check())
    faults = [item for item in items if isinstance(item, RowFault)]
    return [item for item in items if not isinstance(item, RowFault)], faults


async def make(heygen: HeyGen, options: CommandOptions, output: Output) -> int:
    """
    Do what the user asked for.

    Args:
        heygen: The client.
        options: What they asked for.
        output: Where it is shown.
    """
    with ExitStack() as stack:
        with output.busy(f"reading {'standard input' if options.jobs == STDIN else options.jobs}"):
            plan = await run_in_thread(partial(Plan.made, stack, options))
        for words in plan.remarks:
            output.advise(words)
        plan.claim(heygen)
        with output.if_left(f"Nothing is lost. To go on: {options.command}"):
            return await BatchCommand(heygen, plan, output).run()


@dataclass(frozen=True, slots=True)
class Plan:
    """Options that have been checked; its files are open."""

    options: CommandOptions
    file: JobFile
    journal: Journal
    total: int
    remarks: list[str]

    @classmethod
    def made(cls, stack: ExitStack, options: CommandOptions) -> Plan:
        """
        Open the files, and read all rows once to see that they are good.

        Args:
            stack: What closes the files.
            options: What the user asked for.
        """
        file = stack.enter_context(open_jobs(options.jobs, "chat" if options.approve else "generate"))
        journal = None if not options.resume else stack.enter_context(Journal(options.out, resume=True))
        dropped = dict.fromkeys(journal.begun if journal else ())
        total = 0
        rows: list[ParsedRow] = []
        for row in file.check():
            total += 1
            if options.max_spend is not None:
                rows.append(row)
            dropped.pop(row.key, None)
            if journal is not None:
                journal.check(row)
        check_lengths(rows)
        journal = journal or stack.enter_context(Journal(options.out, resume=False))
        return cls(options, file, journal, total, _remarks(list(dropped)))

    def claim(self, heygen: HeyGen) -> None:
        """
        Make the sessions of earlier runs known, so that none is taken for that of another row with the same words.

        Args:
            heygen: Who looks for the sessions that nobody wrote down.

        Raises:
            UsageError: Their records are not as this program writes them.
        """
        try:
            for session_id in self.journal.sessions:
                heygen.sessions.attach(session_id)
            for begun in self.journal.begun.values():
                if begun.ref is not None:
                    heygen.sessions.restore(begun.ref)
        except InvalidArgument as error:
            raise self.journal.foreign() from error

    def jobs(self) -> Iterator[tuple[str, Job]]:
        """Yield the jobs that are left with their fingerprints, first those whose sessions must be looked for."""
        lost = {key for key, begun in self.journal.begun.items() if begun.ref is None}
        if lost:
            yield from self._jobs(lambda key: key in lost)
        yield from self._jobs(lambda key: key not in lost and key not in self.journal.ended)

    def _jobs(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Job]]:
        for row in self.file.rows():
            if wanted(row.key):
                begun = self.journal.begun.get(row.key)
                job = row.job(
                    idempotency_key=self.journal.idempotency_key(row.key),
                    timeout=self.options.timeout,
                    ref=begun and begun.ref,
                    begun_at=begun and begun.started_at,
                )
                yield row.fingerprint, job


def _remarks(dropped: list[str]) -> list[str]:
    if not dropped:
        return []
    named = ", ".join(brief(key, 30) for key in dropped[:3])
    more = f" and {len(dropped) - 3} more" if len(dropped) > 3 else ""
    return [f"Begun earlier and no longer in the file, so left alone: {named}{more}."]


class BatchCommand:
    """A batch at work: everything that happens is written down first and shown then."""

    def __init__(self, heygen: HeyGen, plan: Plan, output: Output) -> None:
        self._heygen = heygen
        self._plan = plan
        self._output = output
        self._report = Report(
            plan.journal.ends, spending=Spending.begin(plan.options.max_spend, plan.options.rate)
        )
        self._fingerprints: dict[str, str] = {}
        self._view = View(output, self._report, total=plan.total)

    @property
    def board(self) -> Board:
        """What a screen shows of it."""
        return self._view.board

    async def run(self) -> Exit:
        """Make the videos; return the exit code."""
        options = self._plan.options
        batch = self._heygen.batch(
            self._feed(),
            max_in_flight=options.max_in_flight,
            reviewer=Approve() if options.approve else None,
            on_event=self._on_event,
            download_to=options.download_to or options.out,
            min_balance=options.min_balance,
            max_spend=options.max_spend,
            rate=options.rate,
            retry_failed=options.retry_failed,
            progress=True,
        )
        with self._view:
            async with batch as outcomes:
                async for outcome in outcomes:
                    await self._end(outcome)
        self._report.spend(batch.spent, batch.reserved)
        self._conclude()
        return self._report.exit()

    async def _feed(self) -> AsyncIterator[Job]:
        jobs = self._plan.jobs()
        while chunk := await anyio.to_thread.run_sync(lambda: list(islice(jobs, _AT_A_TIME))):
            for fingerprint, job in chunk:
                self._fingerprints[job.key or ""] = fingerprint
                yield job

    async def _on_event(self, event: BatchEvent) -> None:
        journal, fingerprint = self._plan.journal, self._fingerprints.get(event.key, "")
        if event.kind == "creating" and event.started_at is not None:
            await _written(journal.intend, event.key, fingerprint, event.started_at)
        elif event.ref is not None:
            await _written(journal.note, event.key, fingerprint, event.ref)
        self._view.event(event)

    async def _end(self, outcome: Outcome) -> None:
        self._report.add(outcome)
        fingerprint = self._fingerprints.pop(outcome.key, "")
        result = result_of(outcome, fingerprint, self._plan.options.out)
        if not outcome.not_started:
            await _written(self._plan.journal.finish, result)
        self._view.end(outcome, result)

    def _conclude(self) -> None:
        self._report.show_summary(self._output)
        if any(count for end, count in self._report.ends.items() if end not in FINAL):
            self._output.advise(f"To go on: {self._plan.options.command}")


async def _written(write: Any, *words: Any) -> None:
    await anyio.to_thread.run_sync(partial(write, *words))
