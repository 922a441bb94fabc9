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
from .._api import sessions as session_api
from .._batch.job import BatchEvent, Job
from .._sessions.attachments import upload_files
from ..errors import HeyGenError, InvalidArgument, OutcomeUnknown, RateLimited
from . import _records
from ._job_context import moment
from ._schema import MovedOn
from ._workflows import FOLLOW, NOTHING

if TYPE_CHECKING:
    from datetime import datetime

    from .. import Session
    from ._concurrency import Window
    from ._job_context import JobContext
    from ._schema import Place, Row

log = logging.getLogger("heygen_async")

_TURN_SECONDS: Final = 0.5  # between two looks whether another create of the same prompt is through
_UNPACED_SECONDS: Final = 5.0
_TAKES: Final = 3  # sessions in a row that turn out to be another job's


class Creating:
    """Announces and creates, for one open batch."""

    def __init__(self, case: JobContext, window: Window, halt: Callable[[Exception], None]) -> None:
        self._case = case
        self._window = window
        self._halt = halt
        self._attached: set[str] = set()

    async def announce(self, place: Place) -> str:
        """Write down that a create is about to be sent, with which key and when."""
        row = await self._case.row(place, "queued", "creating", "rendering")
        if row.session_id is None:
            await self._announced(place, row)
        return FOLLOW

    async def create(self, place: Place) -> str:
        """Make the session, once."""
        sender = self._case.sender()
        row = await self._case.access.persist(self._case.store.claim, place, sender)
        if row.session_id is not None:
            return FOLLOW  # made by a process that could not tell the engine any more
        job = _records.read_job(row.job, row.key)
        try:
            session = await self._made(place, sender, row, job)
        except self._case.settings.stop_on as error:
            await self._case.access.persist(self._case.store.not_created, place, sender, "queued")
            self._halt(error)
            raise asyncio.CancelledError from error
        except HeyGenError as error:
            if not await self._case.end(place, error=error, sender=sender):
                raise MovedOn from error
            return NOTHING
        return await self._go_on(place, session, job)

    async def _go_on(self, place: Place, session: Session, job: Job) -> str:
        row = await self._case.access.persist(self._case.store.row, place.key)
        if row is not None and row.phase == "cancelled":
            await session.stop()
            return NOTHING
        created = BatchEvent(kind="created", key=place.key, job=job, session_id=session.id, ref=session.ref())
        try:
            await self._case.tell(created)
        except Exception as error:  # noqa: BLE001 - a user's
            self._halt(error)  # whoever cannot write down what exists should not get more of it
        await self._window.widen()
        return FOLLOW

    async def _announced(self, place: Place, row: Row) -> Row:
        """Announce, once no other create of the same prompt is under way: nobody could tell their sessions apart."""
        case = self._case
        key = _records.create_key(case.store.name, row.key, row.attempt, _records.read_job(row.job, row.key))
        while not await case.access.persist(case.store.begin_create, place, key, _clock.wall()):
            await _clock.sleep(_TURN_SECONDS)
        return await case.row(place, "creating")

    async def _made(self, place: Place, sender: str, row: Row, job: Job) -> Session:
        if job.ref is not None and row.attempt == 1:
            session = self._case.heygen._factory.resume(job.ref)
            if await self._owned(place, session):
                return session
            raise InvalidArgument("ref", f"names session {session.id}, which is another job's")
        for _ in range(_TAKES):
            made = await self._sent(place, sender, row, job)
            if made is not None:
                return made
        raise OutcomeUnknown(
            "The sessions found for this job are those of other jobs.",
            idempotency_key=row.create_key or "",
            started_at=moment(row.begun_at or 0.0),
        )

    async def _owned(self, place: Place, session: Session) -> bool:
        ref = session.ref().decode()
        return await self._case.access.persist(self._case.store.own, place, session.id, ref, _clock.wall())

    async def _sent(self, place: Place, sender: str, row: Row, job: Job) -> Session | None:
        """Send the create until the service has room for it; None when what came of it is another job's."""
        while True:
            row = await self._announced(place, row)
            await self._attach(row)
            try:
                session = await self._send(place, sender, row, job)
                return session if await self._owned(place, session) else None
            except RateLimited as error:
                if error.code == "quota_exceeded":
                    raise
                await self._case.access.persist(self._case.store.not_created, place, sender)
                pause = error.retry_after or _UNPACED_SECONDS
            finally:
                self._case.sending.discard(place)
            await self._window.narrow()
            await _clock.sleep(pause)

    async def _send(self, place: Place, sender: str, row: Row, job: Job) -> Session:
        factory, store = self._case.heygen._factory, self._case.store
        await self._case.tell(
            BatchEvent(
                kind="creating",
                key=place.key,
                job=job,
                idempotency_key=row.create_key,
                started_at=moment(row.begun_at or 0.0),
            )
        )
        call = await upload_files(
            factory.core, job.files, partial(session_api.create, job, idempotency_key=row.create_key)
        )

        async def permit() -> None:
            await self._case.access.persist(store.permit, place, sender, _clock.wall())
            self._case.sending.add(place)

        return await factory.create(
            call,
            job.prompt,
            job.mode,
            begun_at=_sent_before(row, job),
            raise_rate_limit=True,
            send_guard=permit,
        )

    async def _attach(self, row: Row) -> None:
        """Tell the client which sessions of this prompt are taken, so that it does not take them for ours."""
        taken = await self._case.access.persist(self._case.store.sessions_of, row.prompt_id, _clock.wall())
        for session_id in taken:
            if session_id not in self._attached:
                self._attached.add(session_id)
                self._case.heygen.sessions.attach(session_id)


def _sent_before(row: Row, job: Job) -> datetime | None:
    """Return when this create may have been sent already, None when it was not."""
    if row.sent_at is not None:
        return moment(row.sent_at)
    return job.begun_at if row.attempt == 1 else None
