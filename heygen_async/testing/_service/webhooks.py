"""Registered webhook endpoints: create, list, change, remove, rotate, and the history of events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .._http import (
    JsonObject,
    Refusal,
    Request,
    Response,
    as_list,
    data_response,
    invalid,
    json_response,
    not_found,
    page_response,
)
from . import validation
from .state import Call, Endpoint, ServiceState, page
from .webhook_queue import ending

if TYPE_CHECKING:
    from .timeline import Session

PATH = "/v3/webhooks/endpoints"
EVENT_TYPES = (
    "avatar_video.success",
    "avatar_video.fail",
    "avatar_video_gif.success",
    "avatar_video_gif.fail",
    "video_translate.success",
    "video_translate.fail",
    "video_translate.preflight.validation_failed",
    "video_translate.preflight.download_failed",
    "personalized_video",
    "instant_avatar.success",
    "instant_avatar.fail",
    "photo_avatar_generation.success",
    "photo_avatar_generation.fail",
    "photo_avatar_train.success",
    "photo_avatar_train.fail",
    "photo_avatar_add_motion.success",
    "photo_avatar_add_motion.fail",
    "proofread_creation.success",
    "proofread_creation.fail",
    "live_avatar.success",
    "live_avatar.fail",
    "avatar_video_caption.success",
    "avatar_video_caption.fail",
    "video_agent.success",
    "video_agent.fail",
    "hyperframes_video.success",
    "hyperframes_video.fail",
    "ai_clipping.success",
    "ai_clipping.fail",
    "batch.finished",
)
_EVENTS = validation.nullable(validation.strings(frozenset(EVENT_TYPES)))
_CREATE: validation.Rules = {
    "url": validation.callback_url,
    "events": _EVENTS,
    "entity_id": validation.nullable(validation.text()),
}
_UPDATE: validation.Rules = {"url": validation.nullable(validation.callback_url), "events": _EVENTS}


def create(world: ServiceState, call: Call) -> Response:
    """Register an endpoint; this answer alone shows its secret."""
    validation.check(call.body, _CREATE, required=("url",))
    _check_probe(call)
    endpoint = Endpoint(
        endpoint_id=world.mint("ep"),
        url=str(call.body["url"]),
        events=_events(call.body),
        created_at=call.now,
        secret=world.mint("whsec"),
    )
    if not world.endpoints:
        world.expect_all()
    world.endpoints[endpoint.endpoint_id] = endpoint
    return data_response(_show(endpoint, secret=endpoint.secret))


def listing(world: ServiceState, call: Call) -> Response:
    """List endpoints, newest first."""
    return page(call, list(world.endpoints.values()), _show, default=10)


def update(world: ServiceState, call: Call) -> Response:
    """Change the address or replace the subscription of an endpoint."""
    endpoint = _endpoint(world, call)
    validation.check(call.body, _UPDATE, required=())
    _check_probe(call)
    if call.body.get("url") is not None:
        endpoint.url = str(call.body["url"])
    if "events" in call.body:
        endpoint.events = _events(call.body)
    return data_response(_show(endpoint))


def delete(world: ServiceState, call: Call) -> Response:
    """Remove an endpoint."""
    del world.endpoints[_endpoint(world, call).endpoint_id]
    return json_response({"data": {}, "error": None})


def rotate(world: ServiceState, call: Call) -> Response:
    """Give an endpoint a new secret; the old one is dead at once."""
    endpoint = _endpoint(world, call)
    endpoint.secret = world.mint("whsec")
    return data_response({"endpoint_id": endpoint.endpoint_id, "secret": endpoint.secret})


def event_types(_world: ServiceState, _call: Call) -> Response:
    """List what can be subscribed to."""
    return page_response([{"event_type": name, "description": f"Sent for {name}."} for name in EVENT_TYPES])


def events(world: ServiceState, call: Call) -> Response:
    """List what was delivered: the end of each session, as far as an endpoint asks for it."""
    wanted = call.request.query.get("event_type")
    if wanted is not None and wanted not in EVENT_TYPES:
        raise invalid("event_type", "No such event type.")
    entity = call.request.query.get("entity_id")

    def show(session: Session) -> JsonObject | None:
        event = _ending(world, session, call.now)
        if event is None or wanted not in {None, event["event_type"]}:
            return None
        return event if entity in {None, session.session_id} else None

    return page(call, world.session_order, show, default=10)


def _ending(world: ServiceState, session: Session, now: float) -> JsonObject | None:
    ended_at = session.settled_at(now)
    if ended_at is None:
        return None
    event = ending(session, session.runs[-1], ended_at)
    name = event["event_type"]
    if not any(endpoint.events is None or name in endpoint.events for endpoint in world.endpoints.values()):
        return None
    return event


def webhook_address(request: Request) -> str | None:
    """Return the address that a request would have webhooks sent to, if it is about that."""
    if not request.path.startswith(PATH) or request.method not in {"POST", "PATCH"} or not request.body:
        return None
    try:
        url = validation.parse_object(request.body).get("url")
    except Refusal:
        return None
    return url if isinstance(url, str) else None


def _check_probe(call: Call) -> None:
    if call.request.is_reachable is False:
        raise invalid("url", "The address did not answer OPTIONS and GET with 2xx within a second.")


def _endpoint(world: ServiceState, call: Call) -> Endpoint:
    try:
        return world.endpoints[call.params["endpoint_id"]]
    except KeyError:
        raise not_found("Webhook endpoint", "webhook_not_found") from None


def _show(endpoint: Endpoint, *, secret: str | None = None) -> JsonObject:
    return {
        "endpoint_id": endpoint.endpoint_id,
        "url": endpoint.url,
        "events": endpoint.events,
        "status": "enabled",
        "created_at": _iso(endpoint.created_at),
        "secret": secret,
    }


def _events(body: JsonObject) -> list[str] | None:
    events = as_list(body.get("events"))
    return None if events is None else [str(name) for name in events]


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
