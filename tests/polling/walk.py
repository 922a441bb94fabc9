"""A session as a `SessionTracker` sees it, read at given seconds: what the tests of the lifecycle share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heygen_async._polling.state import Change, ReadTarget, SessionTracker
from heygen_async.models import Message, SessionData, SessionState, SessionStatus, VideoInfo, VideoStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

HELLO = Message(role="model", content="Here is a storyboard.", created_at=1)
OURS = Message(role="user", content="Warmer, please", created_at=2)
ANSWER = Message(role="model", content="Working on it.", created_at=3)
MOVES = Change.TRANSITION | Change.MESSAGES


def session(
    status: str, *, progress: int = 0, video_id: str | None = None, messages: Sequence[Message] = ()
) -> SessionData:
    """A session as read; messages oldest first."""
    return SessionData(
        session_id="s",
        status=SessionStatus(status),
        created_at=1,
        progress=progress,
        video_id=video_id,
        messages=tuple(reversed(messages)),
    )


def video(
    status: str = "completed",
    *,
    video_id: str = "v1",
    url: str | None = "https://f.test/v.mp4",
    **fields: str | None,
) -> VideoInfo:
    """A video as read."""
    return VideoInfo(
        id=video_id,
        status=VideoStatus(status),
        video_url=url,
        failure_code=fields.get("code"),
        failure_message=fields.get("message"),
    )


class Walk:
    """A session read at given seconds, each read asked and answered in the same moment."""

    def __init__(self, track: SessionTracker | None = None) -> None:
        self.track = track or SessionTracker("s", "chat")

    def saw(self, now: float, status: str, **fields: object) -> Change:
        """Read the session."""
        return self.track.record_session(session(status, **fields), asked=now, now=now)  # type: ignore[arg-type]

    def record_video(self, now: float, told: VideoInfo) -> Change:
        """Read its video."""
        return self.track.record_video(told, asked=now, now=now)

    def missed(self, now: float) -> Change:
        """Find neither the session nor, since its video's id was never told, a list of its videos."""
        assert Change.READ_AGAIN == self.track.record_missing(ReadTarget.SESSION, now=now)
        assert ReadTarget.VIDEOS is self.track.next_read()
        return self.track.record_missing(ReadTarget.VIDEOS, now=now)

    def sent(self, now: float, settle: float = 30.0) -> None:
        """Say something."""
        self.track.record_send(OURS.content, since=now, settle=settle, cursor=self.track.conversation.cursor)

    @property
    def state(self) -> SessionState:
        """The newest state."""
        assert self.track.state is not None
        return self.track.state

    @property
    def status(self) -> str:
        """The newest status."""
        return str(self.state.status)
