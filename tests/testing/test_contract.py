"""Every operation of the contract is served, in its envelope, page by page."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygen_async.testing import OPERATIONS, HttpRequest, Simulator
from heygen_async.testing._service.routes import ROUTES
from testing.desk import Desk, judge, operations

PNG = b"\x89PNG\r\n\x1a\n\r\n--x\r\n" + bytes(range(256))


def fill(path: str, ids: dict[str, str]) -> str:
    """Put real ids into a path of the contract."""
    for name, value in ids.items():
        path = path.replace("{" + name + "}", value)
    return path


def furnished() -> tuple[Desk, dict[str, str]]:
    """A desk whose account has one of everything."""
    desk = Desk()
    session_id = desk.create()
    desk.wait(30)
    resource_id = desk.read(session_id)["messages"][0]["resource_ids"][0]
    desk.send(session_id, "Approve")
    desk.wait(200)
    endpoint = desk.call("POST", "/v3/webhooks/endpoints", {"url": "https://example.test"}).data
    ids = {
        "session_id": session_id,
        "resource_id": resource_id,
        "video_id": desk.videos(session_id)[0]["id"],
        "asset_id": upload(desk)["asset_id"],
        "endpoint_id": endpoint["endpoint_id"],
        "group_id": "grp_1",
        "look_id": "look_1",
        "voice_id": "voice_1",
    }
    return desk, ids


def upload(desk: Desk, content: bytes = PNG) -> Any:
    """Upload a file as a multipart part."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n'
    body = head + content + b"\r\n--b--\r\n"
    exchange = desk.exchange(
        "POST", "/v3/assets", body, x_api_key="test-key", content_type="multipart/form-data; boundary=b"
    )
    judge("POST", "/v3/assets", exchange.response.status, exchange.response.body)
    parsed = json.loads(exchange.response.body)
    return parsed.get("data", parsed)


BODIES: dict[str, object] = {
    "/v3/video-agents": {"prompt": "p"},
    "/v3/video-agents/{session_id}": {"message": "Shorter"},
    "/v3/assets/direct-uploads": {"filename": "a", "content_type": "video/mp4", "size_bytes": 3},
    "/v3/assets/{asset_id}/complete": {},
    "/v3/webhooks/endpoints": {"url": "https://example.test", "events": ["video_agent.fail"]},
    "/v3/webhooks/endpoints/{endpoint_id}": {"events": None},
}


@pytest.mark.parametrize(("method", "path"), operations(), ids=lambda part: part)
def test_every_operation_is_served(method: str, path: str) -> None:
    """Every operation of the contract answers 200 for what exists, in its exact envelope."""
    if (method, path) == ("POST", "/v3/assets"):
        assert "asset_id" in upload(Desk())
        return
    desk, ids = furnished()
    statuses = {"/v3/videos/statuses": "?video_ids=vid_1", "/v3/assets/statuses": "?asset_ids=asset_1"}
    url = fill(path, ids) + statuses.get(path, "")

    assert 200 == desk.call(method, url, BODIES.get(path) if method in {"POST", "PATCH"} else None).status


def test_no_operation_beyond_the_contract() -> None:
    """The simulator serves the contract and, besides, its files."""
    assert sorted(operations()) == sorted((route.method, route.pattern) for route in ROUTES)
    assert {route.operation for route in ROUTES} | {"media", "upload"} == OPERATIONS


@pytest.mark.parametrize(
    "path", ["/v3/video-agents", "/v3/videos", "/v3/video-agents/styles", "/v3/voices", "/v3/avatars/looks"]
)
def test_pages_cover_everything_once(path: str) -> None:
    """Pages of two walk a list from end to end, without gaps or repeats, even while it grows."""
    desk = Desk(Simulator(max_jobs=100))
    for number in range(7):
        desk.create(f"number {number}", "generate")
        desk.wait(30)
    seen: list[str] = []
    url = f"{path}?limit=2"
    while True:
        body = desk.call("GET", url).body
        seen += [row.get("id") or row.get("session_id") or row["name"] for row in body["data"]]
        if not body["has_more"]:
            break
        desk.create("newer", "generate")
        url = f"{path}?limit=2&token={body['next_token']}"

    assert len(seen) == len(set(seen))
    assert len(seen) >= 6


