"""Every fault strikes where it says, and the ledger tells what really happened."""

from __future__ import annotations

import json
from typing import Any

import pytest

from heygen_async.testing import FAULTS, Exchange, ResponseDelivery, Scenario, Simulator
from testing.desk import Desk

CREATE = "/v3/video-agents"
PROCESSED = [name for name, fault in FAULTS.items() if fault.stage == "after" and "create" in fault.on]
UNPROCESSED = [name for name, fault in FAULTS.items() if fault.stage == "before" and "create" in fault.on]


def create(desk: Desk) -> Exchange:
    """Try a create."""
    return desk.exchange("POST", CREATE, b'{"prompt": "p", "mode": "chat"}', x_api_key="test-key")


def struck(name: str, **params: Any) -> Exchange:
    """What a create meets under a fault."""
    desk = Desk()
    desk.simulator.faults.add(name, on="create", **params)
    return create(desk)


@pytest.mark.parametrize("name", PROCESSED)
def test_processed_faults_leave_a_session(desk: Desk, name: str) -> None:
    """A fault after processing leaves a session behind, and the ledger names the fault."""
    desk.simulator.faults.add(name, on="create")
    exchange = create(desk)

    assert name == exchange.fault
    assert [name] == [record.fault for record in desk.simulator.ledger.creates]
    assert {name: 1} == desk.simulator.ledger.faults
    assert create(desk).fault is None


@pytest.mark.parametrize("name", UNPROCESSED)
def test_unprocessed_faults_leave_nothing(desk: Desk, name: str) -> None:
    """A fault before processing leaves no session behind."""
    desk.simulator.faults.add(name, on="create")

    assert name == create(desk).fault
    assert [] == desk.simulator.ledger.sessions


@pytest.mark.parametrize("name", ["gateway_html", "error_500", "error_500_plain", "error_200"])
def test_errors_can_come_after_processing(desk: Desk, name: str) -> None:
    """A server's error may hide a session that was created."""
    desk.simulator.faults.add(name, on="create", processed=True)
    create(desk)

    assert [name] == [record.fault for record in desk.simulator.ledger.creates]


@pytest.mark.parametrize(
    ("name", "delivery"),
    [
        ("connect_refused", ResponseDelivery.REFUSED),
        ("reset_before", ResponseDelivery.RESET),
        ("reset_after_processing", ResponseDelivery.RESET),
        ("silence_before", ResponseDelivery.NOTHING),
        ("silence", ResponseDelivery.HEADERS_ONLY),
        ("cut_length", ResponseDelivery.CUT_LENGTH),
        ("cut_chunked", ResponseDelivery.CUT_CHUNKED),
        ("trickle", ResponseDelivery.TRICKLE),
        ("error_500", ResponseDelivery.WHOLE),
    ],
)
def test_deliveries(name: str, delivery: ResponseDelivery) -> None:
    """Faults of the connection say how the answer travels."""
    assert delivery is struck(name).delivery


@pytest.mark.parametrize(
    ("name", "status", "body"),
    [
        ("gateway_html", 502, b"<html>"),
        ("error_500", 500, b'{"error"'),
        ("error_500_plain", 500, b"Internal"),
        ("error_200", 200, b'{"error"'),
        ("json_null", 200, b"null"),
        ("json_array", 200, b"[]"),
        ("json_scalar", 200, b"7"),
        ("missing_data", 200, b'{"meta"'),
        ("bad_gzip", 200, b"\x1f\x8b"),
        ("unauthorized_once", 401, b'{"error"'),
        ("payment_required", 402, b'{"error"'),
        ("forbidden", 403, b'{"error"'),
        ("in_progress", 409, b'{"error"'),
        ("redirect_other_origin", 302, b""),
        ("rate_limit", 429, b'{"error"'),
    ],
)
def test_answers(name: str, status: int, body: bytes) -> None:
    """Faults of the service answer with their status and body."""
    response = struck(name).response

    assert status == response.status
    assert response.body.startswith(body)


