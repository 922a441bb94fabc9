"""
One job of a batch, from the prompt to the file.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.lowlevel

from .. import _clock
from .._api import sessions as session_api
from .._http.retry import Delivery, delivery
from .._sessions.attachments import upload_files
from ..errors import HeyGenError, RateLimited
from .job import BatchEvent, Outcome
from .session_runner import SessionRunner

if TYPE_CHECKING:
    from .._resources.videos import Video
    from .._sessions.session import Session
    from ..models import Transfer
    from .concurrency import Slot
    from .job import EventKind, Job
    from .session_runner import BatchContext

log = logging.getLogger("heygen_async")


class NotStarted(Exception):
    """Creating has ended before this job was begun."""


class JobRunner:
    """Runs a job; its slot is attempted already when it begins."""

    def __init__(self, context: BatchContext, job: Job, key: str, slot: Slot) -> None:
        self._context = context
        self._job = job
        self._key = key
        self._slot = slot
        self._session: Session | None = None
        self._session_runner: SessionRunner | None = None
        self._is_recorded = False
        self._event_error: Exception | None = None

    async def run(self) -> Outcome:
        """
        Make the video; what goes wrong is in the outcome.

        Raises:
            NotStarted: Nothing is to be created any more, and nothing was.
        """
        began = _clock.now()
        video: Video | None = None
        path: Path | None = None
        error: Exception | None = None
        try:
            if self._context.folder is not None and not self._is_resumed:
                await self._context.folder.refuse_taken(self._key)
            session = await self._start()
            self._session_runner = SessionRunner(self._context, self._job, self._key, self._slot, session)
            video = await self._session_runner.run()
            path = await self._save(video)
        except NotStarted:
            raise
        except Exception as cause:  # noqa: BLE001 - a job's error is its outcome
            error = cause
        except BaseException:
            await self._leave_session()
            raise
        finally:
            self._slot.release()
        return Outcome(
            key=self._key,
            job=self._job,
            session_id=None if self._session is None else self._session.id,
            session_ref=None if self._session is None else self._session.ref(),
            video=video,
            path=path,
            error=self._event_error or error,
            states=() if self._session_runner is None else tuple(self._session_runner.states),
            elapsed=_clock.now() - began,
        )

    def _event(self, kind: EventKind) -> BatchEvent:
        session_id = None if self._session is None else self._session.id
        return BatchEvent(kind=kind, key=self._key, job=self._job, session_id=session_id)

    # -- the session --

    async def _start(self) -> Session:
        if self._job.ref is None:
            self._session = session = await self._create()
        else:
            self._session = session = self._context.factory.resume(self._job.ref)
        self._slot.accept()
        await self._emit_created(session)
        return session

    async def _create(self) -> Session:
        job, factory = self._job, self._context.factory
        key = job.idempotency_key or str(uuid.uuid4())
        call = await upload_files(
            factory.core, job.files, partial(session_api.create, job, idempotency_key=key)
        )
        started_at = job.begun_at or datetime.fromtimestamp(_clock.wall(), UTC)
        event = replace(self._event("creating"), idempotency_key=key, started_at=started_at)
        await self._context.events.emit_or_stop(event)
        begun_at = job.begun_at
        while True:
            # A write that has begun is finished even when the job is cancelled, so it must not begin then.
            await anyio.lowlevel.checkpoint_if_cancelled()
            try:
                return await factory.create(
                    call,
                    job.prompt,
                    job.mode,
                    begun_at=begun_at,
                    raise_rate_limit=True,
                    on_orphan=self._keep_session,
                )
            except RateLimited as error:
                if delivery(error) is Delivery.FINAL:
                    raise
                self._slot.refuse(error)
            begun_at = None  # it has been looked for
            if not await self._slot.wait(unless=self._context.has_stopped):
                raise NotStarted

    def _keep_session(self, session: Session) -> None:
        self._session = session

    async def _emit_created(self, session: Session) -> None:
        """Have the caller write the session down, also while the job is being cancelled; it goes on if that fails."""
        self._is_recorded = True
        with anyio.move_on_after(self._context.factory.core.api.timeouts.write, shield=True):
            try:
                await self._context.events.emit_or_stop(replace(self._event("created"), ref=session.ref()))
            except Exception as error:  # noqa: BLE001 - it is the outcome's, after the session's end
                self._event_error = error

    async def _leave_session(self) -> None:
        """Leave the session running, or stop it; one made while the job was cancelled is still delivered."""
        session = self._session
        if session is None:
            return
        if not self._is_recorded:
            await self._emit_created(session)
        if self._event_error is not None:  # no outcome will carry it
            extra = {
                "event": "unwritten",
                "session_id": session.id,
                "error": type(self._event_error).__name__,
            }
            log.error("Session %s was not written down", session.id, exc_info=self._event_error, extra=extra)
        if self._context.on_exit == "stop" and not (session.state and session.state.is_terminal):
            with anyio.move_on_after(self._context.factory.core.api.timeouts.write, shield=True):
                await _stop(session)

    # -- the file --

    async def _save(self, video: Video) -> Path | None:
        folder = self._context.folder
        if folder is None:
            return None
        path = await folder.save(video, self._key, again=self._is_resumed, on_progress=self._emit_transfer)
        await self._context.events.emit(replace(self._event("downloaded"), path=path))
        return path

    @property
    def _is_resumed(self) -> bool:
        return self._job.ref is not None or self._job.begun_at is not None

    async def _emit_transfer(self, transfer: Transfer) -> None:
        await self._context.events.emit(replace(self._event("downloading"), transfer=transfer))


async def _stop(session: Session) -> None:
    try:
        await session.stop()
    except HeyGenError as error:
        extra = {"event": "stop_failed", "session_id": session.id, "error": type(error).__name__}
        log.warning("Session %s could not be stopped: %s", session.id, type(error).__name__, extra=extra)
