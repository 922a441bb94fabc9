"""What the probe asks, in order: first what is free, then, if it may pay, one short session in chat mode."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio

from ...errors import APIError, TransportError, Unauthorized
from .contract import as_rows, as_texts
from .exchanges import CREATE_PATH, FINAL, PAUSED, RecordedExchange
from .recorder import FileRequest, Recorder
from .texts import ANSWER, APPROVAL, PROMPT, UNKNOWN, UNKNOWN_FIELD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ... import HeyGen

PAUSE: Final = 0.5
"""Seconds between two requests: what is slower than any limit on their rate that is known."""


_FIRST_POLL: Final = 5.0  # seconds after the create or send; then each wait is twice the one before
_LONGEST_WAIT: Final = 240.0
_KEPT_BACK: Final = 7  # requests for what comes after the polls
_LISTINGS: Final = 3
_ANSWERS: Final = 2
_PLAIN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")

# In the order they are asked; what they list is looked at one by one afterwards.
LISTS: Final = (
    "/v3/video-agents",
    "/v3/videos",
    "/v3/video-agents/styles",
    "/v3/brand-kits",
    "/v3/brand-glossaries",
    "/v3/avatars",
    "/v3/avatars/looks",
    "/v3/voices",
    "/v3/webhooks/endpoints",
    "/v3/webhooks/event-types",
    "/v3/webhooks/events",
)
_DIRECT_UPLOAD: Final = {"filename": "probe.png", "content_type": "image/png", "size_bytes": 1}


class Walk:
    """Asks one thing after the other, slowly."""

    def __init__(self, heygen: HeyGen, recorder: Recorder) -> None:
        self._heygen = heygen
        self._recorder = recorder
        self._pause = PAUSE

    @property
    def left(self) -> int:
        """How many requests may still be sent."""
        return self._recorder.left

    async def ask(
        self,
        purpose: str,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        json: object = None,
        key: str | None = None,
        heygen: HeyGen | None = None,
    ) -> RecordedExchange:
        """
        Ask the service something; a refusal is an answer.

        Args:
            purpose: What for; the judges know the exchange by it.
            method: The verb.
            path: The path.
            params: The query.
            json: The body.
            key: An idempotency key.
            heygen: Another client, with a bad key for instance.

        Raises:
            CapReached: It is one request too many.
            Unauthorized: The service refuses the key of the caller, and has answered nothing yet.
            TransportError: There is no service, as far as can be seen.
        """
        sent = len(self._recorder.exchanges)
        await self._get_ready(purpose)
        client = heygen or self._heygen
        try:
            await client.request(method, path, params=params, json=json, idempotency_key=key)
        except (Unauthorized, TransportError):
            if heygen is None and not any(one.is_ok for one in self._recorder.exchanges):
                raise
        except APIError:
            pass
        if any(one.status == 429 for one in self._recorder.exchanges[sent:]):
            self._pause *= 2  # to be within the cap at the end, whatever the limit is
        return self._recorder.exchanges[-1]

    async def fetch(self, purpose: str, link: str, **headers: str) -> RecordedExchange:
        """Read a file behind a link, without any credential."""
        await self._get_ready(purpose)
        with suppress(TransportError):
            await self._recorder.send(FileRequest(link, headers))
        return self._recorder.exchanges[-1]

    async def _get_ready(self, purpose: str) -> None:
        await anyio.sleep(self._pause)
        self._recorder.purpose = purpose


async def read_all(walk: Walk, stranger: HeyGen) -> None:
    """
    Ask what costs nothing and changes nothing that lasts.

    Args:
        walk: Who asks.
        stranger: A client with a bad key.

    Raises:
        CapReached: More would be beyond the cap.
    """
    await walk.ask("read", "GET", "/v3/users/me")
    lists = {path: as_rows((await walk.ask("list", "GET", path)).members.get("data")) for path in LISTS}
    await _turn_a_page(walk)
    await _read_sessions(walk, lists["/v3/video-agents"])
    await _read_items(walk, lists)
    for path in ("/v3/video-agents", "/v3/videos", "/v3/assets", "/v3/voices"):
        await walk.ask("unknown id", "GET", f"{path}/{UNKNOWN}")
    await walk.ask("bad key", "GET", "/v3/users/me", heygen=stranger)
    await walk.ask("large limit", "GET", "/v3/video-agents", params={"limit": 101})
    await walk.ask("large limit", "GET", "/v3/avatars", params={"limit": 51})
    # The empty prompt keeps it from being made, whatever becomes of the field.
    await walk.ask("unknown field", "POST", CREATE_PATH, json={"prompt": "", UNKNOWN_FIELD: True})
    await _upload_twice(walk)


async def _turn_a_page(walk: Walk) -> None:
    first = await walk.ask("first page", "GET", "/v3/voices", params={"limit": 2})
    token = first.members.get("next_token")
    if isinstance(token, str) and token:
        await walk.ask("next page", "GET", "/v3/voices", params={"limit": 2, "token": token})


async def _read_sessions(walk: Walk, sessions: list[dict[str, object]]) -> None:
    session_id = _first(sessions, "session_id")
    if session_id is not None:
        read = await walk.ask("read", "GET", f"/v3/video-agents/{session_id}")
        await walk.ask("read", "GET", f"/v3/video-agents/{session_id}/videos")
        await _read_resource(walk, session_id, read)


async def _read_resource(walk: Walk, session_id: str, read: RecordedExchange) -> None:
    for message in as_rows(read.data.get("messages")):
        for resource_id in as_texts(message.get("resource_ids")):
            if _PLAIN_ID.fullmatch(resource_id):
                await walk.ask("read", "GET", f"/v3/video-agents/{session_id}/resources/{resource_id}")
                return


async def _read_items(walk: Walk, lists: Mapping[str, list[dict[str, object]]]) -> None:
    video_id = _first(lists["/v3/videos"], "id")
    if video_id is not None:
        await walk.ask("read", "GET", f"/v3/videos/{video_id}")
    known = f"{video_id}," if video_id is not None else ""
    await walk.ask("statuses", "GET", "/v3/videos/statuses", params={"video_ids": known + UNKNOWN})
    await walk.ask("statuses", "GET", "/v3/assets/statuses", params={"asset_ids": UNKNOWN})
    for path, items, name in (
        ("/v3/avatars", "/v3/avatars", "id"),
        ("/v3/avatars/looks", "/v3/avatars/looks", "id"),
        ("/v3/voices", "/v3/voices", "voice_id"),
    ):
        item_id = _first(lists[items], name)
        if item_id is not None:
            await walk.ask("read", "GET", f"{path}/{item_id}")
    group_id = _first(lists["/v3/avatars"], "id")
    if group_id is not None:
        await walk.ask("group as look", "GET", f"/v3/avatars/looks/{group_id}")


async def _upload_twice(walk: Walk) -> None:
    """Ask for the same slot in storage twice, and remove it; nothing is uploaded."""
    key, path = _key(), "/v3/assets/direct-uploads"
    slot = await walk.ask("key", "POST", path, json=_DIRECT_UPLOAD, key=key)
    await walk.ask("key again", "POST", path, json=_DIRECT_UPLOAD, key=key)
    asset_id = slot.data.get("asset_id")
    if isinstance(asset_id, str) and _PLAIN_ID.fullmatch(asset_id):
        await walk.ask("pending", "GET", f"/v3/assets/{asset_id}")
        await walk.ask("remove", "DELETE", f"/v3/assets/{asset_id}")


async def make_one_session(walk: Walk) -> None:
    """
    Create a session, follow it, approve its storyboard, read its video.

    Raises:
        CapReached: More would be beyond the cap.
    """
    key = _key()
    created = await walk.ask("create", "POST", CREATE_PATH, json={"prompt": PROMPT, "mode": "chat"}, key=key)
    session_id = created.data.get("session_id")
    if not isinstance(session_id, str) or not _PLAIN_ID.fullmatch(session_id):
        return
    await walk.ask("create again", "POST", CREATE_PATH, json={"prompt": "", "mode": "chat"}, key=key)
    await _look_for(walk, session_id)
    read = await _converse(walk, session_id)
    await walk.ask("session's videos", "GET", f"/v3/video-agents/{session_id}/videos")
    await _read_resource(walk, session_id, read)
    video_id = read.data.get("video_id")
    if isinstance(video_id, str) and _PLAIN_ID.fullmatch(video_id):
        await _read_video(walk, video_id)


async def _look_for(walk: Walk, session_id: str) -> None:
    """See how soon the list shows a new session."""
    for attempt in range(_LISTINGS):
        listed = await walk.ask("new in list", "GET", CREATE_PATH)
        if any(row.get("session_id") == session_id for row in as_rows(listed.members.get("data"))):
            return
        await anyio.sleep(_FIRST_POLL * 2**attempt)


async def _converse(walk: Walk, session_id: str) -> RecordedExchange:
    """Follow a session to its end, answering at most two pauses; return the last read."""
    messages = 0
    for _ in range(_ANSWERS):
        read = await _follow(walk, session_id, messages)
        messages = len(as_rows(read.data.get("messages"))) + 1  # with the one that is sent now
        status = read.shown_status
        if status not in PAUSED or walk.left <= _KEPT_BACK:
            return read
        purpose, text = ("approve", APPROVAL) if status == "reviewing" else ("answer", ANSWER)
        key, path = _key(), f"{CREATE_PATH}/{session_id}"
        sent = await walk.ask(purpose, "POST", path, json={"message": text}, key=key)
        if not sent.is_ok:
            return read
        if purpose == "approve":
            await walk.ask("send again", "POST", path, json={"message": ""}, key=key)
    return await _follow(walk, session_id, messages)


async def _follow(walk: Walk, session_id: str, messages: int) -> RecordedExchange:
    """
    Poll until the session pauses or ends, or too few requests are left; return the last read.

    Args:
        walk: Who asks.
        session_id: The session.
        messages: How many are known; a pause without another one is the old pause, not yet over.
    """
    wait = _FIRST_POLL
    while True:
        await anyio.sleep(wait)
        read = await walk.ask("poll", "GET", f"{CREATE_PATH}/{session_id}")
        status, is_new = read.shown_status, len(as_rows(read.data.get("messages"))) > messages
        if status in FINAL or (status in PAUSED and is_new) or walk.left <= _KEPT_BACK:
            return read
        wait = min(wait * 2, _LONGEST_WAIT)


async def _read_video(walk: Walk, video_id: str) -> None:
    await walk.ask("statuses", "GET", "/v3/videos/statuses", params={"video_ids": video_id})
    video = await walk.ask("video", "GET", f"/v3/videos/{video_id}")
    if video.shown_status == "processing" and walk.left > 3:
        await anyio.sleep(_LONGEST_WAIT / 2)
        video = await walk.ask("video", "GET", f"/v3/videos/{video_id}")
    link = video.data.get("video_url")
    if isinstance(link, str) and link.startswith("http"):
        await walk.fetch("range", link, range="bytes=0-99")
        await walk.fetch("download", link)


def _first(rows: list[dict[str, object]], name: str) -> str | None:
    """Return the first id in a list that can stand in a path."""
    ids = [row.get(name) for row in rows]
    return next((one for one in ids if isinstance(one, str) and _PLAIN_ID.fullmatch(one)), None)


def _key() -> str:
    return f"probe-{uuid.uuid4()}"
