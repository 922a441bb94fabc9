"""
The service's language: every path, header and body it takes, and what its answers mean.

Bytes in, values out: nothing here waits, keeps time or opens a connection. Rules come from `contract.md`; arguments
are checked here because the limits are the wire's. Answers are read in `_answers.py`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from . import _answers as answers
from .errors import InvalidArgument
from .models import Asset, AssetBase64, AssetId, AssetUrl, File

if TYPE_CHECKING:
    from ._answers import Answer
    from ._files import Body
    from .models import (
        AvatarGroup,
        AvatarLook,
        BrandKit,
        ResourceInfo,
        SentMessage,
        SessionData,
        SessionSummary,
        Style,
        User,
        VideoInfo,
        VideoState,
        Voice,
    )

T = TypeVar("T")

PROMPT_CHARACTERS = 10_000
FILES = 20
STATUS_IDS = 100
_KEY = re.compile(r"[A-Za-z0-9_:.\-]{1,255}")
_ENCODER = msgspec.json.Encoder()


class Kind(Enum):
    """What repeating a call means."""

    READ = auto()
    REPEATABLE = auto()  # changes something, and twice is the same as once
    CREATE = auto()  # twice costs twice
    SEND = auto()  # twice says it twice


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call of the API, ready to be sent any number of times; `name` and `route` are for logs."""

    name: str
    kind: Kind
    method: str
    route: str
    path: str
    answer: Answer[T]
    body: bytes | Body | None = None
    key: str | None = None
    content_type: str = "application/json"


