"""Which method and path is which operation."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from .._http import HttpResponse, Refusal
from . import assets, catalog, sessions, videos, webhooks
from .state import OperationCall, ServiceState

Handler = Callable[[ServiceState, OperationCall], HttpResponse]


@dataclass(frozen=True, slots=True)
class Route:
    """
    One operation.

    Attributes:
        operation: Its name, as faults and the ledger know it.
        method: The verb.
        pattern: The path in segments; `{name}` stands for any one segment.
        handler: What answers.
        body: Whether a JSON object is `required`, `optional`, or `none` is read.
        declared_idempotent: Whether the service documents `Idempotency-Key` here.
    """

    operation: str
    method: str
    pattern: str
    handler: Handler
    body: str = "none"
    declared_idempotent: bool = False


_SESSION = "/v3/video-agents/{session_id}"
_ENDPOINTS = "/v3/webhooks/endpoints"

ROUTES: tuple[Route, ...] = (
    Route("create", "POST", "/v3/video-agents", sessions.create, "required"),
    Route("list", "GET", "/v3/video-agents", sessions.listing),
    Route("styles", "GET", "/v3/video-agents/styles", catalog.styles),
    Route("get", "GET", _SESSION, sessions.read),
    Route("send", "POST", _SESSION, sessions.send, "required"),
    Route("stop", "POST", f"{_SESSION}/stop", sessions.stop, "optional"),
    Route("resource", "GET", f"{_SESSION}/resources/{{resource_id}}", sessions.resource),
    Route("videos", "GET", f"{_SESSION}/videos", sessions.videos),
    Route("video_list", "GET", "/v3/videos", videos.listing),
    Route("statuses", "GET", "/v3/videos/statuses", videos.statuses),
    Route("video", "GET", "/v3/videos/{video_id}", videos.read),
    Route("video_delete", "DELETE", "/v3/videos/{video_id}", videos.delete),
    Route("asset_upload", "POST", "/v3/assets", assets.upload, "none", declared_idempotent=True),
    Route(
        "direct_upload",
        "POST",
        "/v3/assets/direct-uploads",
        assets.begin_direct,
        "required",
        declared_idempotent=True,
    ),
    Route(
        "complete",
        "POST",
        "/v3/assets/{asset_id}/complete",
        assets.complete,
        "optional",
        declared_idempotent=True,
    ),
    Route("asset_statuses", "GET", "/v3/assets/statuses", assets.statuses),
    Route("asset", "GET", "/v3/assets/{asset_id}", assets.read),
    Route("asset_delete", "DELETE", "/v3/assets/{asset_id}", assets.delete),
    Route("endpoints", "GET", _ENDPOINTS, webhooks.listing),
    Route("endpoint_create", "POST", _ENDPOINTS, webhooks.create, "required", declared_idempotent=True),
    Route("endpoint_update", "PATCH", f"{_ENDPOINTS}/{{endpoint_id}}", webhooks.update, "required"),
    Route("endpoint_delete", "DELETE", f"{_ENDPOINTS}/{{endpoint_id}}", webhooks.delete),
    Route(
        "rotate",
        "POST",
        f"{_ENDPOINTS}/{{endpoint_id}}/rotate-secret",
        webhooks.rotate,
        "none",
        declared_idempotent=True,
    ),
    Route("event_types", "GET", "/v3/webhooks/event-types", webhooks.event_types),
    Route("events", "GET", "/v3/webhooks/events", webhooks.events),
    Route("account", "GET", "/v3/users/me", catalog.account),
    Route("brand_kits", "GET", "/v3/brand-kits", catalog.brand_kits),
    Route("brand_glossaries", "GET", "/v3/brand-glossaries", catalog.brand_glossaries),
    Route("avatars", "GET", "/v3/avatars", catalog.avatars),
    Route("group", "GET", "/v3/avatars/{group_id}", catalog.group),
    Route("looks", "GET", "/v3/avatars/looks", catalog.looks),
    Route("look", "GET", "/v3/avatars/looks/{look_id}", catalog.look),
    Route("voices", "GET", "/v3/voices", catalog.voices),
    Route("voice", "GET", "/v3/voices/{voice_id}", catalog.voice),
)

# A literal segment beats a parameter: /v3/videos/statuses is no video called "statuses".
_BY_PRECEDENCE = [
    (route, route.pattern.split("/")) for route in sorted(ROUTES, key=lambda route: route.pattern.count("{"))
]


def find(method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """
    Return the route of a request and its path parameters.

    Raises:
        Refusal: 404 for an unknown path, 405 for a known path with another method.
    """
    segments = [unquote(segment) for segment in path.split("/")]
    here: str | None = None
    allowed: list[str] = []
    for route, pattern in _BY_PRECEDENCE:
        params = _match(pattern, segments)
        if params is None or here not in {None, route.pattern}:
            continue
        if route.method == method:
            return route, params
        here = route.pattern
        allowed.append(route.method)
    if allowed:
        message = f"{method} is not allowed here; allowed: {', '.join(allowed)}."
        raise Refusal(405, "method_not_allowed", message, headers={"allow": ", ".join(allowed)})
    raise Refusal(404, "not_found", f"There is no {method} {path}.{_nearest(path)}")


def _match(pattern: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    params: dict[str, str] = {}
    for name, value in zip(pattern, segments, strict=True):
        if name.startswith("{") and value:
            params[name[1:-1]] = value
        elif name != value:
            return None
    return params


def _nearest(path: str) -> str:
    close = difflib.get_close_matches(path, [route.pattern for route in ROUTES], n=2, cutoff=0.4)
    return f" Did you mean {' or '.join(close)}?" if close else ""
