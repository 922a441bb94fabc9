"""
From a call to its answer: one exchange (`attempt`), or as many as it takes (`call`).

Decisions are made in `_retry.py`; here they are carried out. A write that may have happened is handed to the
caller's `settle`, which finds out (`_settle.py`); without one it is raised as it is.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio

from . import _answers, _clock
from ._config import bearer
from ._redact import Secret, clean
from ._retry import IN_PROGRESS, Again, Delivery, Tries, Verdict, delivery, pause
from ._wire import Call, Kind, Request
from ._writes import finished
from .errors import APIError, ClientStateError, Conflict, HeyGenError, RateLimited, Unauthorized
from .models import Statistics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from ._answers import Envelope
    from ._config import Credential, RetryPolicy, Timeouts
    from ._writes import Write

T = TypeVar("T")

log = logging.getLogger("heygen_async")

_UNPACED = 5.0  # seconds everybody waits after a 429 that names no pace


class Answer(Protocol):
    """What a transport returns: header names are looked up in lower case."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class Download(Protocol):
    """An answer whose body is still coming."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def chunks(self) -> AsyncIterator[bytes]: ...


class Transport(Protocol):
    """
    The seam under the client: `HeyGen(http=...)` takes one in place of an aiohttp session.

    Its errors are `TransportError`s, whose kind says whether the request can have been processed.
    """

    async def send(self, request: Request) -> Answer:
        """
        Exchange one request for its whole answer.

        Raises:
            TransportError: There is none.
        """
        ...

    def stream(self, request: Request) -> AbstractAsyncContextManager[Download]:
        """
        Open an answer whose body is read as it comes.

        Raises:
            TransportError: There is none.
        """
        ...

    async def aclose(self) -> None:
        """Let go of all connections."""
        ...


class Identity:
    """The credential as headers; asks for a new token once after a 401, for all concurrent calls together."""

    __slots__ = ("_base", "_credential", "_lock", "headers")

    def __init__(self, credential: Credential, version: str) -> None:
        self._credential = credential
        self._base = {
            "accept": "application/json",
            "user-agent": f"heygen-async/{version}",
            "x-heygen-source": "heygen-async",
        }
        self._lock = anyio.Lock()
        self.headers: dict[str, str] = {}
        if credential.value is not None:
            self._show(credential.value)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        shown = self.headers.get(self._credential.header)
        return () if shown is None else (shown.removeprefix("Bearer "),)

    async def ready(self) -> None:
        """Ask for the first token."""
        if not self.headers:
            await self.renew(self.headers)

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Replace the headers that were refused; False when there is nothing to ask. One asks, the others wait."""
        ask = self._credential.ask
        if ask is None:
            return False
        async with self._lock:
            if self.headers is refused:
                token = ask()
                self._show(bearer(await token if inspect.isawaitable(token) else token))
        return True

    def explained(self, error: Unauthorized) -> Unauthorized:
        """Say in the hint which header was sent and from where, never what was in it."""
        error.hint = (
            f"The service refused the {self._credential.header} header made from {self._credential.origin}; "
            "check the key at https://app.heygen.com/settings (API)."
        )
        error.__notes__ = [f"Hint: {error.hint}"]
        return error

    def _show(self, value: Secret) -> None:
        self.headers = {**self._base, self._credential.header: value}


class Counters:
    """What `heygen.statistics()` reads."""

    __slots__ = ("bulk_polls", "bytes_received", "polls", "rate_limited", "requests", "retries", "watchers")

    def __init__(self) -> None:
        self.requests = self.retries = self.polls = self.bulk_polls = 0
        self.rate_limited = self.watchers = self.bytes_received = 0

    def snapshot(self) -> Statistics:
        """Return the numbers of now."""
        return Statistics(**{name: getattr(self, name) for name in self.__slots__})


