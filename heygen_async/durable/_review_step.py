"""
The steps at a pause: ask a reviewer, who may take days, and pass the answer on, once.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from .. import _clock
from .._polling.messages import compare_texts
from .._sessions.review import answer_of
from .._sessions.send import APPROVAL
from .._sessions.session import Answer, stop_session
from ..errors import HeyGenError, InvalidArgument
from ..models import Approve, Reply, SessionState, Stop
from . import _records
from ._outcomes import plain
from ._records import VERSION, AnswerRecord, OutcomeRecord, PauseRecord
from ._schema import MovedOn
from ._workflows import FINISH, FOLLOW, NOTHING

if TYPE_CHECKING:
    from .. import Session
    from ..models import Message
    from ._job_context import JobContext
    from ._schema import JobRow, Stage

log = logging.getLogger("heygen_async")

_POLL_SECONDS: Final = 1.0  # between two polls for an answer that may be on its way


class Talking:
    """Asks and says, for one open batch."""

    def __init__(self, context: JobContext) -> None:
        self._context = context

    async def ask(self, stage: Stage) -> str:
        """Ask the reviewer; nothing is lost if this process ends meanwhile: another asks its own."""
        row = await self._context.row(stage, "reviewing")
        session = self._context.take_up(row)
        state = _records.read(PauseRecord, row.pause or "{}").state
        reviewer = self._context.settings.reviewer
        answer = await answer_of(reviewer, session, state, row.turn)
        if answer is None and not callable(reviewer):
            await session.video()  # one answer for all was given often enough: says what the agent asks
        if not isinstance(answer, Reply | Approve | Stop):
            kind = type(answer).__name__
            raise InvalidArgument("reviewer", f"returned {kind}, not Reply, Approve or Stop")
        text = _records.text(_records.write_answer(answer))
        await self._context.access.persist(self._context.store.answer, row.key, text, stage)
        return NOTHING

    async def say(self, stage: Stage) -> str:
        """Pass the answer on, unless an earlier process has."""
        sender = self._context.sender()
        row = await self._context.access.persist(self._context.store.claim, stage, sender)
        if row.phase == "rendering" or row.answer is None:
            return FOLLOW  # sent by a process that could not record it at the engine; or there is nothing to send

        async def permit() -> None:
            await self._context.access.persist(self._context.store.check, stage, sender)
            self._context.sending.add(stage)

        session = self._context.take_up(row, permit)
        answer = _records.read_answer(_records.read(AnswerRecord, row.answer))
        try:
            if isinstance(answer, Stop):
                return await self._stop(stage, row, session)
            is_taken = await self._send(stage, sender, row, session, answer)
        except HeyGenError as error:
            if not await self._context.end(stage, error=error, sender=sender):
                raise MovedOn from error
            return NOTHING
        await self._context.access.persist(self._context.store.record_answer, stage, session.ref().decode())
        if is_taken:
            await self._context.runner(row, session).emit_answer(answer)
        return FOLLOW

    async def _stop(self, stage: Stage, row: JobRow, session: Session) -> str:
        video = await stop_session(session)
        await self._context.access.persist(self._context.store.record_answer, stage, session.ref().decode())
        failures = _records.read_failures(row.outcome)
        outcome = _records.text(OutcomeRecord(v=VERSION, video=plain(video), failures=failures))
        await self._context.access.persist(self._context.store.record, stage, "rendering", outcome=outcome)
        return FINISH

    async def _send(self, stage: Stage, sender: str, row: JobRow, session: Session, answer: Answer) -> bool:
        if await self._is_given(stage, sender, row, session, answer):
            return True
        slot = self._context.limit.slot(partial(self._context.sending.discard, stage))
        runner = self._context.runner(row, session, slot)
        before = runner.history.refusals
        key = _records.say_key(self._context.store.name, row.key, row.attempt, row.turn)
        try:
            is_taken = await runner.send(answer, key)
        finally:
            slot.release()
        if runner.history.refusals != before:
            states, ref = _records.write_history(runner.history), session.ref().decode()
            await self._context.access.persist(self._context.store.record, stage, states=states, ref=ref)
        return is_taken

    async def _is_given(
        self, stage: Stage, sender: str, row: JobRow, session: Session, answer: Answer
    ) -> bool:
        announce, is_revision = self._context.store.announce_answer, isinstance(answer, Reply)
        if await self._context.access.persist(announce, stage, sender, is_revision=is_revision):
            return await self._has_arrived(row, session, answer)
        return await _has_moved_on(session)

    async def _has_arrived(self, row: JobRow, session: Session, answer: Answer) -> bool:
        """
        Whether an answer that another process may have sent is there.

        It may be on its way still, so it gets its time; and the pause it answers may show for a while.
        """
        api = self._context.heygen._core.api
        until = _clock.now() + api.retry.settle_time
        while not await self._has_answer(row, session, answer):
            if _clock.now() >= until:
                return False
            await _clock.sleep(_POLL_SECONDS)
        session._track.doubt(since=_clock.now(), settle=api.timeouts.settle)
        return True

    async def _has_answer(self, row: JobRow, session: Session, answer: Answer) -> bool:
        """Whether the session has the answer: it has gone on, or its newest messages say so."""
        before = _records.read(PauseRecord, row.pause or "{}").state
        now = await session.refresh()
        return not now.is_paused or _contains(before, now, answer)


async def _has_moved_on(session: Session) -> bool:
    """Whether it was answered elsewhere: days may have passed, and a second answer is a revision that costs."""
    try:
        return not (await session.refresh()).is_paused
    except HeyGenError:
        return False  # the answer itself will show


def _contains(before: SessionState, now: SessionState, answer: Answer) -> bool:
    """Whether a conversation has our words since a pause, by the service's own clock."""
    words = answer.message if isinstance(answer, Reply) else getattr(answer, "message", None) or APPROVAL
    known, same = _echoes(before, words), _echoes(now, words)
    newest_at = max((message.created_at or 0 for message in before.messages), default=0)
    return len(same) > len(known) or any((message.created_at or 0) > newest_at for message in same)


def _echoes(state: SessionState, words: str) -> list[Message]:
    """Return the messages that may be our words: their echo may be altered, or empty (contract.md, 17)."""
    return [
        message
        for message in state.messages
        if message.role == "user"
        and (not message.content.strip() or compare_texts(words, message.content) != "other")
    ]
