"""Whether a delivery is believed."""

from __future__ import annotations

import hashlib
import hmac
import json
import pickle
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPMessage
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

import strategies
from heygen_async.errors import (
    BadPayload,
    BadSignature,
    InvalidArgument,
    Replayed,
    StaleTimestamp,
    WebhookError,
)
from heygen_async.testing import VIRTUAL_TIME
from heygen_async.webhooks import SeenEvents, UnverifiedEvent, WebhookEvent, parse_unverified, sign, verify

SECRET: Final = "whsec_Zx81-correct-horse"
EVENT: Final[dict[str, object]] = {
    "event_id": "evt_1",
    "event_type": "video_agent.success",
    "event_data": {
        "session_id": "sess_1",
        "video_id": "vid_1",
        "callback_id": "mine",
        "url": "https://x/?sig=s",
    },
    "created_at": "2026-01-01T00:20:00Z",
}
BODY: Final = json.dumps(EVENT).encode()
NOW: Final = 1_767_225_600.0  # where the calendar of a loop in virtual time begins

each = pytest.mark.parametrize


@pytest.fixture(scope="module")
def anyio_backend() -> object:
    """Asyncio on a loop with a calendar of its own, which stands at `NOW`."""
    return VIRTUAL_TIME


def signed(body: bytes = BODY, secret: str = SECRET, *, at: float = NOW) -> dict[str, str]:
    """The headers of a delivery, as the contract describes them and not as our own `sign` does."""
    return {
        "Heygen-Signature": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "Heygen-Timestamp": f"{at:.0f}",
        "Heygen-Event-Id": "evt_1",
    }


# ---- verified -----------------------------------------------------------------------------------------------------


async def test_a_signed_delivery_is_an_event() -> None:
    """What the service signed comes back as an event with its id, type, time and the ids in it."""
    event = verify(signed(), BODY, SECRET)

    assert ("evt_1", "video_agent.success") == (event.id, event.type)
    assert ("sess_1", "vid_1", "mine") == (event.session_id, event.video_id, event.callback_id)
    assert "2026-01-01T00:20:00+00:00" == event.created.isoformat() if event.created else False
    assert EVENT["event_data"] == event.data


class Headers(Mapping[str, str]):
    """Headers as Starlette keeps them: lower case, found in any case."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._known = {name.lower(): value for name, value in given.items()}

    def __getitem__(self, name: str) -> str:
        return self._known[name.lower()]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Pairs:
    """Headers as Flask hands them out: names and values, and no mapping."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = list(given.items())

    def items(self) -> list[tuple[str, str]]:
        """Return the pairs."""
        return self._given


def message(given: Mapping[str, str]) -> HTTPMessage:
    """Headers as `http.server` hands them out."""
    headers = HTTPMessage()
    for name, value in given.items():
        headers[name] = value
    return headers


MAPPINGS: Final[dict[str, Callable[[dict[str, str]], Any]]] = {
    "plain": dict,
    "lower": lambda given: {name.lower(): value for name, value in given.items()},
    "upper": lambda given: {name.upper(): value for name, value in given.items()},
    "aiohttp": lambda given: CIMultiDictProxy(CIMultiDict(given)),
    "starlette": Headers,
    "flask": Pairs,
    "http.server": message,
    "bytes": lambda given: {name.encode(): value.encode() for name, value in given.items()},
    "lists": lambda given: {name: [value] for name, value in given.items()},
}


@each("mapping", MAPPINGS.values(), ids=MAPPINGS.keys())
async def test_headers_of_any_framework(mapping: Callable[[dict[str, str]], Any]) -> None:
    """Headers are found in any case, in the mappings of the frameworks and in a plain dict."""
    assert "evt_1" == verify(mapping(signed()), BODY, SECRET).id


@each("name", ["podcast.success", "filler_word_removal.fail", "video_agent.dreaming"])
async def test_types_are_open(name: str) -> None:
    """An event of a type that this release does not know is verified and parsed like any other."""
    body = json.dumps(EVENT | {"event_type": name}).encode()

    assert name == verify(signed(body), body, SECRET).type
    assert name == parse_unverified(body).type


