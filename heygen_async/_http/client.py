"""
From a call to its answer: one exchange (`attempt`), or as many as it takes (`call`).

Decisions are made in `retry.py`; here they are carried out. A write that may have happened is handed to the
caller's `settle`, which finds out (`_sessions/create_recovery.py`); without one it is raised as it is.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, cast

from .. import _clock
from .._api import responses
from .._api.calls import Call, Kind
from .._concurrency import finished
from .._redact import clean
from ..errors import APIError, ClientStateError, Conflict, HeyGenError, NotFound, RateLimited, Unauthorized
from .hooks import RetryEvent
from .links import resolve_link
from .retry import IN_PROGRESS, Again, Delivery, Throttle, Tries, Verdict, delivery
from .transport import Request

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from .._api.responses import Envelope
    from .._config import RetryPolicy, Timeouts
    from .auth import Authenticator
    from .transport import Answer, Download, Transport
    from .writes import PendingWrite

T = TypeVar("T")

log = logging.getLogger("heygen_async")

_UNPACED = 5.0  # seconds everybody waits after a 429 that names no pace


class Counters:
    """What `heygen.statistics()` reads."""

    __slots__ = ("bulk_polls", "bytes_received", "polls", "rate_limited", "requests", "retries")

    def __init__(self) -> None:
        self.requests: int = 0
        self.retries: int = 0
        self.polls: int = 0
        self.bulk_polls: int = 0
        self.rate_limited: int = 0
        self.bytes_received: int = 0


class ApiClient:
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
        identity: Authenticator,
        open_transport: Callable[[], Transport],
        base_url: str,
        timeouts: Timeouts,
        retry: RetryPolicy,
        rng: random.Random,
        retried: Callable[[RetryEvent], None] | None = None,
    ) -> None:
        self.identity = identity
        self.timeouts = timeouts
        self.retry = retry
        self.counters: Counters = Counters()
        self.rng = rng
        self.polls_resume: float = 0.0
        self.creates_resume: float = 0.0
        self._polls, self._creates = Throttle(), Throttle()
        self._faulty_calls: set[str] = set()
        self.keys_honoured: set[Kind] = set()
        self.rescues: set[asyncio.Task[object]] = set()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.is_closed: bool = False
        self._open_transport = open_transport
        self._retried = retried
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
            self._polls, self._creates = Throttle(), Throttle()
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

    def request(self, call: Call[T], attempt: int = 1, on_send: Callable[[], None] | None = None) -> Request:
        """Build what is sent for a call; `attempt` counts from 1, for hooks."""
        headers: Mapping[str, str] = self.identity.headers
        if call.body is not None:
            headers = {**headers, "content-type": call.content_type}
        if call.key is not None:
            headers = {**headers, "idempotency-key": call.key}
        limit = self.timeouts.read if call.kind is Kind.READ else self.timeouts.write
        url = self._base_url + call.path
        return Request(call.method, url, headers, call.body, limit, call.route, attempt, on_send)

    async def attempt(
        self, call: Call[T], number: int = 1, on_send: Callable[[], None] | None = None
    ) -> Envelope[T]:
        """
        Make one exchange; a refused token is renewed and the exchange made once more.

        Args:
            call: What to send.
            number: Which attempt it is, from 1.
            on_send: Called right before the first byte leaves; what it raises keeps the call from being sent.

        Raises:
            TransportError: The exchange broke; the kind says whether it can have been processed.
            APIError: The service refused.
            ClientStateError: The client is closed or belongs to another loop.
        """
        identity = self.identity
        if not identity.headers:
            await identity.ready()
        used = identity.headers
        try:
            return self.decode(call, await self.exchange(self.request(call, number, on_send)))
        except Unauthorized as error:
            if not await identity.renew(used):
                raise identity.explained(error) from None
        try:
            return self.decode(call, await self.exchange(self.request(call, number, on_send)))
        except Unauthorized as error:
            raise identity.explained(error) from None

    async def exchange(self, request: Request) -> Answer:
        """Send a request and return what came back, whatever it says."""
        transport = self.bind()
        self.counters.requests += 1
        if request.on_send is not None and not getattr(transport, "reports_sending", False):
            request.on_send()
        answer = await transport.send(request)
        self.counters.bytes_received += len(answer.body)
        return answer

    def decode(self, call: Call[T], answer: Answer) -> Envelope[T]:
        """
        Return what an answer says.

        Raises:
            TransportError: It cannot be read.
            APIError: It is a refusal.
        """
        if log.isEnabledFor(logging.DEBUG):
            said = {
                "event": "answer",
                "operation": call.name,
                "route": call.route,
                "status": answer.status,
                "bytes": len(answer.body),
            }
            log.debug("%s answered %d", call.name, answer.status, extra=said)
        try:
            envelope = responses.read(
                call.name, call.answer, answer.status, answer.headers, answer.body, self.identity.secrets
            )
        except RateLimited as error:
            self._slow_down(call, error)
            raise
        if envelope.faults:
            self._log_faults(call, envelope.faults)
        return envelope

    def _log_faults(self, call: Call[T], faults: tuple[str, ...]) -> None:
        """Log once for each kind of call that its answers are not quite as documented."""
        if call.name not in self._faulty_calls:
            self._faulty_calls.add(call.name)
            shown = ", ".join(clean(place, self.identity.secrets) for place in faults[:3])
            more = {"event": "flawed_answer", "operation": call.name, "places": faults}
            log.warning("Parts of the answer to %s could not be read: %s", call.name, shown, extra=more)

    def _slow_down(self, call: Call[T], error: RateLimited) -> None:
        self.counters.rate_limited += 1
        if delivery(error) is Delivery.FINAL:
            return
        now, jitter = _clock.now(), self.rng.random()
        limits = {"unpaced": _UNPACED, "longest": self.retry.max_retry_after}
        if call.kind is Kind.CREATE:
            self.creates_resume = self._creates.refuse(error, now=now, jitter=jitter, **limits)
        elif call.kind is Kind.READ:
            self.polls_resume = self._polls.refuse(error, now=now, jitter=jitter, **limits)

    def download(self, url: str, asked: Mapping[str, str]) -> AbstractAsyncContextManager[Download]:
        """
        Open a file at a storage host, which never sees the credential.

        Raises:
            BadResponse: The link leads nowhere.
        """
        headers = {
            **asked,
            "user-agent": self.identity.headers.get("user-agent", "heygen-async"),
            "accept-encoding": "identity",
        }
        link = resolve_link(url, self._base_url)
        return self.bind().stream(Request("GET", link, headers, None, self.timeouts.transfer, "a download"))

    # -- as many as it takes --

    async def call(self, call: Call[T], *, write: PendingWrite[T] | None = None) -> Envelope[T]:
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
        maybe_deleted = False
        while True:
            if call.kind is Kind.CREATE:
                await _pause(write, self.creates_resume - _clock.now())
            if write is not None and (found := await write.begin()) is not None:
                return responses.Envelope(data=found)
            tries.count += 1
            try:
                return await self.attempt(call, tries.count, None if write is None else write.mark_sent)
            except HeyGenError as error:
                if maybe_deleted and isinstance(error, NotFound):
                    return responses.Envelope(data=cast("T", None))  # an earlier attempt did it
                maybe_deleted |= call.method == "DELETE" and delivery(error) is Delivery.MAYBE_DONE
                outcome = await self._after(call, error, write, tries, started)
                made, step = outcome
                if made is not None:
                    return responses.Envelope(data=made)
                if not isinstance(step, Again):
                    _count_attempts(error, tries.count)
                    raise
                self._note_retry(call, error, step, tries.count)
            await _pause(write, step.after)

    async def _after(
        self, call: Call[T], error: HeyGenError, write: PendingWrite[T] | None, tries: Tries, started: float
    ) -> tuple[T | None, Again | Verdict]:
        """Find out what a failed exchange did, and whether it is worth another."""
        made: T | None = None
        is_in_progress = isinstance(error, Conflict) and error.code == IN_PROGRESS
        if is_in_progress:
            self.keys_honoured.add(call.kind)  # only a service that honours keys knows that one is in use
        step = tries.next_step(
            call.kind, error, elapsed=_clock.now() - started, policy=self.retry, jitter=self.rng.random()
        )
        if write is not None and write.raise_rate_limit and isinstance(error, RateLimited):
            step = Verdict.GIVE_UP
        if write is None or write.settle is None:
            return made, step
        if is_in_progress or step is Verdict.RECOVER:
            write.trouble = error
        if step is Verdict.RECOVER and call.kind in self.keys_honoured:
            step = self._again(tries, error, started)  # the service knows best what became of its key
        if write.is_open and not isinstance(step, Again):
            made = await write.look()
            step = self._again(tries, error, started) if step is Verdict.RECOVER else step
        write.may_exist = made is not None or write.is_open
        return made, step

    def _again(self, tries: Tries, error: HeyGenError, started: float) -> Again | Verdict:
        return tries.again(error, elapsed=_clock.now() - started, policy=self.retry, jitter=self.rng.random())

    def _note_retry(self, call: Call[T], error: HeyGenError, step: Again, attempt: int) -> None:
        self.counters.retries += 1
        kind, problem = type(error).__name__, clean(str(error), self.identity.secrets)
        said = {"event": "retry", "operation": call.name, "error": kind, "after": step.after}
        log.info("%s failed (%s); again in %.1f s", call.name, problem, step.after, extra=said)
        if self._retried is not None:
            self._retried(
                RetryEvent(
                    method=call.method,
                    route=call.route,
                    attempt=attempt,
                    delay=step.after,
                    reason=problem,
                    error=kind,
                )
            )


async def _pause(write: PendingWrite[T] | None, seconds: float) -> None:
    await (_clock.sleep(max(seconds, 0.0)) if write is None else write.pause(seconds))


def _count_attempts(error: HeyGenError, attempts: int) -> None:
    if isinstance(error, APIError):
        error.attempts = attempts
