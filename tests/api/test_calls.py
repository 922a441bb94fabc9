from __future__ import annotations

import json
import string
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from heygen_async._api import catalog as catalog_api
from heygen_async._api import sessions as session_api
from heygen_async._api import videos as video_api
from heygen_async._api.calls import Call, Kind
from heygen_async._api.sessions import CreateRequest
from heygen_async._http.transport import Request
from heygen_async.errors import InvalidArgument
from heygen_async.models import AssetBase64, AssetId, AssetUrl, SentMessage, SessionData

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = "x" * 10_001
BAD_IDS = ["", ".", "..", "\ud800"]


def create(prompt: str = "A film", **options: Any) -> Call[SessionData]:
    """A create with the defaults of `sessions.create`."""
    key = options.pop("idempotency_key", None)
    request = CreateRequest(prompt, **options)
    return session_api.create(request, files=request.files, idempotency_key=key)


def send(message: str = "Go on", *, session_id: str = "s1", **options: Any) -> Call[SentMessage]:
    """A send with the defaults of `session.send`."""
    given: dict[str, Any] = {"files": (), "extra": None, "idempotency_key": None}
    return session_api.send(session_id, message, **given | options)


def body(call: Call[Any]) -> Any:
    """What a call carries."""
    assert isinstance(call.body, bytes)
    return json.loads(call.body)


READS: dict[str, tuple[Call[Any], str]] = {
    "session": (session_api.session("s1"), "/v3/video-agents/s1"),
    "sessions": (session_api.sessions(), "/v3/video-agents"),
    "sessions-page": (
        session_api.sessions(limit=100, token="t+/="),
        "/v3/video-agents?limit=100&token=t%2B%2F%3D",
    ),
    "resource": (session_api.resource("s1", "r1"), "/v3/video-agents/s1/resources/r1"),
    "session-videos": (session_api.session_videos("s1"), "/v3/video-agents/s1/videos"),
    "session-videos-page": (
        session_api.session_videos("s1", token="t"),
        "/v3/video-agents/s1/videos?token=t",
    ),
    "video": (video_api.video("v1"), "/v3/videos/v1"),
    "videos": (video_api.videos(), "/v3/videos"),
    "videos-filtered": (
        video_api.videos(limit=1, token="t", folder_id="f", title="Ünter & Co"),
        "/v3/videos?limit=1&token=t&folder_id=f&title=%C3%9Cnter+%26+Co",
    ),
    "statuses": (video_api.statuses(["v1", "v:2"]), "/v3/videos/statuses?video_ids=v1%2Cv%3A2"),
    "styles": (
        catalog_api.styles(limit=2, token="t", tag="a"),
        "/v3/video-agents/styles?limit=2&token=t&tag=a",
    ),
    "brand-kits": (catalog_api.brand_kits(limit=2, token="t"), "/v3/brand-kits?limit=2&token=t"),
    "voices": (catalog_api.voices(limit=2, type="public", engine=None), "/v3/voices?limit=2&type=public"),
    "avatars": (catalog_api.avatars(limit=50, ownership="private"), "/v3/avatars?limit=50&ownership=private"),
    "looks": (catalog_api.looks(group_id="g", avatar_type=None), "/v3/avatars/looks?group_id=g"),
    "account": (catalog_api.account(), "/v3/users/me"),
}

WRITES: dict[str, tuple[Call[Any], Kind, str, str]] = {
    "create": (create(), Kind.CREATE, "POST", "/v3/video-agents"),
    "send": (send(), Kind.SEND, "POST", "/v3/video-agents/s1"),
    "stop": (session_api.stop("s1"), Kind.REPEATABLE, "POST", "/v3/video-agents/s1/stop"),
    "delete-video": (video_api.delete_video("v1"), Kind.REPEATABLE, "DELETE", "/v3/videos/v1"),
}


@pytest.mark.parametrize(("call", "path"), READS.values(), ids=READS)
def test_read_asks_what_the_service_documents(call: Call[Any], path: str) -> None:
    """Every read is a GET of the documented path with the documented query, and no body."""
    assert (Kind.READ, "GET", path, None, None) == (call.kind, call.method, call.path, call.body, call.key)