@each("name", ["url", "video_url"])
async def test_the_link_has_two_names(name: str) -> None:
    """`video_agent.success` gives the link as `url` or as `video_url`."""
    data = {"session_id": "sess_1", name: "https://x/?sig=s"}
    body = json.dumps(EVENT | {"event_data": data}).encode()
    event = verify(signed(body), body, SECRET)

    assert "https://x/?sig=s" == event.video_url
    assert "sig=s" not in repr(event)


@each("data", [{}, {"callback_id": None}, {"callback_id": ""}])
async def test_callback_id_at_the_top(data: dict[str, object]) -> None:
    """A `callback_id` beside `event_data` counts where there is none inside."""
    body = json.dumps(EVENT | {"event_data": data, "callback_id": "mine"}).encode()

    assert "mine" == verify(signed(body), body, SECRET).callback_id
    assert "mine" == parse_unverified(body).callback_id


async def test_the_other_name_of_the_signature() -> None:
    """The signature may also be called `Signature`, with no time, if that is allowed."""
    bare = {"Signature": signed()["Heygen-Signature"].upper()}

    assert "evt_1" == verify(bare, BODY, SECRET, require_timestamp=False).id
    with pytest.raises(StaleTimestamp):
        verify(bare, BODY, SECRET)


async def test_secrets_are_rotated() -> None:
    """A delivery signed with any of several secrets is believed."""
    assert "evt_1" == verify(signed(), BODY, ["whsec_new", SECRET]).id
    assert "evt_1" == verify(signed(), BODY, iter([SECRET, "whsec_new"])).id


@each("kind", [bytes, bytearray, memoryview])
async def test_bytes_of_any_kind(kind: Callable[[bytes], bytes]) -> None:
    """The body may be any kind of bytes."""
    assert "evt_1" == verify(signed(), kind(BODY), SECRET).id


@each("name", ["event_type", "event"])
async def test_unknown_events_come_back(name: str) -> None:
    """An event of a type this release does not know is verified and read like any other."""
    body = json.dumps({name: "video_agent.dreaming", "more": [1], "event_data": None}).encode()
    event = verify(signed(body), body, SECRET)

    assert ("video_agent.dreaming", None, None, {}) == (
        event.type,
        event.session_id,
        event.created,
        event.data,
    )
    assert event.id == verify(signed(body), body, SECRET).id


async def test_what_users_sign_is_believed() -> None:
    """`sign` makes the headers of a delivery as the service does, so that users can test their endpoint."""
    assert signed() == sign(BODY, SECRET, event_id="evt_1")
    assert "evt_1" == verify(sign(BODY, SECRET, timestamp=NOW - 299), BODY, SECRET).id


# ---- not believed -------------------------------------------------------------------------------------------------

FORGED: Final = {
    "no headers": {},
    "another secret": signed(secret="whsec_other"),
    "another body": signed(BODY + b" "),
    "too short": {**signed(), "Heygen-Signature": signed()["Heygen-Signature"][:-1]},
    "empty": {**signed(), "Heygen-Signature": ""},
    "not hex": {**signed(), "Heygen-Signature": "ü" * 64},
    "prefixed": {**signed(), "Heygen-Signature": "sha256=" + signed()["Heygen-Signature"]},
}


@each("headers", FORGED.values(), ids=FORGED.keys())
async def test_forged_deliveries_are_refused(headers: dict[str, str]) -> None:
    """A delivery without a signature made over this body with a known secret is refused."""
    with pytest.raises(BadSignature):
        verify(headers, BODY, [SECRET, "whsec_new"])


@each(
    "value", [f"{NOW - 301:.0f}", f"{NOW + 301:.0f}", "", "soon", "nan", "1e9", "-1", "١٧٦٧٢٢٥٦٠٠", "9" * 30]
)
async def test_the_time_must_be_near(value: str) -> None:
    """A delivery from too long ago, from the future, or from no time that can be read is refused."""
    with pytest.raises(StaleTimestamp):
        verify(signed() | {"Heygen-Timestamp": value}, BODY, SECRET, require_timestamp=False)


async def test_the_tolerance_is_the_callers() -> None:
    """How near the time must be is the caller's choice."""
    assert "evt_1" == verify(signed(at=NOW - 900), BODY, SECRET, tolerance=1000).id
    with pytest.raises(StaleTimestamp):
        verify(signed(at=NOW - 2), BODY, SECRET, tolerance=1)


