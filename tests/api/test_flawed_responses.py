from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from heygen_async._api import catalog as catalog_api
from heygen_async._api import responses
from heygen_async._api import sessions as session_api
from heygen_async._api.responses import Decoder, Envelope
from heygen_async.errors import BadResponse
from heygen_async.models import Message, SessionStatus

SESSION = {"session_id": "s", "status": "thinking", "created_at": 1}
MESSAGE: dict[str, Any] = {"role": "model", "content": "A storyboard", "created_at": 5, "resource_ids": ["r"]}


def read(body: object, answer: Decoder[Any]) -> Envelope[Any]:
    """The answer to one exchange; anything but bytes is sent as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return responses.read("the call", answer, 200, {}, sent)


FLAWS: dict[str, tuple[dict[str, object], str, object]] = {
    "word for a time": ({"created_at": "yesterday"}, "created_at", 0),
    "fraction in a time": ({"created_at": 1767225600.7}, "created_at", 1767225600),
    "integer with a point": ({"progress": 100.0}, "progress", 100),
    "text for an integer": ({"progress": "55"}, "progress", 55),
    "number beyond all": ({"progress": 10**400}, "progress", 0),
    "number for a text": ({"title": 5}, "title", "5"),
    "list for a text": ({"title": ["a"]}, "title", None),
    "object for a list": ({"messages": {}}, "messages", ()),
    "null for a list": ({"messages": None}, "messages", ()),
    "null in a list": ({"messages": [None, MESSAGE]}, "messages", (msgspec.convert(MESSAGE, Message),)),
    "list for a message's text": (
        {"messages": [MESSAGE | {"content": []}]},
        "messages",
        (msgspec.convert(MESSAGE | {"content": ""}, Message),),
    ),
}


@pytest.mark.parametrize(("flaw", "name", "expected"), FLAWS.values(), ids=FLAWS)
def test_flaw_costs_what_is_flawed(flaw: dict[str, object], name: str, expected: object) -> None:
    """A bad field or row beside the id and the status is mended or left out, and the session is read."""
    session = read({"data": SESSION | flaw}, answer=session_api.SESSION).data

    assert expected == getattr(session, name)
    assert (SESSION["session_id"], SESSION["status"]) == (session.session_id, session.status)


@pytest.mark.parametrize("session_id", ["a/b", "a b?é#", "a%2fb", "...", "../a", "\n"])
@pytest.mark.parametrize(
    "flaw", [{}, {"status": None}, {"video_id": 5}], ids=["whole", "no status", "odd video"]
)
def test_made_session_with_any_id_is_made(session_id: str, flaw: dict[str, object]) -> None:
    """A create that names a session is done, whatever the id looks like and whatever else is wrong."""
    session = read({"data": SESSION | {"session_id": session_id} | flaw}, answer=session_api.CREATED).data

    assert (session_id, "thinking", None) == (session.session_id, session.status, session.video_id)


@pytest.mark.parametrize("session_id", ["", ".", "..", None, 5, ["a"], "a\ud800"], ids=ascii)
def test_made_session_without_a_usable_id_is_in_doubt(session_id: object) -> None:
    """An id that no path can carry, to the letter, is none: the answer to the create is lost."""
    with pytest.raises(BadResponse, match="session_id"):
        read({"data": SESSION | {"session_id": session_id}}, answer=session_api.CREATED)


BYTES: dict[str, tuple[bytes, str]] = {
    "half a character": (b'"Here \\ud83d"', "Here \ufffd"),
    "half a character that is written out": (b'"Here \xed\xa0\xbd"', "Here \ufffd\ufffd\ufffd"),
    "cut UTF-8": (b'"Here \xf0\x9f"', "Here \ufffd"),
    "whole pair": (b'"\\ud83c\\udfac"', "\U0001f3ac"),
}


@pytest.mark.parametrize(("title", "expected"), BYTES.values(), ids=BYTES)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_bad_byte_costs_a_byte(title: bytes, expected: str, mark: bytes) -> None:
    """A cut character becomes a replacement mark; a byte order mark and NaN are no reason to refuse the rest."""
    body = b'{"data": {"session_id": "s", "status": "thinking", "progress": NaN, "title": %s}}' % title
    session = read(mark + body, answer=session_api.SESSION).data

    assert (expected, 0) == (session.title, session.progress)


def test_bad_row_costs_a_row_and_is_counted() -> None:
    """A page keeps its good rows, says how many it lost, and where its first faults are."""
    rows = [
        {"session_id": "s1", "created_at": 1},
        {"created_at": 2},
        None,
        {"session_id": "s2", "created_at": 3},
    ]
    page = read({"data": rows, "has_more": True, "next_token": 5}, answer=session_api.sessions().decoder)

    assert ["s1", "s2"] == [row.session_id for row in page.data]
    assert (2, ("$.data[1]", "$.data[2]"), "5") == (page.skipped, page.faults, page.next_page)


@pytest.mark.parametrize("token", [None, [], {}], ids=str)
def test_page_without_the_way_to_the_next_is_not_whole(token: object) -> None:
    """A page that promises more and does not say where counts as one that lacks rows."""
    body: dict[str, object] = {"data": [{}], "has_more": True, "next_token": token}

    assert read(body, answer=session_api.sessions().decoder).skipped


def test_missing_list_is_an_empty_page_that_proves_nothing() -> None:
    """A null in place of a list is a page without rows, which counts as one that lacks some."""
    page = read({"data": None}, answer=session_api.sessions().decoder)

    assert ((), 1) == (page.data, page.skipped)


def test_amounts_of_money_are_right_or_refused() -> None:
    """A balance that is no number is not read as none: the answer is refused."""
    wallet = {"currency": "usd", "remaining_balance": "12"}

    with pytest.raises(BadResponse, match=r"\$\.data\.wallet\.remaining_balance"):
        read({"data": {"username": "a", "wallet": wallet}}, answer=catalog_api.ACCOUNT)


@pytest.mark.parametrize(
    "rest", [{}, {"status": None}, {"status": 5}, {"created_at": "now"}, {"video_id": None}], ids=str
)
def test_created_session_is_there_whatever_else_is_missing(rest: dict[str, object]) -> None:
    """A create whose answer has the id alone has made a session, which is at work."""
    session = read({"data": {"session_id": "s1", **rest}}, answer=session_api.CREATED).data

    assert ("s1", SessionStatus.THINKING) == (session.session_id, session.status)


@pytest.mark.parametrize("status", [202, 204])
def test_success_without_a_body_is_one(status: int) -> None:
    """A delete or a stop that is answered with nothing at all was done."""
    assert responses.read("the call", responses.ANYTHING, status, {}, b"").data is None
