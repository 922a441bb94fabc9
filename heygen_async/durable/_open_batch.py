"""
An open batch: what a user asks of it, and this process's work for it.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import anyio

from .. import _clock, _concurrency
from .._batch.job import Job, Outcome
from .._batch.output_folder import OutputFolder
from ..errors import HeyGenError, InvalidArgument
from ..models import Approve, Reply, Stop
from . import _database, _records
from ._database import Access
from ._engine import Engine
from ._job_context import JobContext, moment, outcome_of
from ._maintenance import Upkeep
from ._records import PauseRecord
from ._transitions import Store
from ._types import ENDED, BatchStatus, ChangedJob, JobCancelled, JobStatus, PendingReview, SubmitReport
from ._worker import BatchWorker

if TYPE_CHECKING:
    from .. import HeyGen
    from .._sessions.review import Answer
    from ._schema import Row
    from ._types import Settings

log = logging.getLogger("heygen_async")

_CHUNK: Final = 1_000  # jobs read before they are queued


class OpenBatch:
    """The engine, the store, and, if this process works, its station."""

    def __init__(
        self, engine: Engine, store: Store, access: Access, settings: Settings, heygen: HeyGen | None
    ) -> None:
        self._engine = engine
        self._store = store
        self._upkeep = Upkeep(engine, store.name)
        self._access = access
        self._settings = settings
        self._heygen = heygen
        self._station: BatchWorker | None = None
        self._alarm = _concurrency.Alarm()

    @classmethod
    async def open(
        cls, url: str, name: str, settings: Settings, heygen: HeyGen | None, *, work: bool
    ) -> OpenBatch:
        """
        Open a batch; see `DurableBatch.__aenter__`.

        Raises:
            ConfigError: The database cannot be used.
            ClientStateError: This process works for the batch already, or runs DBOS itself.
            DatabaseUnavailable: The database went away just now.
        """
        if settings.download_to is not None:
            await OutputFolder(settings.download_to).prepare()
        access = Access()
        engine = await access.ask(Engine.open, _database.parse(url))
        try:
            desk = cls(engine, Store(engine, name), access, settings, heygen)
            await desk._open(work=work)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(engine.close)
            raise
        return desk

    async def _open(self, *, work: bool) -> None:
        settings = self._settings
        await self._access.ask(self._store.open_queues, settings.max_in_flight, settings.poll, anew=work)
        if work:
            assert self._heygen is not None  # noqa: S101 - DurableBatch makes one to work with
            case = JobContext(self._store, self._access, self._heygen, settings)
            station = BatchWorker(self._engine, case, self._alarm.ring)
            await station.open()
            self._station = station

    async def close(self) -> None:
        """Leave in good order; see `BatchWorker.close`."""
        with anyio.CancelScope(shield=True):
            if self._station is not None:
                await self._station.close()
            await anyio.to_thread.run_sync(self._engine.close)

    # -- in --

    async def submit(self, jobs: Iterable[Job | str] | AsyncIterable[Job | str]) -> SubmitReport:
        """Queue what is not known yet; see `DurableBatch.submit`."""
        positions: dict[str, int] = {}
        waiting: list[tuple[str, str, str]] = []
        new, changed = 0, list[ChangedJob]()
        async for item in _each(jobs):
            waiting.append(_written(item, positions))
            if len(waiting) == _CHUNK:
                new += await self._queue(waiting, changed)
        new += await self._queue(waiting, changed)
        self._alarm.ring()
        return SubmitReport(new=new, known=len(positions) - new, changed=tuple(changed))

    async def _queue(self, waiting: list[tuple[str, str, str]], changed: list[ChangedJob]) -> int:
        queued, known = await self._access.ask(self._store.submit, list(waiting))
        changed += _changed(known, waiting)
        waiting.clear()
        return len(queued)

    async def find_changed(
        self, jobs: Iterable[Job | str] | AsyncIterable[Job | str]
    ) -> tuple[ChangedJob, ...]:
        """Return the jobs that read differently now; see `DurableBatch.find_changed`."""
        positions: dict[str, int] = {}
        wanted = [_written(item, positions) async for item in _each(jobs)]
        return tuple(_changed(await self._access.ask(self._store.find_changed, wanted), wanted))

    # -- out --

    async def outcomes(self) -> AsyncIterator[Outcome]:
        """Yield every job's end; see `DurableBatch.outcomes`."""
        last = 0
        while True:
            counts = await self._access.persist(self._store.counts)
            rows = await self._access.persist(self._store.ended_after, last)
            for row in rows:
                yield outcome_of(row, self._heygen)
                last = row.ended or last
            if rows:
                continue
            if not any(count for phase, count in counts.items() if phase not in ENDED):
                return
            if self._halted is not None and not self._is_busy(counts):
                async for outcome in self._not_started(self._halted):
                    yield outcome
                return
            await self._alarm.wait(_clock.now() + self._settings.poll)

    @property
    def _halted(self) -> Exception | None:
        return None if self._station is None else self._station.halted

    def _is_busy(self, counts: dict[str, int]) -> bool:
        phases = ("rendering", "answered", *(() if self._settings.reviewer is None else ("reviewing",)))
        return any(counts.get(phase) for phase in phases)

    async def _not_started(self, error: Exception) -> AsyncIterator[Outcome]:
        for row in await self._access.persist(self._store.rows, "queued", "creating"):
            yield Outcome(key=row.key, job=_records.read_job(row.job, row.key), error=error, not_started=True)

    # -- looking --

    async def status(self, *, jobs: bool) -> BatchStatus:
        """Return how far all is; see `DurableBatch.status`."""
        counts = await self._access.ask(self._store.counts)
        window = await self._access.ask(self._store.window)
        rows = await self._access.ask(self._store.rows) if jobs else []
        return BatchStatus(counts=counts, window=window, jobs=tuple(_status(row) for row in rows))

    async def pending_reviews(self) -> list[PendingReview]:
        """Return what waits for an answer; see `DurableBatch.pending_reviews`."""
        return [_pending(row) for row in await self._access.ask(self._store.rows, "reviewing")]

    # -- the user's hand --

    async def answer(self, key: str, answer: Answer) -> None:
        """Answer a pause; see `DurableBatch.answer`."""
        if not isinstance(answer, Reply | Approve | Stop):
            raise InvalidArgument("answer", f"must be Reply, Approve or Stop, not {type(answer).__name__}")
        text = _records.text(_records.write_answer(answer))
        if not await self._access.ask(self._store.answer, key, text):
            raise InvalidArgument("key", f"{key!r} does not wait for an answer")
        self._alarm.ring()

    async def cancel(self, key: str) -> bool:
        """End a job; see `DurableBatch.cancel`."""
        text = _records.text(
            _records.OutcomeRecord(
                v=_records.VERSION, error=_records.write_error(JobCancelled(f"Job {key!r} was cancelled."))
            )
        )
        while (row := await self._known(key)).phase not in ENDED:  # it may move on just now
            place, now = self._store.place(row), _clock.wall()
            if await self._access.ask(
                self._store.end, place, "cancelled", outcome=text, error="JobCancelled", ref=None, now=now
            ):
                await self._access.ask(self._upkeep.stop_work, row)
                await self._stop_session(row)
                self._alarm.ring()
                return True
        return False

    async def _stop_session(self, row: Row) -> None:
        if row.session_id is None or self._heygen is None:
            return
        try:
            await self._heygen.sessions.attach(row.session_id).stop()
        except HeyGenError as error:
            said = {"session_id": row.session_id, "key": row.key}
            log.warning(
                "Session %s could not be stopped: %s", row.session_id, type(error).__name__, extra=said
            )

    async def retry(self, keys: Iterable[str] | None) -> list[str]:
        """Begin failed jobs once more; see `DurableBatch.retry`."""
        wanted = None if keys is None else [keys] if isinstance(keys, str) else list(keys)
        for key in wanted or ():
            await self._known(key)
        begun = await self._access.ask(self._upkeep.again, wanted)
        self._alarm.ring()
        return begun

    async def purge(self, older_than: float) -> int:
        """Forget what ended long ago; see `DurableBatch.purge`."""
        return await self._access.ask(self._upkeep.purge, _clock.wall() - older_than)

    async def _known(self, key: str) -> Row:
        row = await self._access.ask(self._store.row, key)
        if row is None:
            raise InvalidArgument("key", f"{key!r} is no job of this batch")
        return row


