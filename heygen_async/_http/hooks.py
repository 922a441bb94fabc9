"""
Calls the program's hooks with what its client does: each exchange, each retry, each transition.

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

from msgspec import Struct, convert, field

from .. import _clock
from .._concurrency import wait_through_cancels
from ..models import SessionStatus

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ..models import SessionState
    from .transport import Request, Response, ResponseHead, ResponseStream, Transport

E = TypeVar("E")

log = logging.getLogger("heygen_async")

_CLOSING_SECONDS = 10.0  # seconds that closing waits for hooks: the user may have pressed Ctrl-C
_CANCEL_SECONDS = 1.0  # the same, for what they do when they are cancelled


class RequestEvent(Struct, frozen=True, kw_only=True):
    """
    One exchange with the service or with a storage host, as given to `HeyGen(on_request=...)`.

    Attributes:
        method: Such as `GET`.
        route: The path's template, such as `/v3/video-agents/{session_id}`; of files `a download` and the like, of
            `heygen.request` the path's first two parts. It has no ids in it, so it makes a good name for a metric.
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
    A call that failed and is made again, as given to `HeyGen(on_retry=...)`.

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
    A session that changed its status, as given to `HeyGen(on_transition=...)`, whatever read it.

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


class Hooks(Struct, eq=False):
    """
    The hooks of one client.

    Attributes:
        on_request: Called after each exchange.
        on_retry: Called before each retry.
        on_transition: Called on each transition.
    """

    on_request: OnRequest | None = None
    on_retry: OnRetry | None = None
    on_transition: OnTransition | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def send(self, transport: Transport, request: Request) -> Response:
        """
        Exchange one request for its answer, and report it.

        Raises:
            TransportError: There is none.
        """
        began = _clock.now()
        try:
            answer = await transport.send(request)
        except BaseException as error:
            self._report(request, began, None, error)
            raise
        self._report(request, began, answer, None)
        return answer

    @asynccontextmanager
    async def stream(self, transport: Transport, request: Request) -> AsyncGenerator[ResponseStream, None]:
        """
        Open an answer whose body is read as it comes, and report it when that is over.

        Raises:
            TransportError: There is none.
        """
        began, answer = _clock.now(), None
        try:
            async with transport.stream(request) as answer:
                yield answer
        except BaseException as error:
            self._report(request, began, answer, error)
            raise
        self._report(request, began, answer, None)

    def _report(
        self, request: Request, began: float, answer: ResponseHead | None, error: BaseException | None
    ) -> None:
        if self.on_request is None:
            return
        event = RequestEvent(
            method=request.method,
            route=request.route,
            status=None if answer is None else answer.status,
            elapsed=_clock.now() - began,
            attempt=request.attempt,
            request_id=None if answer is None else answer.headers.get("x-request-id"),
            error=None if error is None else type(error).__name__,
        )
        self._call(self.on_request, event)

    def report_retry(self, event: RetryEvent) -> None:
        """Report a call that failed and will be made again."""
        if self.on_retry is not None:
            self._call(self.on_retry, event)

    def report_transition(self, state: SessionState) -> None:
        """Report a state that is a transition."""
        if self.on_transition is not None:
            self._call(self.on_transition, convert(state, TransitionEvent, from_attributes=True))

    def _call(self, hook: Callable[[E], Awaitable[None] | None], event: E) -> None:
        """Call a hook; nothing it does disturbs what goes on."""
        try:
            pending = hook(event)
        except Exception as error:  # noqa: BLE001 - it is the caller's code
            _log_failure(event, error)
        else:
            if inspect.isawaitable(pending):
                work = _await_hook(pending, event)
                task = asyncio.get_running_loop().create_task(work, name="heygen_async hook")
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Wait for the hooks under way, and end those that take too long; not one that closes the client itself."""
        loop, own = asyncio.get_running_loop(), asyncio.current_task()
        tasks = {task for task in self._tasks if task is not own and task.get_loop() is loop}
        await wait_through_cancels(tasks, _CLOSING_SECONDS)
        for task in tasks:
            task.cancel()
        await wait_through_cancels(tasks, _CANCEL_SECONDS)


async def _await_hook(pending: Awaitable[None], event: object) -> None:
    try:
        await pending
    except Exception as error:  # noqa: BLE001 - it is the caller's code
        _log_failure(event, error)


def _log_failure(event: object, error: Exception) -> None:
    name = type(event).__name__
    log.error("A hook failed on a %s", name, exc_info=error, extra={"event": "hook_failed", "hook": name})
