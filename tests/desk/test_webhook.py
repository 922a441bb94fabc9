"""Where the service says that something happened: believed for a poll, and for nothing else."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from heygen_async import Cadence
from heygen_async.webhooks import sign
from review_desk.settings import Settings

if TYPE_CHECKING:
    from desk.conftest import OpenDesk
    from desk.visitor import Visitor
    from heygen_async.testing import Simulator

SECRET = "whsec_of_the_desk"
SIGNED = Settings(webhook_secrets=(SECRET,))
RARELY = Cadence.constant(3600)


def delivery(session_id: str) -> bytes:
    """What the service sends."""
    event = {
        "event_id": "evt_1",
        "event_type": "video_agent.success",
        "event_data": {"session_id": session_id},
        "created_at": "2026-01-01T00:00:00Z",
    }
    return json.dumps(event).encode()


async def made(visitor: Visitor) -> str:
    """Start a session; return its id."""
    url = (await visitor.post("/sessions", {"form": "a-form", "prompt": "A tour"})).json["url"]
    return str(url).rpartition("/")[2]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_the_probe_is_answered_at_once(visitor: Visitor, service: Simulator, method: str) -> None:
    """The service's question whether anybody is here is answered without asking anybody."""
    assert 200 == (await visitor.ask(method, "/webhook", {})).status
    assert 0 == service.ledger.total_requests


@pytest.mark.parametrize("is_signed", [True, False], ids=["signed", "a hint, without a secret"])
async def test_an_event_causes_a_look_at_once(
    open_desk: OpenDesk, service: Simulator, is_signed: bool
) -> None:
    """A page knows at once what an event is about, although polls are an hour apart."""
    async with open_desk(SIGNED if is_signed else Settings(), RARELY) as visitor:
        session_id = await made(visitor)
        async with visitor.watch(f"/sessions/{session_id}/events") as page:
            await page.until(status="thinking")
            body = delivery(session_id)
            headers = sign(body, SECRET) if is_signed else {}
            answer = await visitor.ask("POST", "/webhook", headers, body)
            await page.when(lambda event: len(event["messages"]) > 0)

    assert 204 == answer.status
    assert 1 == service.ledger.polls[session_id]


FORGED = {
    "unsigned": {},
    "signed by another": sign(delivery("sess_x"), "whsec_of_another"),
    "signed long ago": sign(delivery("sess_x"), SECRET, timestamp=time.time() - 3600),  # noqa: TID251
}


@pytest.mark.parametrize("headers", FORGED.values(), ids=list(FORGED))
async def test_a_forgery_is_refused(open_desk: OpenDesk, service: Simulator, headers: dict[str, str]) -> None:
    """With a secret set, nobody else can make the desk poll."""
    async with open_desk(SIGNED) as visitor:
        assert 400 == (await visitor.ask("POST", "/webhook", headers, delivery("sess_x"))).status
    assert 0 == service.ledger.total_requests


async def test_an_event_that_comes_again_is_taken_politely(open_desk: OpenDesk) -> None:
    """A repeated delivery is answered with success, so that it does not come a third time."""
    async with open_desk(SIGNED) as visitor:
        body = delivery("sess_x")
        headers = sign(body, SECRET)

        assert [204, 204] == [(await visitor.ask("POST", "/webhook", headers, body)).status for _ in range(2)]


@pytest.mark.parametrize(
    ("body", "status"), [(b"nothing", 400), (bytes(300_000), 413)], ids=["nonsense", "large"]
)
async def test_what_is_no_event_is_refused(visitor: Visitor, body: bytes, status: int) -> None:
    """Nonsense is refused, and a large body before it is held."""
    assert status == (await visitor.ask("POST", "/webhook", {}, body)).status
