"""
One session of a batch: follow it, review its pauses, send the answers, with a slot only while the agent works.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from msgspec import UnsetType, structs

from .. import _clock
from .._http.retry import Delivery, delivery
from .._polling.state import SETTLED, TERMINAL
from .._sessions import review
from .._sessions.review import REFUSALS, answer_of, deliver_answer
from ..errors import Conflict, RateLimited
from ..models import Message, Stop
from .job import BatchEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._resources.videos import Video
    from .._sessions.create import SessionFactory
    from .._sessions.review import Answer
    from .._sessions.session import BatchReviewer, Session
    from ..models import SessionState
    from .concurrency import Slot, Slots
    from .events import EventHook
    from .job import EventKind, Job
    from .output_folder import OutputFolder

_STATES = 50  # transitions an outcome holds
_LEAST = 0.001  # seconds left when the time is up: one poll is still made


@dataclass(frozen=True, slots=True)
class BatchContext:
    """
    What all jobs of a batch share.

    Attributes:
        factory: Makes the sessions.
        places: Among how many jobs in progress each has its place.
        reviewer: Answers the pauses of jobs without a reviewer of their own.
        shelf: Where finished videos go.
        on_exit: What becomes of a session whose job is cancelled.
        progress: Whether to emit more than transitions.
        listener: Is told what happens.
        has_stopped: Whether nothing more is to be created.
    """

    factory: SessionFactory
    slots: Slots
    reviewer: BatchReviewer | None
    folder: OutputFolder | None
    on_exit: Literal["detach", "stop"]
    progress: bool
    events: EventHook
    has_stopped: Callable[[], bool]


class SessionRunner:
    """
    The conversation of one job.

    Attributes:
        states: The newest transitions, without their messages.
    """

    def __init__(self, context: BatchContext, job: Job, key: str, slot: Slot, session: Session) -> None:
        self.states: deque[SessionState] = deque(maxlen=_STATES)
        self._context = context
        self._job = job
        self._key = key
        self._slot = slot
        self._session = session
        self._worked = 0.0

    def _event(self, kind: EventKind) -> BatchEvent:
        return BatchEvent(kind=kind, key=self._key, job=self._job, session_id=self._session.id)

    async def run(self) -> Video:
        """
        Answer the pauses until the video is there.

        Raises:
            Exception: Why there is none; see `Session.converse`, and what the reviewer raised.
        """
        session = self._session
        rounds = refusals = 0
        while (state := await self._follow()).is_paused:
            self._slot.pause()
            await self._context.events.emit(replace(self._event("paused"), state=state, ref=session.ref()))
            answer = await answer_of(self._job.reviewer or self._context.reviewer, session, state, rounds)
            if answer is None:
                break
            if isinstance(answer, Stop):
                return await review.stop(session)
            try:
                await self._send_answer(answer)
            except Conflict:
                refusals += 1
                if refusals >= REFUSALS:
                    raise
                # Otherwise the pause was an old one: read what the session really does.
            else:
                rounds, refusals = rounds + 1, 0
        self._slot.release()
        return await session.video(timeout=self._time_left())  # of a paused session: says what it asks

    async def _follow(self) -> SessionState:
        """Follow the session until it pauses or ends."""
        began, messages, last = _clock.now(), list[Message](), None
        try:
            async with self._session.watch(
                until=(*SETTLED, *TERMINAL), timeout=self._time_left(), progress=self._context.progress
            ) as states:
                async for last in states:
                    messages += last.new_messages
                    self._keep_state(last)
                    await self._context.events.emit(replace(self._event("state"), state=last))
        finally:
            self._worked += _clock.now() - began
        assert last is not None  # noqa: S101 - a watch ends with a state or an error
        return structs.replace(last, new_messages=tuple(messages))

    def _keep_state(self, state: SessionState) -> None:
        if not self.states or self.states[-1].status != state.status:
            self.states.append(structs.replace(state, messages=(), new_messages=()))

    def _time_left(self) -> float | None:
        """Return the seconds the agent may still work."""
        limit = self._job.timeout
        if isinstance(limit, UnsetType):
            limit = self._context.factory.core.api.timeouts.watch
        return None if limit is None else max(limit - self._worked, _LEAST)

    async def _send_answer(self, answer: Answer) -> None:
        """Send an answer once there is a slot: a session that works again takes one."""
        while True:
            await self._slot.wait(unless=lambda: False)
            try:
                await deliver_answer(self._session, answer)
                break
            except RateLimited as error:
                if delivery(error) is Delivery.FINAL:
                    raise
                self._slot.refuse(error)
                self._slot.pause()
            except Conflict:
                self._slot.accept()
                raise
        self._slot.accept()
        await self._context.events.emit(
            replace(self._event("answered"), answer=answer, ref=self._session.ref())
        )