def test_lists_are_newest_first() -> None:
    """Sessions come newest first."""
    desk = Desk()
    ids = [desk.create(f"number {number}") for number in range(3)]

    assert ids[::-1] == [row["session_id"] for row in desk.call("GET", "/v3/video-agents").data]


def test_deleted_video_is_gone() -> None:
    """A deleted video is not found, and not found in bulk."""
    desk, ids = furnished()
    desk.call("DELETE", f"/v3/videos/{ids['video_id']}")
    bulk = desk.call("GET", f"/v3/videos/statuses?video_ids={ids['video_id']}").data

    assert 404 == desk.call("GET", f"/v3/videos/{ids['video_id']}").status
    assert ["not_found"] == [entry["status"] for entry in bulk]


def test_uploaded_bytes_are_kept() -> None:
    """An uploaded file is typed by its bytes, served unchanged, and usable in a session."""
    desk = Desk()
    asset = upload(desk)
    served = desk.exchange("GET", asset["url"]).response

    assert ("image/png", len(PNG)) == (asset["mime_type"], asset["size_bytes"])
    assert PNG == served.body
    assert desk.create(files=[{"type": "asset_id", "asset_id": asset["asset_id"]}])


def test_unknown_file_types_are_refused() -> None:
    """A file of no known type is refused."""
    assert "invalid_parameter" == upload(Desk(), b"hello")["error"]["code"]


def test_direct_upload_end_to_end() -> None:
    """A direct upload needs the announced size and type, and is usable once completed."""
    desk = Desk()
    content = b"ID3" + bytes(1000)
    slot = desk.call(
        "POST",
        "/v3/assets/direct-uploads",
        {"filename": "a.mp3", "content_type": "audio/mpeg", "size_bytes": len(content)},
    ).data
    file = {"type": "asset_id", "asset_id": slot["asset_id"]}
    complete = f"/v3/assets/{slot['asset_id']}/complete"

    assert 409 == desk.call("POST", complete).status
    assert 409 == desk.call("POST", "/v3/video-agents", {"prompt": "p", "files": [file]}).status
    assert (
        400 == desk.exchange("PUT", slot["upload_url"], b"short", content_type="audio/mpeg").response.status
    )
    assert 403 == desk.exchange("PUT", slot["upload_url"], content, content_type="image/png").response.status
    assert 200 == desk.exchange("PUT", slot["upload_url"], content, content_type="audio/mpeg").response.status
    assert 400 == desk.call("POST", complete, {"checksum_sha256": "0" * 64}).status
    digest = hashlib.sha256(content).hexdigest()
    assert slot["asset_id"] == desk.call("POST", complete, {"checksum_sha256": digest}).data["asset_id"]
    desk.wait(3)  # it is processing
    assert desk.create(files=[file])


def test_webhook_secret_is_shown_once() -> None:
    """A secret is in the answers to create and rotate only, and rotation changes it."""
    desk = Desk()
    made = desk.call("POST", "/v3/webhooks/endpoints", {"url": "https://example.test"}).data
    rotated = desk.call("POST", f"/v3/webhooks/endpoints/{made['endpoint_id']}/rotate-secret").data

    assert made["secret"] != rotated["secret"]
    assert [None] == [row["secret"] for row in desk.call("GET", "/v3/webhooks/endpoints").data]


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    fields=st.dictionaries(
        st.sampled_from(["prompt", "mode", "files", "orientation", "callback_url", "avatar_id", "x"]), JSON
    )
)
def test_any_body_gets_an_answer_of_the_contract(fields: dict[str, object]) -> None:
    """Whatever JSON a create carries, the answer is one the contract allows."""
    assert Desk().call("POST", "/v3/video-agents", fields).status in {200, 400, 404, 413}


@given(path=st.text(max_size=40), limit=st.text(max_size=5), token=st.text(max_size=20))
def test_any_path_gets_an_answer(path: str, limit: str, token: str) -> None:
    """Whatever path and query come, there is an answer."""
    simulator = Simulator()
    for start in ("/", "/v3/videos/", "/_simulator/media/", "/v3/video-agents"):
        request = HttpRequest(
            "GET", start + path, {"limit": limit, "token": token}, {"x-api-key": "test-key"}
        )
        assert simulator.exchange(request, 0.0).response.status < 500
