"""
From a call to its answer: one exchange (`attempt`), or as many as it takes (`call`).

Decisions are made in `retry.py`; here they are carried out. What must not happen twice goes through `writes.py`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from msgspec import structs

from .. import _clock, errors
from .._api import responses
from .._api.calls import Call, Kind
from .._redact import clean
from .create_queue import CreateQueue
from .hooks import RetryEvent
from .links import resolve_link
from .open_writes import OpenWrites
from .retry import Delivery, Throttle, Tries, delivery, may_be_done
from .service_clock import ServiceClock
from .transport import Request

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from .._api.responses import Envelope
    from .._config import RetryPolicy, Timeouts
    from .auth import Authenticator
    from .hooks import Hooks
    from .transport import Response, ResponseStream, Transport

T = TypeVar("T")

log = logging.getLogger("heygen_async")

_OK = HTTPStatus.OK.value


@dataclass(slots=True)
class Counters:
    """What `heygen.statistics()` reads."""

    requests: int = 0
    retries: int = 0
    polls: int = 0
    bulk_polls: int = 0
    rate_limited: int = 0
    bytes_received: int = 0


@dataclass(kw_only=True, eq=False, repr=False)
class ApiClient:
    """
    Sends calls for one client, bound to the loop of the first.

    Attributes:
        identity: The credential.
        open_transport: Makes what carries the requests.
        base_url: The service's address.
        timeouts: How long to wait for what.
        retry: When to try again.
        rng: Where jitter comes from.
        hooks: Called with what it does.
        counters: What it has done.
        keys_honoured: Kinds of write for which the service has shown that it honours idempotency keys.
        writes: What costs money or says something, and is under way.
        polls: When polls may go on after a 429 on a read.
        create_queue: In which order creates try again when the service has no room.
        service_clock: What time it is there.
    """

    identity: Authenticator
    open_transport: Callable[[], Transport]
    base_url: str
    timeouts: Timeouts
    retry: RetryPolicy
    rng: random.Random
    hooks: Hooks
    counters: Counters = field(default_factory=Counters)
    keys_honoured: set[Kind] = field(default_factory=set[Kind])
    loop: asyncio.AbstractEventLoop | None = None
    is_closed: bool = False
    _faulty_calls: set[str] = field(default_factory=set[str])
    _transport: Transport | None = None

    def __post_init__(self) -> None:
        self.writes: OpenWrites = OpenWrites(self.timeouts.write)
        self._forget_service()

    def _forget_service(self) -> None:
        """Drop what is measured in the time of a loop."""
        self.polls: Throttle = Throttle()
        self.create_queue: CreateQueue = CreateQueue()
        self.service_clock: ServiceClock = ServiceClock()

    # -- life --

    def bind(self) -> Transport:
        """
        Return the transport, opened on the running loop.

        Raises:
            ClientStateError: The client is closed, or belongs to another live loop.
        """
        if self.is_closed:
            raise errors.ClientStateError("This client is closed.", hint="Make a new HeyGen().")
        loop = asyncio.get_running_loop()
        if self._transport is not None and loop is self.loop:
            return self._transport
        if self.loop is not None and loop is not self.loop:
            if not self.loop.is_closed():
                raise errors.ClientStateError("This client belongs to another event loop that is still open.")
            if (abandon := getattr(self._transport, "abandon", None)) is not None:
                abandon()
            self._forget_service()
        self.loop, self._transport = loop, self.open_transport()
        return self._transport

    async def aclose(self) -> None:
        """Refuse further calls and close the transport."""
        self.is_closed = True
        if self._transport is not None and self.loop is asyncio.get_running_loop():
            await self._transport.aclose()
        self._transport = None

    # -- one exchange --

    async def attempt(  # noqa: C901, PLR0915 - what each poll goes through, in one step
        self, call: Call[T], number: int = 1, on_send: Callable[[], None] | None = None
    ) -> Envelope[T]:
        """
        Make one exchange; a refused token is renewed and the exchange made once more.

        An answer that is the known one of the call, to the byte, is `UNCHANGED`.

        Args:
            call: What to send.
            number: Which attempt it is, from 1.
            on_send: Called right before the first byte leaves; what it raises keeps the call from being sent.

        Raises:
            TransportError: The exchange broke; the kind says whether it can have been processed.
            APIError: The service refused.
            ClientStateError: The client is closed or belongs to another loop.
        """
        identity, is_renewed = self.identity, False
        while True:
            if not identity.headers:
                await identity.renew(identity.headers)
            used, transport = identity.headers, self._transport
            if transport is None or self.loop is not asyncio.get_running_loop():
                transport = self.bind()
            sent = _clock.now()
            headers = used if call.key is None and call.body is None else _add_headers(call, used)
            limit = self.timeouts.read if call.kind is Kind.READ else self.timeouts.write
            url = self.base_url + call.path
            request = Request(call.method, url, headers, call.body, limit, call.route, number, on_send)
            self.counters.requests += 1
            if on_send is not None and not getattr(transport, "reports_sending", False):
                on_send()
            if self.hooks.on_request is None:
                response = await transport.send(request)
            else:
                response = await self.hooks.send(transport, request)
            self.counters.bytes_received += len(response.body)
            date = response.headers.get("date")
            if date is not None and date != self.service_clock.newest:
                self.service_clock.record_date(date, sent=sent, received=_clock.now())
            digest = 0 if call.known is None else hash(response.body)
            if digest and digest == call.known and response.status == _OK:
                return responses.UNCHANGED
            try:
                envelope = self._decode(call, response)
                return structs.replace(envelope, digest=digest) if digest else envelope
            except errors.Unauthorized as error:
                if is_renewed or not await identity.renew(used):
                    raise identity.explain(error) from None
            is_renewed = True

    def _decode(self, call: Call[T], response: Response) -> Envelope[T]:
        status, body, secrets = response.status, response.body, self.identity.secrets
        if log.isEnabledFor(logging.DEBUG):
            fields = {"event": "answer", "operation": call.name, "route": call.route}
            extra = {**fields, "status": status, "bytes": len(body)}
            log.debug("%s answered %d", call.name, status, extra=extra)
        try:
            envelope = responses.read(call.name, call.decoder, status, response.headers, body, secrets)
        except errors.RateLimited as error:
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

    def _slow_down(self, call: Call[T], error: errors.RateLimited) -> None:
        self.counters.rate_limited += 1
        if delivery(error) is Delivery.FINAL:
            return
        throttle = {Kind.CREATE: self.create_queue.throttle, Kind.READ: self.polls}.get(call.kind)
        if throttle is not None:
            longest, jitter = self.retry.max_retry_after, self.rng.random()
            throttle.refuse(error, now=_clock.now(), longest=longest, jitter=jitter)

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
        link = resolve_link(url, self.base_url)
        request = Request("GET", link, headers, None, self.timeouts.transfer, "a download")
        return self.hooks.stream(self.bind(), request)

    # -- as many as it takes --

    async def call(self, call: Call[T]) -> Envelope[T]:
        """
        Send a call that may be repeated until it is answered, refused for good, or not worth more tries.

        Raises:
            TransportError: See `attempt`.
            APIError: The service refused, with the number of attempts.
        """
        started, number = _clock.now(), 0
        tries: Tries | None = None  # most calls need no second try
        maybe_deleted = False
        while True:
            number += 1
            try:
                return await self.attempt(call, number)
            except errors.HeyGenError as error:
                tries = tries or Tries(self.retry, self.rng.random)
                tries.count = number
                nothing = call.decoder.without_body
                if maybe_deleted and nothing is not None and isinstance(error, errors.NotFound):
                    return responses.Envelope(data=nothing())  # an earlier attempt did it
                maybe_deleted |= call.method == "DELETE" and delivery(error) is Delivery.MAYBE_DONE
                wait = tries.wait_after(call.kind, error, elapsed=_clock.now() - started)
                if wait is None:
                    if isinstance(error, errors.APIError):
                        error.attempts = number
                    raise
                self.record_retry(call, error, wait, number)
            await _clock.sleep(wait)

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
        except errors.HeyGenError as error:
            if call.kind is not Kind.SEND or call.key is None or not may_be_done(error):
                raise
            problem = clean(str(error), self.identity.secrets)
            raise errors.OutcomeUnknown(
                f"The answer to {call.method} {clean(call.route)} was lost: {problem}",
                idempotency_key=call.key,
                started_at=started,
                hint="Read what it would have changed before you repeat it, or repeat it with the same key.",
            ) from error

    def record_retry(self, call: Call[T], error: errors.HeyGenError, wait: float, attempt: int) -> None:
        """Log a call that will be sent again, and emit it to the hook."""
        self.counters.retries += 1
        kind, problem = type(error).__name__, clean(str(error), self.identity.secrets)
        said = {"event": "retry", "operation": call.name, "error": kind, "after": wait}
        log.info("%s failed (%s); again in %.1f s", call.name, problem, wait, extra=said)
        event = RetryEvent(
            method=call.method,
            route=call.route,
            attempt=attempt,
            delay=wait,
            reason=problem,
            error=kind,
        )
        self.hooks.report_retry(event)


def _add_headers(call: Call[T], headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers of a call that changes something."""
    if call.body is not None:
        headers = {**headers, "content-type": call.content_type}
    return headers if call.key is None else {**headers, "idempotency-key": call.key}