@pytest.mark.parametrize(("call", "kind", "method", "path"), WRITES.values(), ids=WRITES)
def test_write_goes_where_the_service_documents(call: Call[Any], kind: Kind, method: str, path: str) -> None:
    """Every write goes to its path, and what it means to repeat it is known."""
    assert (kind, method, path) == (call.kind, call.method, call.path)


@pytest.mark.parametrize("call", [*(row[0] for row in READS.values()), *(row[0] for row in WRITES.values())])
def test_route_names_no_object(call: Call[Any]) -> None:
    """What logs say of a call is the same for all sessions: no id, no query."""
    assert not {"s1", "r1", "v1"} & set(call.route.split("/"))
    assert "?" not in call.route


def test_create_sends_all_that_was_given() -> None:
    """Each argument of create is the field of that name, in JSON."""
    options: dict[str, Any] = {
        "mode": "generate",
        "avatar_id": "a",
        "voice_id": "v",
        "style_id": "st",
        "brand_kit_id": "b",
        "brand_glossary_id": "g",
        "orientation": "portrait",
        "auto_proceed": False,
        "incognito_mode": True,
        "callback_url": "https://me.test/hook",
        "callback_id": "c",
    }

    assert {"prompt": "Fílm 🎬", **options} == body(create("Fílm 🎬", **options))


def test_send_sends_all_that_was_given() -> None:
    """Each argument of send is the field of that name, in JSON."""
    options: dict[str, Any] = {
        "avatar_id": "a",
        "voice_id": "v",
        "brand_kit_id": "b",
        "auto_proceed": True,
    }

    assert {"message": "Go", **options} == body(send("Go", **options))


def test_nothing_is_sent_as_null() -> None:
    """None means "not given": the field is left out."""
    absent: dict[str, Any] = dict.fromkeys(
        ("avatar_id", "voice_id", "style_id", "brand_kit_id", "orientation", "auto_proceed", "callback_url")
    )

    assert {"prompt": "A film", "mode": "chat"} == body(create(**absent))
    assert {"message": "Go on"} == body(send(avatar_id=None, auto_proceed=None))
    assert {} == body(session_api.stop("s1"))


def test_files_are_told_apart_by_type() -> None:
    """A file is one of the three documented forms with no further keys; a bare address is the first."""
    files = ["https://a.test/1.png", AssetUrl(url="https://a.test/2.png"), AssetId(asset_id="a3"),
             AssetBase64(media_type="image/png", data="QQ==")]  # fmt: skip
    expected = [
        {"type": "url", "url": "https://a.test/1.png"},
        {"type": "url", "url": "https://a.test/2.png"},
        {"type": "asset_id", "asset_id": "a3"},
        {"type": "base64", "media_type": "image/png", "data": "QQ=="},
    ]

    for call in (create(files=files), send(files=iter(files))):
        sent = body(call)
        assert expected == sent["files"]


def test_limits_themselves_are_taken() -> None:
    """10,000 characters and 20 files are what the service takes, counted in characters, not in bytes."""
    assert create("🎬" * 10_000, files=["https://a.test"] * 20).body
    assert send("🎬" * 10_000, files=["https://a.test"] * 20).body


def base64(**changes: Any) -> AssetBase64:
    """A file sent inline, with a member that is not what it should be."""
    return AssetBase64(**{"media_type": "image/png", "data": "iVBORw0KGgo=", **changes})


