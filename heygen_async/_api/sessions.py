"""
Sessions of the Video Agent: their paths and bodies, and how their answers are read.

Rules come from `contract.md`; arguments are checked here because the limits are the wire's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, fields
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, cast

from msgspec import Meta, Raw, json, structs

from ..errors import InvalidArgument
from ..errors._arguments import check_choice, check_https, check_text, check_type, given, list_of
from ..models import (
    Asset,
    AssetBase64,
    AssetId,
    AssetUrl,
    File,
    Message,
    Mode,
    Orientation,
    ResourceInfo,
    SentMessage,
    SessionData,
    SessionSummary,
)
from .calls import SAFE, Call, Kind, change_call, choose_key, encode, list_call, read_call, segment
from .responses import ANYTHING, Decoder, Envelope
from .videos import VIDEOS

if TYPE_CHECKING:
    from ..models import VideoInfo

_SESSIONS = "/v3/video-agents"
_SESSION = "/v3/video-agents/{session_id}"

PROMPT_CHARACTERS = 10_000
FILES = 20


# ---- bodies -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """
    What a create takes, each field under the service's name for it: the one place that lists them.

    `Sessions.create` has an argument for each; `Job` inherits them; the durable record and the columns of the command
    read them from here. An option that is None is not sent.

    Args:
        prompt: What to make, 1 to 10,000 characters.
        mode: `chat` pauses for review, `generate` does not.
        avatar_id: A look's id.
        voice_id: The narration voice.
        style_id: A visual style.
        brand_kit_id: A brand kit.
        brand_glossary_id: A brand glossary: how names are spoken and translated.
        orientation: `landscape` or `portrait`.
        files: Up to 20 attachments.
        auto_proceed: Only for services that still take it.
        incognito_mode: True: no memory is read or written for this session.
        callback_url: Where the service reports the end.
        callback_id: Echoed in that report; needs callback_url.
        extra: Fields this release does not know.
    """

    prompt: str
    _: KW_ONLY
    mode: Mode = "chat"
    avatar_id: str | None = None
    voice_id: str | None = None
    style_id: str | None = None
    brand_kit_id: str | None = None
    brand_glossary_id: str | None = None
    orientation: Orientation | None = None
    files: Iterable[File] = ()
    auto_proceed: bool | None = None
    incognito_mode: bool | None = None
    callback_url: str | None = None
    callback_id: str | None = None
    extra: Mapping[str, object] | None = None


CREATE_FIELDS: tuple[str, ...] = tuple(item.name for item in fields(CreateRequest))

# Fields that have an argument of their own, so that `extra` must not repeat them.
_CREATE_FIELDS = frozenset(CREATE_FIELDS) - {"extra"}
_SEND_FIELDS = frozenset({"message", "avatar_id", "voice_id", "brand_kit_id", "files", "auto_proceed"})
_SWITCHES = frozenset({"auto_proceed", "incognito_mode"})


def create(
    request: CreateRequest, *, files: Iterable[File], idempotency_key: str | None = None
) -> Call[SessionData]:
    """Start a session; `files` go in place of the request's own, once those on this machine are uploaded."""
    _check_message("prompt", request.prompt)
    check_choice(("generate", "chat"), mode=request.mode)
    check_choice(("landscape", "portrait", None), orientation=request.orientation)
    if request.callback_id is not None and request.callback_url is None:
        raise InvalidArgument("callback_id", "needs callback_url: the service refuses one without the other")
    options = {name: getattr(request, name) for name in CREATE_FIELDS if name not in ("files", "extra")}
    body = {**_passed(options), **_attachments(files)}
    encoded, key = _encode(body, request.extra, _CREATE_FIELDS), choose_key(idempotency_key)
    return Call("create", Kind.CREATE, "POST", _SESSIONS, _SESSIONS, CREATED, encoded, key)


def send(
    session_id: str,
    message: str | None,
    *,
    files: Iterable[File],
    extra: Mapping[str, object] | None,
    idempotency_key: str | None,
    **options: str | bool | None,
) -> Call[SentMessage]:
    """Say something in a chat session."""
    attachments = _attachments(files)
    if message is not None:
        _check_message("message", message)
    elif not (attachments or extra):
        problem = "must be a non-empty string; only with files or extra may it be left out"
        raise InvalidArgument("message", problem)
    body = {**given(message=message), **_passed(options), **attachments}
    path = f"{_SESSIONS}/{segment('session_id', session_id)}"
    encoded, key = _encode(body, extra, _SEND_FIELDS), choose_key(idempotency_key)
    return Call("send", Kind.SEND, "POST", _SESSION, path, SENT, encoded, key)


def _passed(options: Mapping[str, object]) -> dict[str, object]:
    passed = given(**options)
    check_type(bool, "true or false", **{name: passed[name] for name in passed.keys() & _SWITCHES})
    check_text(**{name: passed[name] for name in passed.keys() - _SWITCHES})
    return passed


def _encode(body: dict[str, object], extra: Mapping[str, object] | None, fields: frozenset[str]) -> bytes:
    check_type(Mapping | None, "a mapping of names to values", extra=extra)
    if known := sorted(set(extra or ()) & fields):
        raise InvalidArgument("extra", f"{known[0]} has an argument of its own")
    return encode("extra" if extra else "files", {**body, **(extra or {})})


