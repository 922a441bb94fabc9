"""
The calls about webhooks: endpoints, the events there are, and those that were sent (contract.md, Webhooks).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ..errors import InvalidArgument
from ..errors._arguments import check_https, check_text, given, list_of
from ..webhooks import WebhookEndpoint, WebhookEvent, WebhookEventType, WebhookSecret
from .calls import Call, change_call, list_call, read_call, segment
from .responses import ANYTHING, Decoder, Envelope

_ENDPOINTS = "/v3/webhooks/endpoints"
_ENDPOINT = "/v3/webhooks/endpoints/{endpoint_id}"
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})

_REGISTERED = Decoder(Envelope[WebhookEndpoint])
_SECRET = Decoder(Envelope[WebhookSecret])
_TYPES = Decoder(Envelope[tuple[WebhookEventType, ...]])

# The endpoints, without their secrets.
endpoints = partial(list_call, "endpoints", _ENDPOINTS, Decoder(Envelope[tuple[WebhookEndpoint, ...]]))
events = partial(list_call, "events", "/v3/webhooks/events", Decoder(Envelope[tuple[WebhookEvent, ...]]))


def create(url: str, events: Iterable[str] | None, entity_id: str | None) -> Call[WebhookEndpoint]:
    """Register an endpoint; the key makes a repetition harmless."""
    _check_address(url=url)
    check_text(**given(entity_id=entity_id))
    body = given(url=url, events=_names(events), entity_id=entity_id)
    return change_call("create_endpoint", "POST", _ENDPOINTS, _REGISTERED, body=body)


def update(endpoint_id: str, url: str | None, events: Iterable[str] | None) -> Call[WebhookEndpoint]:
    """Change an endpoint."""
    segment("endpoint_id", endpoint_id)
    _check_address(**given(url=url))
    body = given(url=url, events=_names(events))
    if not body:
        raise InvalidArgument("url", "or events must be given: there is nothing to change")
    return change_call("update_endpoint", "PATCH", _ENDPOINT, _REGISTERED, body=body, endpoint_id=endpoint_id)


def delete(endpoint_id: str) -> Call[object]:
    """Remove an endpoint."""
    return change_call("delete_endpoint", "DELETE", _ENDPOINT, ANYTHING, endpoint_id=endpoint_id)


def rotate_secret(endpoint_id: str) -> Call[WebhookSecret]:
    """Replace an endpoint's secret; under one key the answer is the same secret again."""
    route = f"{_ENDPOINT}/rotate-secret"
    return change_call("rotate_secret", "POST", route, _SECRET, endpoint_id=endpoint_id)


def event_types() -> Call[tuple[WebhookEventType, ...]]:
    """List what can be subscribed to."""
    return read_call("event_types", "/v3/webhooks/event-types", _TYPES)


# ---- arguments ----------------------------------------------------------------------------------------------------


# Plain http is for a simulator on this machine.
_check_address = partial(check_https, "an https address that the service can reach", _HERE)


def _names(events: Iterable[str] | None) -> list[str] | None:
    if events is None:
        return None
    names = list_of("events", events)
    for name in names or [""]:
        check_text(events=name)
    return names