@each(
    "body",
    [
        b"",
        b"[]",
        b"7",
        b"{",
        b"{}",
        b'{"event_type": 7}',
        b"[" * 100_000,
        b"\xff",
        b'{"event_type":"\\ud800"}',
    ],
)
async def test_signed_nonsense_is_refused(body: bytes) -> None:
    """A signed body that is no event is refused as such."""
    with pytest.raises(BadPayload):
        verify(signed(body), body, SECRET)


def a_set() -> Any:
    """A plain set."""
    return set[str]()


def a_function() -> Any:
    """A function that keeps what it was asked."""
    known: set[str] = set()
    return lambda event_id: event_id in known or known.add(event_id) is not None  # type: ignore[func-returns-value]


@each("make", [a_set, a_function, SeenEvents])
async def test_events_are_taken_once(make: Callable[[], Any]) -> None:
    """With a store of ids an event is taken once, also when a header that is not signed says another id."""
    seen = make()
    verify(signed(), BODY, SECRET, seen=seen)

    with pytest.raises(Replayed) as again:
        verify(signed() | {"Heygen-Event-Id": "evt_2"}, BODY, SECRET, seen=seen)
    assert "200" in again.value.hint


async def test_events_without_an_id_are_taken_once() -> None:
    """An event that says no id is known again by its body."""
    body, seen = b'{"event_type": "video_agent.fail"}', SeenEvents()
    verify(signed(body), body, SECRET, seen=seen)

    with pytest.raises(Replayed):
        verify(signed(body, at=NOW + 9), body, SECRET, seen=seen)


async def test_refused_deliveries_are_not_remembered() -> None:
    """A delivery that is refused does not keep the true one from being taken."""
    seen = SeenEvents()
    for headers in (signed(secret="whsec_other"), signed(at=NOW - 9999)):
        with pytest.raises(WebhookError):
            verify(headers, BODY, SECRET, seen=seen)

    assert "evt_1" == verify(signed(), BODY, SECRET, seen=seen).id


async def test_seen_events_are_bounded() -> None:
    """The store keeps the newest ids and no more than it was members to."""
    seen = SeenEvents(2)
    for event_id in "abac":
        seen.add(event_id)

    assert [True, False, True] == ["a" in seen, "b" in seen, "c" in seen]
    assert (2, "<SeenEvents 2 of 2>") == (len(seen), repr(seen))


# ---- mistakes of the calling program ------------------------------------------------------------------------------

MISTAKES: Final[dict[str, tuple[str, Callable[[], object]]]] = {
    "text": ("body", lambda: verify(signed(), BODY.decode(), SECRET)),  # type: ignore[arg-type]
    "parsed": ("body", lambda: verify(signed(), EVENT, SECRET)),  # type: ignore[arg-type]
    "unsigned text": ("body", lambda: parse_unverified(BODY.decode())),  # type: ignore[arg-type]
    "no secret": ("secrets", lambda: verify(signed(), BODY, [])),
    "empty secret": ("secrets", lambda: verify(signed(secret=""), BODY, "")),
    "one empty": ("secrets", lambda: verify(signed(), BODY, [SECRET, ""])),
    "None": ("secrets", lambda: verify(signed(), BODY, None)),  # type: ignore[arg-type]
    "bytes": ("secrets", lambda: verify(signed(), BODY, [SECRET.encode()])),  # type: ignore[list-item]
    "half a character": ("secrets", lambda: verify(signed(), BODY, "\ud800")),
    "pairs": ("headers", lambda: verify([(b"a", b"b")], BODY, SECRET)),  # type: ignore[arg-type]
    "tolerance": ("tolerance", lambda: verify(signed(), BODY, SECRET, tolerance=float("nan"))),
    "seen": ("seen", lambda: verify(signed(), BODY, SECRET, seen=lambda _: "no")),  # type: ignore[arg-type, return-value]
    "store": ("most", lambda: SeenEvents(0)),
    "sign": ("secret", lambda: sign(BODY, "")),
}