class Caller:
    """
    Sends calls for one client, bound to the loop of the first.

    Attributes:
        polls_resume: Loop time before which no poll is sent, after a 429 on a read.
        creates_resume: Loop time before which nothing is created, after a 429 on a create.
        keys_honoured: Kinds of write for which the service has shown that it honours idempotency keys.
        rescues: Writes whose callers were cancelled and whose outcome is still to come.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        open_transport: Callable[[], Transport],
        base_url: str,
        timeouts: Timeouts,
        retry: RetryPolicy,
    ) -> None:
        self.identity = identity
        self.timeouts = timeouts
        self.retry = retry
        self.counters = Counters()
        self.die = random.Random()
        self.polls_resume = self.creates_resume = 0.0
        self.keys_honoured: set[Kind] = set()
        self.rescues: set[asyncio.Task[object]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.is_closed = False
        self._open_transport = open_transport
        self._transport: Transport | None = None
        self._base_url = base_url

    # -- life --

    def bind(self) -> Transport:
        """
        Return the transport, opened on the running loop.

        Raises:
            ClientStateError: The client is closed, or belongs to another live loop.
        """
        if self.is_closed:
            raise ClientStateError("This client is closed.", hint="Make a new HeyGen().")
        loop = asyncio.get_running_loop()
        if self._transport is None or loop is not self.loop:
            self._rebind(loop)
        assert self._transport is not None  # noqa: S101 - _rebind opened it
        return self._transport

    def _rebind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.loop is not None and self.loop is not loop:
            if not self.loop.is_closed():
                raise ClientStateError("This client belongs to another event loop that is still open.")
            abandon = getattr(self._transport, "abandon", None)
            if abandon is not None:
                abandon()
            self._transport = None
            self.polls_resume = self.creates_resume = 0.0
        self.loop = loop
        if self._transport is None:
            self._transport = self._open_transport()

    async def aclose(self) -> None:
        """Refuse further calls and close the transport, once no cancelled write needs it any more."""
        if self.rescues and self.loop is asyncio.get_running_loop():
            await finished(self.rescues, self.timeouts.write)
        self.is_closed = True
        if self._transport is not None and self.loop is asyncio.get_running_loop():
            await self._transport.aclose()
        self._transport = None

    # -- one exchange --

    def request(self, call: Call[T]) -> Request:
        """Build what is sent for a call."""
        headers: Mapping[str, str] = self.identity.headers
        if call.body is not None:
            headers = {**headers, "content-type": "application/json"}
        if call.key is not None:
            headers = {**headers, "idempotency-key": call.key}
        limit = self.timeouts.read if call.kind is Kind.READ else self.timeouts.write
        return Request(call.method, self._base_url + call.path, headers, call.body, limit, call.route)

    async def attempt(self, call: Call[T], request: Request | None = None) -> Envelope[T]:
        """
        Make one exchange; a refused token is renewed and the exchange made once more.

        Raises:
            TransportError: The exchange broke; the kind says whether it can have been processed.
            APIError: The service refused.
            ClientStateError: The client is closed or belongs to another loop.
        """
        transport = self.bind()
        identity = self.identity
        await identity.ready()
        used = identity.headers
        try:
            return await self._exchange(transport, call, request or self.request(call))
        except Unauthorized as error:
            if not await identity.renew(used):
                raise identity.explained(error) from None
        try:
            return await self._exchange(transport, call, self.request(call))
        except Unauthorized as error:
            raise identity.explained(error) from None

    async def _exchange(self, transport: Transport, call: Call[T], request: Request) -> Envelope[T]:
        self.counters.requests += 1
        answer = await transport.send(request)
        self.counters.bytes_received += len(answer.body)
        if log.isEnabledFor(logging.DEBUG):
            said = {
                "operation": call.name,
                "route": call.route,
                "status": answer.status,
                "bytes": len(answer.body),
            }
            log.debug("%s answered %d", call.name, answer.status, extra=said)
        try:
            return _answers.read(
                call.name, call.answer, answer.status, answer.headers, answer.body, self.identity.secrets
            )
        except RateLimited as error:
            self._slow_down(call, error)
            raise

    def _slow_down(self, call: Call[T], error: RateLimited) -> None:
        self.counters.rate_limited += 1
        if delivery(error) is Delivery.FINAL:
            return
        until = _clock.now() + min(pause(error, _UNPACED, die=self.die.random()), self.retry.max_retry_after)
        if call.kind is Kind.CREATE:
            self.creates_resume = max(self.creates_resume, until)
        elif call.kind is Kind.READ:
            self.polls_resume = max(self.polls_resume, until)

    def download(self, url: str) -> AbstractAsyncContextManager[Download]:
        """Open a file at a storage host, which never sees the credential."""
        agent = {
            "user-agent": self.identity.headers.get("user-agent", "heygen-async"),
            "accept-encoding": "identity",
        }
        return self.bind().stream(Request("GET", url, agent, None, self.timeouts.transfer, "a download"))

    # -- as many as it takes --

    async def call(self, call: Call[T], *, write: Write[T] | None = None) -> Envelope[T]:
        """
        Send a call until it is answered, refused for good, or not worth more tries.

        Args:
            call: What to send.
            write: For what must not happen twice: notes what may have happened and finds out.

        Raises:
            TransportError: See `attempt`; `OutcomeUnknown` when a write could not be settled.
            APIError: The service refused, with the number of attempts.
        """
        self.bind()
        started = _clock.now()
        tries = Tries(self.retry)
        while True:
            if call.kind is Kind.CREATE:
                await _clock.sleep(max(0.0, self.creates_resume - _clock.now()))
            if write is not None:
                write.before_attempt()
            tries.count += 1
            try:
                return await self.attempt(call)
            except HeyGenError as error:
                outcome = await self._after(call, error, write, tries, started)
                made, step = outcome
                if made is not None:
                    return _answers.Envelope(data=made)
                if not isinstance(step, Again):
                    _count_attempts(error, tries.count)
                    raise
                self._note_retry(call, error, step)
            if write is not None:
                write.before_wait()
            await _clock.sleep(step.after)

    async def _after(
        self, call: Call[T], error: HeyGenError, write: Write[T] | None, tries: Tries, started: float
    ) -> tuple[T | None, Again | Verdict]:
        """Find out what a failed exchange did, and whether it is worth another."""
        made: T | None = None
        is_in_progress = isinstance(error, Conflict) and error.code == IN_PROGRESS
        if is_in_progress:
            self.keys_honoured.add(call.kind)  # only a service that honours keys knows that one is in use
        step = tries.next_step(
            call.kind, error, elapsed=_clock.now() - started, policy=self.retry, die=self.die.random()
        )
        if write is None or write.settle is None:
            return made, step
        write.is_open = write.is_open or is_in_progress or step is Verdict.SETTLE
        if step is Verdict.SETTLE and call.kind in self.keys_honoured:
            step = self._again(tries, error, started)  # the service knows best what became of its key
        if write.is_open and (write.is_abandoned or not isinstance(step, Again)):
            made = await write.settle(error)
            write.is_open = False
            step = self._again(tries, error, started) if step is Verdict.SETTLE else step
        write.may_exist = made is not None or write.is_open
        return made, step

    def _again(self, tries: Tries, error: HeyGenError, started: float) -> Again | Verdict:
        return tries.again(error, elapsed=_clock.now() - started, policy=self.retry, die=self.die.random())

    def _note_retry(self, call: Call[T], error: HeyGenError, step: Again) -> None:
        self.counters.retries += 1
        said = {"operation": call.name, "error": type(error).__name__, "after": step.after}
        problem = clean(str(error), self.identity.secrets)
        log.info("%s failed (%s); again in %.1f s", call.name, problem, step.after, extra=said)


def _count_attempts(error: HeyGenError, attempts: int) -> None:
    if isinstance(error, APIError):
        error.attempts = attempts
