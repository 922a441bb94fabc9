from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from heygen_async._api import responses
from heygen_async._api import sessions as session_api
from heygen_async._api.responses import Decoder, Envelope
from heygen_async.errors import (
    APIError,
    BadResponse,
    Conflict,
    Forbidden,
    InsufficientCredit,
    InvalidRequest,
    NotFound,
    RateLimited,
    ServerError,
    Unauthorized,
)
from strategies import ANSWERS

SESSION = {"session_id": "s", "status": "thinking", "created_at": 1}
MESSAGE: dict[str, Any] = {"role": "model", "content": "A storyboard", "created_at": 5, "resource_ids": ["r"]}


def read(
    body: object,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    answer: Decoder[Any] = session_api.SESSION,
    secrets: tuple[str, ...] = (),
) -> Envelope[Any]:
    """The answer to one exchange; anything but bytes is sent as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return responses.read("the call", answer, status, headers or {}, sent, secrets)


def refused(body: object, status: int = 200, headers: dict[str, str] | None = None) -> APIError:
    """The refusal that an answer is."""
    with pytest.raises(APIError) as raised:
        read(body, status=status, headers=headers)
    return raised.value


def bad(body: object, answer: Decoder[Any] = session_api.SESSION, status: int = 200) -> BadResponse:
    """The complaint that an answer makes."""
    with pytest.raises(BadResponse) as raised:
        read(body, answer=answer, status=status)
    return raised.value


# ---- successes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "body"), ANSWERS.values(), ids=ANSWERS)
def test_answer_is_unwrapped(answer: Decoder[Any], body: dict[str, object]) -> None:
    """An answer as documented is its data, for every call; fields of tomorrow and `error: null` change nothing."""
    expected = read(body, answer=answer).data

    assert expected == read(body | {"error": None, "trace": {"id": 1}}, answer=answer, status=201).data
    assert expected == answer.decode(msgspec.json.encode(body)).data


def test_null_is_a_default_where_there_is_one() -> None:
    """A null list, number or word is what is used when it is absent."""
    nulls = {"progress": None, "messages": [MESSAGE | {"type": None}], "title": None}
    session = read({"data": SESSION | nulls, "has_more": None}).data

    assert (0, None, "text") == (session.progress, session.title, session.messages[0].type)
    assert () == read({"data": SESSION | {"messages": None}}).data.messages


@pytest.mark.parametrize(
    ("has_more", "token", "expected"),
    [(True, "t", "t"), (True, None, None), (True, "", None), (False, "t", None), (None, "t", "t")],
    ids=["more", "no-token", "empty-token", "end", "null"],
)
def test_paging_ends_where_the_service_says(
    has_more: bool | None, token: str | None, expected: str | None
) -> None:
    """There is a next page when the service names it and does not say that there is none."""
    page: dict[str, object] = {"data": [], "has_more": has_more, "next_token": token}

    assert expected == read(page, answer=session_api.sessions().decoder).next_page


# ---- refusals -----------------------------------------------------------------------------------------------------


def test_refusal_carries_all_that_was_said() -> None:
    """Code, words, parameter, page, request and pace are on the error."""
    said = {
        "code": "invalid_parameter",
        "message": "Too long.",
        "param": "prompt",
        "doc_url": "https://d.test",
    }
    error = refused({"error": said}, 400, {"x-request-id": "r-1", "retry-after": "3"})

    assert isinstance(error, InvalidRequest)
    assert (400, "invalid_parameter", "Too long.", "prompt", "https://d.test", "r-1", 3.0) == (
        error.status, error.code, error.message, error.param, error.doc_url, error.request_id, error.retry_after,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, Unauthorized),
        (402, InsufficientCredit),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (413, InvalidRequest),
        (422, InvalidRequest),
        (429, RateLimited),
        (500, ServerError),
        (502, ServerError),
        (503, ServerError),
        (504, ServerError),
        (599, ServerError),
        (418, APIError),
    ],
)
@pytest.mark.parametrize("code", ["a_code_of_tomorrow", "not_found", None])
def test_status_decides(status: int, kind: type[APIError], code: str | None) -> None:
    """A refusal with an HTTP status is of that status' kind, whatever its code."""
    error = refused({"error": {"code": code, "message": "No."}}, status)

    assert (kind, status, code, "No.") == (type(error), error.status, error.code, error.message)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("invalid_parameter", InvalidRequest),
        ("content_policy_violation", InvalidRequest),
        ("authentication_failed", Unauthorized),
        ("unauthorized", Unauthorized),
        ("insufficient_credit", InsufficientCredit),
        ("trial_limit_exceeded", InsufficientCredit),
        ("plan_upgrade_required", InsufficientCredit),
        ("subscription_required", InsufficientCredit),
        ("forbidden", Forbidden),
        ("resource_access_denied", Forbidden),
        ("not_found", NotFound),
        ("resource_not_found", NotFound),
        ("video_not_found", NotFound),
        ("request_in_progress", Conflict),
        ("resource_not_ready", Conflict),
        ("conflict", Conflict),
        ("rate_limit_exceeded", RateLimited),
        ("rate_limited", RateLimited),
        ("quota_exceeded", RateLimited),
        ("internal_error", ServerError),
        ("gateway_timeout", ServerError),
        ("401", Unauthorized),
        (404, NotFound),
        (500, ServerError),
        (40119, APIError),
        ("a_code_of_tomorrow", APIError),
    ],
)
def test_code_decides_in_a_success(code: str | int, kind: type[APIError]) -> None:
    """An error in an HTTP 200 is of its code's kind, with words and without, beside data and without."""
    for body in ({"error": {"code": code}}, {"error": {"code": code, "message": "No."}, "data": SESSION}):
        error = refused(body)

        assert (kind, 200, str(code)) == (type(error), error.status, error.code)
        assert error.message


