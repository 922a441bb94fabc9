"""
A session on its way to its video: followed, reviewed, answered, with a place only while the agent works.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from msgspec import UnsetType, structs

from .. import _clock
from .._http.retry import Delivery, delivery
from .._polling.state import SETTLED, TERMINAL
from .._sessions.review import REFUSALS, answer_of, pass_on, stopped
from ..errors import Conflict, RateLimited
from ..models import Message, Stop
from .job import BatchEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._resources._context import Core
    from .._resources.videos import Video
    from .._sessions.review import Answer, BatchReviewer
    from .._sessions.session import Session
    from ..models import SessionState
    from .concurrency import Place, Places
    from .events import EventHook
    from .job import EventKind, Job
    from .output_folder import OutputFolder

_STATES = 50  # transitions an outcome tells
_LEAST = 0.001  # seconds left of a time that is up: a look is still worth it


@dataclass(frozen=True, slots=True)
class BatchContext:
    """
    What all jobs of a batch share.

    Attributes:
        core: The client's parts.
        places: Among how many jobs in progress each has its place.
        reviewer: Answers the pauses of jobs without a reviewer of their own.
        shelf: Where finished videos go.
        on_exit: What becomes of a session whose job is cancelled.
        progress: Whether to tell more than transitions.
        listener: Is told what happens.
        has_stopped: Whether nothing more is to be created.
    """

    core: Core
    places: Places
    reviewer: BatchReviewer | None
    shelf: OutputFolder | None
    on_exit: Literal["detach", "stop"]
    progress: bool
    listener: EventHook
    has_stopped: Callable[[], bool]


class SessionRunner:
    """
    The conversation of one job.

    Attributes:
        states: The newest transitions, without their messages.
    """

    def __init__(self, terms: BatchContext, job: Job, key: str, place: Place, session: Session) -> None:
        self.states: deque[SessionState] = deque(maxlen=_STATES)
        self._terms = terms
        self._job = job
        self._key = key
        self._place = place
        self._session = session
        self._spent = 0.0

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
        while (state := await self._settled()).is_paused:
            self._place.pause()
            await self._terms.listener.tell(replace(self._event("paused"), state=state, ref=session.ref()))
            answer = await answer_of(self._job.reviewer or self._terms.reviewer, session, state, rounds)
            if answer is None:
                break
            if isinstance(answer, Stop):
                return await stopped(session)
            try:
                await self._say(answer)
            except Conflict:
                refusals += 1
                if refusals >= REFUSALS:
                    raise
                # Otherwise the pause was an old one: see what the session really does.
            else:
                rounds, refusals = rounds + 1, 0
        self._place.leave()
        return await session.video(timeout=self._left())  # of a paused session: says what it asks

    async def _settled(self) -> SessionState:
        """Follow the session until it pauses or ends."""
        began, messages, last = _clock.now(), list[Message](), None
        try:
            async with self._session.watch(
                until=(*SETTLED, *TERMINAL), timeout=self._left(), progress=self._terms.progress
            ) as states:
                async for last in states:
                    messages += last.new_messages
                    self._note(last)
                    await self._terms.listener.tell(replace(self._event("state"), state=last))
        finally:
            self._spent += _clock.now() - began
        assert last is not None  # noqa: S101 - a watch ends with a state or an error
        return structs.replace(last, new_messages=tuple(messages))

    def _note(self, state: SessionState) -> None:
        if not self.states or self.states[-1].status != state.status:
            self.states.append(structs.replace(state, messages=(), new_messages=()))

    def _left(self) -> float | None:
        """Return the seconds the agent may still work."""
        limit = self._job.timeout
        if isinstance(limit, UnsetType):
            limit = self._terms.core.api.timeouts.watch
        return None if limit is None else max(limit - self._spent, _LEAST)

    async def _say(self, answer: Answer) -> None:
        """Pass an answer on once there is a place: a session that works again takes one."""
        while True:
            await self._place.wait(unless=lambda: False)
            try:
                await pass_on(self._session, answer)
                break
            except RateLimited as error:
                if delivery(error) is Delivery.FINAL:
                    raise
                self._place.refused(error)
                self._place.pause()
            except Conflict:
                self._place.accepted()
                raise
        self._place.accepted()
        await self._terms.listener.tell(
            replace(self._event("answered"), answer=answer, ref=self._session.ref())
        )
