"""
Why a session failed, and what it asks: the best that its messages and its video tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..models import SessionData, SessionState, SessionStatus, VideoStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..models import Message, VideoInfo

NO_REASON = "The service gave no reason."


def failure(video: VideoInfo | None, messages: Sequence[Message]) -> tuple[str, str]:
    """
    Say why a session failed, as (reason, source), from what the service did tell.

    Both of the video's fields are often null (contract.md, 2); the agent's last words are better than nothing but
    are not a reason the service stands for. `messages` oldest first.
    """
    for told in () if video is None else (video.failure_message, video.failure_code):
        if told and told.strip():
            return told, "video"
    for message in reversed(messages):
        if message.type == "error" and message.content.strip():
            return message.content, "error_message"
    for message in reversed(messages):
        if message.role == "model" and message.content.strip():
            return message.content, "model_message"
    return NO_REASON, "sdk"


def question(state: SessionState | None) -> str | None:
    """Return the agent's newest words, what it asks at a pause; None when it said nothing."""
    for message in () if state is None else state.messages:
        if message.role == "model" and message.content.strip():
            return message.content
    return None


def by_video(session_id: str, known: SessionState | None, video: VideoInfo) -> SessionData:
    """Return what the session would say; `known` is what it said last."""
    status = SessionStatus.GENERATING
    if video.is_downloadable:
        status = SessionStatus.COMPLETED
    elif video.status == VideoStatus.FAILED:
        status = SessionStatus.FAILED
    return SessionData(
        session_id=session_id,
        status=status,
        created_at=known.created_at if known else video.created_at or 0,
        progress=100 if status == SessionStatus.COMPLETED else known.progress if known else 0,
        title=known.title if known else video.title,
        video_id=video.id,
        messages=known.messages if known else (),
    )


def describe(
    session_id: str,
    data: SessionData,
    video: VideoInfo | None,
    messages: Sequence[Message],
    *,
    video_id: str | None,
    previous: SessionStatus | None,
    elapsed: float,
    is_stale: bool,
) -> SessionState:
    """Return a session as this client knows it: as read, with what is known besides. `messages` oldest first."""
    reason, source = failure(video, messages) if data.status == SessionStatus.FAILED else (None, None)
    return SessionState(
        session_id=session_id,
        status=data.status,
        created_at=data.created_at,
        progress=data.progress,
        title=data.title,
        video_id=video_id,
        messages=data.messages,
        previous=previous,
        elapsed=elapsed,
        failure_reason=reason,
        failure_source=source,
        is_stale=is_stale,
    )
