"""
A session told by its video, when it cannot be read itself any more (contract.md, 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .models import SessionData, SessionStatus, VideoStatus

if TYPE_CHECKING:
    from .models import SessionState, VideoInfo


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
