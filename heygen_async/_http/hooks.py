"""
Tells the program what its client does: each exchange, each retry, each transition.

A hook is the caller's code in the middle of ours, so it gets a finished fact and can change nothing. What it raises is
logged; what it returns to be awaited goes on in a task of its own, and closing the client waits for that.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from .. import _clock
from .._concurrency import finished
from ..models import SessionStatus

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..models import SessionState
    from .transport import Answer, Download, Request, Transport

E = TypeVar("E")

log = logging.getLogger("heygen_async")

_PATIENCE = 10.0  # seconds that closing waits for hooks: somebody may have pressed Ctrl-C
_LAST_PATIENCE = 1.0  # the same, for what they do when they are cancelled


class RequestEvent(Struct, frozen=True, kw_only=True):
    """
    One exchange with the service or with a storage host, as told to `HeyGen(on_request=...)`.

    Attributes:
        method: Such as `GET`.
        route: The path's template, such as `/v3/video-agents/{session_id}`; of files `a download` and the like. It has
            no ids in it, so it makes a good name for a metric.
        status: The HTTP status; None when no answer came.
        elapsed: Seconds from when it could have been sent to the whole answer, waiting for a connection included.
        attempt: Which attempt of its call it was, from 1.
        request_id: The service's name for it.
        error: What went wrong when no answer came, or not all of it: `ConnectFailed` and the like; `CancelledError`
            when the caller gave up.
    """

    method: str
    route: str
    status: int | None = None
    elapsed: float = 0.0
    attempt: int = 1
    request_id: str | None = None
    error: str | None = None


class RetryEvent(Struct, frozen=True, kw_only=True):
    """
    A call that failed and is made again, as told to `HeyGen(on_retry=...)`.

    Attributes:
        method: Such as `POST`.
        route: The path's template.
        attempt: Which attempt failed, from 1.
        delay: Seconds until the next.
        reason: What went wrong, without secrets.
        error: Its kind, such as `RateLimited`.
    """

    method: str
    route: str
    attempt: int
    delay: float
    reason: str
    error: str


class TransitionEvent(Struct, frozen=True, kw_only=True):
    """
    A session that changed its status, as told to `HeyGen(on_transition=...)`, whoever looked.

    Attributes:
        session_id: The session.
        previous: The status before; None for the first that this client sees.
        status: The status now.
        elapsed: Seconds the one before lasted, as seen from here.
    """

    session_id: str
    previous: SessionStatus | None
    status: SessionStatus
    elapsed: float


OnRequest = Callable[[RequestEvent], Awaitable[None] | None]
OnRetry = Callable[[RetryEvent], Awaitable[None] | None]
OnTransition = Callable[[TransitionEvent], Awaitable[None] | None]


class Hooks:
    """
    The hooks of one client.

    Args:
        on_request: Told each exchange.
        on_retry: Told each retry.
        on_transition: Told each transition.
    """

    def __init__(
        self,
        on_request: OnRequest | None = None,
        on_retry: OnRetry | None = None,
        on_transition: OnTransition | None = None,
    ) -> None:
        self._on_request = on_request
        self._on_retry = on_retry
        self._on_transition = on_transition
        self._tasks: set[asyncio.Task[object]] = set()

    def listening(self, transport: Transport) -> Transport:
        """Return the transport, with every exchange told if anybody listens."""
        if self._on_request is None:
            return transport
        return Told(transport, self._on_request, self.tell)

    @property
    def retried(self) -> Callable[[RetryEvent], None] | None:
        """What to call with a retry; None when nobody listens."""
        hook = self._on_retry
        return None if hook is None else lambda event: self.tell(hook, event)

    @property
    def moved(self) -> Callable[[SessionState], None] | None:
        """What to call with a state that is a transition; None when nobody listens."""
        hook = self._on_transition
        return None if hook is None else lambda state: self.tell(hook, _transition(state))

    def tell(self, hook: Callable[[E], Awaitable[None] | None], event: E) -> None:
        """Call a hook; nothing it does disturbs what goes on."""
        try:
            said = hook(event)
        except Exception as error:  # noqa: BLE001 - it is the caller's code
            _complain(event, error)
        else:
            if inspect.isawaitable(said):
                task: asyncio.Task[object] = asyncio.get_running_loop().create_task(
                    _awaited(said, event), name="heygen_async hook"
                )
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Wait for the hooks under way, and end those that take too long; not one that closes the client itself."""
        loop, own = asyncio.get_running_loop(), asyncio.current_task()
        tasks = {task for task in self._tasks if task is not own and task.get_loop() is loop}
        await finished(tasks, _PATIENCE)
        for task in tasks:
            task.cancel()
        await finished(tasks, _LAST_PATIENCE)


class Told:
    """A transport that tells a hook each exchange when it is over."""

    def __init__(
        self,
        transport: Transport,
        hook: OnRequest,
        tell: Callable[[OnRequest, RequestEvent], None],
    ) -> None:
        self.reports_sending: bool = getattr(transport, "reports_sending", False)
        self._transport = transport
        self._hook = hook
        self._tell = tell

    async def send(self, request: Request) -> Answer:
        """
        Exchange one request for its answer, and tell it.

        Raises:
            TransportError: There is none.
        """
        began = _clock.now()
        try:
            answer = await self._transport.send(request)
        except BaseException as error:
            self._over(request, began, None, error)
            raise
        self._over(request, began, answer)
        return answer

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncGenerator[Download, None]:
        """
        Open an answer whose body is read as it comes, and tell it when that is over.

        Raises:
            TransportError: There is none.
        """
        began, answer = _clock.now(), None
        try:
            async with self._transport.stream(request) as answer:
                yield answer
        except BaseException as error:
            self._over(request, began, answer, error)
            raise
        self._over(request, began, answer)

    async def aclose(self) -> None:
        """Let go of all connections."""
        await self._transport.aclose()

    def abandon(self) -> None:
        """Let go of what belongs to a loop that is closed."""
        abandon: Callable[[], None] | None = getattr(self._transport, "abandon", None)
        if abandon is not None:
            abandon()

    def _over(
        self,
        request: Request,
        began: float,
        answer: Answer | Download | None,
        error: BaseException | None = None,
    ) -> None:
        event = RequestEvent(
            method=request.method,
            route=request.route,
            status=None if answer is None else answer.status,
            elapsed=_clock.now() - began,
            attempt=request.attempt,
            request_id=None if answer is None else answer.headers.get("x-request-id"),
            error=None if error is None else type(error).__name__,
        )
        self._tell(self._hook, event)


def _transition(state: SessionState) -> TransitionEvent:
    return TransitionEvent(
        session_id=state.session_id, previous=state.previous, status=state.status, elapsed=state.elapsed
    )


async def _awaited(said: Awaitable[None], event: object) -> None:
    try:
        await said
    except Exception as error:  # noqa: BLE001 - it is the caller's code
        _complain(event, error)


def _complain(event: object, error: Exception) -> None:
    name = type(event).__name__
    log.error("A hook failed on a %s", name, exc_info=error, extra={"event": "hook_failed", "told": name})