@dataclass(slots=True, eq=False)
class Request:
    """What a transport sends: an absolute address, headers, bytes, and seconds for the whole exchange."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | Body | None
    timeout: float
    route: str = ""
    attempt: int = 1
    # A transport keeps its own form of the address here: building one costs more than comparing it.
    prepared: object = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.route}>"


# ---- bodies -------------------------------------------------------------------------------------------------------


# Fields that have an argument of their own: `extra` must not say them twice.
_SEND_FIELDS = frozenset({"message", "avatar_id", "voice_id", "brand_kit_id", "files", "auto_proceed"})
_CREATE_FIELDS = (_SEND_FIELDS - {"message"}) | {
    "prompt",
    "mode",
    "style_id",
    "orientation",
    "incognito_mode",
    "callback_url",
    "callback_id",
}


def create(
    prompt: str,
    *,
    mode: str,
    files: Iterable[File],
    extra: Mapping[str, object] | None,
    idempotency_key: str | None,
    **options: str | bool | None,
) -> Call[SessionData]:
    """Start a session."""
    _check_text("prompt", prompt)
    _check_word("mode", mode, ("generate", "chat"))
    if options.get("orientation") is not None:
        _check_word("orientation", options["orientation"], ("landscape", "portrait"))
    if options.get("callback_id") is not None and options.get("callback_url") is None:
        raise InvalidArgument("callback_id", "needs callback_url: the service refuses one without the other")
    body: dict[str, object] = {"prompt": prompt, "mode": mode, **_given(options), **_attachments(files)}
    return Call(
        "create",
        Kind.CREATE,
        "POST",
        "/v3/video-agents",
        "/v3/video-agents",
        answers.CREATED,
        _encode(body, extra, _CREATE_FIELDS),
        _idempotency_key(idempotency_key),
    )


def send(
    session_id: str,
    message: str,
    *,
    files: Iterable[File],
    extra: Mapping[str, object] | None,
    idempotency_key: str | None,
    **options: str | bool | None,
) -> Call[SentMessage]:
    """Say something in a chat session."""
    _check_text("message", message)
    body: dict[str, object] = {"message": message, **_given(options), **_attachments(files)}
    return Call(
        "send",
        Kind.SEND,
        "POST",
        "/v3/video-agents/{session_id}",
        f"/v3/video-agents/{segment('session_id', session_id)}",
        answers.SENT,
        _encode(body, extra, _SEND_FIELDS),
        _idempotency_key(idempotency_key),
    )


def _given(options: Mapping[str, str | bool | None]) -> dict[str, str | bool]:
    for name, value in options.items():
        wanted = bool if name in ("auto_proceed", "incognito_mode") else str
        if value is not None and (not isinstance(value, wanted) or value == ""):
            raise InvalidArgument(
                name, f"must be a {'true or false' if wanted is bool else 'non-empty string'}"
            )
        _check_characters(name, str(value))
    return {name: value for name, value in options.items() if value is not None}


def _encode(body: dict[str, object], extra: Mapping[str, object] | None, fields: frozenset[str]) -> bytes:
    if known := sorted(set(extra or ()) & fields):
        raise InvalidArgument("extra", f"{known[0]} has an argument of its own")
    try:
        return _ENCODER.encode({**body, **(extra or {})})
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument("extra" if extra else "text", f"cannot be sent as JSON: {error}") from error


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str) or not text.strip():
        raise InvalidArgument(name, "must be a non-empty string")
    if len(text) > PROMPT_CHARACTERS:
        raise InvalidArgument(name, f"has {len(text):,} characters; the service takes {PROMPT_CHARACTERS:,}")
    _check_characters(name, text)


def _check_characters(name: str, text: str) -> None:
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidArgument(name, "has half a character (a lone surrogate), which cannot be sent")


def _check_word(name: str, word: object, words: tuple[str, ...]) -> None:
    if word not in words:
        raise InvalidArgument(name, f"must be one of {', '.join(map(repr, words))}, not {str(word)[:40]!r}")


def _idempotency_key(given: str | None) -> str:
    if given is None:
        return str(uuid.uuid4())
    if not _KEY.fullmatch(given):
        raise InvalidArgument("idempotency_key", "must be 1 to 255 of the characters A-Z a-z 0-9 _ : . -")
    return given


def _attachments(files: Iterable[File]) -> dict[str, list[AssetUrl | AssetId | AssetBase64]]:
    if isinstance(files, str | bytes):
        raise InvalidArgument("files", "must be a sequence of files, not one string")
    items = [_attachment(f"files[{place}]", item) for place, item in enumerate(files)]
    if len(items) > FILES:
        raise InvalidArgument("files", f"has {len(items)} items; the service takes {FILES}")
    return {"files": items} if items else {}


def _attachment(name: str, item: object) -> AssetUrl | AssetId | AssetBase64:
    if isinstance(item, str):
        item = AssetUrl(url=item)
    if isinstance(item, AssetUrl):
        if not _is_https(item.url):
            raise InvalidArgument(name, "must be a public https address")
        return item
    if isinstance(item, Asset):
        return AssetId(asset_id=item.id)
    if isinstance(item, AssetId | AssetBase64):
        return item
    raise InvalidArgument(
        name, f"must be an AssetId, AssetUrl, AssetBase64 or https address, not {type(item).__name__}"
    )


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


# ---- paths --------------------------------------------------------------------------------------------------------


def segment(name: str, value: object) -> str:
    """
    Return an id as one path segment: it can never change which path is called.

    Raises:
        InvalidArgument: It is empty, a dot segment, or has characters no id has.
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value  # as ids are; a hundred of them go into one request
    if not isinstance(value, str) or not value or not value.isprintable() or set(value) & set("/\\?#% "):
        raise InvalidArgument(name, "must be a non-empty id without slashes or spaces")
    if value in (".", ".."):
        raise InvalidArgument(name, "must be an id, not a path")
    return quote(value, safe="")


def reading(
    name: str, route: str, answer: Answer[T], *, query: Mapping[str, object] | None = None, **ids: str
) -> Call[T]:
    """Ask for something: only what is given of the query is sent."""
    path = route.format(**{key: segment(key, value) for key, value in ids.items()}) if ids else route
    given = {key: value for key, value in (query or {}).items() if value is not None}
    for key, value in given.items():
        _check_characters(key, str(value))
    return Call(name, Kind.READ, "GET", route, f"{path}?{urlencode(given)}" if given else path, answer)


def page_size(limit: object, most: int) -> int | None:
    """Return how many to ask for at once, if it is as many as the service gives."""
    if limit is None or (isinstance(limit, int) and 1 <= limit <= most):
        return limit
    raise InvalidArgument("page_size", f"must be from 1 to {most}")


def session(session_id: str) -> Call[SessionData]:
    """Read one session."""
    return reading("get", "/v3/video-agents/{session_id}", answers.SESSION, session_id=session_id)


def sessions(*, limit: int | None = None, token: str | None = None) -> Call[tuple[SessionSummary, ...]]:
    """List sessions, newest first."""
    query = {"limit": page_size(limit, 100), "token": token}
    return reading("list", "/v3/video-agents", answers.SESSIONS, query=query)


