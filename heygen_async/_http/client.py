"""
From a call to its answer: one exchange (`attempt`), or as many as it takes (`call`).

Decisions are made in `retry.py`; here they are carried out. What must not happen twice goes through `attempts.py`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from .. import _clock
from .._api import responses
from .._api.calls import Call, Kind
from .._redact import clean
from ..errors import (
    APIError,
    ClientStateError,
    HeyGenError,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    Unauthorized,
)
from .hooks import RetryEvent
from .links import resolve_link
from .retry import Again, Delivery, Throttle, Tries, delivery
from .service_clock import ServiceClock
from .transport import Request
from .writes import CreateQueue, OpenWrites

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from .._api.responses import Envelope
    from .._config import RetryPolicy, Timeouts
    from .auth import Authenticator
    from .transport import Response, ResponseStream, Transport

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
        writes: What costs money or says something, and is under way.
        create_queue: In which order creates try again when the service has no room.
        service_clock: What time it is there.
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
        on_retry: Callable[[RetryEvent], None] | None = None,
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
        self.writes: OpenWrites = OpenWrites(timeouts.write)
        self.create_queue: CreateQueue = CreateQueue()
        self.service_clock: ServiceClock = ServiceClock()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.is_closed: bool = False
        self._open_transport = open_transport
        self._on_retry = on_retry
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
            self.create_queue, self.service_clock = CreateQueue(), ServiceClock()
            self._polls, self._creates = Throttle(), Throttle()
        self.loop = loop
        if self._transport is None:
            self._transport = self._open_transport()

    async def aclose(self) -> None:
        """Refuse further calls and close the transport."""
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
            return await self._exchange(call, self.request(call, number, on_send))
        except Unauthorized as error:
            if not await identity.renew(used):
                raise identity.explain(error) from None
        try:
            return await self._exchange(call, self.request(call, number, on_send))
        except Unauthorized as error:
            raise identity.explain(error) from None

    async def _exchange(self, call: Call[T], request: Request) -> Envelope[T]:
        sent = _clock.now()
        response = await self.exchange(request)
        if date := response.headers.get("date"):
            self.service_clock.record_date(date, sent=sent, received=_clock.now())
        return self.decode(call, response)

    async def exchange(self, request: Request) -> Response:
        """Send a request and return what came back, whatever it says."""
        transport = self.bind()
        self.counters.requests += 1
        if request.on_send is not None and not getattr(transport, "reports_sending", False):
            request.on_send()
        response = await transport.send(request)
        self.counters.bytes_received += len(response.body)
        return response

    def decode(self, call: Call[T], response: Response) -> Envelope[T]:
        """
        Return what an answer says.

        Raises:
            TransportError: It cannot be read.
            APIError: It is a refusal.
        """
        if log.isEnabledFor(logging.DEBUG):
            fields = {
                "event": "answer",
                "operation": call.name,
                "route": call.route,
                "status": response.status,
                "bytes": len(response.body),
            }
            log.debug("%s answered %d", call.name, response.status, extra=fields)
        try:
            envelope = responses.read(
                call.name,
                call.decoder,
                response.status,
                response.headers,
                response.body,
                self.identity.secrets,
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
            fields = {"event": "flawed_answer", "operation": call.name, "places": faults}
            log.warning("Parts of the answer to %s could not be read: %s", call.name, shown, extra=fields)

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

    def download(self, url: str, asked: Mapping[str, str]) -> AbstractAsyncContextManager[ResponseStream]:
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

    async def call(self, call: Call[T]) -> Envelope[T]:
        """
        Send a call that may be repeated until it is answered, refused for good, or not worth more tries.

        Raises:
            TransportError: See `attempt`.
            APIError: The service refused, with the number of attempts.
        """
        self.bind()
        started = _clock.now()
        tries = Tries(self.retry)
        maybe_deleted = False
        while True:
            tries.count += 1
            try:
                return await self.attempt(call, tries.count)
            except HeyGenError as error:
                nothing = call.decoder.without_body
                if maybe_deleted and nothing is not None and isinstance(error, NotFound):
                    return responses.Envelope(data=nothing())  # an earlier attempt did it
                maybe_deleted |= call.method == "DELETE" and delivery(error) is Delivery.MAYBE_DONE
                step = tries.next_step(
                    call.kind,
                    error,
                    elapsed=_clock.now() - started,
                    policy=self.retry,
                    jitter=self.rng.random(),
                )
                if not isinstance(step, Again):
                    if isinstance(error, APIError):
                        error.attempts = tries.count
                    raise
                self.record_retry(call, error, step, tries.count)
            await _clock.sleep(step.after)

    async def call_without_recovery(self, call: Call[T]) -> Envelope[T]:
        """
        Send a call of which nobody can find out whether it was done.

        Raises:
            OutcomeUnknown: It may have been done, and twice may be too often.
            TransportError: See `attempt`.
            APIError: See `call`.
        """
        started = datetime.fromtimestamp(_clock.wall(), UTC)
        try:
            return await self.call(call)
        except HeyGenError as error:
            is_open = delivery(error) in (Delivery.MAYBE_DONE, Delivery.UNCLEAR)
            if call.kind is not Kind.SEND or call.key is None or not is_open:
                raise
            problem = clean(str(error), self.identity.secrets)
            raise OutcomeUnknown(
                f"The answer to {call.method} {clean(call.route)} was lost: {problem}",
                idempotency_key=call.key,
                started_at=started,
                hint="Read what it would have changed before you repeat it, or repeat it with the same key.",
            ) from error

    def record_retry(self, call: Call[T], error: HeyGenError, step: Again, attempt: int) -> None:
        """Log a call that will be sent again, and emit it to the hook."""
        self.counters.retries += 1
        kind, problem = type(error).__name__, clean(str(error), self.identity.secrets)
        said = {"event": "retry", "operation": call.name, "error": kind, "after": step.after}
        log.info("%s failed (%s); again in %.1f s", call.name, problem, step.after, extra=said)
        if self._on_retry is not None:
            self._on_retry(
                RetryEvent(
                    method=call.method,
                    route=call.route,
                    attempt=attempt,
                    delay=step.after,
                    reason=problem,
                    error=kind,
                )
            )
