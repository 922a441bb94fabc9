"""
One job of a local batch, from the prompt to the file.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio

from .. import _clock
from .._sessions import review
from ..errors import HeyGenError
from ..models import Reply, Stop
from .concurrency import NotStarted
from .create import MemoryStore, create_session
from .job import BatchEvent, Outcome
from .session_runner import SessionHistory, SessionRunner

if TYPE_CHECKING:
    from .._resources.videos import Video
    from .._sessions.create import SessionFactory
    from .._sessions.session import BatchReviewer, Session
    from ..models import Transfer
    from .budget import Budget
    from .concurrency import Slot
    from .events import EventHook
    from .job import EventKind, Job
    from .output_folder import OutputFolder

log = logging.getLogger("heygen_async")


@dataclass(frozen=True, slots=True)
class BatchContext:
    """
    What all jobs of a batch share.

    Attributes:
        factory: Makes the sessions.
        reviewer: Answers the pauses of jobs without a reviewer of their own.
        folder: Where finished videos go.
        on_exit: What becomes of a session whose job is cancelled.
        progress: Whether to emit more than transitions.
        events: Delivers what happens.
        budget: What revisions are reserved from.
    """

    factory: SessionFactory
    reviewer: BatchReviewer | None
    folder: OutputFolder | None
    on_exit: Literal["detach", "stop"]
    progress: bool
    events: EventHook
    budget: Budget | None


class JobRunner:
    """Runs a job; its slot is attempted already when it begins."""

    def __init__(self, context: BatchContext, job: Job, key: str, slot: Slot) -> None:
        self._context = context
        self._job = job
        self._key = key
        self._slot = slot
        self._history = SessionHistory()
        self._session: Session | None = None
        self._is_emitted = False
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
            session = await self._start()
            video = await self._review(session)
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
            states=tuple(self._history.states),
            elapsed=_clock.now() - began,
        )

    def _event(self, kind: EventKind) -> BatchEvent:
        session_id = None if self._session is None else self._session.id
        return BatchEvent(kind=kind, key=self._key, job=self._job, session_id=session_id)

    # -- the session --

    async def _start(self) -> Session:
        context = self._context
        if context.folder is not None and not self._is_resumed:
            await context.folder.refuse_taken(self._key)
        if self._job.ref is not None:
            self._session = session = context.factory.resume(self._job.ref)
            await self._slot.accept()
        else:
            self._session = session = await create_session(
                context.factory,
                self._job,
                self._key,
                store=MemoryStore(self._job),
                slot=self._slot,
                record=context.events.emit_or_stop,
                on_orphan=self._keep_session,
            )
        await self._emit_created(session)
        return session

    @property
    def _is_resumed(self) -> bool:
        return self._job.ref is not None or self._job.begun_at is not None

    def _keep_session(self, session: Session) -> None:
        self._session = session

    async def _emit_created(self, session: Session) -> None:
        """Have the caller write the session down, also while the job is being cancelled; it goes on if that fails."""
        self._is_emitted = True
        with anyio.move_on_after(self._context.factory.core.api.timeouts.write, shield=True):
            try:
                await self._context.events.emit_or_stop(replace(self._event("created"), ref=session.ref()))
            except Exception as error:  # noqa: BLE001 - it is the outcome's, after the session's end
                self._event_error = error

    async def _review(self, session: Session) -> Video:
        """Answer the pauses of the session until its video is there."""
        context, answers = self._context, 0
        runner = SessionRunner(
            session,
            self._job,
            self._key,
            slot=self._slot,
            emit=context.events.emit,
            history=self._history,
            timeout=context.factory.core.api.timeouts.watch,
            progress=context.progress,
        )
        while (state := await runner.follow()).is_paused:
            self._slot.pause()
            await runner.emit_pause(state)
            answer = await runner.ask(context.reviewer, state, answers)
            if answer is None:
                break
            if isinstance(answer, Stop):
                return await review.stop(session)
            if context.budget is not None and isinstance(answer, Reply):
                context.budget.reserve_revision(self._key, self._job)
            if await runner.send(answer):
                answers += 1
                await runner.emit_answer(answer)
        self._slot.release()
        return await runner.video()

    async def _leave_session(self) -> None:
        """Leave the session running, or stop it; one made while the job was cancelled is still delivered."""
        session = self._session
        if session is None:
            return
        if not self._is_emitted:
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

    async def _emit_transfer(self, transfer: Transfer) -> None:
        await self._context.events.emit(replace(self._event("downloading"), transfer=transfer))


async def _stop(session: Session) -> None:
    try:
        await session.stop()
    except HeyGenError as error:
        extra = {"event": "stop_failed", "session_id": session.id, "error": type(error).__name__}
        log.warning("Session %s could not be stopped: %s", session.id, type(error).__name__, extra=extra)
