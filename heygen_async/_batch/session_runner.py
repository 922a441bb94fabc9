"""
One session of a job: follow it to its next pause or end, and send it the answers of its reviewer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import UnsetType, structs

from .. import _clock
from .._polling.state import SETTLED, TERMINAL
from .._sessions.review import REFUSALS, answer_of, deliver_answer
from ..errors import ClientStateError, Conflict
from ..models import Approve, Message, Reply, Stop
from .concurrency import send_when_room
from .job import BatchEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .._resources.videos import Video
    from .._sessions.review import Answer
    from .._sessions.session import BatchReviewer, Session
    from ..models import SessionState
    from .concurrency import SendSlot
    from .job import EventKind, Job

STATES: Final = 50  # transitions an outcome holds
_LEAST: Final = 0.001  # seconds left when the time is up: one poll is still made


class SessionHistory:
    """
    What a job remembers of its session beside the session's own ref.

    Attributes:
        states: The newest transitions, without their messages.
        worked: Seconds the agent has worked.
        refusals: Answers in a row that the session refused for its state.
    """

    __slots__ = ("refusals", "states", "worked")

    def __init__(
        self, states: Iterable[SessionState] = (), *, worked: float = 0.0, refusals: int = 0
    ) -> None:
        self.states: deque[SessionState] = deque(states, maxlen=STATES)
        self.worked: float = worked
        self.refusals: int = refusals

    def add(self, state: SessionState) -> None:
        """Keep a state if it is a transition."""
        if not self.states or self.states[-1].status != state.status:
            self.states.append(without_messages(state))


class SessionRunner:
    """
    Runs the session of a job, in a local batch and in a durable one.

    Args:
        session: The session.
        job: Its job.
        key: The job's key in its batch.
        slot: What the job waits for before an answer is sent.
        emit: Delivers an event.
        history: What is known of the session's past, and is kept up to date.
        timeout: Seconds the agent may work on a job without a `timeout` of its own; None for no limit.
        progress: Whether to emit more than transitions.
    """

    def __init__(
        self,
        session: Session,
        job: Job,
        key: str,
        *,
        slot: SendSlot,
        emit: Callable[[BatchEvent], Awaitable[None]],
        history: SessionHistory,
        timeout: float | None,
        progress: bool,
    ) -> None:
        self.session = session
        self.history = history
        self._job = job
        self._key = key
        self._slot = slot
        self._emit = emit
        self._timeout = timeout if isinstance(job.timeout, UnsetType) else job.timeout
        self._progress = progress

    def event(self, kind: EventKind) -> BatchEvent:
        """Return an event of this session."""
        return BatchEvent(kind=kind, key=self._key, job=self._job, session_id=self.session.id)

    async def follow(self) -> SessionState:
        """Follow the session until it pauses or ends."""
        began, messages, last = _clock.now(), list[Message](), None
        try:
            async with self.session.watch(
                until=(*SETTLED, *TERMINAL),
                timeout=self._time_left(),
                progress=self._progress,
                accept_stale=False,
            ) as states:
                async for last in states:
                    messages += last.new_messages
                    self.history.add(last)
                    await self._emit(replace(self.event("state"), state=last))
        finally:
            self.history.worked += _clock.now() - began
        if last is None:
            raise ClientStateError("The client stopped watching before the session was read.")
        return structs.replace(last, new_messages=tuple(messages))

    async def video(self) -> Video:
        """Return the video of a session that has ended; of a paused one, raise what it asks."""
        return await self.session.video(timeout=self._time_left())

    async def emit_pause(self, state: SessionState) -> None:
        """Deliver that the session waits for an answer."""
        await self._emit(replace(self.event("paused"), state=state, ref=self.session.ref()))

    async def emit_answer(self, answer: Answer) -> None:
        """Deliver that the service took an answer."""
        await self._emit(replace(self.event("answered"), answer=answer, ref=self.session.ref()))

    def reviewer_or(self, reviewer: BatchReviewer | None) -> BatchReviewer | None:
        """Return the job's own reviewer, else the batch's."""
        return self._job.reviewer or reviewer

    async def ask(self, reviewer: BatchReviewer | None, state: SessionState, rounds: int) -> Answer | None:
        """Return the answer to a pause, `rounds` answers after the first; None for none. See `answer_of`."""
        return await answer_of(self.reviewer_or(reviewer), self.session, state, rounds)

    async def send(self, answer: Answer, idempotency_key: str | None = None) -> bool:
        """
        Send an answer once there is a slot: a session that works again takes one.

        Returns:
            Whether the session took it; False when the pause was an old one, so that it is to be followed again.

        Raises:
            Conflict: The session refused several answers in a row for its state.
            HeyGenError: The service refused the answer, or it is not known what became of it.
        """
        try:
            await send_when_room(self._slot, partial(deliver_answer, self.session, answer, idempotency_key))
        except Conflict:
            await self._slot.accept()  # it works
            self.history.refusals += 1
            if self.history.refusals >= REFUSALS:
                raise
            return False
        self.history.refusals = 0
        return True

    def _time_left(self) -> float | None:
        """Return the seconds the agent may still work."""
        return None if self._timeout is None else max(self._timeout - self.history.worked, _LEAST)


def as_answer(reviewer: object) -> Answer | None:
    """Return a reviewer that is one answer for all pauses; None for a callable or none."""
    return reviewer if isinstance(reviewer, Reply | Approve | Stop) else None


def without_messages(state: SessionState) -> SessionState:
    """Return a state as it is worth keeping: the conversation is at the service."""
    return structs.replace(state, messages=(), new_messages=())
