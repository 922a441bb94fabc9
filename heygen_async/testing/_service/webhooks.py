"""Registered webhook endpoints: create, list, change, remove, rotate, and the history of events."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .._http import (
    HttpRequest,
    HttpResponse,
    JsonObject,
    Refusal,
    as_list,
    data_response,
    invalid,
    json_response,
    not_found,
    page_response,
)
from . import validation
from .state import OperationCall, ServiceState, page
from .webhook_queue import Endpoint, end_event

if TYPE_CHECKING:
    from .timeline import SimulatedSession

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
    "filler_word_removal.success",
    "filler_word_removal.fail",
    "podcast.success",
    "podcast.fail",
)
_EVENTS = validation.nullable(validation.strings(frozenset(EVENT_TYPES)))
_CREATE: validation.Rules = {
    "url": validation.callback_url,
    "events": _EVENTS,
    "entity_id": validation.nullable(validation.text()),
}
_UPDATE: validation.Rules = {"url": validation.nullable(validation.callback_url), "events": _EVENTS}


def create(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Register an endpoint; this answer alone shows its secret."""
    validation.check(call.body, _CREATE, required=("url",))
    _check_probe(call)
    endpoint = Endpoint(
        endpoint_id=state.mint("ep"),
        url=str(call.body["url"]),
        events=_events(call.body),
        created_at=call.now,
        secret=state.mint("whsec"),
    )
    if not state.endpoints:
        state.expect_all()
    state.endpoints[endpoint.endpoint_id] = endpoint
    return data_response(_show(endpoint, secret=endpoint.secret))


def listing(state: ServiceState, call: OperationCall) -> HttpResponse:
    """List endpoints, newest first."""
    return page(call, list(state.endpoints.values()), _show, default=10)


def update(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Change the address or replace the subscription of an endpoint."""
    endpoint = _endpoint(state, call)
    validation.check(call.body, _UPDATE, required=())
    _check_probe(call)
    if call.body.get("url") is not None:
        endpoint.url = str(call.body["url"])
    if "events" in call.body:
        endpoint.events = _events(call.body)
    return data_response(_show(endpoint))


def delete(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Remove an endpoint."""
    del state.endpoints[_endpoint(state, call).endpoint_id]
    return json_response({"data": {}, "error": None})


def rotate(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Give an endpoint a new secret; the old one is dead at once."""
    endpoint = _endpoint(state, call)
    endpoint.secret = state.mint("whsec")
    return data_response({"endpoint_id": endpoint.endpoint_id, "secret": endpoint.secret})


def event_types(_state: ServiceState, _call: OperationCall) -> HttpResponse:
    """List what can be subscribed to."""
    return page_response([{"event_type": name, "description": f"Sent for {name}."} for name in EVENT_TYPES])


def events(state: ServiceState, call: OperationCall) -> HttpResponse:
    """List what was delivered: the end of each session, as far as an endpoint asks for it."""
    wanted = call.request.query.get("event_type")
    if wanted is not None and wanted not in EVENT_TYPES:
        raise invalid("event_type", "No such event type.")
    entity = call.request.query.get("entity_id")

    def show(session: SimulatedSession) -> JsonObject | None:
        event = _ending(state, session, call.now)
        if event is None or wanted not in {None, event["event_type"]}:
            return None
        return event if entity in {None, session.session_id} else None

    return page(call, state.session_order, show, default=10)


def _ending(state: ServiceState, session: SimulatedSession, now: float) -> JsonObject | None:
    ended_at = session.end_time(now)
    if ended_at is None:
        return None
    event = end_event(session, session.runs[-1], ended_at)
    name = str(event["event_type"])
    if not any(endpoint.takes(name) for endpoint in state.endpoints.values()):
        return None
    return event


def webhook_address(request: HttpRequest) -> str | None:
    """Return the address that a request would have webhooks sent to, if it is about that."""
    if not request.path.startswith(PATH) or request.method not in {"POST", "PATCH"} or not request.body:
        return None
    try:
        url = validation.parse_object(request.body).get("url")
    except Refusal:
        return None
    return url if isinstance(url, str) else None


def _check_probe(call: OperationCall) -> None:
    if call.request.is_reachable is False:
        raise invalid("url", "The address did not answer OPTIONS and GET with 2xx within a second.")


def _endpoint(state: ServiceState, call: OperationCall) -> Endpoint:
    try:
        return state.endpoints[call.params["endpoint_id"]]
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
