"""A session's messages that are the same to the byte as those read last are not read again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygen_async import HeyGen
from heygen_async._api import responses
from heygen_async._api import sessions as session_api
from heygen_async._http.transport import BufferedResponse
from heygen_async.errors import APIError, BadResponse
from heygen_async.models import Message, SessionData
from strategies import ANSWERS, changed

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from heygen_async._api.calls import Call
    from heygen_async._http.transport import Request, ResponseStream

pytestmark = pytest.mark.anyio

_, SESSION = ANSWERS["SESSION"]
MANY = 10


def read(call: Call[SessionData], body: bytes) -> responses.Envelope[SessionData]:
    """Read an answer as the client does."""
    return responses.read("get", call.decoder, 200, {}, body)


def answer(*contents: str, progress: int = 0) -> bytes:
    """Return a session whose messages say this, the newest first."""
    messages = [{"role": "model", "content": one, "created_at": 9 - n} for n, one in enumerate(contents)]
    data = {"session_id": "s", "status": "thinking", "progress": progress, "messages": messages}
    return json.dumps({"data": data}).encode()


@given(st.data())
def test_an_answer_says_the_same_read_either_way(data: st.DataObject) -> None:
    """Whatever is wrong with an answer, reading its messages apart brings what reading it whole brings."""
    body = json.dumps(changed(SESSION, data)).encode()
    found: list[object] = []
    for decoder in (session_api.session("s").decoder, session_api.SESSION):
        try:
            envelope = responses.read("get", decoder, 200, {}, body)
            found.append((msgspec.to_builtins(envelope.data), envelope.faults))
        except (APIError, BadResponse) as error:
            found.append((type(error), str(error)))

    assert found[0] == found[1]


def test_known_messages_are_taken_over_and_others_are_read() -> None:
    """Messages of the same bytes are the very ones that are known; one character more is another message."""
    words = [f"message {number}" for number in range(MANY)]
    first = read(session_api.session("s"), answer(*words))
    again = session_api.session("s", 1, first.data.messages, first.window)

    last = Message(role="model", content="message 9!", created_at=0)
    assert read(again, answer(*words, progress=5)).data.messages is first.data.messages
    assert read(again, answer(*words[:-1], "message 9!")).data.messages == (*first.data.messages[:-1], last)


class Service:
    """Answers with what it is given, one answer after the other."""

    def __init__(self, *bodies: bytes) -> None:
        self.bodies = list(bodies)

    async def send(self, request: Request) -> BufferedResponse:
        return BufferedResponse(200, {}, self.bodies.pop(0))

    def stream(self, request: Request) -> AbstractAsyncContextManager[ResponseStream]:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


async def test_each_read_shows_the_messages_of_its_own_answer() -> None:
    """New messages are shown, also between reads that bring the same; a read that is older changes nothing."""
    old = [f"message {number}" for number in range(MANY)]
    new, third = ["one more", *old[:-1]], ["third", "one more", *old[:-2]]
    served = [old, old, new, new, third, old, third]
    bodies = [answer(*words, progress=number) for number, words in enumerate(served)]
    async with HeyGen("a-key", http=Service(*bodies)) as heygen:
        session = heygen.sessions.attach("s")
        shown = [[message.content for message in (await session.refresh()).messages] for _ in served]

    assert shown == [old, old, new, new, third, third, third]
