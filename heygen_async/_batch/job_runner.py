"""
One job of a local batch, from the prompt to the file.
"""

from __future__ import annotations

import inspect
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio

from .. import _clock
from .._redact import clean
from .._sessions.review import check_reviewer
from .._sessions.session import stop_session
from ..errors import HeyGenError
from ..errors._arguments import check_callable, check_choice, check_count, check_positive, check_type, given
from ..models import Reply, Stop
from .concurrency import NotStarted
from .job import BatchEvent, Outcome
from .session_runner import MemoryStore, SessionRunner, create_session

if TYPE_CHECKING:
    from .._resources.videos import Video
    from .._sessions.create import SessionFactory
    from .._sessions.session import BatchReviewer, Session
    from ..models import Transfer
    from .budget import Budget
    from .concurrency import Slot
    from .job import Job
    from .output_folder import OutputFolder

log = logging.getLogger("heygen_async")

OnEvent = Callable[[BatchEvent], Awaitable[None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBatchOptions:
    """
    How a batch treats its jobs; see `HeyGen.batch`.

    Raises:
        InvalidArgument: One of them is out of range.
    """

    max_in_flight: int
    max_paused: int
    reviewer: BatchReviewer | None
    on_event: OnEvent | None
    folder: OutputFolder | None
    stop_on: tuple[type[Exception], ...]
    on_exit: Literal["detach", "stop"]
    min_balance: float | None
    progress: bool
    budget: Budget
    retry_failed: int

    def __post_init__(self) -> None:
        check_count(max_in_flight=self.max_in_flight, max_paused=self.max_paused)
        check_count(0, retry_failed=self.retry_failed)
        check_choice(("detach", "stop"), on_exit=self.on_exit)
        check_positive(**given(min_balance=self.min_balance))
        check_callable(**given(on_event=self.on_event))
        for kind in self.stop_on:
            check_type(type, "a class of errors, or several", stop_on=kind)
        check_reviewer(self.reviewer)


@dataclass(frozen=True, slots=True)
class EventHook:
    """
    Delivers what happens to the caller's `on_event`.

    Args:
        options: Have the callback, and the budget whose figures each event carries.
        stop: Ends creating, for this reason.
    """

    _options: LocalBatchOptions
    _stop: Callable[[Exception], None]

    async def emit(self, event: BatchEvent) -> None:
        """
        Deliver an event; what the callback raises is logged, since the job must not suffer from it.

        Raises:
            Exception: What the callback raised on an event that it must write down; creating has ended then.
        """
        on_event, budget = self._options.on_event, self._options.budget
        if on_event is None:
            return
        if budget.rate is not None:
            event = replace(event, spent=budget.spent, reserved=budget.reserved)
        try:
            result = on_event(event)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            if event.kind in ("creating", "created"):
                self._stop(error)
                raise
            extra = {"event": "on_event_failed", "kind": event.kind, "session_id": event.session_id}
            log.exception("on_event failed on %r of job %s", event.kind, clean(event.key), extra=extra)


@dataclass(slots=True)
class JobRunner:
    """
    Runs a job.

    Args:
        factory: Makes the sessions.
        options: Those of the batch.
        events: Delivers what happens.
        job: The job.
        key: Its key in the batch.
        slot: Its slot.
    """

    _factory: SessionFactory
    _options: LocalBatchOptions
    _events: EventHook
    _job: Job
    _key: str
    _slot: Slot
    _runner: SessionRunner | None = None  # once there is a session
    _is_emitted: bool = False
    _event_error: Exception | None = None

    async def run(self) -> Outcome:
        """
        Make the video; what goes wrong is in the outcome.

        Raises:
            NotStarted: Nothing is to be created any more, and nothing was.
        """
        began = _clock.now()
        video: Video | None = None
        path: Path | str | None = None
        error: Exception | None = None
        try:
            runner = await self._start()
            video = await self._review(runner)
            if self._options.folder is not None:
                path = await self._save(self._options.folder, video, runner)
        except NotStarted:
            raise
        except Exception as cause:  # noqa: BLE001 - a job's error is its outcome
            error = cause
        except BaseException:
            if self._runner is not None:
                await self._leave_session(self._runner)
            raise
        finally:
            self._slot.release()
        session = None if self._runner is None else self._runner.session
        return Outcome(
            key=self._key,
            job=self._job,
            session_id=None if session is None else session.id,
            session_ref=None if session is None else session.ref(),
            video=video,
            path=path,
            error=self._event_error or error,
            states=() if self._runner is None else tuple(self._runner.history.states),
            elapsed=_clock.now() - began,
        )

    # -- the session --

    async def _start(self) -> SessionRunner:
        """Make the session, or take up the one that was made before."""
        if self._options.folder is not None and not self._is_resumed:
            await self._options.folder.refuse_taken(self._key)
        if self._job.ref is not None:
            session = self._factory.resume(self._job.ref)
            await self._slot.accept()
        else:
            session = await create_session(
                self._factory,
                self._job,
                self._key,
                store=MemoryStore(self._job.idempotency_key or str(uuid.uuid4()), self._job.begun_at),
                slot=self._slot,
                record=self._events.emit,
                on_orphan=self._keep_orphan,
            )
        self._factory.core.scheduler.trackers.tracing.join(session.id)
        runner = self._runner = self._run_session(session)
        await self._emit_created(runner)
        return runner

    @property
    def _is_resumed(self) -> bool:
        return self._job.ref is not None or self._job.begun_at is not None

    def _keep_orphan(self, session: Session) -> None:
        # One that comes later was made beside the job's own: it is among the client's orphans.
        if self._runner is None:
            self._runner = self._run_session(session)

    def _run_session(self, session: Session) -> SessionRunner:
        return SessionRunner(
            session,
            self._job,
            self._key,
            slot=self._slot,
            emit=self._events.emit,
            timeout=self._factory.core.api.timeouts.watch,
            progress=self._options.progress,
        )

    async def _emit_created(self, runner: SessionRunner) -> None:
        """Have the caller write the session down, also while the job is being cancelled; it goes on if that fails."""
        self._is_emitted = True
        with anyio.move_on_after(self._factory.core.api.timeouts.write, shield=True):
            try:
                await self._events.emit(replace(runner.event("created"), ref=runner.session.ref()))
            except Exception as error:  # noqa: BLE001 - it is the outcome's, after the session's end
                self._event_error = error

    async def _review(self, runner: SessionRunner) -> Video:
        """Answer the pauses of the session until its video is there."""
        answers = 0
        while (state := await runner.follow()).is_paused:
            self._slot.pause()
            await runner.emit_pause(state)
            answer = await runner.ask(self._options.reviewer, state, answers)
            if answer is None:
                break
            if isinstance(answer, Stop):
                return await stop_session(runner.session)
            if isinstance(answer, Reply):
                self._options.budget.reserve_revision(self._key, self._job)
            if await runner.send(answer):
                answers += 1
                await runner.emit_answer(answer)
        self._slot.release()
        return await runner.video()

    async def _leave_session(self, runner: SessionRunner) -> None:
        """Leave the session running, or stop it; one made while the job was cancelled is still delivered."""
        session = runner.session
        if not self._is_emitted:
            await self._emit_created(runner)
        if (failure := self._event_error) is not None:  # no outcome will carry it
            extra = {"event": "unwritten", "session_id": session.id, "error": type(failure).__name__}
            log.error("Session %s was not written down", session.id, exc_info=failure, extra=extra)
        if self._options.on_exit == "stop" and not (session.state and session.state.is_terminal):
            with anyio.move_on_after(self._factory.core.api.timeouts.write, shield=True):
                try:
                    await session.stop()
                except HeyGenError as error:
                    kind = type(error).__name__
                    extra = {"event": "stop_failed", "session_id": session.id, "error": kind}
                    log.warning("Session %s could not be stopped: %s", session.id, kind, extra=extra)

    # -- the file --

    async def _save(self, folder: OutputFolder, video: Video, runner: SessionRunner) -> Path | str:
        async def emit(transfer: Transfer) -> None:
            await self._events.emit(replace(runner.event("downloading"), transfer=transfer))

        path = await folder.save(video, self._key, again=self._is_resumed, on_progress=emit)
        await self._events.emit(replace(runner.event("downloaded"), path=path))
        return path