def test_oversized_body_is_twenty_megabytes() -> None:
    """The oversized body is valid JSON of 20 MB."""
    assert len(struck("oversized").response.body) > 20_000_000


@pytest.mark.parametrize(
    ("variant", "error"),
    [
        ("code_only", {"code": "internal_error"}),
        ("empty", {}),
        ("numeric", {"code": 40012, "message": "Something went wrong."}),
    ],
)
def test_error_in_success(variant: str, error: object) -> None:
    """A 200 may carry an error with a code alone, with nothing, or with a number."""
    assert {"error": error} == json.loads(struck("error_200", variant=variant).response.body)


@pytest.mark.parametrize(
    ("wanted", "header"),
    [(7, "7"), ("date", "Thu, 01 Jan 2026 00:00:02 GMT"), ("absurd", "86400"), ("missing", None)],
)
def test_paces(wanted: object, header: str | None) -> None:
    """Retry-After comes in seconds, as a date, absurdly large, or not at all."""
    assert header == struck("rate_limit", retry_after=wanted).response.headers.get("retry-after")


def reviewed(desk: Desk) -> str:
    """A chat that waits for a review."""
    session_id = desk.create()
    desk.wait(30)
    return session_id


def test_stale_status_after_send(desk: Desk) -> None:
    """For some polls after a send the session looks as before, but for the caller's message."""
    session_id = reviewed(desk)
    desk.simulator.faults.add("stale_status", polls=2)
    desk.send(session_id, "Approve")
    states = [desk.read(session_id) for _ in range(3)]

    assert ["reviewing", "reviewing", "generating"] == [state["status"] for state in states]
    assert "Approve" == states[0]["messages"][0]["content"]


def reads(desk: Desk, session_id: str, name: str) -> list[Any]:
    """A read with a fault in force, and the next one."""
    desk.simulator.faults.add(name, on="get")
    return [desk.read(session_id) for _ in range(2)]


def test_status_and_progress_backwards(desk: Desk) -> None:
    """One read shows an earlier status, another less progress; the next ones are right."""
    session_id = reviewed(desk)
    first, second = reads(desk, session_id, "status_backwards")
    third, fourth = reads(desk, session_id, "progress_back")

    assert ("thinking", "reviewing") == (first["status"], second["status"])
    assert (10, 40) == (third["progress"], fourth["progress"])


def test_messages_flood_repeat_and_shuffle(desk: Desk) -> None:
    """More than 40 messages can pass between two reads; one read can repeat or shuffle them."""
    session_id = reviewed(desk)
    plain, flooded = reads(desk, session_id, "many_messages")
    shuffled, ordered = reads(desk, session_id, "reordered_messages")
    repeated, _ = reads(desk, session_id, "duplicate_messages")

    assert not [m for m in flooded["messages"] if m in plain["messages"]]
    assert shuffled["messages"] != ordered["messages"]
    assert repeated["messages"][0] == repeated["messages"][1]
    assert 40 == len(repeated["messages"])


def test_failure_without_words(desk: Desk) -> None:
    """A failure can be null in every field."""
    desk.simulator.faults.add("null_failure")
    state = desk.live(Scenario.failing("generating"))
    video = desk.call("GET", f"/v3/videos/{state['video_id']}").data

    assert (None, None) == (video["failure_code"], video["failure_message"])
    assert "error" not in [message["type"] for message in state["messages"]]


def test_session_gone_once_it_has_a_video(desk: Desk) -> None:
    """The session answers 404 as soon as it has a video, which lives on."""
    desk.simulator.faults.add("session_gone")
    session_id = desk.create(mode="generate")
    assert "thinking" == desk.status(session_id)
    desk.wait(30)

    assert 404 == desk.call("GET", f"{CREATE}/{session_id}").status
    assert "processing" == desk.videos(session_id)[0]["status"]


def test_early_404(desk: Desk) -> None:
    """A new session may be not found for some reads."""
    desk.simulator.faults.add("early_404", polls=2)
    session_id = desk.create()

    assert [404, 404, 200] == [desk.call("GET", f"{CREATE}/{session_id}").status for _ in range(3)]


