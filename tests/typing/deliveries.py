"""
Webhooks as users receive and register them; never run, only read by type checkers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import assert_type

from heygen_async import HeyGen, webhooks
from heygen_async.webhooks import (
    SeenEvents,
    SeenStore,
    UnverifiedEvent,
    WebhookEndpoint,
    WebhookEvent,
    WebhookEventType,
    WebhookSecret,
)


def received(heygen: HeyGen, headers: Mapping[str, str], body: bytes, store: SeenStore) -> None:
    """A delivery is verified and wakes whoever watches."""
    event = webhooks.verify(
        headers, body, "secret", tolerance=60, seen=SeenEvents(100), require_timestamp=False
    )
    assert_type(event, WebhookEvent)
    assert_type(event.type, str)
    assert_type(event.data, dict[str, object])
    assert_type(event.session_id, str | None)
    assert_type(event.video_id, str | None)
    assert_type(event.callback_id, str | None)
    assert_type(event.created, datetime | None)
    assert_type(heygen.notify(event), bool)
    webhooks.verify(headers, body, ["old", "new"], seen=store)
    seen: set[str] = set()
    webhooks.verify(headers, body, "secret", seen=seen)
    store.add(event.id)

    unsigned = webhooks.parse_unverified(body)
    assert_type(unsigned, UnverifiedEvent)
    assert_type(heygen.notify(unsigned), bool)
    assert_type(webhooks.sign(body, "secret", event_id="id", timestamp=1.0), dict[str, str])


async def registered(heygen: HeyGen) -> None:
    """Where the service reports to."""
    endpoints = heygen.webhooks.endpoints
    endpoint = await endpoints.create("https://example.com/hook", events=["video_agent.success"])
    assert_type(endpoint, WebhookEndpoint)
    assert_type(endpoint.secret, str | None)
    assert_type(endpoints.list(page_size=10), AsyncIterator[WebhookEndpoint])
    assert_type(await endpoints.update(endpoint.endpoint_id, events=[]), WebhookEndpoint)
    assert_type(await endpoints.rotate_secret(endpoint.endpoint_id), WebhookSecret)
    assert_type(await endpoints.delete(endpoint.endpoint_id), None)
    assert_type(await heygen.webhooks.event_types(), tuple[WebhookEventType, ...])
    assert_type(heygen.webhooks.events(event_type="video_agent.fail"), AsyncIterator[WebhookEvent])
