"""What the service does not accept."""

from __future__ import annotations

from typing import Any

import pytest

from heygen_async.testing import Simulator
from testing.desk import Desk

CREATE = "/v3/video-agents"
FILE = {"type": "url", "url": "https://example.test/a.png"}
FIELDS: list[tuple[dict[str, object], str]] = [
    ({"prompt": ""}, "prompt"),
    ({"prompt": "x" * 10_001}, "prompt"),
    ({"prompt": None}, "prompt"),
    ({"mode": "draft"}, "mode"),
    ({"orientation": "square"}, "orientation"),
    ({"auto_proceed": True}, "auto_proceed"),
    ({"callback_id": "c"}, "callback_id"),
    ({"callback_url": "http://example.test"}, "callback_url"),
    ({"incognito_mode": 1}, "incognito_mode"),
    ({"style_id": "nope"}, "style_id"),
    ({"files": [FILE] * 21}, "files"),
    ({"files": "a.png"}, "files"),
    ({"files": [{"type": "path"}]}, "files.0.type"),
    ({"files": [FILE, {"type": "url", "url": "http://example.test"}]}, "files.1.url"),
    ({"files": [{"type": "url"}]}, "files.0.url"),
    ({"files": [{**FILE, "name": "a"}]}, "files.0.name"),
    ({"files": [{"type": "base64", "media_type": "image/png", "data": "?"}]}, "files.0.data"),
]


@pytest.mark.parametrize(
    ("fields", "param"), FIELDS, ids=[f"{param}-{n}" for n, (_, param) in enumerate(FIELDS)]
)
def test_bad_create_names_the_field(desk: Desk, fields: dict[str, object], param: str) -> None:
    """A wrong field is refused with 400 and named, and no session comes of it."""
    answer = desk.call("POST", CREATE, {"prompt": "p", **fields})

    assert (400, "invalid_parameter", param) == (answer.status, answer.code, answer.body["error"]["param"])
    assert [] == desk.simulator.ledger.sessions


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"prompt": NaN}', b"[" * 100_000, b"\xff"])
def test_bodies_must_be_json_objects(desk: Desk, body: bytes) -> None:
    """Anything but a JSON object is refused with 400."""
    assert 400 == desk.exchange("POST", CREATE, body, x_api_key="test-key").response.status


def test_limits_themselves_pass(desk: Desk) -> None:
    """10,000 characters, 20 files and every optional field are accepted."""
    fields: dict[str, Any] = {
        "avatar_id": "look_1",
        "voice_id": "voice_1",
        "style_id": "style_1",
        "brand_kit_id": None,
        "orientation": "portrait",
        "files": [FILE] * 20,
        "callback_url": "https://example.test",
        "callback_id": "c",
        "incognito_mode": True,
    }

    assert desk.create("x" * 10_000, **fields)


def test_guide_contract_takes_auto_proceed() -> None:
    """By the guide, auto_proceed is accepted and skips the review."""
    desk = Desk(Simulator(contract="guide"))
    session_id = desk.create(auto_proceed=True)
    desk.wait(21)

    assert "generating" == desk.status(session_id)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x_api_key": "wrong"}, 401),
        ({"x_api_key": ""}, 401),
        ({"x_api_key": "k", "authorization": "Bearer t"}, 400),
        ({"authorization": "Bearer t"}, 200),
        ({"authorization": "Bearer wrong"}, 401),
    ],
)
def test_credentials(headers: dict[str, Any], status: int) -> None:
    """One valid credential is needed, and one only."""
    desk = Desk(Simulator(api_key="k", access_token="t"))

    assert status == desk.exchange("GET", "/v3/users/me", **headers).response.status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v3/video-agents/nope", 404),
        ("POST", "/v3/video-agents/nope/stop", 404),
        ("GET", "/v3/video-agents/nope/videos", 404),
        ("GET", "/v3/videos/nope", 404),
        ("DELETE", "/v3/videos/nope", 404),
        ("GET", "/v3/assets/nope", 404),
        ("DELETE", "/v3/webhooks/endpoints/nope", 404),
        ("GET", "/v4/anything", 404),
        ("GET", "/v3/video-agents/", 404),
        ("PUT", "/v3/video-agents", 405),
    ],
)
def test_unknown_things(desk: Desk, method: str, path: str, status: int) -> None:
    """Unknown ids and routes answer 404, wrong methods 405, all in the error envelope."""
    answer = desk.call(method, path)

    assert status == answer.status
    assert answer.code
    assert answer.headers["x-request-id"]