def test_video_lags(desk: Desk) -> None:
    """A video may be processing after its session completed."""
    desk.simulator.faults.add("video_lags", seconds=30)
    session_id = desk.create(mode="generate")
    desk.wait(115)

    assert ("completed", "processing") == (desk.status(session_id), desk.videos(session_id)[0]["status"])


def test_stuck_and_skewed(desk: Desk) -> None:
    """A session may think for ever, and be dated five minutes ahead."""
    desk.simulator.faults.add("stuck_thinking")
    desk.simulator.faults.add("clock_skew")
    began = int(desk.now)
    session_id = desk.create()
    desk.wait(100_000)

    state = desk.read(session_id)
    assert ("thinking", began + 300) == (state["status"], state["created_at"])


@pytest.mark.parametrize("status", [403, 404, 405])
def test_bulk_may_be_missing(desk: Desk, status: int) -> None:
    """The bulk call may not be there for this account."""
    desk.simulator.faults.add("statuses_missing", times=None, status=status)

    assert [status] * 3 == [desk.call("GET", "/v3/videos/statuses?video_ids=a").status for _ in range(3)]


def test_unknown_and_mistyped(desk: Desk) -> None:
    """A status may be a new word, and values may have other types."""
    session_id = reviewed(desk)
    assert "processing" == reads(desk, session_id, "unknown_status")[0]["status"]
    assert 7 == reads(desk, session_id, "wrong_types")[0]["status"]


def test_times_after_and_clear(desk: Desk) -> None:
    """A fault lets some requests pass, strikes so often, and can be called off."""
    faults = desk.simulator.faults
    faults.add("error_500", on="account", after=1, times=2)
    seen = [desk.call("GET", "/v3/users/me").status for _ in range(4)]
    faults.add("error_500", times=None)
    faults.clear()

    assert [200, 500, 500, 200, 200] == [*seen, desk.call("GET", "/v3/users/me").status]


@pytest.mark.parametrize(("name", "on"), [("nope", None), ("error_500", "nope"), ("early_404", "get")])
def test_senseless_orders_are_refused(desk: Desk, name: str, on: str | None) -> None:
    """A fault that does not exist, or cannot strike there, is refused at once."""
    with pytest.raises(ValueError, match=name if on != "nope" else "operation"):
        desk.simulator.faults.add(name, on=on)


def test_mix_is_seeded_and_near_its_rate() -> None:
    """The same seed strikes the same exchanges, at about the rate asked for."""

    def run() -> list[str | None]:
        desk = Desk(Simulator(max_jobs=10_000))
        desk.simulator.faults.mix(0.2, seed=7, only=("error_500", "reset_after_processing", "silence"))
        return [create(desk).fault for _ in range(500)]

    first = run()
    assert first == run()
    assert 60 < sum(fault is not None for fault in first) < 140


def test_refusals_in_a_mix_are_honest() -> None:
    """In a random mix a refused create leaves no session, while a server's error may."""
    for name, least, most in (("rate_limit", 0, 0), ("in_progress", 0, 0), ("error_500", 20, 80)):
        desk = Desk(Simulator(max_jobs=10_000))
        desk.simulator.faults.mix(1.0, only=(name,))
        for _ in range(100):
            create(desk)
        assert least <= len(desk.simulator.ledger.sessions) <= most


def test_a_refusal_cannot_be_ordered_after_processing(desk: Desk) -> None:
    """A 429 always means that nothing was done."""
    with pytest.raises(ValueError, match="processed"):
        desk.simulator.faults.add("rate_limit", processed=True)


def test_command_line_orders(desk: Desk) -> None:
    """Orders can be written as text."""
    desk.simulator.faults.parse("error_500:get:2, forbidden:account:*,mix:0")
    session_id = desk.create()

    assert [500, 500, 200] == [desk.call("GET", f"{CREATE}/{session_id}").status for _ in range(3)]
    assert [403] * 3 == [desk.call("GET", "/v3/users/me").status for _ in range(3)]