@pytest.mark.parametrize(
    "said", [{}, "", {"code": None}, {"message": ""}, [], "No.", ["No."], 5], ids=json.dumps
)
@pytest.mark.parametrize("status", [200, 500])
def test_odd_error_is_still_a_refusal(said: object, status: int) -> None:
    """An error of any shape is a refusal with a sentence in it, never a value."""
    for body in ({"error": said}, {"error": said, "data": SESSION}):
        assert refused(body, status).message not in {"", "None", "{}"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The service gave no reason."),
        (b"null", "null"),
        (b'{"data": null, "error": null}', "The service gave no reason."),
        (b'{"message": "Upstream failed."}', "Upstream failed."),
        (b'{"detail": "Upstream failed."}', "Upstream failed."),
        (
            b"<html><head><title>502 Bad Gateway</title></head>\n<body>nginx</body></html>",
            "502 Bad Gateway nginx",
        ),
        (b"\xff\xfe upstream", "�� upstream"),
        (b'{"error": {"message": "cut in the mid', '{"error": {"message": "cut in the mid'),
    ],
    ids=["empty", "null", "no-error", "message", "detail", "html", "no-utf-8", "cut"],
)
def test_gateways_words_are_kept(body: bytes, message: str) -> None:
    """Whatever stands in for the service, its words are readable in the error."""
    error = refused(body, 502)

    assert (ServerError, None, message) == (type(error), error.code, error.message)


def test_foreign_words_are_cut() -> None:
    """A page of a gateway does not flood a log."""
    assert len(refused(b"<p>" + b"word " * 100_000, 502).message) == 200
    assert len(refused({"error": {"code": "c" * 999, "message": "m" * 999}}, 400).message) == 200


NEW_YEAR, LATER = "Thu, 01 Jan 2026 00:00:00 GMT", "Thu, 01 Jan 2026 00:01:30 GMT"
NEVER = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"

PACES: dict[str, tuple[str | None, str | None, float | None]] = {
    "seconds": ("7", None, 7.0),
    "fraction": (" 1.5 ", None, 1.5),
    "zero": ("0", None, 0.0),
    "negative": ("-5", None, 0.0),
    "a-day": ("86400", None, 86_400.0),
    "nan": ("nan", None, None),
    "infinite": ("inf", None, None),
    "overflow": ("1e999", None, None),
    "word": ("soon", None, None),
    "empty": ("", None, None),
    "absent": (None, NEW_YEAR, None),
    "date": (LATER, NEW_YEAR, 90.0),
    "past-date": (NEW_YEAR, LATER, 0.0),
    "date-without-now": (LATER, None, None),
    "date-with-odd-now": (LATER, "now", None),
    "date-without-zone": ("Thu, 01 Jan 2026 00:01:30 -0000", NEW_YEAR, None),
    "date-of-no-calendar": (NEVER, NEW_YEAR, None),
    "zone-of-no-map": ("Thu, 01 Jan 2026 00:00:00 +99999999999999", NEW_YEAR, None),
}


@pytest.mark.parametrize(("pace", "now", "expected"), PACES.values(), ids=PACES)
def test_pace_is_read_in_both_forms(pace: str | None, now: str | None, expected: float | None) -> None:
    """Seconds or a date (against the service's own clock) are a pace; nonsense is none, the past is now."""
    headers = {"retry-after": pace, "date": now}
    given = {name: value for name, value in headers.items() if value is not None}

    assert expected == refused({"error": {}}, 429, given).retry_after


