"""
One session of a job: make it once, follow it to its next pause or end, send it the answers of its reviewer.

A local batch and a durable one run the same; they differ in where a create is recorded (`CreateStore`) and in what a
job waits for before it sends (`SendSlot`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import anyio.lowlevel
from msgspec import UnsetType, structs

from .. import _clock
from .._api import sessions as session_api
from .._http.retry import Delivery, delivery
from .._polling.state import SETTLED, TERMINAL
from .._sessions.attachments import upload_files
from .._sessions.review import answer_of
from .._sessions.session import REFUSALS, deliver_answer
from ..errors import ClientStateError, Conflict, OutcomeUnknown, RateLimited
from ..models import Message
from .job import BatchEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._http.open_writes import SendGuard
    from .._resources.videos import Video
    from .._sessions.create import SessionFactory
    from .._sessions.session import Answer, BatchReviewer, Session
    from ..models import SessionState
    from .job import EventKind, Job

T = TypeVar("T")

STATES: Final = 50  # transitions an outcome holds
_LEAST: Final = 0.001  # seconds left when the time is up: one poll is still made
_FOREIGN_SESSIONS: Final = 3  # in a row that turn out to be another job's


class SendSlot(Protocol):
    """One job's share of what the service takes."""

    async def acquire(self) -> None:
        """
        Wait until a request may be sent.

        Raises:
            NotStarted: Nothing is to be created any more, and this job was not.
        """

    async def accept(self) -> None:
        """Hold the slot: the service has taken the job."""

    async def refuse(self, error: RateLimited) -> None:
        """Give the slot up: the service has no room."""


class CreateStore(Protocol):
    """Where a create is recorded: in memory for a local batch, in the database for a durable one."""

    @property
    def key(self) -> str:
        """The idempotency key of the create."""
        ...

    @property
    def started_at(self) -> datetime:
        """When the create was first about to be sent."""
        ...

    @property
    def permit(self) -> SendGuard | None:
        """Awaited right before an attempt, which is not made if it raises."""
        ...

    async def announce(self) -> datetime | None:
        """Record that an attempt is about to be made; return since when an earlier one may have been sent."""

    async def withdraw(self) -> None:
        """Record that the service refused the attempt, so that there is nothing to look for."""

    async def own(self, session: Session) -> bool:
        """Record the session as this job's; False when it is another job's."""
        ...


@dataclass(slots=True)
class MemoryStore:
    """
    The record of a local batch: its caller writes down what the events say.

    Args:
        key: The idempotency key of the create.
        begun_at: Since when an earlier process may have sent it.
    """

    key: str
    _begun_at: datetime | None
    permit: SendGuard | None = None

    @property
    def started_at(self) -> datetime:
        """See `CreateStore`."""
        return self._begun_at or datetime.fromtimestamp(_clock.wall(), UTC)

    async def announce(self) -> datetime | None:
        """See `CreateStore`."""
        # A write that has begun is finished even when the job is cancelled, so it must not begin then.
        await anyio.lowlevel.checkpoint_if_cancelled()
        return self._begun_at

    async def withdraw(self) -> None:
        """See `CreateStore`."""
        self._begun_at = None  # what an earlier process made has been looked for

    async def own(self, session: Session) -> bool:  # noqa: ARG002 - the client keeps its own jobs apart
        """See `CreateStore`."""
        return True


