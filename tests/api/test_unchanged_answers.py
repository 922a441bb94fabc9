"""A session read again: messages that are the same to the byte are not read twice."""

from __future__ import annotations

import json

import pytest

from heygen_async._api import responses
from heygen_async._api import sessions as session_api
from heygen_async.models import Message, SessionData

FIELDS = {"session_id": "sess_1", "status": "thinking", "created_at": 1, "progress": 5, "title": "A tour"}
TOLD = [{"role": "user", "content": "A tour", "created_at": 1}]


def body(*, messages: object = TOLD, **fields: object) -> bytes:
    """Return an answer of the service."""
    return json.dumps({"data": {**FIELDS, "messages": messages, **fields}}).encode()


def read(answer: bytes) -> SessionData:
    """Read an answer from nothing."""
    return responses.read("session", session_api.SESSION, 200, {}, answer).data


def test_the_same_messages_are_kept() -> None:
    """What has not changed is the very same object, so nothing is compared or kept twice."""
    first = read(body())
    decoded = session_api.decode_again(body(), None, ())
    assert decoded is not None
    again, _ = session_api.decode_again(body(progress=60, video_id="v1"), decoded[1], first.messages) or (
        None,
        None,
    )

    assert again is not None
    assert read(body(progress=60, video_id="v1")) == again
    assert first.messages is again.messages


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(body(messages=[{"role": 5}]), id="a flawed message"),
        pytest.param(body(messages=None), id="null"),
        pytest.param(body()[:-1] + b', "error": {"code": "internal_error"}}', id="an error beside it"),
        pytest.param(b'{"error": {"code": "not_found"}}', id="an error"),
        pytest.param(b"<html>", id="no JSON"),
        pytest.param(b"[" * 100_000, id="too deep"),
    ],
)
def test_anything_else_is_read_in_full(answer: bytes) -> None:
    """Only a plain success takes the short way."""
    decoded = session_api.decode_again(body(), None, ())
    assert decoded is not None

    assert session_api.decode_again(answer, decoded[1], (Message(role="user", content="A tour"),)) is None


def test_other_messages_are_read() -> None:
    """A session with another message is what reading it from nothing brings."""
    answer = body(messages=[*TOLD, {"role": "model", "content": "Hm."}])
    decoded = session_api.decode_again(body(), None, ())
    assert decoded is not None
    again, _ = session_api.decode_again(answer, decoded[1], decoded[0].messages) or (None, None)

    assert read(answer) == again