def stop(session_id: str) -> Call[object]:
    """End the run at its next checkpoint; asking twice is the same as asking once."""
    route = "/v3/video-agents/{session_id}/stop"
    path = route.format(session_id=segment("session_id", session_id))
    key = _idempotency_key(None)
    return Call("stop", Kind.REPEATABLE, "POST", route, path, answers.ANYTHING, b"{}", key)


def resource(session_id: str, resource_id: str) -> Call[ResourceInfo]:
    """Resolve what a message refers to."""
    route = "/v3/video-agents/{session_id}/resources/{resource_id}"
    return reading("resource", route, answers.RESOURCE, session_id=session_id, resource_id=resource_id)


def session_videos(session_id: str, *, token: str | None = None) -> Call[tuple[VideoInfo, ...]]:
    """List a session's videos, newest first."""
    route = "/v3/video-agents/{session_id}/videos"
    return reading("session_videos", route, answers.VIDEOS, query={"token": token}, session_id=session_id)


def video(video_id: str) -> Call[VideoInfo]:
    """Read one video."""
    return reading("video", "/v3/videos/{video_id}", answers.VIDEO, video_id=video_id)


def delete_video(video_id: str) -> Call[object]:
    """Delete one video."""
    route = "/v3/videos/{video_id}"
    path = route.format(video_id=segment("video_id", video_id))
    return Call("delete_video", Kind.REPEATABLE, "DELETE", route, path, answers.ANYTHING)


def videos(
    *,
    limit: int | None = None,
    token: str | None = None,
    folder_id: str | None = None,
    title: str | None = None,
) -> Call[tuple[VideoInfo, ...]]:
    """List the account's videos."""
    query = {"limit": page_size(limit, 100), "token": token, "folder_id": folder_id, "title": title}
    return reading("videos", "/v3/videos", answers.VIDEOS, query=query)


def statuses(video_ids: Iterable[str]) -> Call[tuple[VideoState, ...]]:
    """Read the statuses of up to 100 videos at once."""
    ids = [] if isinstance(video_ids, str) else list(video_ids)
    told = "%2C".join([segment("video_ids", video_id) for video_id in ids])
    if not 1 <= len(ids) <= STATUS_IDS or any("," in video_id for video_id in ids):
        raise InvalidArgument("video_ids", f"must be 1 to {STATUS_IDS} ids, without commas")
    route = "/v3/videos/statuses"  # the query is written by hand: quoting it as a whole takes longer than the answer
    return Call("statuses", Kind.READ, "GET", route, f"{route}?video_ids={told}", answers.STATUSES)


def styles(
    *, limit: int | None = None, token: str | None = None, tag: str | None = None
) -> Call[tuple[Style, ...]]:
    """List visual styles."""
    query = {"limit": page_size(limit, 100), "token": token, "tag": tag}
    return reading("styles", "/v3/video-agents/styles", answers.STYLES, query=query)


def brand_kits(*, limit: int | None = None, token: str | None = None) -> Call[tuple[BrandKit, ...]]:
    """List brand kits."""
    return reading(
        "brand_kits",
        "/v3/brand-kits",
        answers.BRAND_KITS,
        query={"limit": page_size(limit, 100), "token": token},
    )


def voices(
    *, limit: int | None = None, token: str | None = None, **filters: str | None
) -> Call[tuple[Voice, ...]]:
    """List voices."""
    return reading(
        "voices",
        "/v3/voices",
        answers.VOICES,
        query={"limit": page_size(limit, 100), "token": token, **filters},
    )


def avatars(
    *, limit: int | None = None, token: str | None = None, ownership: str | None = None
) -> Call[tuple[AvatarGroup, ...]]:
    """List avatar groups; 50 a page at most."""
    query = {"limit": page_size(limit, 50), "token": token, "ownership": ownership}
    return reading("avatars", "/v3/avatars", answers.AVATARS, query=query)


def looks(
    *, limit: int | None = None, token: str | None = None, **filters: str | None
) -> Call[tuple[AvatarLook, ...]]:
    """List avatar looks; 50 a page at most."""
    return reading(
        "looks",
        "/v3/avatars/looks",
        answers.LOOKS,
        query={"limit": page_size(limit, 50), "token": token, **filters},
    )


def account() -> Call[User]:
    """Read the caller's account."""
    return reading("account", "/v3/users/me", answers.ACCOUNT)