async def create_session(
    factory: SessionFactory,
    job: Job,
    key: str,
    *,
    store: CreateStore,
    slot: SendSlot,
    record: Callable[[BatchEvent], Awaitable[None]],
    on_orphan: Callable[[Session], None] | None = None,
) -> Session:
    """
    Make the session of a job, once: recorded before it is sent, and owned before it goes on.

    Args:
        factory: Makes the sessions.
        job: What to make.
        key: The job's key in its batch.
        store: Where the create is recorded.
        slot: What the job waits for.
        record: Has the caller write the `creating` event down; what it raises ends the job before anything is sent.
        on_orphan: Gets a session that is made while the job is cancelled.

    Raises:
        NotStarted: Nothing is to be created any more, and nothing was.
        OutcomeUnknown: A session may exist, and it is not known which.
        HeyGenError: It was not made.
    """
    build = partial(session_api.create, job, idempotency_key=store.key)
    call = await upload_files(factory.core, job.files, build)
    started_at = store.started_at
    event = BatchEvent(kind="creating", key=key, job=job, idempotency_key=store.key, started_at=started_at)
    await record(event)

    async def send() -> Session:
        for _ in range(_FOREIGN_SESSIONS):
            begun_at = await store.announce()
            try:
                session = await factory.create(
                    call,
                    job.prompt,
                    job.mode,
                    begun_at=begun_at,
                    raise_rate_limit=True,
                    on_orphan=on_orphan,
                    send_guard=store.permit,
                )
            except RateLimited:
                await store.withdraw()
                raise
            if await store.own(session):
                return session
        raise OutcomeUnknown(
            "The sessions found for this job are those of other jobs.",
            idempotency_key=store.key,
            started_at=started_at,
        )

    return await _send_when_room(slot, send)


async def _send_when_room(slot: SendSlot, send: Callable[[], Awaitable[T]]) -> T:
    """Send what makes a job work until the service has room for it; a quota that is used up is raised."""
    while True:
        await slot.acquire()
        try:
            result = await send()
        except RateLimited as error:
            if delivery(error) is Delivery.FINAL:
                raise
            await slot.refuse(error)
        else:
            await slot.accept()
            return result


@dataclass(slots=True, eq=False)
class SessionHistory:
    """
    What a job remembers of its session beside the session's own ref.

    Attributes:
        states: The newest transitions, without their messages.
        worked: Seconds the agent has worked.
        refusals: Answers in a row that the session refused for its state.
    """

    states: deque[SessionState] = field(default_factory=partial(deque["SessionState"], maxlen=STATES))
    worked: float = 0.0
    refusals: int = 0

    def add(self, state: SessionState) -> None:
        """Keep a state if it is a transition."""
        if not self.states or self.states[-1].status != state.status:
            self.states.append(without_messages(state))


@dataclass(slots=True, eq=False)
class SessionRunner:
    """
    Runs the session of a job, in a local batch and in a durable one.

    Args:
        session: The session.
        job: Its job.
        key: The job's key in its batch.
        slot: What the job waits for before an answer is sent.
        emit: Delivers an event.
        timeout: Seconds the agent may work on a job without a `timeout` of its own; None for no limit.
        progress: Whether to emit more than transitions.
        history: What is known of its past; kept up to date.
    """

    session: Session
    _job: Job
    _key: str
    _: KW_ONLY
    slot: SendSlot
    emit: Callable[[BatchEvent], Awaitable[None]]
    timeout: float | None
    progress: bool
    history: SessionHistory = field(default_factory=SessionHistory)

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
                progress=self.progress,
                accept_stale=False,
            ) as states:
                async for last in states:
                    messages += last.new_messages
                    self.history.add(last)
                    await self.emit(replace(self.event("state"), state=last))
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
        await self.emit(replace(self.event("paused"), state=state, ref=self.session.ref()))

    async def emit_answer(self, answer: Answer) -> None:
        """Deliver that the service took an answer."""
        await self.emit(replace(self.event("answered"), answer=answer, ref=self.session.ref()))

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
            await _send_when_room(self.slot, partial(deliver_answer, self.session, answer, idempotency_key))
        except Conflict:
            await self.slot.accept()  # it works
            self.history.refusals += 1
            if self.history.refusals >= REFUSALS:
                raise
            return False
        self.history.refusals = 0
        return True

    def _time_left(self) -> float | None:
        """Return the seconds the agent may still work."""
        limit = self.timeout if isinstance(self._job.timeout, UnsetType) else self._job.timeout
        return None if limit is None else max(limit - self.history.worked, _LEAST)


def without_messages(state: SessionState) -> SessionState:
    """Return a state as it is worth keeping: the conversation is at the service."""
    return structs.replace(state, messages=(), new_messages=())
