"""What the client sends, and what the simulator answers it, by the book."""

from __future__ import annotations

import json

import jsonschema
import pytest

from contract.book import Book, Exchange
from contract.tour import exchanges

BOOK = Book("openapi.yaml")
STRICT = Book("openapi.strict.yaml")
BUILT = sorted(BOOK.operations)


def of(operation: str) -> list[Exchange]:
    """The exchanges of one operation."""
    return [one for one in exchanges() if BOOK.operation(one) == operation]


def is_beyond_the_book(exchange: Exchange) -> bool:
    """Whether a request carries a field on purpose that the contract does not have."""
    return exchange.method == "POST" and any(
        field in (exchange.body or b"") for field in (b'"auto_proceed"', b'"visibility"')
    )


@pytest.mark.parametrize("operation", BUILT)
def test_every_operation_is_called(operation: str) -> None:
    """Every operation that the design promises so far has a public method that calls it."""
    assert of(operation)


def test_nothing_else_is_called() -> None:
    """The client calls nothing that is not in the contract."""
    assert set(BUILT) == {BOOK.operation(one) for one in exchanges()}


@pytest.mark.parametrize("operation", BUILT)
def test_requests_are_by_the_book(operation: str) -> None:
    """Path, query, headers and body of every request are what the contract allows."""
    for exchange in of(operation):
        if not is_beyond_the_book(exchange):
            BOOK.check_request(exchange)


@pytest.mark.parametrize("operation", BUILT)
def test_answers_are_by_the_strict_book(operation: str) -> None:
    """Every answer of the simulator meets the strict contract, refusals included."""
    for exchange in of(operation):
        STRICT.check_answer(exchange)


def test_only_what_was_asked_for_goes_beyond_the_book() -> None:
    """The one field beyond the contract sent unasked is `auto_proceed` in approvals, until it is refused once."""
    beyond = [one for one in exchanges() if is_beyond_the_book(one)]

    assert [400, 400] == [one.status for one in beyond]
    assert [True, None] == [json.loads(one.body or b"").get("auto_proceed") for one in beyond]


def test_writes_carry_a_key_of_their_own() -> None:
    """Every write that has an idempotency key has one of its own, and the caller's own is kept."""
    named = {
        *("createVideoAgentSession", "sendVideoAgentMessage", "uploadAsset", "createDirectUpload"),
        *("createWebhookEndpoint", "rotateWebhookSecret"),
    }
    keys = [one.headers["idempotency-key"] for one in exchanges() if BOOK.operation(one) in named]

    assert len(keys) == len(set(keys))
    assert "my:key_1.a-b" in keys


def test_nothing_is_sent_as_null() -> None:
    """What the caller did not give is left out, never sent as null."""
    assert not any(
        b"null" in (one.body or b"")
        for one in exchanges()
        if one.headers.get("content-type") == "application/json"
    )


BAD: dict[str, Exchange] = {
    "parameter": Exchange("GET", "http://x/v3/videos?cursor=1", {"x-api-key": "k"}, None, 200, b""),
    "limit": Exchange("GET", "http://x/v3/videos?limit=101", {"x-api-key": "k"}, None, 200, b""),
    "credential": Exchange("GET", "http://x/v3/videos", {}, None, 200, b""),
    "two credentials": Exchange(
        "GET", "http://x/v3/videos", {"x-api-key": "k", "authorization": "b"}, None, 200, b""
    ),
    "path": Exchange("GET", "http://x/v3/films", {"x-api-key": "k"}, None, 200, b""),
    "no body": Exchange("POST", "http://x/v3/video-agents", {"x-api-key": "k"}, None, 200, b""),
    "field": Exchange(
        "POST",
        "http://x/v3/video-agents",
        {"x-api-key": "k", "content-type": "application/json"},
        b'{"prompt": "p", "auto_proceed": true}',
        200,
        b"",
    ),
}


@pytest.mark.parametrize("exchange", BAD.values(), ids=BAD.keys())
def test_the_judge_can_say_no(exchange: Exchange) -> None:
    """The judge of these tests refuses requests that are not by the book."""
    with pytest.raises((AssertionError, jsonschema.ValidationError)):
        BOOK.check_request(exchange)