BAD: dict[str, tuple[str, Callable[[], object]]] = {
    "prompt-empty": ("prompt", lambda: create("")),
    "prompt-blank": ("prompt", lambda: create(" \n\t")),
    "prompt-long": ("prompt", lambda: create(LONG)),
    "prompt-no-text": ("prompt", lambda: create(5)),  # type: ignore[arg-type]
    "prompt-surrogate": ("prompt", lambda: create("half \ud83c of a character")),
    "message-empty": ("message", lambda: send("")),
    "message-blank": ("message", lambda: send("  ")),
    "message-long": ("message", lambda: send(LONG)),
    "message-surrogate": ("message", lambda: send("\udfff")),
    "mode": ("mode", lambda: create(mode="interactive")),
    "mode-none": ("mode", lambda: create(mode=None)),
    "orientation": ("orientation", lambda: create(orientation="square")),
    "orientation-list": ("orientation", lambda: create(orientation=["portrait"])),
    "callback-id-alone": ("callback_id", lambda: create(callback_id="c")),
    "files-21": ("files", lambda: create(files=["https://a.test"] * 21)),
    "files-21-send": ("files", lambda: send(files=["https://a.test"] * 21)),
    "files-string": ("files", lambda: create(files="https://a.test")),
    "file-http": ("files[1]", lambda: create(files=["https://a.test", "http://a.test"])),
    "file-http-asset": ("files[0]", lambda: send(files=[AssetUrl(url="http://a.test")])),
    "file-no-address": ("files[0]", lambda: create(files=["intro.png"])),
    "file-no-host": ("files[0]", lambda: create(files=["https://"])),
    "file-malformed": ("files[0]", lambda: create(files=["https://[::1"])),
    "file-number": ("files[0]", lambda: create(files=[5])),
    "file-address-number": ("files[0]", lambda: create(files=[AssetUrl(url=5)])),  # type: ignore[arg-type]
    "file-id-number": ("files[0].asset_id", lambda: create(files=[AssetId(asset_id=5)])),  # type: ignore[arg-type]
    "file-id-empty": ("files[0].asset_id", lambda: send(files=[AssetId(asset_id="")])),
    "file-type-number": ("files[0].media_type", lambda: create(files=[base64(media_type=5)])),
    "file-data-number": ("files[0].data", lambda: create(files=[base64(data=5)])),
    "avatar-empty": ("avatar_id", lambda: create(avatar_id="")),
    "avatar-number": ("avatar_id", lambda: send(avatar_id=5)),
    "avatar-surrogate": ("avatar_id", lambda: create(avatar_id="\ud800")),
    "flag-as-text": ("auto_proceed", lambda: create(auto_proceed="yes")),
    "extra-known": ("extra", lambda: create(extra={"prompt": "another"})),
    "extra-known-send": ("extra", lambda: send(extra={"files": []})),
    "extra-no-json": ("extra", lambda: create(extra={"x": object()})),
    "extra-surrogate": ("extra", lambda: create(extra={"x": "\ud800"})),
    "key-empty": ("idempotency_key", lambda: create(idempotency_key="")),
    "key-long": ("idempotency_key", lambda: create(idempotency_key="k" * 256)),
    "key-space": ("idempotency_key", lambda: send(idempotency_key="a b")),
    "key-line": ("idempotency_key", lambda: send(idempotency_key="a\n")),
    "key-accent": ("idempotency_key", lambda: send(idempotency_key="é")),
    "page-0": ("page_size", lambda: session_api.sessions(limit=0)),
    "page-101": ("page_size", lambda: video_api.videos(limit=101)),
    "page-51-avatars": ("page_size", lambda: catalog_api.avatars(limit=51)),
    "page-51-looks": ("page_size", lambda: catalog_api.looks(limit=51)),
    "title-surrogate": ("title", lambda: video_api.videos(title="\ud800")),
    "ids-none": ("video_ids", lambda: video_api.statuses([])),
    "ids-101": ("video_ids", lambda: video_api.statuses(["v"] * 101)),
    "ids-comma": ("video_ids", lambda: video_api.statuses(["a,b"])),
    "ids-path": ("video_ids", lambda: video_api.statuses([".."])),
}


@pytest.mark.parametrize(("argument", "build"), BAD.values(), ids=BAD)
def test_bad_argument_is_named(argument: str, build: Callable[[], object]) -> None:
    """What the service would refuse is refused before anything is sent, by the name of the argument."""
    with pytest.raises(InvalidArgument) as raised:
        build()

    assert argument == raised.value.argument
    assert str(raised.value).startswith(f"{argument}: ")


