"""What the service may say and users may pass, as hypothesis strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from hypothesis import strategies as st

from heygen_async._api import assets as asset_api
from heygen_async._api import catalog as catalog_api
from heygen_async._api import responses
from heygen_async._api import sessions as session_api
from heygen_async._api import videos as video_api
from heygen_async._api import webhooks as webhook_api
from heygen_async._api.responses import Decoder
from heygen_async.cadence import PollContext
from heygen_async.models import Message, SessionData, SessionStatus, VideoInfo, VideoStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

SESSION_ID: Final = "sess_1"

WORDS: Final = ("processing", "pending", "", "THINKING", "completed ", "…")

session_statuses: Final = st.sampled_from([*SessionStatus, *map(SessionStatus, WORDS)])
video_statuses: Final = st.sampled_from([*VideoStatus, VideoStatus("rendering")])
seconds: Final = st.floats(0, 1e7)

# What keys are made of; a redaction mark must not be part of one.
secrets: Final = st.text("ABCXYZabcxyz0189_-", min_size=8, max_size=40)

json_values: Final[st.SearchStrategy[object]] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)

headers: Final = st.fixed_dictionaries(
    {},
    optional={
        "retry-after": st.text(max_size=30)
        | st.sampled_from(["5", "-1", "nan", "1e999", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"])
        | st.integers().map(str),
        "date": st.text(max_size=30) | st.just("Mon, 01 Jan 2024 00:00:00 GMT"),
        "x-request-id": st.text(max_size=300),
        "location": st.text(max_size=40).map("http://".__add__) | st.sampled_from(["http://[", "/login"]),
    },
)


def changed(value: object, data: st.DataObject, others: st.SearchStrategy[object] = json_values) -> object:
    """The value with something else, or nothing, in one place at any depth."""
    if isinstance(value, dict | list) and value and data.draw(st.booleans()):
        members = cast("dict[str, object] | list[object]", value)
        keyed = members if isinstance(members, dict) else {str(n): item for n, item in enumerate(members)}
        key = data.draw(st.sampled_from(list(keyed)))
        if data.draw(st.booleans()):
            keyed = keyed | {key: changed(keyed[key], data, others)}
        else:
            keyed = {name: item for name, item in keyed.items() if name != key}
        return keyed if isinstance(members, dict) else list(keyed.values())
    return data.draw(others)


def messages(*, times: st.SearchStrategy[int | None] | None = None) -> st.SearchStrategy[Message]:
    """Messages of a few words, so that many are alike."""
    return st.builds(
        Message,
        role=st.sampled_from(["user", "model"]),
        content=st.sampled_from(["yes", "no", "Approved.", "", "  "]),
        type=st.sampled_from(["text", "resource", "error"]),
        created_at=st.none() | st.integers(0, 50) if times is None else times,
    )


sessions: Final = st.builds(
    SessionData,
    session_id=st.just(SESSION_ID),
    status=session_statuses,
    created_at=st.just(1),
    progress=st.integers(-5, 200),
    title=st.none() | st.just("A title"),
    video_id=st.sampled_from([None, "v1", "v2"]),
    messages=st.lists(messages(), max_size=5).map(tuple),
)

videos: Final = st.builds(
    VideoInfo,
    id=st.sampled_from(["v1", "v2"]),
    status=video_statuses,
    video_url=st.sampled_from([None, "", "https://files.test/v.mp4?sig=1"]),
    failure_message=st.sampled_from([None, "", "  ", "The voice broke."]),
    failure_code=st.sampled_from([None, "", "render_failed"]),
)

moments: Final = st.builds(
    PollContext,
    status=session_statuses,
    elapsed=seconds,
    progress=st.integers(-10, 1000),
    history=st.lists(st.tuples(seconds, st.integers(-10, 1000)), max_size=16).map(tuple),
    polls=st.integers(0, 10_000_000),
    unchanged=seconds,
    jitter=st.floats(0, 1, exclude_max=True),
)


@st.composite
def windows(draw: st.DrawFn, history: Sequence[Message]) -> list[tuple[Message, ...]]:
    """
    Windows over a growing history as a watch reads them, newest first and at most 40 long.

    None skips a message. Some fall back behind the one before; some repeat a message or swap neighbours.
    """
    read: list[tuple[Message, ...]] = []
    end = 0
    while end < len(history):
        end = min(len(history), end + draw(st.integers(1, 15)))
        for shown in (max(1, end - draw(st.integers(0, 3))), end):
            window = list(reversed(history[max(0, shown - 40) : shown]))
            place = draw(st.integers(0, min(len(window), 5) - 1))
            match draw(st.sampled_from(["as it is", "repeated", "swapped"])):
                case "repeated":
                    window.insert(0, window[place])
                case "swapped":
                    window.insert(0, window.pop(place))
                case _:
                    pass
            read.append(tuple(window[:40]))
    return read


_SESSION = {"session_id": "s", "status": "thinking", "created_at": 1}
_VIDEO = {"id": "v", "status": "processing"}
_STATUS = {"status": "not_found", "video_id": "v"}
_ENDPOINT = {
    "endpoint_id": "e",
    "url": "https://a.test",
    "status": "enabled",
    "created_at": "2026",
    "events": ["a.b"],
}
_MESSAGE = {
    "role": "model",
    "content": "A storyboard",
    "type": "resource",
    "created_at": 5,
    "resource_ids": ["r"],
}

# Every decoder with an answer as the service writes it.
ANSWERS: dict[str, tuple[Decoder[Any], dict[str, object]]] = {
    "CREATED": (session_api.CREATED, {"data": {**_SESSION, "video_id": None}}),
    "SESSION": (
        session_api.SESSION,
        {"data": {**_SESSION, "progress": 40, "title": "T", "video_id": "v", "messages": [_MESSAGE]}},
    ),
    "SESSIONS": (
        session_api.sessions().decoder,
        {"data": [{"session_id": "s", "created_at": 1, "title": None}], "has_more": True, "next_token": "t"},
    ),
    "SENT": (session_api.SENT, {"data": {"session_id": "s", "run_id": "r", "title": "T"}}),
    "RESOURCE": (
        session_api.RESOURCE,
        {"data": {"resource_id": "r", "resource_type": "image", "url": "https://f.test/1.png", "metadata": {"w": 1}}},
    ),
    "VIDEO": (video_api.VIDEO, {"data": {**_VIDEO, "duration": 12.5, "video_url": "https://f.test/v.mp4?s=1"}}),
    "VIDEOS": (video_api.VIDEOS, {"data": [_VIDEO], "has_more": False, "next_token": None}),
    "STATUSES": (video_api.STATUSES, {"data": [_STATUS]}),
    "STYLES": (
        catalog_api.styles().decoder,
        {"data": [{"style_id": "s", "name": "N", "tags": ["a"]}], "has_more": False},
    ),
    "BRAND_KITS": (
        catalog_api.brand_kits().decoder,
        {"data": [{"brand_kit_id": "b", "name": "N", "colors": ["#fff"]}]},
    ),
    "VOICES": (
        catalog_api.voices().decoder,
        {"data": [{"voice_id": "v", "name": "N", "language": "English", "gender": "female", "type": "public",
                   "support_pause": True, "support_locale": False}]},
    ),
    "AVATARS": (catalog_api.avatars().decoder, {"data": [{"id": "a", "name": "N", "created_at": 1, "looks_count": 2}]}),
    "LOOKS": (catalog_api.looks().decoder, {"data": [{"id": "l", "name": "N", "avatar_type": "photo_avatar"}]}),
    "ACCOUNT": (
        catalog_api.ACCOUNT,
        {"data": {"username": "u", "email": None, "first_name": None, "last_name": None, "billing_type": "wallet",
                  "wallet": {"currency": "usd", "remaining_balance": 1.5}}},
    ),
    "VOICE": (catalog_api.VOICE, {"data": {"voice_id": "v", "support_pause": True, "status": "complete"}}),
    "BRAND_GLOSSARIES": (
        catalog_api.brand_glossaries().decoder,
        {"data": [{"brand_glossary_id": "b", "name": "N", "created_at": "2026-01-01", "updated_at": "2026-01-02"}]},
    ),
    "UPLOADED": (
        asset_api.complete("a", "00").decoder,
        {"data": {"asset_id": "a", "url": "https://f.test/a", "mime_type": "image/png", "size_bytes": 9}},
    ),
    "SLOT": (
        asset_api.begin("a.png", "image/png", 9, "00").decoder,
        {"data": {"asset_id": "a", "upload_url": "https://f.test/a", "upload_headers": {"a": "b"}, "max_bytes": 10,
                  "expires_in_seconds": 60, "status": "pending_upload"}},
    ),
    "ASSET": (
        asset_api.read("a").decoder,
        {"data": {"id": "a", "name": "N", "type": "image", "owner": "o", "space_id": "s", "uploaded_at": 1}},
    ),
    "ASSET_STATUSES": (asset_api.statuses(["a"]).decoder, {"data": [{**_STATUS, "video_id": "a"}]}),
    "ENDPOINTS": (webhook_api.endpoints().decoder, {"data": [_ENDPOINT]}),
    "ENDPOINT": (webhook_api.create("https://a.test", None, None).decoder, {"data": {**_ENDPOINT, "secret": "s"}}),
    "SECRET": (webhook_api.rotate_secret("e").decoder, {"data": {"endpoint_id": "e", "secret": "s"}}),
    "EVENT_TYPES": (webhook_api.event_types().decoder, {"data": [{"event_type": "a.b", "description": "D"}]}),
    "EVENTS": (
        webhook_api.events(entity_id=None).decoder,
        {"data": [{"event_id": "e", "event_type": "a.b", "event_data": {"session_id": "s"}, "created_at": "2026"}]},
    ),
    "ANYTHING": (responses.ANYTHING, {"data": {}, "error": None}),
}  # fmt: skip