def test_only_chats_take_messages(desk: Desk) -> None:
    """A generate session refuses a message with 400."""
    session_id = desk.create(mode="generate")

    assert 400 == desk.send(session_id, "Shorter").status


def test_a_working_agent_takes_no_message(desk: Desk) -> None:
    """A message that races the agent is refused with 409 resource_not_ready."""
    session_id = desk.create()

    assert "resource_not_ready" == desk.send(session_id, "Shorter").code


def test_too_many_jobs(desk: Desk) -> None:
    """Beyond the cap a create answers 429 with Retry-After; a session paused for review takes no slot."""
    sessions = [desk.create() for _ in range(10)]
    answer = desk.call("POST", CREATE, {"prompt": "one more"})
    assert (429, "rate_limit_exceeded") == (answer.status, answer.code)
    assert int(answer.headers["retry-after"]) > 0

    desk.wait(21)
    more = [desk.create() for _ in range(10)]
    assert 429 == desk.send(sessions[0], "Approve").status
    assert 10 == desk.simulator.ledger.max_in_progress
    assert 20 == len({*sessions, *more})


@pytest.mark.parametrize("leave", ["stop", "wait"])
def test_ended_jobs_make_room(leave: str) -> None:
    """A session that was stopped, or ran to its end, leaves its slot to another; a stuck one never does."""
    desk = Desk(Simulator(max_jobs=2))
    desk.simulator.faults.add("stuck_thinking", on="create")
    desk.create(mode="generate")
    session_id = desk.create(mode="generate")
    assert 429 == desk.call("POST", CREATE, {"prompt": "p"}).status
    if leave == "stop":
        desk.call("POST", f"{CREATE}/{session_id}/stop")
    desk.wait(3 if leave == "stop" else 111)

    assert 200 == desk.call("POST", CREATE, {"prompt": "p"}).status
    assert 429 == desk.call("POST", CREATE, {"prompt": "p"}).status


def test_request_rate() -> None:
    """Requests beyond the allowed rate answer 429 until time has passed."""
    desk = Desk(Simulator(requests_per_second=2))
    seen = [desk.call("GET", "/v3/users/me").status for _ in range(3)]
    desk.wait(1)

    assert [200, 200, 429, 200] == [*seen, desk.call("GET", "/v3/users/me").status]


@pytest.mark.parametrize(("path", "most"), [("/v3/video-agents", 100), ("/v3/avatars", 50)])
@pytest.mark.parametrize("limit", ["0", "-1", "x", "", "1000", "1.5"])
def test_limits_out_of_range(desk: Desk, path: str, most: int, limit: str) -> None:
    """A page size that is no number in range is refused."""
    assert 400 == desk.call("GET", f"{path}?limit={limit}").status
    assert 200 == desk.call("GET", f"{path}?limit={most}").status


@pytest.mark.parametrize("token", ["x", "", "bGlzdDo5OTk=", "8J+YgA=="])
def test_foreign_tokens(desk: Desk, token: str) -> None:
    """A token this list did not give is refused."""
    assert 400 == desk.call("GET", f"/v3/video-agents?token={token}").status


def test_too_many_ids(desk: Desk) -> None:
    """The bulk call takes 100 ids, not 101, and not none."""
    ids = ",".join(f"vid_{n}" for n in range(101))

    assert 400 == desk.call("GET", f"/v3/videos/statuses?video_ids={ids}").status
    assert 400 == desk.call("GET", "/v3/videos/statuses").status
