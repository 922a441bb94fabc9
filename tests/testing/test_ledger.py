"""The books, and the idempotency keys they are about."""

from __future__ import annotations

import json

import pytest

from heygen_async.testing import Scenario, Simulator
from testing.desk import Desk

CREATE = "/v3/video-agents"


@pytest.fixture
def desk() -> Desk:
    """A caller of a service that honours keys."""
    return Desk(Simulator(idempotency="honoured"))


def test_key_is_replayed_for_a_day_whatever_the_body(desk: Desk) -> None:
    """The same key brings the first answer again for 24 hours, even for another body."""
    first = desk.call("POST", CREATE, {"prompt": "a"}, idempotency_key="k").data
    again = desk.call("POST", CREATE, {"prompt": "b"}, idempotency_key="k").data
    desk.wait(86_400)
    later = desk.call("POST", CREATE, {"prompt": "a"}, idempotency_key="k").data

    assert first == again
    assert first["session_id"] != later["session_id"]
    assert [1, 0] == [record.replayed for record in desk.simulator.ledger.creates]
    assert 1 == desk.simulator.ledger.duplicate_creates


def test_ignored_keys_make_duplicates() -> None:
    """Where keys are ignored, a second request with the same key is a second session, and the ledger says so."""
    desk = Desk(Simulator(idempotency="ignored"))
    for _ in range(3):
        desk.call("POST", CREATE, {"prompt": "a"}, idempotency_key="k")
    desk.call("POST", CREATE, {"prompt": "a"}, idempotency_key="other")

    assert 4 == len(desk.simulator.ledger.sessions)
    assert 2 == desk.simulator.ledger.duplicate_creates


def test_ignored_keys_still_work_where_documented() -> None:
    """Registering a webhook honours its key in any case."""
    desk = Desk(Simulator(idempotency="ignored"))
    url = "/v3/webhooks/endpoints"
    made = [desk.call("POST", url, {"url": "https://a.test"}, idempotency_key="k").data for _ in range(2)]

    assert made[0] == made[1]


def test_duplicate_messages() -> None:
    """A message sent twice under one key is a duplicate where keys are ignored, and one message where not."""
    for idempotency, count in (("honoured", 0), ("ignored", 1)):
        desk = Desk(Simulator(idempotency=idempotency))  # type: ignore[arg-type]
        session_id = desk.create()
        for _ in range(2):
            desk.wait(30)
            desk.call("POST", f"{CREATE}/{session_id}", {"message": "m"}, idempotency_key="k")

        assert count == desk.simulator.ledger.duplicate_messages
        assert 1 + count == len(desk.simulator.ledger.messages)


def test_key_in_flight_answers_409() -> None:
    """While the first request is being worked on, its key answers 409 with Retry-After."""
    desk = Desk(Simulator(latency=5, idempotency="honoured"))
    desk.call("POST", CREATE, {"prompt": "a"}, idempotency_key="k")
    desk.wait(1)
    racing = desk.call("POST", CREATE, {"prompt": "a"}, idempotency_key="k")
    desk.wait(5)

    assert (409, "request_in_progress") == (racing.status, racing.code)
    assert int(racing.headers["retry-after"]) > 0
    assert 200 == desk.call("POST", CREATE, {"prompt": "a"}, idempotency_key="k").status


def test_a_slow_answer_keeps_its_key_in_flight(desk: Desk) -> None:
    """While an answer is delayed by a fault, its key answers 409; a replay does not start the wait anew."""
    desk.simulator.faults.add("slow", on="create", seconds=20)
    seen: list[int] = []
    for _ in range(4):
        seen.append(desk.call("POST", CREATE, {"prompt": "a"}, idempotency_key="k").status)
        desk.wait(9)

    assert [200, 409, 409, 200] == seen
    assert 1 == len(desk.simulator.ledger.sessions)


def test_retries_do_not_keep_a_key_in_flight() -> None:
    """A key is in flight for as long as its first request takes, however often it is tried."""
    desk = Desk(Simulator(latency=3, idempotency="honoured"))
    seen: list[int] = []
    for _ in range(5):
        seen.append(desk.call("POST", CREATE, {"prompt": "a"}, idempotency_key="k").status)
        desk.wait(1)

    assert [200, 409, 409, 200, 200] == seen


def test_refusals_are_not_replayed(desk: Desk) -> None:
    """A key refused once can succeed later."""
    assert 400 == desk.call("POST", CREATE, {"prompt": ""}, idempotency_key="k").status
    assert 200 == desk.call("POST", CREATE, {"prompt": "a"}, idempotency_key="k").status


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_malformed_keys_are_refused(desk: Desk, key: str) -> None:
    """A key outside the documented form is refused."""
    assert 400 == desk.call("POST", CREATE, {"prompt": "a"}, idempotency_key=key).status


def test_failed_videos_are_not_billed(desk: Desk) -> None:
    """Only completed videos are charged."""
    desk.simulator.script(Scenario.failing("generating"), prompt="bad")
    desk.create("good", "generate")
    desk.create("bad", "generate")
    desk.wait(500)
    desk.call("GET", "/v3/users/me")

    assert 1 == len(desk.simulator.ledger.billed)


def test_ledger_over_http_says_the_same(desk: Desk) -> None:
    """GET /_simulator/ledger needs no key, counts as no request, and says what the object says."""
    session_id = desk.create()
    desk.read(session_id)
    desk.call("GET", "/v3/nope")
    served = json.loads(desk.exchange("GET", "/_simulator/ledger").response.body)["data"]

    assert json.loads(json.dumps(desk.simulator.ledger.as_json())) == served
    assert {session_id: 1} == served["polls"]
    assert {"200": 1} == served["requests"]["create"]
    assert ["GET /v3/nope"] == served["unmatched"]
    assert 3 == served["total_requests"]


def test_same_seed_same_answers() -> None:
    """Two simulators with one seed give the same ids; another seed gives others."""
    assert Desk(Simulator(seed=1)).create() == Desk(Simulator(seed=1)).create()
    assert Desk(Simulator(seed=1)).create() != Desk(Simulator(seed=2)).create()


def test_clock_of_the_service_may_differ() -> None:
    """With a clock ahead by five minutes, created_at is ahead by five minutes."""
    desk = Desk(Simulator(clock_skew=300))

    assert int(desk.now) + 300 == desk.call("POST", CREATE, {"prompt": "p"}).data["created_at"]
