"""What the simulator sends by itself, to whom, and what can go wrong on the way."""
# ruff: noqa: TID251 - the loop these tests run in owns the time

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from typing import Any

import anyio
import pytest

from contract.book import Book
from heygen_async import HeyGen
from heygen_async.testing import Deadlock, MemoryTransport, Notice, Scenario, Simulator, WebhookSender, run

QUICK = Scenario.generate().timed(thinking=10, generating=20)
HOOK = "https://example.test/hook"


class Box:
    """Receives webhooks and keeps them, with the time they came."""

    def __init__(self, *answers: int) -> None:
        self.notices: list[Notice] = []
        self.moments: list[float] = []
        self._answers = [*answers]

    def __call__(self, notice: Notice) -> int | None:
        self.notices.append(notice)
        self.moments.append(anyio.current_time())
        return self._answers.pop(0) if self._answers else None

    @property
    def told(self) -> list[tuple[str, str]]:
        """Type and session of each, in the order they came."""
        bodies: list[Any] = [json.loads(notice.body) for notice in self.notices]
        return [(body["event_type"], body["event_data"]["session_id"]) for body in bodies]


def client(service: Simulator) -> HeyGen:
    """A client of the service."""
    return HeyGen("test-key", base_url=service.base_url, http=MemoryTransport(service, latency=0.0))


def is_signed(notice: Notice, secret: str, header: str = "heygen-signature") -> bool:
    """Whether a notice is signed with this secret, as the contract describes it."""
    return hmac.new(secret.encode(), notice.body, hashlib.sha256).hexdigest() == notice.headers.get(header)


def played(
    service: Simulator, box: Box, *, callback_url: str | None = None, count: int = 1
) -> tuple[str, list[str]]:
    """Have sessions made and ended, ten seconds apart; return the endpoint's secret and the sessions' ids."""

    async def play() -> tuple[str, list[str]]:
        async with client(service) as heygen, WebhookSender(service, box):
            made = await heygen.webhooks.endpoints.create(HOOK)
            ids: list[str] = []
            for number in range(count):
                session = await heygen.sessions.create(
                    f"Film {number}", mode="generate", callback_url=callback_url
                )
                ids.append(session.id)
                await anyio.sleep(10)
            await anyio.sleep(600)
            return made.secret or "", ids

    return run(play)


def test_the_end_is_told_when_it_comes() -> None:
    """A registered endpoint is notified of a session's end at that moment, signed with its secret."""
    box = Box()
    secret, [session_id] = played(Simulator(scenario=QUICK), box)

    assert [("video_agent.success", session_id)] == box.told
    assert 1030.0 == pytest.approx(box.moments[0])
    assert is_signed(box.notices[0], secret)


def test_a_failure_is_told() -> None:
    """The end of a session that failed is delivered as such, with the reason."""
    box = Box()
    _, [session_id] = played(Simulator(scenario=Scenario.failing("generating")), box)

    assert [("video_agent.fail", session_id)] == box.told
    assert json.loads(box.notices[0].body)["event_data"]["msg"]


def test_deliveries_are_by_the_book() -> None:
    """Headers and body of a delivery are what the contract describes."""
    book, box = Book("openapi.strict.yaml"), Box()
    played(Simulator(scenario=QUICK), box)
    [notice] = box.notices
    text = book._text["webhooks"]["event"]["post"]

    for parameter in text["parameters"]:
        book._validate(parameter["schema"], notice.headers[parameter["name"].lower()])
    [(media_type, content)] = text["requestBody"]["content"].items()
    assert media_type == notice.headers["content-type"]
    book._validate(content["schema"], json.loads(notice.body))


def test_callbacks_are_not_signed() -> None:
    """A `callback_url` is notified as well, unsigned."""
    box = Box()
    played(Simulator(scenario=QUICK), box, callback_url="https://example.test/callback")

    assert {HOOK: True, "https://example.test/callback": False} == {
        notice.url: "heygen-signature" in notice.headers for notice in box.notices
    }


def test_only_what_was_subscribed_to() -> None:
    """An endpoint gets the events it asked for, from when it asks, and a stopped session's end when that comes."""
    service, box = Simulator(scenario=QUICK), Box()

    async def play() -> list[str]:
        async with client(service) as heygen, WebhookSender(service, box):
            early = await heygen.sessions.create("Early", mode="generate")
            await anyio.sleep(5)
            await heygen.webhooks.endpoints.create(HOOK, events=["video_agent.fail"])
            stopped = await heygen.sessions.create("Stopped", mode="generate")
            await anyio.sleep(5)
            await stopped.stop()
            await anyio.sleep(60)
            changed = [one async for one in heygen.webhooks.endpoints.list()]
            await heygen.webhooks.endpoints.update(changed[0].endpoint_id, events=["video_agent.success"])
            late = await heygen.sessions.create("Late", mode="generate")
            await anyio.sleep(60)
            return [early.id, stopped.id, late.id]

    _, stopped, late = run(play)
    assert [("video_agent.fail", stopped), ("video_agent.success", late)] == box.told


