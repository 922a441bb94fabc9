"""
The steps that cost money: announce a create, then send it, or find out what became of one sent before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import structs

from .. import _clock
from .._batch.job import BatchEvent
from .._batch.session_runner import create_session
from .._http.retry import may_be_done
from ..errors import DownloadError, HeyGenError, InvalidArgument
from . import _records
from ._outcomes import moment
from ._schema import MovedOn
from ._workflows import FOLLOW, NOTHING

if TYPE_CHECKING:
    from datetime import datetime

    from .. import Session
    from ._job_context import JobContext
    from ._schema import JobRow, Stage
    from ._types import Phase

log = logging.getLogger("heygen_async")

_TURN_SECONDS: Final = 0.5  # between two checks whether another create of the same prompt is through


class Creating:
    """Creates, for one open batch."""

    def __init__(self, context: JobContext, halt: Callable[[Exception], None]) -> None:
        self._context = context
        self._halt = halt

    async def create(self, stage: Stage) -> str:
        """Announce the create, and make the session, once."""
        context = self._context
        try:
            row = await self._announce(stage)
        except (InvalidArgument, DownloadError) as error:
            await context.end(stage, error=error)
            return NOTHING
        if row.session_id is not None:
            return FOLLOW  # made by a process that could not record it at the engine
        store = RowStore(context, stage, row)
        try:
            session = await self._make(store)
        except context.settings.stop_on as error:
            if not may_be_done(error):
                await store.withdraw("queued")
            # Otherwise it stays announced, with the time it was sent: the next opening searches for it.
            self._halt(error)
            raise asyncio.CancelledError from error
        except HeyGenError as error:
            if not await context.end(stage, error=error, sender=store.sender):
                raise MovedOn from error
            return NOTHING
        return await self._go_on(store, session)

    async def _announce(self, stage: Stage) -> JobRow:
        """
        Record that a create is about to be sent, with which key, when and by whom.

        It waits until no other create of the same prompt is under way: their sessions could not be distinguished.

        Raises:
            DownloadError: The job's file is there already, and this process would save the video there.
            InvalidArgument: The job does not say how long its video will be, and the batch has a budget.
        """
        context, folder = self._context, self._context.settings.output
        if folder is not None:
            row = await context.row(stage, "queued", "creating", "rendering")
            if row.phase == "queued":
                await folder.refuse_taken(row.key)
        sender = context.sender()
        while True:
            begun = await context.access.persist(context.store.begin_create, stage, sender, _clock.wall())
            if begun is not None:
                return begun
            await _clock.sleep(_TURN_SECONDS)

    async def _make(self, store: RowStore) -> Session:
        context, job, stage = self._context, store.job, store.stage
        if job.ref is not None and stage.attempt == 1:
            session = context.heygen._factory.resume(job.ref)
            if await store.own(session):
                return session
            raise InvalidArgument("ref", f"names session {session.id}, which is another job's")
        slot = context.limit.slot(partial(context.sending.discard, stage))
        try:
            return await create_session(
                context.heygen._factory, job, stage.key, store=store, slot=slot, record=context.emit
            )
        finally:
            slot.release()

    async def _go_on(self, store: RowStore, session: Session) -> str:
        if store.row.phase == "cancelled":
            await session.stop()
            return NOTHING
        self._context.keep(store.stage, store.row)
        created = BatchEvent(
            kind="created", key=store.stage.key, job=store.job, session_id=session.id, ref=session.ref()
        )
        try:
            await self._context.emit(created)
        except Exception as error:  # noqa: BLE001 - a user's
            self._halt(error)  # who cannot record what exists should not get more of it
        return FOLLOW


class RowStore:
    """
    The record of a create in the job's row; see `_batch.session_runner.CreateStore`.

    Attributes:
        stage: Which part of the job's life it belongs to.
        row: The row as it is now, as far as this process knows.
        sender: Who may send the create.
        job: What is to be made.
    """

    def __init__(self, context: JobContext, stage: Stage, row: JobRow) -> None:
        assert row.sender is not None  # noqa: S101 - announced before
        self.stage = stage
        self.row = row
        self.sender = row.sender
        self.job = _records.read_job(row.job, row.key)
        self._context = context

    @property
    def key(self) -> str:
        """The key that was announced."""
        assert self.row.create_key is not None  # noqa: S101 - likewise
        return self.row.create_key

    @property
    def started_at(self) -> datetime:
        """When it was announced."""
        return moment(_clock.wall() if self.row.begun_at is None else self.row.begun_at)

    async def announce(self) -> datetime | None:
        """Return since when an earlier attempt may have been sent; this one is recorded already."""
        begun_at = self.job.begun_at if self.stage.attempt == 1 else None
        if self.row.sent_at is not None:
            await self._context.learn_of_others(self.row.sent_at)
            begun_at = moment(self.row.sent_at)
        if begun_at is not None:
            await self._context.attach_sessions_of(self.row.prompt_id)
        return begun_at

    async def permit(self) -> None:
        """
        Record when it is sent; see that the client takes no session of another job for its own.

        Raises:
            MovedOn: Another process has taken the job over.
        """
        permit, now = self._context.store.permit, _clock.wall()
        sent_at = now if self.row.sent_at is None else self.row.sent_at
        self.row, others = await self._context.access.persist(permit, self.stage, self.sender, sent_at, now)
        self._context.attach(others)
        self._context.sending.add(self.stage)

    async def withdraw(self, phase: Phase = "creating") -> None:
        """Record that there is nothing to search for."""
        withdraw = self._context.store.not_created
        await self._context.access.persist(withdraw, self.stage, self.sender, phase)
        self.row = structs.replace(self.row, phase=phase, sent_at=None)

    async def own(self, session: Session) -> bool:
        """Record the session as this job's, unless it is another's."""
        row = await self._context.access.persist(
            self._context.store.own,
            self.stage,
            self.row.prompt_id,
            session.id,
            session.ref().decode(),
            _clock.wall(),
        )
        self.row = row or self.row
        return row is not None
