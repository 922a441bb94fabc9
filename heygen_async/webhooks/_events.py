"""
What webhooks deliver: events, verified and not, and the endpoints they go to.

Sources: `contract.md`, Webhooks. Only one payload is documented, so an event keeps all of it and has properties for
what is known to be in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast

import msgspec
from msgspec import Struct, field

from .._redact import clean
from ..errors import BadPayload

_OBJECT = msgspec.json.Decoder(dict[str, object])


class WebhookEvent(Struct, frozen=True, kw_only=True):
    """
    An event of the service: its signature was verified, or it was read from the service.

    Attributes:
        id: The same on every redelivery; made from the body when the service gave none.
        type: Such as `video_agent.success`; types this release does not know come too.
        data: The payload as it came; read the session or the video again rather than believe it.
        created_at: When it happened, as the service wrote it.
    """

    id: str = field(name="event_id")
    type: str = field(name="event_type")
    data: dict[str, object] = field(name="event_data", default_factory=dict[str, object])
    created_at: str | None = None

    @property
    def session_id(self) -> str | None:
        """The session it is about, None when it names none."""
        return _text(self.data, "session_id")

    @property
    def video_id(self) -> str | None:
        """The video it is about, None when it names none."""
        return _text(self.data, "video_id")

    @property
    def video_url(self) -> str | None:
        """The video's presigned link, None when it has none; it expires, so download by `heygen.videos.get`."""
        return _text(self.data, "video_url") or _text(self.data, "url")

    @property
    def callback_id(self) -> str | None:
        """What was given to `sessions.create` as `callback_id`, None when it has none."""
        return _text(self.data, "callback_id")

    @property
    def created(self) -> datetime | None:
        """When it happened; None when it has no readable time."""
        try:
            at = datetime.fromisoformat(self.created_at or "")
        except ValueError:
            return None
        return at if at.tzinfo else at.replace(tzinfo=UTC)

    def __repr__(self) -> str:
        # The payload may have presigned addresses in it.
        return (
            f"WebhookEvent(id={self.id!r}, type={self.type!r}, "
            f"session_id={self.session_id!r}, video_id={self.video_id!r})"
        )


class UnverifiedEvent(Struct, frozen=True, kw_only=True):
    """
    What an unsigned delivery claims; good only for `HeyGen.notify`, which reads the session itself.

    Attributes:
        type: The event's type.
        session_id: The session it claims to be about.
        video_id: The video it claims to be about.
        callback_id: What it gives as the `callback_id` of `sessions.create`.
    """

    type: str
    session_id: str | None = None
    video_id: str | None = None
    callback_id: str | None = None


class WebhookEndpoint(Struct, frozen=True, kw_only=True):
    """
    A registered address for events; `heygen.webhooks.endpoints`.

    Attributes:
        endpoint_id: Its id.
        url: Where events go.
        status: `enabled` or `disabled`.
        created_at: When it was registered, ISO 8601.
        events: The types it gets; None for all.
        secret: What its deliveries are signed with; only `create` returns it. Not in the repr.
    """

    endpoint_id: str
    url: str
    status: str
    created_at: str
    events: tuple[str, ...] | None = None
    secret: str | None = None

    def __repr__(self) -> str:
        shown = f"url={clean(self.url)!r}, status={self.status!r}, events={self.events!r}"
        return f"WebhookEndpoint(endpoint_id={self.endpoint_id!r}, {shown})"


class WebhookSecret(Struct, frozen=True, kw_only=True):
    """
    An endpoint's new secret; the one before is no longer valid. Not in the repr.

    Attributes:
        endpoint_id: The endpoint.
        secret: What its deliveries are signed with from now on.
    """

    endpoint_id: str
    secret: str

    def __repr__(self) -> str:
        return f"WebhookSecret(endpoint_id={self.endpoint_id!r})"


class WebhookEventType(Struct, frozen=True, kw_only=True):
    """Something that can be subscribed to."""

    event_type: str
    description: str = ""


# ---- reading a delivery -------------------------------------------------------------------------------------------


def read_event(body: bytes, fallback_id: str = "") -> WebhookEvent:
    """
    Return the event in a body, whoever sent it.

    Raises:
        BadPayload: There is none.
    """
    members = _decode(body)
    payload = members.get("event_data")
    data = cast("dict[str, object]", payload) if isinstance(payload, dict) else dict[str, object]()
    if _text(data, "callback_id") is None and "callback_id" in members:  # seen in both places
        data["callback_id"] = members["callback_id"]
    # Some receivers that the service itself publishes read `event` (contract.md, contradictions).
    kind = _text(members, "event_type") or _text(members, "event")
    if kind is None:
        raise BadPayload("The body names no event_type.")
    return WebhookEvent(
        id=_text(members, "event_id") or fallback_id,
        type=kind,
        data=data,
        created_at=_text(members, "created_at"),
    )


def _decode(body: bytes) -> dict[str, object]:
    try:
        return _OBJECT.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        # Not as the cause either: a parser's message may quote the body.
        raise BadPayload("The body is not a JSON object.") from None


def _text(members: Mapping[str, object], name: str) -> str | None:
    value = members.get(name)
    return value if isinstance(value, str) and value else None