async def _each(jobs: Iterable[Job | str] | AsyncIterable[Job | str]) -> AsyncIterator[Job | str]:
    if isinstance(jobs, AsyncIterable):
        async for item in jobs:
            yield item
    else:
        for item in jobs:
            yield item


def _written(item: Job | str, positions: dict[str, int]) -> tuple[str, str, str]:
    """Return a job as (key, prompt id, record), under a key nobody before had."""
    position = len(positions) + 1
    job = Job(item) if isinstance(item, str) else item
    key = job.key or str(position)
    before = positions.setdefault(key, position)
    if before != position:
        raise InvalidArgument("jobs", f"the key {key!r} is given twice, at {before} and {position}")
    return key, _records.prompt_id(job.prompt), _records.write_job(job)


def _changed(known: Mapping[str, str], jobs: Iterable[tuple[str, str, str]]) -> Iterator[ChangedJob]:
    for key, _, record in jobs:
        if key in known and (differences := _records.find_differences(known[key], record)):
            yield ChangedJob(key=key, differences=differences)


def _status(row: Row) -> JobStatus:
    return JobStatus(
        key=row.key,
        phase=row.phase,
        attempts=row.attempt,
        session_id=row.session_id,
        error=row.error,
        ended_at=None if row.ended_at is None else moment(row.ended_at),
    )


def _pending(row: Row) -> PendingReview:
    return PendingReview(
        key=row.key,
        job=_records.read_job(row.job, row.key),
        session_id=row.session_id or "",
        state=_records.read(PauseRecord, row.pause or "{}").state,
        since=moment(row.paused_at or 0.0),
    )
