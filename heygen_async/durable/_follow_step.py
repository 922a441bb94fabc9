"""
The steps in between: follow a session until it pauses or ends, then save the video.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from msgspec import structs

from .. import _clock
from .._batch.job import BatchEvent
from ..errors import DownloadError, HeyGenError
from ..models import Approve, Reply, Stop
from . import _records
from ._outcomes import plain, video_of
from ._records import VERSION, OutcomeRecord
from ._workflows import FINISH, NOTHING

if TYPE_CHECKING:
    from .. import SessionState, Transfer
    from .._batch.session_runner import SessionRunner
    from ._job_context import JobContext
    from ._schema import JobRow, Stage

log = logging.getLogger("heygen_async")

_RETRY_SECONDS: Final = 1.0  # between two checks whether another process has saved a video


class Following:
    """Follows and finishes, for one open batch."""

    def __init__(self, context: JobContext) -> None:
        self._context = context

    async def follow(self, stage: Stage) -> str:
        """Follow the session, and end the job where its video is not saved; of the polls nothing is recorded."""
        context = self._context
        row = await context.row(stage, "rendering", "answered")
        runner = context.runner(row, context.take_up(row))
        try:
            state = await runner.follow()
            if state.is_paused and await self._pause(stage, row, runner, state):
                return NOTHING
            video = await runner.video()
        except HeyGenError as error:
            await context.end(stage, row=_newest(row, runner), error=error)
            return NOTHING
        row = _newest(row, runner)
        if context.settings.output is None:
            await context.end(stage, row=row, video=plain(video))
            return NOTHING
        record = OutcomeRecord(v=VERSION, video=plain(video), failures=_records.read_failures(row.outcome))
        await context.access.persist(
            context.store.record,
            stage,
            "rendering",
            outcome=_records.text(record),
            states=row.states,
            ref=row.ref,
        )
        return FINISH

    async def _pause(self, stage: Stage, row: JobRow, runner: SessionRunner, state: SessionState) -> bool:
        """Record a pause and let go of the slot; False when it may not be answered."""
        if runner.session.mode == "generate":  # which takes no messages, though it may ask
            return False
        await runner.emit_pause(state)
        reviewer = runner.reviewer_or(self._context.settings.reviewer)
        answer_for_all = reviewer if isinstance(reviewer, Reply | Approve | Stop) else None
        answer = None if answer_for_all is None else await runner.ask(answer_for_all, state, row.turn)
        if answer_for_all is not None and answer is None:
            return False  # one answer for all was given often enough
        await self._context.access.persist(
            self._context.store.pause,
            stage,
            ref=runner.session.ref().decode(),
            pause=_records.text(_records.PauseRecord(v=VERSION, state=state)),
            states=_records.write_history(runner.history),
            now=_clock.wall(),
            answer=None if answer is None else _records.text(_records.write_answer(answer)),
        )
        return True

    # -- the video --

    async def finish(self, stage: Stage) -> str:
        """Save the video, if this process has a folder for it, and end the job."""
        row = await self._context.row(stage, "rendering")
        record = _records.read(OutcomeRecord, row.outcome or "{}")
        assert record.video is not None  # noqa: S101 - written by `follow`
        path, error = None, None
        if self._context.settings.output is not None:
            try:
                path = await self._save_alone(stage, row, record)
            except HeyGenError as cause:
                error = cause
        await self._context.end(stage, row=row, video=record.video, path=path, error=error)
        return NOTHING

    async def _save_alone(self, stage: Stage, row: JobRow, record: OutcomeRecord) -> str:
        """Save a video once no other process does: one that was thought dead may still be at it."""
        while True:
            try:
                return await self._save(row, record)
            except DownloadError as error:
                if not isinstance(error.__cause__, BlockingIOError):
                    raise
            await _clock.sleep(_RETRY_SECONDS)
            row = await self._context.row(stage, "rendering")

    async def _save(self, row: JobRow, record: OutcomeRecord) -> str:
        output, info = self._context.settings.output, record.video
        assert output is not None and info is not None  # noqa: S101, PT018 - checked before
        session = self._context.take_up(row)
        event = BatchEvent(kind="downloading", key=row.key, session_id=session.id)

        async def emit(transfer: Transfer) -> None:
            await self._context.emit_or_log(replace(event, transfer=transfer))

        # A file of that name was saved by this job, before a crash.
        path = await output.save(video_of(info, self._context.heygen), row.key, again=True, on_progress=emit)
        await self._context.emit_or_log(replace(event, kind="downloaded", path=path))
        return str(path)


def _newest(row: JobRow, runner: SessionRunner) -> JobRow:
    """Return a row with how far its session has come."""
    states, ref = _records.write_history(runner.history), runner.session.ref().decode()
    return structs.replace(row, states=states, ref=ref)
