"""
Durable batches: kill anything, lose nothing, on one machine or many. Needs `pip install heygen-async[durable]`.

    async with DurableBatch("sqlite:///campaign.db", name="spring", reviewer=Approve()) as batch:
        await batch.submit(jobs)
        async for outcome in batch.outcomes():
            print(outcome.key, outcome.video or outcome.error)

The jobs, outcomes, reviewers and events are those of `heygen.batch`. What is begun here goes on after any crash,
in this process or in another one that opens the same batch: give a PostgreSQL address, and that may be on any machine.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Self

import anyio

from .. import _clock
from .._batch.budget import check_budget, most_cost, no_money
from .._batch.job import Outcome
from .._batch.output_folder import OutputFolder
from .._concurrency import Alarm
from .._sessions.review import check_reviewer
from ..errors import (
    ClientStateError,
    ConfigError,
    HeyGenError,
    InsufficientCredit,
    InvalidArgument,
    Unauthorized,
)
from ..errors._arguments import (
    check_callable,
    check_count,
    check_number,
    check_positive,
    check_text,
    check_type,
    given,
    list_of,
)
from ..models import Approve, Reply, Stop
from . import _records
from ._outcomes import outcome_of, review_of, status_of
from ._submission import find_changed, read_chunks
from ._types import (
    ENDED,
    BatchSettings,
    BatchStatus,
    ChangedJob,
    JobCancelled,
    OnEvent,
    PendingReview,
    SubmitReport,
)

if TYPE_CHECKING:
    from .._batch.budget import Rate
    from .._batch.job import Job
    from .._client import HeyGen
    from .._sessions.session import Answer, BatchReviewer
    from ._connection import Connection
    from ._schema import JobRow
    from ._types import Phase

log = logging.getLogger("heygen_async")


class DurableBatch:
    """
    A batch that lives in a database, and is worked for by every process that has it open.

    A job is recorded before its create is sent, with the key and the time, and its session right after. What a crash
    leaves in between is searched for at the service before anything is sent again; sessions of other jobs are not
    adopted. Of one prompt only one create of a batch is under way at a time. Waiting writes nothing. A pause that is
    answered elsewhere, on the service's own page for instance, is noticed by a rare poll, about thirty times
    `poll_interval` apart, and the job goes on.

    Closing brings creates and answers under way to their checkpoint and leaves the rest to other processes, or to the
    next opening.

    What cannot be had:
        A process works for one batch at a time, and for none if it runs DBOS itself: the engine is one per process.
        With `work=False` it may have any number open, of any databases. After an error in `stop_on` a process still
        takes its share of the jobs from the queue, and returns them, until it is closed. PostgreSQL must be reached
        directly or through a pooler that keeps connections: locks of a connection show which processes live. A
        process that loses its database for long while it sends may be taken for dead; what it sent is then found at
        the service. SQLite must be on a local disk. A video is saved on the machine that saw it finished.

    Args:
        url: `sqlite:///FILE`, made if it is not there, or `postgresql://USER:PASSWORD@HOST/DATABASE`.
        name: The batch's name, 1 to 60 characters of A-Z a-z 0-9 _ . -; a database holds any number. The keys sent
            to the service are made of it and the jobs' keys: for a day the same two bring the same session.
        max_in_flight: Jobs in progress at most, on all machines together; the newest opening decides.
        reviewer: Answers the pauses, as in `heygen.batch`; without one they wait for `answer`.
        on_event: Called with what happens to jobs in this process, as in `heygen.batch`.
        download_to: A folder for the videos this process sees finished, or an address; see `HeyGen.batch`. What is in
            the way of one there is left as it is: the job ends with a `DownloadError` before it is paid for.
        heygen: Your client, used and never closed; one of its own when None.
        stop_on: Errors after which this process creates nothing more.
        work: Whether this process takes jobs; without it, it only submits, reads and answers.
        poll_interval: Seconds between two polls of the database for work and for ends.
        max_spend: Spend no more than this, in the currency of `rate`, on all machines together; see `heygen.batch`.
            It is recorded: it holds for every process, also for those that do not give it, and for later openings;
            the newest one that is given decides. A job reserves its price in the transaction that announces its
            create. One for which there is no money is `unfunded` until another has cost less than it had reserved;
            when nothing else is left, its outcome is `not_started`, and it waits for an opening with a larger budget.
        rate: What a second of video costs: needed with `max_spend`.
        retry_failed: How often a job is made again; see `heygen.batch`.

    Raises:
        InvalidArgument: A name, number or reviewer that cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        max_in_flight: int = 10,
        reviewer: BatchReviewer | None = None,
        on_event: OnEvent | None = None,
        download_to: str | os.PathLike[str] | None = None,
        heygen: HeyGen | None = None,
        stop_on: type[HeyGenError] | tuple[type[HeyGenError], ...] = (Unauthorized, InsufficientCredit),
        work: bool = True,
        poll_interval: float = 1.0,
        max_spend: float | None = None,
        rate: Rate | None = None,
        retry_failed: int = 0,
    ) -> None:
        from .._client import HeyGen

        check_text(url=url)
        _records.check_name(name)
        check_count(max_in_flight=max_in_flight)
        check_count(0, retry_failed=retry_failed)
        check_positive(poll_interval=poll_interval)
        check_reviewer(reviewer)
        check_callable(**given(on_event=on_event))
        check_type(HeyGen, "a client", **given(heygen=heygen))
        check_budget(max_spend, rate)
        kinds = (stop_on,) if isinstance(stop_on, type) else tuple(list_of("stop_on", stop_on))
        for kind in kinds:
            check_type(type, "a class of errors, or several", stop_on=kind)
        self._url = url
        self._name = name
        self._heygen = heygen
        self._work = work
        self._settings = BatchSettings(
            max_in_flight=max_in_flight,
            reviewer=reviewer,
            on_event=on_event,
            output=None if download_to is None else OutputFolder(download_to),
            stop_on=kinds,
            poll=poll_interval,
            max_spend=max_spend,
            rate=rate,
            retry_failed=retry_failed,
        )
        self._connection: Connection | None = None
        self._alarm = Alarm()
        self._own: HeyGen | None = None

    # -- open and close --

    async def __aenter__(self) -> Self:
        """
        Open the database and, with `work`, go on with what is in it.

        Raises:
            ConfigError: The database cannot be used, or the extra is not installed; nothing was created.
            ClientStateError: It is open, or this process works for a batch already, or runs DBOS itself.
            DatabaseUnavailable: The database went away just now.
        """
        if self._connection is not None:
            raise ClientStateError(
                "This batch is open.", hint="Make another DurableBatch, or close it first."
            )
        connection = await anyio.to_thread.run_sync(_import_connection)  # half a second of imports
        if self._heygen is None and self._work:
            from .._client import HeyGen

            self._own = HeyGen()
        self._alarm = Alarm()
        try:
            self._connection = await connection.open(
                self._url, self._name, self._settings, self._client if self._work else None, self._alarm.ring
            )
        except BaseException:
            await self._close_own()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave in good order; twice is the same as once. It can be opened again."""
        connection, self._connection = self._connection, None
        with anyio.CancelScope(shield=True):
            if connection is not None:
                await connection.close()
            await self._close_own()

    async def _close_own(self) -> None:
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()

    @property
    def _client(self) -> HeyGen | None:
        return self._heygen or self._own

    @property
    def _open(self) -> Connection:
        if self._connection is None:
            raise ClientStateError("This batch is not open.", hint="Use it within `async with`.")
        return self._connection

    def __repr__(self) -> str:
        return f"<DurableBatch {self._name!r} {'closed' if self._connection is None else 'open'}>"

    # -- in and out --

    async def submit(self, jobs: Iterable[Job | str] | AsyncIterable[Job | str]) -> SubmitReport:
        """
        Queue jobs by key: new ones are written down, known ones are left alone, however far they are.

        Args:
            jobs: Jobs or prompts; one without a key has its position, counted from 1. They are written down a
                thousand at a time; submit them again after a crash in between.

        Raises:
            InvalidArgument: A key is given twice, a job cannot be written down, or the batch has a budget and a job
                does not say how long its video will be.
            DatabaseUnavailable: The database does not answer.
            ClientStateError: The batch is not open.
        """
        database, repository = self._open.access, self._open.store
        positions: dict[str, int] = {}
        new, changed = 0, list[ChangedJob]()
        money = await database.ask(repository.money)
        async for chunk in read_chunks(jobs, positions, None if money is None else money.rate):
            queued, known = await database.ask(repository.submit, chunk)
            new += len(queued)
            changed += find_changed(known, chunk)
        self._alarm.ring()
        return SubmitReport(new=new, known=len(positions) - new, changed=tuple(changed))

    async def find_changed(
        self, jobs: Iterable[Job | str] | AsyncIterable[Job | str]
    ) -> tuple[ChangedJob, ...]:
        """
        Return the jobs that the batch knows under their keys and that read differently now; nothing is written.

        Args:
            jobs: Jobs or prompts, as for `submit`, which leaves such jobs as they are.

        Raises:
            InvalidArgument: A key is given twice, or a job cannot be written down.
            DatabaseUnavailable: The database does not answer.
            ClientStateError: The batch is not open.
        """
        database, repository = self._open.access, self._open.store
        changed: list[ChangedJob] = []
        async for chunk in read_chunks(jobs, {}):
            changed += find_changed(await database.ask(repository.find_changed, chunk), chunk)
        return tuple(changed)

    def outcomes(self) -> AsyncIterator[Outcome]:
        """
        Iterate over the outcomes of all jobs of the batch, each once, in the order they ended.

        Those that ended before, here or elsewhere, come first. It ends when all have ended; a job that waits for an
        answer has not. After an error in `stop_on` it ends with the jobs this process did not start
        (`not_started`), which stay in the database and are taken up by the next opening; likewise, when all others
        have ended, with those for which there is no money. While the database is away, it waits.

        Raises:
            ConfigError: A later release wrote something this one cannot read.
            ClientStateError: The batch is not open.
        """
        return self._iterate(self._open)

    async def _iterate(self, connection: Connection) -> AsyncIterator[Outcome]:
        database, repository, last = connection.access, connection.store, 0
        while True:
            alive, rows, is_all = await database.persist(repository.progress, last)
            for row in rows:
                yield outcome_of(row, self._client)
                last = row.ended or last
            active, error = alive - {"unfunded"}, connection.halted_by
            is_over = not active or (error is not None and not self._is_busy(active))
            if is_over and not rows:  # whoever got some may have begun them again
                break
            if is_all and not is_over:
                await self._alarm.wait(_clock.now() + self._settings.poll)
        async for outcome in self._not_started(connection, error if active else None):
            yield outcome

    async def _not_started(self, connection: Connection, error: Exception | None) -> AsyncIterator[Outcome]:
        """Yield the outcomes of the jobs that an error has stopped; without one, of those there is no money for."""
        database, repository = connection.access, connection.store
        money = await database.persist(repository.money)
        left: tuple[Phase, ...] = ("unfunded",) if error is None else ("queued", "creating", "unfunded")
        for row in await database.persist(repository.rows, *left):
            job, why = _records.read_job(row.job, row.key), error
            if why is None:
                assert money is not None  # noqa: S101 - or none would wait for it
                why = no_money(most_cost(job, money.rate), money.rate)
            yield Outcome(key=row.key, job=job, error=why, not_started=True)

    def _is_busy(self, active: set[Phase]) -> bool:
        reviewed = () if self._settings.reviewer is None else ("reviewing",)
        return bool(active & {"rendering", "answered", *reviewed})

    async def status(self, *, jobs: bool = True) -> BatchStatus:
        """
        Return how far the batch is, on all machines together.

        Args:
            jobs: Whether to list each job, too; without, it costs the same for any number.

        Raises:
            DatabaseUnavailable: The database does not answer.
            ClientStateError: The batch is not open.
        """
        database, repository = self._open.access, self._open.store
        counts = await database.ask(repository.counts)
        window = await database.ask(repository.window)
        rows = await database.ask(repository.rows) if jobs else []
        money = await database.ask(repository.money)
        status = BatchStatus(counts=counts, window=window, jobs=tuple(status_of(row) for row in rows))
        if money is None:
            return status
        return replace(
            status,
            spent=money.spent,
            reserved=money.reserved,
            max_spend=money.max_spend,
            currency=money.rate.currency,
        )

    # -- reviews --

    async def pending_reviews(self) -> list[PendingReview]:
        """
        Return the jobs that wait for an answer, in the order they were submitted.

        Raises:
            DatabaseUnavailable: The database does not answer.
            ClientStateError: The batch is not open.
        """
        rows = await self._open.access.ask(self._open.store.rows, "reviewing")
        return [review_of(row) for row in rows]

    async def answer(self, key: str, answer: Answer) -> None:
        """
        Answer the pause of a job; a process that works for the batch passes it on.

        Args:
            key: The job's key.
            answer: `Reply`, `Approve` or `Stop`.

        Raises:
            InvalidArgument: The job does not wait for one (any more), or this is none.
            DatabaseUnavailable: The database does not answer.
            ClientStateError: The batch is not open.
        """
        if not isinstance(answer, Reply | Approve | Stop):
            raise InvalidArgument("answer", f"must be Reply, Approve or Stop, not {type(answer).__name__}")
        record = _records.text(_records.write_answer(answer))
        if not await self._open.access.ask(self._open.store.answer, key, record):
            raise InvalidArgument("key", f"{key!r} does not wait for an answer")
        self._alarm.ring()

    # -- changing one's mind --

    async def cancel(self, key: str) -> bool:
        """
        End a job, and stop its session if it has one; its outcome's error is `JobCancelled`.

        Args:
            key: The job's key.

        Returns:
            Whether it had not ended yet.

        Raises:
            InvalidArgument: No such job.
            DatabaseUnavailable: The database does not answer.
            ClientStateError: The batch is not open.
        """
        database, repository = self._open.access, self._open.store
        error = _records.write_error(JobCancelled(f"Job {key!r} was cancelled."))
        outcome = _records.text(_records.OutcomeRecord(v=_records.VERSION, error=error))
        while (row := await self._known(key)).phase not in ENDED:  # it may move on just now
            stage, now = repository.stage(row), _clock.wall()
            if await database.ask(
                repository.end,
                stage,
                "cancelled",
                outcome=outcome,
                error="JobCancelled",
                ref=None,
                now=now,
                seconds=0.0 if row.session_id is None and row.sent_at is None else None,
            ):
                await database.ask(self._open.maintenance.stop_work, row)
                await self._stop_session(row)
                self._alarm.ring()
                return True
        return False

    async def _stop_session(self, row: JobRow) -> None:
        if row.session_id is None or self._client is None:
            return
        try:
            await self._client.sessions.attach(row.session_id).stop()
        except HeyGenError as error:
            extra = {"session_id": row.session_id, "key": row.key}
            log.warning(
                "Session %s could not be stopped: %s", row.session_id, type(error).__name__, extra=extra
            )

    async def _known(self, key: str) -> JobRow:
        row = await self._open.access.ask(self._open.store.row, key)
        if row is None:
            raise InvalidArgument("key", f"{key!r} is no job of this batch")
        return row

    async def retry(self, keys: Iterable[str] | None = None) -> list[str]:
        """
        Begin jobs once more that failed or were cancelled; their next outcome comes anew.

        A job whose session has not failed goes on with it (it was late, or its video could not be saved): only a
        session that failed or was cancelled is paid for anew.

        Args:
            keys: Which; None for all that failed.

        Returns:
            The keys of those that were begun.

        Raises:
            InvalidArgument: No such job.
            DatabaseUnavailable: The database does not answer.
            ClientStateError: The batch is not open.
        """
        wanted = None if keys is None else [keys] if isinstance(keys, str) else list_of("keys", keys)
        for key in wanted or ():
            await self._known(key)
        begun = await self._open.access.ask(self._open.maintenance.begin_again, wanted)
        self._alarm.ring()
        return begun

    async def purge(self, older_than: float) -> int:
        """
        Forget the jobs that ended long ago; submitting one of them again makes it anew.

        Args:
            older_than: Seconds since they ended.

        Returns:
            How many.

        Raises:
            InvalidArgument: Not a number of seconds.
            DatabaseUnavailable: The database does not answer.
            ClientStateError: The batch is not open.
        """
        check_number(0, math.inf, older_than=older_than)
        return await self._open.access.ask(self._open.maintenance.purge, _clock.wall() - older_than)


def _import_connection() -> type[Connection]:
    try:
        from ._connection import Connection
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] == "heygen_async":
            raise
        raise ConfigError(
            f"Durable batches need the package {error.name}.", hint="pip install heygen-async[durable]"
        ) from error
    return Connection