# ---- what is not documented ---------------------------------------------------------------------------------------


WRONG: dict[str, tuple[object, str]] = {
    "id": (SESSION | {"session_id": 5}, "$.data.session_id"),
    "empty-id": (SESSION | {"session_id": ""}, "$.data.session_id"),
    "id-with-half-a-character": (SESSION | {"video_id": "a\ud800"}, "$.data.video_id"),
    "video-id": (SESSION | {"video_id": 5}, "$.data.video_id"),
    "status": (SESSION | {"status": 5}, "$.data.status"),
    "null-status": (SESSION | {"status": None}, "$.data.status"),
    "list": ([], "$.data"),
    "empty": ({}, "$.data.session_id"),
    "null": (None, "$.data"),
}


@pytest.mark.parametrize(("data", "place"), WRONG.values(), ids=WRONG)
def test_wrong_type_names_its_place(data: object, place: str) -> None:
    """An answer that is not as documented says where."""
    error = bad({"data": data})

    assert place in str(error)
    assert "the call" in str(error)
    assert 200 == error.status


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"5", b'"text"', b"{}", b"<html>", b'{"data"', b"\xff", b"[" * 100_000],
    ids=str,
)
@pytest.mark.parametrize("name", ANSWERS)
def test_no_envelope_is_no_answer(name: str, body: bytes) -> None:
    """A success without `data` is a complaint, for every call."""
    bad(body[:100_000], answer=ANSWERS[name][0])


@pytest.mark.parametrize("status", [100, 301, 302, 303, 304, 307, 308])
def test_redirect_is_no_answer(status: int) -> None:
    """A redirect is not followed, and the error says where it would have gone, without its query."""
    with pytest.raises(BadResponse, match=r"evil\.test") as raised:
        read(b"", status=status, headers={"location": "https://u:pw@evil.test/v3?token=t"})

    assert (status, False, False) == (
        raised.value.status,
        "pw" in str(raised.value),
        "token" in str(raised.value),
    )
    assert "base_url" in raised.value.hint


@pytest.mark.parametrize("location", ["/login", "", "http://[::1", None])
def test_redirect_to_nowhere_is_no_answer(location: str | None) -> None:
    """A redirect with an odd address is as little an answer as one with a good address."""
    with pytest.raises(BadResponse, match="redirect"):
        read(b"", status=302, headers={} if location is None else {"location": location})


def test_deep_nesting_is_no_crash() -> None:
    """An answer nested deeper than Python can follow is a typed error, as a value and as a refusal."""
    for depth in (100, 900, 990, 995, 1_000, 100_000):
        nested = b"[" * depth + b"]" * depth
        for body in (b'{"data":' + nested + b"}", b'{"error":{"code":' + nested + b"}}"):
            for status in (200, 400):
                with pytest.raises((APIError, BadResponse)):
                    read(body, status=status)


# ---- secrets ------------------------------------------------------------------------------------------------------

KEY = "sk_live-0123456789"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (
            401,
            {
                "error": {
                    "code": KEY,
                    "message": f"Bad key {KEY}",
                    "param": KEY,
                    "doc_url": f"https://d.test/{KEY}",
                }
            },
        ),
        (401, {"error": f"Bad key {KEY}"}),
        (401, {"error": {"message": {"key": KEY}}}),
        (502, f"<p>x-api-key: {KEY}</p>".encode()),
        (200, {"error": {"code": "unauthorized", "message": KEY}}),
        (200, {"data": {KEY: KEY, "session_id": KEY}}),
        (302, b""),
    ],
    ids=["fields", "text", "object", "html", "success", "data", "redirect"],
)
def test_echoed_key_is_not_shown(status: int, body: object) -> None:
    """A service or gateway that echoes the key does not bring it into the error."""
    echo = {"x-request-id": KEY, "location": f"https://{KEY}.test/"}
    with pytest.raises((APIError, BadResponse)) as raised:
        read(body, status=status, headers=echo, secrets=(KEY,))

    assert KEY not in f"{raised.value} {raised.value!r} {vars(raised.value)} {raised.value.__cause__!r}"


def test_presigned_address_in_an_error_loses_its_query() -> None:
    """A link that the service quotes is shown without its signature."""
    error = refused({"error": {"message": "Cannot fetch https://f.test/a.png?X-Sig=abc now"}}, 400)

    assert "Cannot fetch https://f.test/a.png?*** now" == error.message
