"""
The create of a job: recorded before it is sent, sent once the service has room for it, owned before it goes on.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

import anyio.lowlevel

from .. import _clock
from .._api import sessions as session_api
from .._http.retry import Delivery, delivery
from .._sessions.attachments import upload_files
from ..errors import HeyGenError, OutcomeUnknown, RateLimited
from .concurrency import send_when_room
from .job import BatchEvent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .._api.calls import Call
    from .._sessions.create import SessionFactory
    from .._sessions.session import Session
    from ..models import SessionData
    from .concurrency import SendSlot
    from .job import Job

_FOREIGN_SESSIONS: Final = 3  # in a row that turn out to be another job's


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

    async def announce(self) -> datetime | None:
        """Record that an attempt is about to be made; return since when an earlier one may have been sent."""

    async def permit(self) -> None:
        """Return if the attempt may be sent now, right before it is; raise if not."""

    async def withdraw(self) -> None:
        """Record that the service refused the attempt, so that there is nothing to look for."""

    async def own(self, session: Session) -> bool:
        """Record the session as this job's; False when it is another job's."""
        ...


class MemoryStore:
    """The record of a local batch: its caller writes down what the events say."""

    __slots__ = ("_begun_at", "_started_at", "key")

    def __init__(self, job: Job) -> None:
        self.key: str = job.idempotency_key or str(uuid.uuid4())
        self._begun_at = self._started_at = job.begun_at

    @property
    def started_at(self) -> datetime:
        """See `CreateStore`."""
        if self._started_at is None:
            self._started_at = datetime.fromtimestamp(_clock.wall(), UTC)
        return self._started_at

    async def announce(self) -> datetime | None:
        """See `CreateStore`."""
        # A write that has begun is finished even when the job is cancelled, so it must not begin then.
        await anyio.lowlevel.checkpoint_if_cancelled()
        return self._begun_at

    async def permit(self) -> None:
        """See `CreateStore`."""

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
    Make the session of a job, once.

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
    await record(
        BatchEvent(kind="creating", key=key, job=job, idempotency_key=store.key, started_at=store.started_at)
    )
    return await send_when_room(slot, partial(_send, factory, job, call, store, on_orphan))


async def _send(
    factory: SessionFactory,
    job: Job,
    call: Call[SessionData],
    store: CreateStore,
    on_orphan: Callable[[Session], None] | None,
) -> Session:
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
        started_at=store.started_at,
    )


def may_exist(error: Exception) -> bool:
    """Return whether a create that failed so may have made a session all the same."""
    return isinstance(error, OutcomeUnknown) or (
        isinstance(error, HeyGenError) and delivery(error) is Delivery.MAYBE_DONE
    )
