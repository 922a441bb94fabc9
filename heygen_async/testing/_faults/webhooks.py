"""Faults of webhooks."""

from __future__ import annotations

from dataclasses import replace

from .._http import JsonObject, as_object
from .._service.webhook_queue import PlannedWebhook, QueuedWebhook
from .registry import Params, number, webhook


@webhook("webhook_lost")
def lose(_sent: QueuedWebhook, _params: Params) -> list[PlannedWebhook]:
    """A delivery never comes."""
    return []


@webhook("webhook_late")
def delay(sent: QueuedWebhook, params: Params) -> list[PlannedWebhook]:
    """A delivery comes `seconds` (60) late."""
    return [PlannedWebhook(sent, number(params, "seconds", 60.0))]


@webhook("webhook_twice")
def repeat(sent: QueuedWebhook, params: Params) -> list[PlannedWebhook]:
    """A delivery comes again after `seconds` (1)."""
    return [PlannedWebhook(sent), PlannedWebhook(sent, number(params, "seconds", 1.0))]


@webhook("webhook_overtaken")
def hold(sent: QueuedWebhook, _params: Params) -> list[PlannedWebhook]:
    """A delivery waits until the next one has gone."""
    return [PlannedWebhook(sent, None)]


@webhook("webhook_forged")
def forge(sent: QueuedWebhook, params: Params) -> list[PlannedWebhook]:
    """A forged delivery comes `seconds` (1) before it."""
    forged = replace(sent, event=_opposite(sent.event), secret="not-the-secret")
    return [PlannedWebhook(forged), PlannedWebhook(sent, number(params, "seconds", 1.0))]


@webhook("webhook_bare")
def sign_without_time(sent: QueuedWebhook, _params: Params) -> list[PlannedWebhook]:
    """The header is `Signature`, and there is no time."""
    return [PlannedWebhook(replace(sent, bare=True))]


@webhook("webhook_top_level_id")
def move_callback_id(sent: QueuedWebhook, _params: Params) -> list[PlannedWebhook]:
    """`callback_id` is beside `event_data`, not in it."""
    data = as_object(sent.event["event_data"]) or {}
    inner = {name: value for name, value in data.items() if name != "callback_id"}
    event = {**sent.event, "event_data": inner, "callback_id": data.get("callback_id")}
    return [PlannedWebhook(replace(sent, event=event))]


def _opposite(event: JsonObject) -> JsonObject:
    """Return the event with the other outcome."""
    other = "fail" if str(event["event_type"]).endswith("success") else "success"
    return {**event, "event_id": f"{event['event_id']}_x", "event_type": f"video_agent.{other}"}
