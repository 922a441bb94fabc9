"""
The steps in between: follow a session until it pauses or ends, then take the video home.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from msgspec import UnsetType, structs

from .. import _clock
from .._batch.job import BatchEvent, Job
from .._batch.output_folder import OutputFolder
from .._polling.state import SETTLED, TERMINAL
from .._sessions.review import answer_of
from ..errors import DownloadError, HeyGenError
from ..models import Approve, Message, Reply, SessionState, Stop
from . import _records
from ._job_context import plain, video_of
from ._records import STATES, VERSION, OutcomeRecord, StatesRecord
from ._workflows import FINISH, NOTHING

if TYPE_CHECKING:
    from .. import Session, Transfer
    from ._job_context import JobContext
    from ._schema import Place, Row

log = logging.getLogger("heygen_async")

_GLANCE_SECONDS: Final = 1.0  # between two looks whether another process has saved a video
_LEAST: Final = 0.001  # seconds left of a time that is up: a look is still worth it


class Following:
    """Follows and finishes, for one open batch."""

    def __init__(self, case: JobContext) -> None:
        self._case = case

    # -- until it pauses or ends --

    async def follow(self, place: Place) -> str:
        """Follow the session; of its polls nothing is written down."""
        row = await self._case.row(place, "rendering", "answered")
        job = _records.read_job(row.job, row.key)
        session = self._case.session(row)
        told = _Told(
            StatesRecord(v=VERSION) if row.states is None else _records.read(StatesRecord, row.states)
        )
        try:
            state = await self._settled(session, job, told)
            if state.is_paused and await self._paused(place, row, job, session, state, told):
                return NOTHING
            video = await session.video(timeout=self._left(job, told))
        except HeyGenError as error:
            await self._note(place, session, told)
            await self._case.end(place, error=error)
            return NOTHING
        outcome = _records.text(OutcomeRecord(v=VERSION, video=plain(video)))
        await self._case.access.persist(
            self._case.store.rendered,
            place,
            outcome=outcome,
            states=_records.text(told.record()),
            ref=session.ref().decode(),
        )
        return FINISH

    async def _settled(self, session: Session, job: Job, told: _Told) -> SessionState:
        began, messages, last = _clock.now(), list[Message](), None
        try:
            async with session.watch(
                until=(*SETTLED, *TERMINAL), timeout=self._left(job, told), progress=True
            ) as states:
                async for last in states:
                    messages += last.new_messages
                    told.note(last)
                    await self._case.mention(
                        BatchEvent(kind="state", key=str(job.key), job=job, session_id=session.id, state=last)
                    )
        finally:
            told.worked += _clock.now() - began
        assert last is not None  # noqa: S101 - a watch ends with a state or an error
        return structs.replace(last, new_messages=tuple(messages))

    def _left(self, job: Job, told: _Told) -> float | None:
        limit = job.timeout
        if isinstance(limit, UnsetType):
            limit = self._case.heygen._core.api.timeouts.watch
        return None if limit is None else max(limit - told.worked, _LEAST)

    async def _note(self, place: Place, session: Session, told: _Told) -> None:
        await self._case.access.persist(
            self._case.store.followed, place, states=_records.text(told.record()), ref=session.ref().decode()
        )

    # -- a pause --

    async def _paused(
        self, place: Place, row: Row, job: Job, session: Session, state: SessionState, told: _Told
    ) -> bool:
        """Write a pause down and let go of the place in progress; False when nobody may answer it."""
        if job.mode == "generate":  # which takes no messages, though it may ask
            return False
        await self._case.mention(
            BatchEvent(
                kind="paused", key=row.key, job=job, session_id=session.id, state=state, ref=session.ref()
            )
        )
        fixed = self._fixed(job)
        answer = await answer_of(fixed, session, state, row.turn)
        if fixed is not None and answer is None:
            return False  # one answer for all was given often enough
        await self._case.access.persist(
            self._case.store.pause,
            place,
            ref=session.ref().decode(),
            pause=_records.text(_records.PauseRecord(v=VERSION, state=state)),
            states=_records.text(told.record()),
            now=_clock.wall(),
            answer=None if answer is None else _records.text(_records.write_answer(answer)),
        )
        return True

    def _fixed(self, job: Job) -> Reply | Approve | Stop | None:
        """Return the answer that needs nobody's thought, if there is one."""
        reviewer = job.reviewer or self._case.settings.reviewer
        return reviewer if isinstance(reviewer, Reply | Approve | Stop) else None

    # -- the video --

    async def finish(self, place: Place) -> str:
        """Save the video, if this process has a folder for it, and end the job."""
        row = await self._case.row(place, "rendering")
        record = _records.read(OutcomeRecord, row.outcome or "{}")
        assert record.video is not None  # noqa: S101 - written by `follow`
        path, error = None, None
        if self._case.settings.download_to is not None:
            try:
                path = await self._saved(place, record)
            except HeyGenError as problem:
                error = problem
        await self._case.end(place, video=record.video, path=path, error=error)
        return NOTHING

    async def _saved(self, place: Place, record: OutcomeRecord) -> str:
        """Save a video, once no other process does: one that was thought dead may still be at it."""
        while True:
            row = await self._case.row(place, "rendering")
            try:
                return await self._save(row, record)
            except DownloadError as error:
                if not isinstance(error.__cause__, BlockingIOError):
                    raise
            await _clock.sleep(_GLANCE_SECONDS)

    async def _save(self, row: Row, record: OutcomeRecord) -> str:
        folder, info = self._case.settings.download_to, record.video
        assert folder is not None and info is not None  # noqa: S101, PT018 - asked before
        event = BatchEvent(kind="downloading", key=row.key, session_id=row.session_id)

        async def tell(transfer: Transfer) -> None:
            await self._case.mention(replace(event, transfer=transfer))

        # Whatever of that name is there was saved by this job, before a crash.
        path = await OutputFolder(folder).save(
            video_of(info, self._case.heygen), row.key, again=True, on_progress=tell
        )
        await self._case.mention(replace(event, kind="downloaded", path=path))
        return str(path)


class _Told:
    """The transitions of a session so far, and how long the agent has worked."""

    def __init__(self, before: StatesRecord) -> None:
        self._states = list(before.states)
        self.worked = before.worked

    def note(self, state: SessionState) -> None:
        if not self._states or self._states[-1].status != state.status:
            self._states.append(_records.without_messages(state))

    def record(self) -> StatesRecord:
        return StatesRecord(v=VERSION, states=tuple(self._states[-STATES:]), worked=self.worked)
