"""
The calls about webhooks: endpoints, the events there are, and those that were sent (contract.md, Webhooks).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from ..errors import InvalidArgument
from ..errors._arguments import check_https, check_text, list_of
from ..webhooks import WebhookEndpoint, WebhookEvent, WebhookEventType, WebhookSecret
from .calls import Call, PageQuery, change_call, list_call, read_call, segment
from .responses import ANYTHING, Decoder, Envelope

_ENDPOINTS = "/v3/webhooks/endpoints"
_ENDPOINT = "/v3/webhooks/endpoints/{endpoint_id}"
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})

_REGISTERED = Decoder(Envelope[WebhookEndpoint])
_SECRET = Decoder(Envelope[WebhookSecret])
_TYPES = Decoder(Envelope[tuple[WebhookEventType, ...]])
_HISTORY = Decoder(Envelope[tuple[WebhookEvent, ...]])

# The endpoints, without their secrets.
endpoints = partial(list_call, "endpoints", _ENDPOINTS, Decoder(Envelope[tuple[WebhookEndpoint, ...]]))


def create(url: str, events: Iterable[str] | None, entity_id: str | None) -> Call[WebhookEndpoint]:
    """Register an endpoint; the key makes a repetition harmless."""
    body: dict[str, object] = {"url": _address(url)}
    if events is not None:
        body["events"] = _names(events)
    if entity_id is not None:
        segment("entity_id", entity_id)
        body["entity_id"] = entity_id
    return change_call("create_endpoint", "POST", _ENDPOINTS, _REGISTERED, body=body)


def update(endpoint_id: str, url: str | None, events: Iterable[str] | None) -> Call[WebhookEndpoint]:
    """Change an endpoint."""
    segment("endpoint_id", endpoint_id)
    body: dict[str, object] = {}
    if url is not None:
        body["url"] = _address(url)
    if events is not None:
        body["events"] = _names(events)
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


def events(*, entity_id: str | None, **query: PageQuery) -> Call[tuple[WebhookEvent, ...]]:
    """List the events that were sent."""
    if entity_id is not None:
        segment("entity_id", entity_id)
    return list_call("events", "/v3/webhooks/events", _HISTORY, entity_id=entity_id, **query)


def event_types() -> Call[tuple[WebhookEventType, ...]]:
    """List what can be subscribed to."""
    return read_call("event_types", "/v3/webhooks/event-types", _TYPES)


# ---- arguments ----------------------------------------------------------------------------------------------------


def _names(events: Iterable[str]) -> list[str]:
    names = list_of("events", events)
    for name in names or [""]:
        check_text(events=name)
    return names


def _address(url: str) -> str:
    # Plain http is for a simulator on this machine.
    check_https("an https address that the service can reach", _HERE, url=url)
    return url