def _check_message(name: str, text: str) -> None:
    check_text(**{name: text})
    if len(text) > PROMPT_CHARACTERS:
        raise InvalidArgument(name, f"has {len(text):,} characters; the service takes {PROMPT_CHARACTERS:,}")


def _attachments(files: Iterable[File]) -> dict[str, list[AssetUrl | AssetId | AssetBase64]]:
    items = [_attachment(f"files[{place}]", item) for place, item in enumerate(list_of("files", files))]
    if len(items) > FILES:
        raise InvalidArgument("files", f"has {len(items)} items; the service takes {FILES}")
    return {"files": items} if items else {}


def _attachment(name: str, item: object) -> AssetUrl | AssetId | AssetBase64:
    if isinstance(item, str):
        item = AssetUrl(url=item)
    if isinstance(item, AssetUrl):
        check_https("a public https address", **{name: item.url})
        return item
    if isinstance(item, Asset):
        return AssetId(asset_id=item.id)
    if isinstance(item, AssetId):
        check_text(**{f"{name}.asset_id": item.asset_id})
        return item
    if isinstance(item, AssetBase64):
        check_text(**{f"{name}.media_type": item.media_type})
        check_type(str, "base64 text", **{f"{name}.data": item.data})
        return item
    problem = f"must be an AssetId, AssetUrl, AssetBase64 or https address, not {type(item).__name__}"
    raise InvalidArgument(name, problem)


def session(
    session_id: str, known: int | None = None, window: Sequence[Message] = (), digest: int = 0
) -> Call[SessionData]:
    """Read one session; `known` is the digest of its last answer, `digest` that of the messages in it."""
    # In as few steps as can be: this is what polls send.
    name, decoder = session_id if SAFE.fullmatch(session_id) else segment("session_id", session_id), SESSION
    if not known or len(window) >= _MANY:
        decoder = Decoder(SESSION.type)
        decoder.decode = partial(_decode_anew, window, digest)
    return Call("get", Kind.READ, "GET", _SESSION, f"{_SESSIONS}/{name}", decoder, known=known)


def stop(session_id: str) -> Call[object]:
    """End the run at its next checkpoint; asking twice is the same as asking once."""
    return change_call("stop", "POST", f"{_SESSION}/stop", ANYTHING, body={}, session_id=session_id)


def resource(session_id: str, resource_id: str) -> Call[ResourceInfo]:
    """Resolve what a message refers to."""
    route = f"{_SESSION}/resources/{{resource_id}}"
    return read_call("resource", route, RESOURCE, session_id=session_id, resource_id=resource_id)


def session_videos(session_id: str, *, token: str | None = None) -> Call[tuple[VideoInfo, ...]]:
    """List a session's videos, newest first."""
    query = {"token": token}
    return read_call("session_videos", f"{_SESSION}/videos", VIDEOS, query=query, session_id=session_id)


class _Created(SessionData, frozen=True, kw_only=True, gc=False):
    """The answer to a create: an id that no path can carry is none, and the session is in doubt."""

    session_id: Annotated[str, Meta(min_length=1, pattern=r"[^.]|\.{3}")]


# A session that is there is there, whatever else its first answer lacks.
CREATED = cast("Decoder[SessionData]", Decoder(Envelope[_Created], {"status": "thinking", "video_id": None}))

SESSION = Decoder(Envelope[SessionData])

_MANY = 8  # messages, from which on telling whether they are known takes less time than reading them


class _Outline(SessionData, frozen=True, kw_only=True, gc=False):
    """A session whose messages are not read yet."""

    messages: Raw = Raw(b"[]")  # type: ignore[assignment]  # pyright: ignore[reportIncompatibleVariableOverride]


_OUTLINE = Decoder(Envelope[_Outline])


def _decode_anew(window: Sequence[Message], digest: int, body: bytes) -> Envelope[SessionData]:
    """Decode a session, but not its messages where they are those of the digest, to the byte."""
    answer = _OUTLINE.decode(body)
    raw = bytes(answer.data.messages)
    messages = window if hash(raw) == digest else json.decode(raw, type=tuple[Message, ...])
    structs.force_setattr(answer.data, "messages", messages)
    return cast("Envelope[SessionData]", structs.replace(answer, window=hash(raw)))


SENT = Decoder(Envelope[SentMessage])

RESOURCE = Decoder(Envelope[ResourceInfo])


# The sessions, newest first.
sessions = partial(list_call, "list", _SESSIONS, Decoder(Envelope[tuple[SessionSummary, ...]]))


def check_begun_at(begun_at: datetime | None, idempotency_key: str | None) -> None:
    """
    Refuse a beginning that cannot be looked for.

    Raises:
        InvalidArgument: It has no time zone, or comes without the key it was sent with.
    """
    check_type(datetime | None, "a datetime", begun_at=begun_at)
    if begun_at is not None and begun_at.tzinfo is None:
        raise InvalidArgument("begun_at", "must be an aware datetime (with a time zone)")
    if begun_at is not None and idempotency_key is None:
        raise InvalidArgument("begun_at", "needs the idempotency_key that was sent then")
