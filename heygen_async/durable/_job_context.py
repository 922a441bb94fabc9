"""
What all steps of a job share: reading its row, emitting events, recording its end.
"""

from __future__ import annotations

import inspect
import logging
import uuid
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from msgspec import structs

from .. import _clock
from .._batch.budget import paid_seconds
from .._batch.job import BatchEvent, Outcome
from .._batch.second_tries import Balance, may_succeed_again
from .._batch.session_runner import SessionRunner
from .._sessions.evidence import SKEW
from . import _records
from ._concurrency import SharedLimit
from ._outcomes import outcome_of
from ._records import VERSION, OutcomeRecord
from ._schema import MovedOn
from ._types import ALIVE, DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from .. import HeyGen, Session
    from .._http.open_writes import SendGuard
    from ..models import VideoInfo
    from ._concurrency import SharedSlot
    from ._database import Access
    from ._money import Money
    from ._repository import Repository
    from ._schema import JobRow, Stage
    from ._types import BatchSettings, Phase

log = logging.getLogger("heygen_async")


class JobContext:
    """
    One open batch, as its steps see it.

    Attributes:
        store: What is written down.
        access: The way there.
        heygen: The client.
        settings: What the user asked for.
        sending: The paid requests on their way now: closing waits for them, and for their checkpoints.
        limit: How many jobs may be in progress.
    """

    def __init__(self, store: Repository, access: Access, heygen: HeyGen, settings: BatchSettings) -> None:
        self.store = store
        self.access = access
        self.heygen = heygen
        self.settings = settings
        self.sending: set[Stage] = set()
        self.limit = SharedLimit(
            store, access, settings.max_in_flight, longest_pace=heygen._core.api.retry.max_retry_after
        )
        self._known: dict[Stage, JobRow] = {}
        self._attached: set[str] = set()
        self._money: Money | None = None

    def sender(self) -> str:
        """Return a new name for a sender: of those of a job the newest, which is in its row, may send."""
        return uuid.uuid4().hex

    async def row(self, stage: Stage, *phases: Phase) -> JobRow:
        """
        Return the row of a job that is where a step thinks it is, as the step before left it if that was here.

        Raises:
            MovedOn: It is not.
        """
        row = self.take(stage) or await self.access.persist(self.store.row, stage.key)
        if row is None or (row.attempt, row.turn) != (stage.attempt, stage.turn) or row.phase not in phases:
            raise MovedOn
        return row

    def keep(self, stage: Stage, row: JobRow) -> None:
        """
        Keep a row for the step that follows, which need not read it then.

        It may be old by then, as one that was read may: what a step writes is refused if the job has moved on.
        """
        self._known[stage] = row

    def take(self, stage: Stage) -> JobRow | None:
        """Take what was kept of a job; None when there is nothing."""
        return self._known.pop(stage, None)

    def session(self, row: JobRow, permit: SendGuard | None = None) -> Session:
        """Return the session of a job, as it was known when it was last written down; see `SessionFactory.restore`."""
        assert row.ref is not None  # noqa: S101 - written with the session's id
        return self.heygen._factory.restore(row.ref, permit)

    def take_up(self, row: JobRow, permit: SendGuard | None = None) -> Session:
        """Return the session of a job, whose trace goes on with the step that runs: each is a task of its own."""
        session = self.session(row, permit)
        self.heygen._core.scheduler.trackers.tracing.join(session.id)
        return session

    def runner(self, row: JobRow, session: Session, slot: SharedSlot | None = None) -> SessionRunner:
        """Return what runs the session of a job, as far as it was when it was last recorded."""
        return SessionRunner(
            session,
            _records.read_job(row.job, row.key),
            row.key,
            slot=slot or self.limit.slot(),
            emit=self.emit_or_log,
            history=_records.read_history(row.states),
            timeout=self.heygen._core.api.timeouts.watch,
            progress=True,
        )

    async def attach_sessions_of(self, prompt_id: str) -> None:
        """Have the client know the sessions that were made of a prompt; see `attach`."""
        self.attach(await self.access.persist(self.store.sessions_of, prompt_id, _clock.wall()))

    async def learn_of_others(self, sent_at: float) -> None:
        """
        Have the client know all that may be mistaken for the session of a create that an earlier process sent.

        Prompts of one batch are often alike ("Film 1" and "Film 12"), and a service may show them cut short.
        """
        self.attach(await self.access.persist(self.store.sessions_since, sent_at - SKEW))
        rows = await self.access.persist(self.store.creates_in_doubt)
        prompts = {_records.read_job(row.job, row.key).prompt for row in rows}
        self.heygen._factory.recovery.prompts_elsewhere = prompts

    def attach(self, session_ids: Iterable[str]) -> None:
        """Have the client know sessions that other jobs made, so that it adopts none of them."""
        for session_id in session_ids:
            if session_id not in self._attached:
                self._attached.add(session_id)
                self.heygen.sessions.attach(session_id)

    async def emit(self, event: BatchEvent) -> None:
        """Call `on_event`, with what the batch has spent now; what that raises is raised."""
        if self.settings.on_event is None:
            return
        with suppress(DatabaseUnavailable):  # then with what was known last
            self._money = await self.access.ask(self.store.money)
        if self._money is not None:
            event = replace(event, spent=self._money.spent, reserved=self._money.reserved)
        result: Any = self.settings.on_event(event)
        if inspect.isawaitable(result):
            await result

    async def emit_or_log(self, event: BatchEvent) -> None:
        """Call `on_event`; what that raises is logged."""
        try:
            await self.emit(event)
        except Exception:
            log.exception("on_event failed on %s of %s", event.kind, event.key, extra={"key": event.key})

    async def end(
        self,
        stage: Stage,
        *,
        row: JobRow | None = None,
        error: Exception | None = None,
        video: VideoInfo | None = None,
        path: str | None = None,
        among: Collection[Phase] = ALIVE,
        sender: str | None = None,
    ) -> bool:
        """
        Record how a job ended and emit it, or that it is made again.

        Args:
            stage: Which part of the job's life this is the end of.
            row: The job as the step knows it, with the newest of its session; read when None.
            error: Why it failed.
            video: What it made.
            path: Where that was saved.
            among: The phases that can be ended so.
            sender: Who may still speak for the job; None for anybody.

        Returns:
            False when it had ended before, or has gone on; see `Repository.end`.
        """
        states = None if row is None else row.states
        row = row or await self.access.persist(self.store.row, stage.key)
        if row is None:
            return False
        if error is not None and await self._try_again(stage, row, error, among, sender):
            return True
        now = _clock.wall()
        record = OutcomeRecord(
            v=VERSION,
            video=video,
            path=path,
            error=None if error is None else _records.write_error(error),
            elapsed=0.0 if row.begun_at is None else max(0.0, now - row.begun_at),
            failures=_records.read_failures(row.outcome),
        )
        outcome, ref = _records.text(record), self._newest_ref(row)
        is_new = await self.access.persist(
            self.store.end,
            stage,
            "failed" if error else "completed",
            outcome=outcome,
            error=None if error is None else f"{type(error).__name__}: {error}",
            ref=ref,
            now=now,
            seconds=paid_seconds(video=video, error=error, session_id=row.session_id),
            states=states,
            among=among,
            sender=sender,
        )
        if is_new and self.settings.on_event is not None:
            ended = outcome_of(structs.replace(row, outcome=outcome, ref=ref), self.heygen)
            await self.emit_or_log(BatchEvent(kind="ended", key=stage.key, outcome=ended))
        return is_new

    async def _try_again(
        self, stage: Stage, row: JobRow, error: Exception, among: Collection[Phase], sender: str | None
    ) -> bool:
        """Queue a job again whose session failed early, as often as allowed; see `_batch.second_tries`."""
        failures, ref = _records.read_failures(row.outcome), self._newest_ref(row)
        states = tuple(_records.read_history(row.states).states)
        outcome = Outcome(
            key=row.key, error=error, session_ref=None if ref is None else ref.encode(), states=states
        )
        if len(failures) >= self.settings.retry_failed or not may_succeed_again(outcome):
            return False
        money = await self.access.persist(self.store.money)
        if money is not None:
            wallet = Balance(self.heygen._core, money.balance)
            if await wallet.fell_by_more_than(money.spent + money.reserved):
                return False
        record = OutcomeRecord(v=VERSION, failures=(*failures, _records.write_error(error)))
        return await self.access.persist(
            self.store.begin_second_try, stage, outcome=_records.text(record), among=among, sender=sender
        )

    def _newest_ref(self, row: JobRow) -> str | None:
        return None if row.session_id is None or row.ref is None else self.session(row).ref().decode()