BY_ID: dict[str, tuple[str, Callable[[str], object]]] = {
    "session": ("session_id", session_api.session),
    "stop": ("session_id", session_api.stop),
    "session-videos": ("session_id", session_api.session_videos),
    "send": ("session_id", lambda bad: send(session_id=bad)),
    "resource": ("resource_id", lambda bad: session_api.resource("s1", bad)),
    "video": ("video_id", video_api.video),
    "delete-video": ("video_id", video_api.delete_video),
}


@pytest.mark.parametrize("bad", BAD_IDS, ids=ascii)
@pytest.mark.parametrize(
    ("argument", "build"),
    BY_ID.values(),
    ids=BY_ID,
)
def test_malformed_id_is_refused(argument: str, build: Callable[[str], object], bad: str) -> None:
    """What cannot stand in a path, however it is escaped, is refused by the name of the argument."""
    with pytest.raises(InvalidArgument) as raised:
        build(bad)

    assert argument == raised.value.argument


@given(st.text() | st.text("./\\%2eE?#&;:@~é\uff0e\uff0f \n", max_size=8))
def test_id_is_one_path_segment(value: str) -> None:
    """Whatever the service calls a thing becomes exactly one segment of the path, which says it to the letter."""
    try:
        path = video_api.video(value).path
    except InvalidArgument:
        assert value in BAD_IDS or not value.strip() or not value.isascii()
        return
    parts = urlsplit(f"https://api.test{path}")
    *before, last = parts.path.split("/")

    assert ["", "v3", "videos"] == before
    assert value == unquote(last)
    assert ("", "") == (parts.query, parts.fragment)
    assert last not in {"", ".", ".."}
    assert set(path) <= set(string.ascii_letters + string.digits + "/-._~%")


@given(
    st.lists(st.text(string.ascii_letters + ":;@&+=-_~.é", min_size=1, max_size=6), min_size=1, max_size=5)
)
def test_ids_of_statuses_arrive_as_given(ids: list[str]) -> None:
    """Many ids in one query are read back as the ids that were asked."""
    try:
        path = video_api.statuses(ids).path
    except InvalidArgument:
        assert {".", ".."} & set(ids)
        return

    assert [("video_ids", ",".join(ids))] == parse_qsl(urlsplit(path).query)


@given(st.text(max_size=50), st.dictionaries(st.text(max_size=8), strategies.json_values, max_size=3))
def test_any_prompt_is_sent_whole_or_refused(prompt: str, extra: dict[str, object]) -> None:
    """Whatever is said arrives unchanged, next to whatever fields come with it; else it is refused as an argument."""
    try:
        sent = body(create(prompt, extra=extra))
    except InvalidArgument:
        return

    assert prompt == sent["prompt"]
    assert {"prompt", "mode", *extra} == set(sent)


def test_fields_of_tomorrow_can_be_sent() -> None:
    """`extra` passes fields that this release does not know."""
    expected = {"prompt": "A film", "mode": "chat", "quality": {"fps": 50}}

    assert expected == body(create(extra={"quality": {"fps": 50}}))
    assert {"message": "Go on", "style_id": "s"} == body(send(extra={"style_id": "s"}))


def test_keys_are_new_or_the_callers() -> None:
    """Each write has a key of its own, a UUID, unless the caller has one."""
    assert "order-7:a.b_c" == create(idempotency_key="order-7:a.b_c").key
    assert "k" * 255 == send(idempotency_key="k" * 255).key
    assert create().key != create().key
    for call in (create(), send()):
        assert call.key == str(uuid.UUID(call.key))


def test_request_does_not_show_its_headers() -> None:
    """The repr of a request, which tracebacks print, has the route and neither key nor query."""
    request = Request(
        "GET", "https://a.test/v3/videos/v1?x=secret", {"x-api-key": "secret"}, b"secret", 1.0, "/v3/videos"
    )

    assert "<Request GET /v3/videos>" == repr(request)
