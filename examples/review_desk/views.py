"""What a browser is told: plain values; text stays text until the page shows it as text."""

from __future__ import annotations

import time
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from heygen_async import Message, SessionStatus

from .room import Room
from .troubles import Trouble

LABELS: Final = {
    SessionStatus.THINKING: "Thinking",
    SessionStatus.WAITING_FOR_INPUT: "Has a question",
    SessionStatus.REVIEWING: "Ready for review",
    SessionStatus.GENERATING: "Rendering",
    SessionStatus.COMPLETED: "Completed",
    SessionStatus.FAILED: "Failed",
}


class Row(Struct, frozen=True, kw_only=True):
    """
    A session in the list.

    Attributes:
        seconds: How long it has been in its status, as of now.
    """

    id: str
    url: str
    title: str
    status: str
    label: str
    progress: int
    seconds: float
    created: float


class Said(Struct, frozen=True, kw_only=True):
    """A message; `pictures` are addresses of this desk."""

    role: str
    text: str
    is_error: bool
    pictures: tuple[str, ...]


class Page(Struct, frozen=True, kw_only=True):
    """A session on its own page."""

    row: Row
    prompt: str
    messages: list[Said]
    failure: str | None
    trouble: Trouble | None
    video: str | None
    can_send: bool
    can_approve: bool
    can_stop: bool


class Rows(Struct, frozen=True, kw_only=True):
    """The list; `is_whole` at the beginning of a stream, then only what changed."""

    is_whole: bool
    rows: list[Row]


def url_of(session_id: str) -> str:
    """Return where a session's page is."""
    return f"/sessions/{quote(session_id, safe='')}"


def row(room: Room) -> Row:
    """Return a session as the list shows it."""
    state, record, status = room.session.state, room.record, _status(room)
    return Row(
        id=record.id,
        url=url_of(record.id),
        title=record.title or record.prompt[:80] or "Untitled session",
        status=status.value,
        label=LABELS.get(status, status.value.replace("_", " ").capitalize()),
        progress=0 if state is None else state.progress,
        seconds=max(0.0, time.time() - record.since),
        created=record.created,
    )


def page(room: Room) -> Page:
    """Return a session as its page shows it."""
    state, status = room.session.state, _status(room)
    is_settled = status.is_paused or status.is_terminal
    return Page(
        row=row(room),
        prompt=room.record.prompt,
        messages=[_said(room, message) for message in room.messages],
        failure=None if state is None else state.failure_reason,
        trouble=room.trouble,
        video=f"{url_of(room.record.id)}/video/{room.session.video_id}" if room.has_video else None,
        can_send=is_settled and status != SessionStatus.FAILED,
        can_approve=status == SessionStatus.REVIEWING,
        can_stop=not status.is_terminal,
    )


def _status(room: Room) -> SessionStatus:
    # Between an answer and the first look after it the service's old state would offer to answer again.
    state = room.session.state
    return SessionStatus.THINKING if state is None or room.is_answered else state.status


def _said(room: Room, message: Message) -> Said:
    pictures = (
        f"{url_of(room.record.id)}/pictures/{quote(name, safe='')}" for name in message.resource_ids or ()
    )
    return Said(
        role=message.role, text=message.content, is_error=message.type == "error", pictures=tuple(pictures)
    )


def encode(value: Struct) -> bytes:
    """Return JSON on one line."""
    return msgspec.json.encode(value)
