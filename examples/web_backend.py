"""What the web apps share: errors as HTTP answers, a session as server-sent events, browsers that leave, the end."""

import asyncio
import json
import signal
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from heygen_async import (
    ClientStateError,
    Conflict,
    Forbidden,
    HeyGenError,
    InsufficientCredit,
    InvalidArgument,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Session,
    SessionBusy,
    SessionState,
    Unauthorized,
    UploadError,
    Watch,
)

T = TypeVar("T")

HEARTBEAT = 15.0  # seconds; keeps proxies from cutting a quiet stream, and finds browsers that are gone
EVENTS = {"cache-control": "no-store", "content-type": "text/event-stream", "x-accel-buffering": "no"}
STATUSES: dict[type[HeyGenError], int] = {  # the first that fits
    Unauthorized: 502,  # this server's key or wallet: no concern of a browser
    Forbidden: 502,
    InsufficientCredit: 502,
    InvalidArgument: 422,
    InvalidRequest: 422,
    UploadError: 422,
    NotFound: 404,
    SessionBusy: 409,
    Conflict: 409,
    RateLimited: 429,
    ClientStateError: 503,  # this server is going down
    HeyGenError: 502,  # the service failed, cannot be reached, or lost an answer
}


def answer_of(error: HeyGenError) -> tuple[int, dict[str, object], dict[str, str]]:
    """Return the status, the body and the headers that tell a browser of an error."""
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    body: dict[str, object] = {"error": type(error).__name__}
    headers: dict[str, str] = {}
    if not isinstance(error, Unauthorized | Forbidden | InsufficientCredit):
        body |= {"message": str(error), "hint": error.hint}
    if isinstance(error, OutcomeUnknown):  # to repeat it with the same key, or to take one of them
        body |= {"idempotency_key": error.idempotency_key, "candidates": error.candidates}
    if isinstance(error, RateLimited):
        headers["retry-after"] = str(max(1, round(error.retry_after or 1)))
    return status, body, headers


async def unless_left(receive: Callable[[], Awaitable[object]], work: Coroutine[None, None, T]) -> T | None:
    """
    Return what a browser waits for, None when it has left: no ASGI server tells a plain handler.

    A session that was made all the same is in the log, and in `heygen.sessions.orphans` for the one who comes for it.
    """
    making = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(receive())  # there is nothing more to receive but that
    try:
        await asyncio.wait({making, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        making.cancel()  # unless it is done
    await asyncio.wait({making})
    return None if making.cancelled() else making.result()


async def open_events(session: Session) -> AsyncGenerator[bytes]:
    """
    Return the events of a session once its first state is there, so that an unknown session is a 404 and no stream.

    Raises:
        HeyGenError: It cannot be followed.
    """
    watch = session.watch(until=["completed", "failed"], timeout=None, progress=True)
    state = await anext(watch, None)
    if state is None:
        raise ClientStateError("This server is going down.")
    return _events(watch, state)


async def _events(watch: Watch, state: SessionState | None) -> AsyncGenerator[bytes]:
    """Yield an event for each change; when the browser leaves, this ends and so do the polls made for it."""
    step: asyncio.Task[SessionState | None] | None = None
    try:
        while state is not None:
            yield _event("state", _shown(state))
            step = asyncio.ensure_future(anext(watch, None))
            while not (await asyncio.wait({step}, timeout=HEARTBEAT))[0]:
                yield b": still here\n\n"
            state = step.result()
    except HeyGenError as error:
        yield _event("error", answer_of(error)[1])
    finally:
        if step is not None:
            step.cancel()
        await watch.aclose()


def _shown(state: SessionState) -> dict[str, object]:
    said = [
        {"role": each.role, "text": each.content, "pictures": each.resource_ids}
        for each in state.new_messages
    ]
    return {
        "status": state.status,
        "progress": state.progress,
        "messages": said,
        "failure": state.failure_reason,
    }


def _event(name: str, data: dict[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


@contextmanager
def stop_on_signals(stop: Callable[[], Coroutine[None, None, None]]) -> Generator[None]:
    """Have `stop` called when this process is told to end: a server waits for its streams before it closes the app."""
    if threading.current_thread() is not threading.main_thread():
        yield  # under a test client, which gets no signals
        return
    loop = asyncio.get_running_loop()
    servers_own = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, frame: FrameType | None) -> None:
        asyncio.run_coroutine_threadsafe(stop(), loop)
        if callable(handler := servers_own[signal.Signals(number)]):
            handler(number, frame)

    for number in servers_own:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in servers_own.items():
            signal.signal(number, handler)
