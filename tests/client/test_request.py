"""`heygen.request`: what this SDK has no method for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from heygen_async import ConnectionLost, HeyGen, InvalidArgument, NotFound, OutcomeUnknown, RetryPolicy
from heygen_async._api import raw
from heygen_async._api.calls import Kind

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from heygen_async._http.transport import Request, Response, ResponseStream

PATH = "/v3/video-translations"


class LostAnswers:
    """A transport over which each request leaves and no answer comes."""

    def __init__(self) -> None:
        self.sent: list[Request] = []

    async def send(self, request: Request) -> Response:
        """Send it, and lose the answer."""
        self.sent.append(request)
        raise ConnectionLost("Reset.")

    def stream(self, request: Request) -> AbstractAsyncContextManager[ResponseStream]:
        """Nothing is streamed here."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing is open."""


async def test_whole_body_is_returned(heygen: HeyGen) -> None:
    """A page keeps its data and where the next one starts."""
    page = await heygen.request("get", "/v3/video-agents/styles", params={"limit": 1, "token": None})

    assert {"data", "has_more", "next_token"} <= set(page)


async def test_refusals_are_the_same_errors(heygen: HeyGen) -> None:
    """What the service refuses is the error it is everywhere."""
    with pytest.raises(NotFound):
        await heygen.request("GET", "/v3/videos/nothing")


@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_write_in_doubt_is_not_repeated(method: str) -> None:
    """A POST whose answer is lost left once, and the error has the key to repeat it with."""
    line = LostAnswers()
    async with HeyGen("key", http=line) as heygen:
        with pytest.raises(OutcomeUnknown) as raised:
            await heygen.request(method, PATH, json={"a": 1}, idempotency_key="mine")

    assert 1 == len(line.sent)
    assert "mine" == raised.value.idempotency_key == line.sent[0].headers["idempotency-key"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_what_may_be_repeated_is(method: str) -> None:
    """A read, a PUT and a DELETE are repeated as often as the policy says, and end in what happened."""
    line = LostAnswers()
    async with HeyGen("key", http=line, retry=RetryPolicy(max_attempts=3)) as heygen:
        with pytest.raises(ConnectionLost):
            await heygen.request(method, PATH)

    assert 3 == len(line.sent)


def test_request_is_sent_as_given() -> None:
    """The body is JSON, the query has what is not None, a POST has a key of its own."""
    call = raw.request("post", PATH, json={"title": "Ü"}, params={"a": 1, "b": True, "c": None, "d": "x y"})

    assert (Kind.SEND, "POST", f"{PATH}?a=1&b=true&d=x+y") == (call.kind, call.method, call.path)
    assert '{"title":"Ü"}'.encode() == call.body
    assert call.key


BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "method": ("method", {"method": "TRACE"}),
    "no method": ("method", {"method": None}),
    "whole address": ("path", {"path": "https://evil.test/v3"}),
    "other host": ("path", {"path": "//evil.test/v3"}),
    "climbing": ("path", {"path": "/v3/../admin"}),
    "query": ("path", {"path": "/v3/videos?a=b"}),
    "relative": ("path", {"path": "v3/videos"}),
    "no path": ("path", {"path": 5}),
    "line break": ("path", {"path": "/v3/a\r\nx: y"}),
    "body of a GET": ("json", {"json": {}}),
    "no JSON": ("json", {"method": "POST", "json": object()}),
    "list of params": ("params", {"params": [1]}),
    "nested params": ("params", {"params": {"a": [1]}}),
    "half a character": ("params", {"params": {"a": "\ud83d"}}),
    "key": ("idempotency_key", {"method": "POST", "idempotency_key": "a b"}),
    "no key": ("idempotency_key", {"method": "POST", "idempotency_key": 5}),
}


@pytest.mark.parametrize(("argument", "given"), BAD.values(), ids=BAD)
def test_what_cannot_be_sent_is_refused(argument: str, given: dict[str, Any]) -> None:
    """A bad argument is named before anything is sent, and no path leads to another host."""
    options: dict[str, Any] = {"method": "GET", "path": PATH, **given}
    with pytest.raises(InvalidArgument) as raised:
        raw.request(options.pop("method"), options.pop("path"), **options)

    assert argument == raised.value.argument