def test_who_registers_late_is_told_of_those_at_work() -> None:
    """An endpoint that is registered while sessions are at work is notified of their ends, and of none before."""
    service, box = Simulator(scenario=QUICK), Box()

    async def play() -> str:
        async with client(service) as heygen, WebhookSender(service, box):
            await heygen.sessions.create("Ended", mode="generate")
            await anyio.sleep(60)
            session = await heygen.sessions.create("At work", mode="generate")
            await anyio.sleep(5)
            await heygen.webhooks.endpoints.create(HOOK)
            await anyio.sleep(60)
            return session.id

    at_work = run(play)
    assert [at_work] == [session_id for _, session_id in box.told]


def test_a_rotated_secret_signs_at_once() -> None:
    """After a rotation deliveries are signed with the new secret."""
    service, box = Simulator(scenario=QUICK), Box()

    async def play() -> str:
        async with client(service) as heygen, WebhookSender(service, box):
            made = await heygen.webhooks.endpoints.create(HOOK)
            await heygen.sessions.create("A", mode="generate")
            rotated = await heygen.webhooks.endpoints.rotate_secret(made.endpoint_id)
            await anyio.sleep(60)
            assert made.secret != rotated.secret
            return rotated.secret

    secret = run(play)
    assert is_signed(box.notices[0], secret)


def test_refused_deliveries_come_again() -> None:
    """A delivery that is not answered with 2xx comes three times more, each later, and then no more."""
    service, box = Simulator(scenario=QUICK), Box(500, 0, 302, 404, 200)
    played(service, box)

    assert [0, 5, 35, 155] == [round(moment - box.moments[0]) for moment in box.moments]
    assert [1, 2, 3, 4] == [notice.attempt for notice in box.notices]
    assert 1 == len({notice.event_id for notice in box.notices})
    assert {"video_agent.success": Counter({500: 1, 0: 1, 302: 1, 404: 1})} == service.ledger.deliveries


def test_a_receiver_that_fails_counts_as_an_error() -> None:
    """What a receiver raises ends no delivery but its own."""
    service, come = Simulator(scenario=QUICK), list[str]()

    async def receive(notice: Notice) -> None:
        come.append(notice.event_id)
        if len(come) == 1:
            raise RuntimeError(notice.url)

    async def play() -> None:
        async with client(service) as heygen, WebhookSender(service, receive):
            await heygen.webhooks.endpoints.create(HOOK)
            await heygen.sessions.create("A", mode="generate")
            await anyio.sleep(60)

    run(play)
    assert 2 == len(come)
    assert {500: 1, 200: 1} == service.ledger.deliveries["video_agent.success"]


# ---- faults -------------------------------------------------------------------------------------------------------


def disturbed(fault: str, count: int = 1) -> tuple[Box, str, list[str], Simulator]:
    """Have sessions end while the first delivery is disturbed."""
    service, box = Simulator(scenario=QUICK), Box()
    service.faults.add(fault)
    secret, ids = played(service, box, count=count)
    assert 1 == service.ledger.faults[fault]
    return box, secret, ids, service


def test_lost() -> None:
    """A lost delivery never comes; the next does."""
    box, _, ids, _ = disturbed("webhook_lost", 2)

    assert [ids[1]] == [session_id for _, session_id in box.told]


def test_late() -> None:
    """A late delivery comes a minute later, with the time it comes."""
    box, _, _, _ = disturbed("webhook_late")

    assert 1090.0 == pytest.approx(box.moments[0])
    assert json.loads(box.notices[0].body)["created_at"] == "2026-01-01T00:00:30Z"
    assert 90 == int(box.notices[0].headers["heygen-timestamp"]) - 1_767_225_600


def test_twice() -> None:
    """A repeated delivery comes twice with one event id."""
    box, _, [session_id], _ = disturbed("webhook_twice")

    assert [session_id] * 2 == [told for _, told in box.told]
    assert 1 == len({notice.event_id for notice in box.notices})


def test_overtaken() -> None:
    """A delivery that is overtaken comes after the one that was due later."""
    box, _, ids, _ = disturbed("webhook_overtaken", 2)

    assert ids[::-1] == [session_id for _, session_id in box.told]


def test_forged() -> None:
    """A forged delivery says the opposite, is not signed with the secret, and comes before the true one."""
    box, secret, _, _ = disturbed("webhook_forged")

    assert ["video_agent.fail", "video_agent.success"] == [kind for kind, _ in box.told]
    assert [False, True] == [is_signed(notice, secret) for notice in box.notices]


def test_bare() -> None:
    """A delivery may call its signature `Signature` and say no time."""
    box, secret, _, _ = disturbed("webhook_bare")

    assert is_signed(box.notices[0], secret, "signature")
    assert {"content-type", "user-agent", "signature"} == set(box.notices[0].headers)


def test_nothing_to_tell_is_no_reason_to_wait() -> None:
    """A postman with nothing to carry does not keep virtual time from seeing that nothing will ever come."""

    async def play() -> None:
        async with WebhookSender(Simulator(), Box()):
            await anyio.Event().wait()

    with pytest.raises(Deadlock):
        run(play)
