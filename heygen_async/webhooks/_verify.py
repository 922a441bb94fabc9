"""
Webhooks: whether the service sent a delivery, and what is in it.

`verify` for what a registered endpoint receives, `parse_unverified` for a `callback_url`, whose deliveries are not
signed. Either way an event is a reason to poll, never a state: give it to `HeyGen.notify`.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec import convert

from .. import _clock
from ..errors import InvalidArgument, Replayed
from ..errors._arguments import check_count, check_number, check_text, given
from . import _signatures
from ._events import UnverifiedEvent, WebhookEvent, read_event
from ._signatures import EVENT_ID, SIGNATURE, TIMESTAMP, Headers


class SeenStore(Protocol):
    """Where the ids of events are kept: a set, a `SeenEvents`, or your own."""

    def __contains__(self, event_id: object, /) -> bool:
        """Return whether an id was added."""
        ...

    def add(self, event_id: str, /) -> None:
        """Keep an id."""
        ...


class SeenEvents:
    """
    The ids of the newest events, for `verify(seen=...)`: of bounded size, the oldest go first.

    Keep one per process, for as long as it lives. Several processes need a store they share; see `verify`.
    """

    def __init__(self, most: int = 10_000) -> None:
        """
        Start empty.

        Args:
            most: How many ids to keep; choose more than come within the tolerance.

        Raises:
            InvalidArgument: Less than one.
        """
        check_count(most=most)
        self._most = most
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, event_id: object, /) -> bool:
        return event_id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        return f"<SeenEvents {len(self._ids)} of {self._most}>"

    def add(self, event_id: str, /) -> None:
        """Keep an id, and drop the oldest when there are too many."""
        self._ids[event_id] = None
        self._ids.move_to_end(event_id)
        if len(self._ids) > self._most:
            self._ids.popitem(last=False)


def verify(
    headers: Headers,
    body: bytes | bytearray | memoryview,
    secrets: str | Iterable[str],
    *,
    tolerance: float = 300.0,
    seen: SeenStore | Callable[[str], bool] | None = None,
    require_timestamp: bool = True,
) -> WebhookEvent:
    """
    Return the event of a delivery that the service signed.

    Events of types that this release does not know come back too.

    Args:
        headers: As the web framework gives them: of aiohttp, Starlette, Django, Flask, a plain dict and others;
            names in any case.
        body: The bytes as they came, before anything parsed them.
        secrets: The endpoint's secret; several while they are rotated.
        tolerance: Seconds the delivery's time may be from now, either way.
        seen: What was accepted before: a `SeenEvents`, a set, or a callable that is given an event's id, keeps it and
            returns whether it had it already. None for no such check.
        require_timestamp: False accepts deliveries without a time, as the service sends some.

    Raises:
        BadSignature: The body is not signed with any of the secrets.
        StaleTimestamp: The delivery's time is missing, or too far from now.
        BadPayload: It is signed, and is no event.
        Replayed: The event was accepted before.
        InvalidArgument: A body that is not bytes, a secret that is empty, ...: an error of the calling program.
    """
    _signatures.check_headers(headers)
    check_number(0, math.inf, tolerance=tolerance)
    if not (seen is None or callable(seen) or hasattr(seen, "add")):
        raise InvalidArgument("seen", "must be a SeenEvents, a set or a callable")
    raw = _signatures.check_body(body)
    _signatures.check_signature(headers, raw, _signatures.check_secrets(secrets))
    _signatures.check_time(headers, _clock.wall(), tolerance, required=require_timestamp)
    # An event without an id gets one: the same body is the same event.
    event = read_event(raw, f"sha256:{hashlib.sha256(raw).hexdigest()}")
    if seen is not None and _is_replay(seen, event.id):
        raise Replayed(
            "This event was accepted before.",
            hint="Answer 200, so that it is not sent again, and do nothing else with the delivery.",
        )
    return event


def _is_replay(seen: SeenStore | Callable[[str], bool], event_id: str) -> bool:
    if callable(seen):
        known = seen(event_id)
        if not isinstance(known, bool):
            # A coroutine, for instance, counts as true whatever it would return.
            raise InvalidArgument("seen", "must return True or False, at once")
        return known
    known = event_id in seen
    seen.add(event_id)
    return known


def parse_unverified(body: bytes | bytearray | memoryview) -> UnverifiedEvent:
    """
    Return what is in an unsigned delivery, as one to a `callback_url` is: good only for `HeyGen.notify`.

    Raises:
        BadPayload: It is no event.
        InvalidArgument: The body is not bytes.
    """
    event = read_event(_signatures.check_body(body))
    return convert(event, UnverifiedEvent, from_attributes=True)


def sign(
    body: bytes | bytearray | memoryview,
    secret: str,
    *,
    event_id: str | None = None,
    timestamp: float | None = None,
) -> dict[str, str]:
    """
    Return the headers of a delivery, for tests of your endpoint.

    Args:
        body: What is delivered.
        secret: The endpoint's secret.
        event_id: The event's id for the header; left out when None.
        timestamp: When it is delivered, in Unix seconds; now when None.

    Raises:
        InvalidArgument: A body that is not bytes, or an empty secret.
    """
    raw = _signatures.check_body(body)
    check_text(secret=secret, **given(event_id=event_id))
    check_number(0, math.inf, **given(timestamp=timestamp))
    at = _clock.wall() if timestamp is None else timestamp
    named = {} if event_id is None else {EVENT_ID: event_id}
    return {SIGNATURE: _signatures.signature(raw, secret), TIMESTAMP: str(int(at)), **named}
