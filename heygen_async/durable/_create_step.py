"""
The steps that cost money: announce a create, then send it, or find out what became of one sent before.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from .. import _clock
from .._batch.job import BatchEvent, Job
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

log = logging.getLogger("heygen_async")

_TURN_SECONDS: Final = 0.5  # between two checks whether another create of the same prompt is through


class Creating:
    """Announces and creates, for one open batch."""

    def __init__(self, context: JobContext, halt: Callable[[Exception], None]) -> None:
        self._context = context
        self._halt = halt

    async def announce(self, stage: Stage) -> str:
        """Record that a create is about to be sent, with which key and when."""
        row = await self._context.row(stage, "queued", "creating", "rendering")
        if row.session_id is None:
            try:
                await self._refuse_taken(row)
                await _announce(self._context, stage, row)
            except (InvalidArgument, DownloadError) as error:
                await self._context.end(stage, error=error)
                return NOTHING
        return FOLLOW

    async def _refuse_taken(self, row: JobRow) -> None:
        """
        Say that a job's file is there already, before anything is paid for.

        Raises:
            DownloadError: It is, and this process would save the video there.
        """
        folder = self._context.settings.output
        if folder is not None and row.phase == "queued":
            await folder.refuse_taken(row.key)

    async def create(self, stage: Stage) -> str:
        """Make the session, once."""
        context, sender = self._context, self._context.sender()
        row = await context.access.persist(context.store.claim, stage, sender)
        if row.session_id is not None:
            return FOLLOW  # made by a process that could not record it at the engine
        job = _records.read_job(row.job, row.key)
        try:
            session = await self._make(stage, sender, row, job)
        except context.settings.stop_on as error:
            if not may_be_done(error):
                await context.access.persist(context.store.not_created, stage, sender, "queued")
            # Otherwise it stays announced, with the time it was sent: the next opening searches for it.
            self._halt(error)
            raise asyncio.CancelledError from error
        except HeyGenError as error:
            if not await context.end(stage, error=error, sender=sender):
                raise MovedOn from error
            return NOTHING
        return await self._go_on(stage, session, job)

    async def _make(self, stage: Stage, sender: str, row: JobRow, job: Job) -> Session:
        context, store = self._context, RowStore(self._context, stage, sender, row, job)
        if job.ref is not None and row.attempt == 1:
            session = context.heygen._factory.resume(job.ref)
            if await store.own(session):
                return session
            raise InvalidArgument("ref", f"names session {session.id}, which is another job's")
        slot = context.limit.slot(partial(context.sending.discard, stage))
        try:
            return await create_session(
                context.heygen._factory, job, row.key, store=store, slot=slot, record=context.emit
            )
        finally:
            slot.release()

    async def _go_on(self, stage: Stage, session: Session, job: Job) -> str:
        row = await self._context.access.persist(self._context.store.row, stage.key)
        if row is not None and row.phase == "cancelled":
            await session.stop()
            return NOTHING
        created = BatchEvent(kind="created", key=stage.key, job=job, session_id=session.id, ref=session.ref())
        try:
            await self._context.emit(created)
        except Exception as error:  # noqa: BLE001 - a user's
            self._halt(error)  # who cannot record what exists should not get more of it
        return FOLLOW


class RowStore:
    """The record of a create in the job's row; see `_batch.session_runner.CreateStore`."""

    def __init__(self, context: JobContext, stage: Stage, sender: str, row: JobRow, job: Job) -> None:
        self._context = context
        self._stage = stage
        self._sender = sender
        self._row = row
        self._job = job

    @property
    def key(self) -> str:
        """The key that was announced."""
        return self._row.create_key or _key_of(self._context, self._row)

    @property
    def started_at(self) -> datetime:
        """When it was announced."""
        return moment(_clock.wall() if self._row.begun_at is None else self._row.begun_at)

    async def announce(self) -> datetime | None:
        """Record the attempt; see that the client takes no session of another job for its own."""
        self._row = await _announce(self._context, self._stage, self._row)
        await self._context.attach_sessions_of(self._row.prompt_id)
        if self._row.sent_at is not None:
            await self._context.learn_of_others(self._row.sent_at)
            return moment(self._row.sent_at)
        return self._job.begun_at if self._row.attempt == 1 else None

    async def permit(self) -> None:
        """Raise `MovedOn` if another process has taken the job over; else record when it is sent."""
        context = self._context
        await context.access.persist(context.store.permit, self._stage, self._sender, _clock.wall())
        context.sending.add(self._stage)

    async def withdraw(self) -> None:
        """Record that there is nothing to search for."""
        await self._context.access.persist(self._context.store.not_created, self._stage, self._sender)

    async def own(self, session: Session) -> bool:
        """Record the session as this job's, unless it is another's."""
        ref = session.ref().decode()
        context = self._context
        return await context.access.persist(context.store.own, self._stage, session.id, ref, _clock.wall())


async def _announce(context: JobContext, stage: Stage, row: JobRow) -> JobRow:
    """Announce once no other create of the same prompt is under way: their sessions could not be distinguished."""
    key = _key_of(context, row)
    while not await context.access.persist(context.store.begin_create, stage, key, _clock.wall()):
        await _clock.sleep(_TURN_SECONDS)
    return await context.row(stage, "creating")


def _key_of(context: JobContext, row: JobRow) -> str:
    return _records.create_key(context.store.name, row.key, row.attempt, _records.read_job(row.job, row.key))
