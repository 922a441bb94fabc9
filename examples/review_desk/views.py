"""What a browser is told: plain values; text stays text until the page shows it as text."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from heygen_async import Message, SessionStatus

from .room import Room
from .store import Record
from .troubles import Trouble

LABELS: Final = {
    SessionStatus.THINKING: "Thinking",
    SessionStatus.WAITING_FOR_INPUT: "Has a question",
    SessionStatus.REVIEWING: "Ready for review",
    SessionStatus.GENERATING: "Rendering",
    SessionStatus.COMPLETED: "Completed",
    SessionStatus.FAILED: "Failed",
}

# What the list can be narrowed to, besides all that is in it.
SHOWN: Final = {
    "waiting": "Waiting for us",
    "working": "In progress",
    "done": "Completed",
    "ended": "Stopped or failed",
    "archive": "Archive",
}


class Row(Struct, frozen=True, kw_only=True):
    """
    A session in the list.

    Attributes:
        title: What its maker called it, or the prompt; never what the service makes of it.
        service_title: What the service calls it, where that is something else.
        status: The service's word, or `stopped` for what was stopped here.
        seconds: How long it has been in its status, as of now.
        seconds_left: How long it is likely to stay in it, as of now.
        thumbnail: Where a small picture of it is, on this desk.
    """

    id: str
    url: str
    title: str
    service_title: str | None
    status: str
    label: str
    progress: int
    seconds: float
    seconds_left: float | None
    created: float
    thumbnail: str | None


class Said(Struct, frozen=True, kw_only=True):
    """A message; `pictures` are addresses of this desk."""

    role: str
    text: str
    is_error: bool
    pictures: tuple[str, ...]


class Page(Struct, frozen=True, kw_only=True):
    """A session on its own page."""

    row: Row
    messages: list[Said]
    failure: str | None
    trouble: Trouble | None
    video: str | None
    approved_by: str | None
    approved: float | None
    can_send: bool
    can_approve: bool
    can_stop: bool
    can_delete: bool
    is_archived: bool


class Rows(Struct, frozen=True, kw_only=True):
    """The list: `ids`, the oldest first, when it is another than before, and the rows that changed."""

    ids: list[str] | None
    rows: list[Row]


def url_of(session_id: str) -> str:
    """Return where a session's page is."""
    return f"/sessions/{quote(session_id, safe='')}"


def row(room: Room) -> Row:
    """Return a session as the list shows it."""
    state, record = room.session.state, room.record
    status, label = status_of(room)
    title = record.name or record.prompt[:80] or "Untitled session"
    return Row(
        id=record.id,
        url=url_of(record.id),
        title=title,
        service_title=_service_title(record),
        status=status,
        label=label,
        progress=0 if state is None else state.progress,
        seconds=max(0.0, time.time() - record.since),
        seconds_left=room.seconds_left,
        created=record.created,
        thumbnail=_thumbnail(room),
    )


def page(room: Room) -> Page:
    """Return a session as its page shows it."""
    state, status = room.session.state, _service_status(room)
    is_settled = status.is_paused or status.is_terminal
    return Page(
        row=row(room),
        messages=[_said(room, message) for message in room.messages],
        failure=None if state is None else state.failure_reason,
        trouble=room.trouble,
        video=f"{url_of(room.record.id)}/video/{room.session.video_id}" if room.has_video else None,
        approved_by=room.record.approved_by,
        approved=room.record.approved,
        can_send=is_settled and status != SessionStatus.FAILED,
        can_approve=status == SessionStatus.REVIEWING,
        can_stop=not status.is_terminal and not room.record.stopped,
        can_delete=is_settled or room.trouble is not None,
        is_archived=room.record.place == "archive",
    )


def is_wanted(room: Room, words: str, shown: str) -> bool:
    """Return whether a session is in the list that somebody narrowed to `shown`, a word of `SHOWN`, and to words."""
    record = room.record
    text = f"{record.name} {record.prompt} {record.title or ''} {record.approved_by or ''}".casefold()
    if (record.place == "archive") != (shown == "archive") or not all(
        word in text for word in words.casefold().split()
    ):
        return False
    status = _service_status(room)
    match shown:
        case "waiting":
            return status.is_paused
        case "working":
            return not status.is_paused and not status.is_terminal
        case "done":
            return status == SessionStatus.COMPLETED
        case "ended":
            return status == SessionStatus.FAILED
        case _:
            return True


def status_of(room: Room) -> tuple[str, str]:
    """Return a status, and the words for it: what was stopped here has not failed."""
    status = _service_status(room)
    if room.record.stopped and status == SessionStatus.FAILED:
        return "stopped", "Stopped"
    if room.record.stopped and not status.is_terminal:
        return status.value, "Stopping"
    return status.value, LABELS.get(status, status.value.replace("_", " ").capitalize())


def _service_status(room: Room) -> SessionStatus:
    # Between an answer and the first look after it the service's old state would offer to answer again.
    state = room.session.state
    return SessionStatus.THINKING if state is None or room.is_answered else state.status


def _service_title(record: Record) -> str | None:
    # Mostly the first words of the prompt, which is there anyway.
    title = record.title or ""
    return None if title in record.prompt or title == record.name else title


def _thumbnail(room: Room) -> str | None:
    if room.session.video_id is not None and _service_status(room) == SessionStatus.COMPLETED:
        return f"{url_of(room.record.id)}/video/{room.session.video_id}/thumbnail"
    pictures = [
        name for message in room.messages if message.role != "user" for name in message.resource_ids or ()
    ]
    return f"{_picture(room, pictures[-1])}?small=1" if pictures else None


def _said(room: Room, message: Message) -> Said:
    pictures = tuple(_picture(room, name) for name in message.resource_ids or ())
    return Said(role=message.role, text=message.content, is_error=message.type == "error", pictures=pictures)


def _picture(room: Room, resource_id: str) -> str:
    return f"{url_of(room.record.id)}/pictures/{quote(resource_id, safe='')}"


def encode(value: Struct) -> bytes:
    """Return JSON on one line."""
    return msgspec.json.encode(value)