@each(("argument", "call"), MISTAKES.values(), ids=MISTAKES.keys())
async def test_mistakes_are_named(argument: str, call: Callable[[], object]) -> None:
    """A mistake of the calling program is not taken for a bad delivery, and names the argument."""
    with pytest.raises(InvalidArgument) as refused:
        call()

    assert argument == refused.value.argument


# ---- nothing leaks, nothing else is raised ------------------------------------------------------------------------


@each("headers", [FORGED["another secret"], FORGED["no headers"], signed(at=0.0)])
async def test_errors_tell_no_secret(headers: dict[str, str]) -> None:
    """No error shows a secret, or the signature that would have been right."""
    with pytest.raises(WebhookError) as refused:
        verify(headers, BODY, SECRET)
    error = refused.value
    shown = f"{error} {error!r} {error.hint} {vars(error)} {pickle.dumps(error)!r} {error.__cause__!r}"

    assert SECRET not in shown
    assert signed()["Heygen-Signature"] not in shown


async def test_events_show_no_links() -> None:
    """What an event shows of itself has no presigned address in it."""
    assert "sig=" not in repr(verify(signed(), BODY, SECRET))


names = (
    st.sampled_from(["Heygen-Signature", "signature", "HEYGEN-TIMESTAMP", "Heygen-Event-Id", "x"]) | st.text()
)
values = st.text() | st.sampled_from([signed()["Heygen-Signature"], f"{NOW:.0f}", "0" * 64])
bodies = st.binary() | strategies.json_values.map(lambda value: json.dumps(value).encode())


@given(headers=st.dictionaries(names, values), body=bodies)
@example(headers={"signature": "0" * 64}, body=b"")
async def test_nothing_verifies_unless_signed(headers: dict[str, str], body: bytes) -> None:
    """No headers and no body verify without a signature, and nothing but a `WebhookError` is raised."""
    with pytest.raises(WebhookError):
        verify(headers, body, SECRET, require_timestamp=False)


odd = st.none() | st.integers() | st.binary() | st.text() | st.lists(st.text() | st.none())


@given(pairs=st.lists(st.tuples(st.sampled_from(["heygen-signature", b"Heygen-Timestamp"]) | odd, odd)))
async def test_odd_headers_are_refused_by_a_webhook_error(pairs: list[tuple[object, object]]) -> None:
    """Whatever a server makes of a sender's headers, a receiver catches a `WebhookError`."""

    class Odd:
        """Headers of any kind."""

        def items(self) -> list[tuple[object, object]]:
            """Return the pairs."""
            return pairs

    with pytest.raises(WebhookError):
        verify(Odd(), BODY, SECRET)


@given(body=bodies, stamp=st.none() | st.text() | st.just(f"{NOW:.0f}"))
async def test_signed_bodies_raise_nothing_else(body: bytes, stamp: str | None) -> None:
    """Whatever was signed is an event or a `WebhookError`, and unsigned the same body is no `WebhookEvent`."""
    headers = {"Heygen-Signature": signed(body)["Heygen-Signature"]}
    headers |= {} if stamp is None else {"Heygen-Timestamp": stamp}
    with suppress(WebhookError):
        assert isinstance(verify(headers, body, SECRET, require_timestamp=False), WebhookEvent)
    with suppress(BadPayload):
        assert UnverifiedEvent is type(parse_unverified(body))


# ---- unsigned -----------------------------------------------------------------------------------------------------


@each("place", ["inside", "beside"])
async def test_unsigned_deliveries_are_claims(place: str) -> None:
    """An unsigned delivery names the session it may be about, and holds nothing else to rely on."""
    data = {"session_id": "sess_1", "status": "completed"}
    members = {"event_type": "video_agent.success", "event_data": data}
    (data if place == "inside" else members)["callback_id"] = "mine"
    event = parse_unverified(json.dumps(members).encode())

    assert UnverifiedEvent(type="video_agent.success", session_id="sess_1", callback_id="mine") == event
    assert not isinstance(event, WebhookEvent)
    assert not hasattr(event, "data")


def test_sync_programs_verify_too() -> None:
    """A program without an event loop verifies like any other."""
    assert "evt_1" == verify(sign(BODY, SECRET), BODY, SECRET).id
