"""
What a session's answers mean over time: the one place that compares statuses.

A `SessionTracker` records what was read and what was sent (`record_*`), and answers two questions: what to read next
(`next_read`) and what is known (`state`). It never waits and never reads a clock; moments come in as seconds.

The arrows between statuses are only inferred (contract.md), so none is enforced: whatever is read is believed,
except what was true before the caller spoke (`StaleGuard`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, Flag, auto

from msgspec import structs

from ..models import SessionData, SessionState, SessionStatus, VideoInfo, VideoStatus
from .messages import Conversation, failure
from .staleness import STALE, SentText, StaleGuard, Staleness, text_mark

STOP = frozenset({SessionStatus.REVIEWING, SessionStatus.COMPLETED, SessionStatus.FAILED})
SETTLED = frozenset({SessionStatus.REVIEWING, SessionStatus.WAITING_FOR_INPUT, SessionStatus.COMPLETED})
APPROVED = frozenset({SessionStatus.GENERATING, SessionStatus.COMPLETED})  # what an approval brings about
TERMINAL = frozenset({SessionStatus.COMPLETED, SessionStatus.FAILED})

NO_VIDEO = "The session completed without a video."
MISSING_GRACE = 30.0  # seconds a session or video that should exist may be 404
VIDEO_GRACE = 300.0  # seconds a completed session may be without any video
FRESH = 5.0  # seconds a state counts as the newest without a read
_HISTORY = 16


class ReadTarget(Enum):
    """What to read next."""

    SESSION = auto()
    VIDEO = auto()
    VIDEOS = auto()


class Change(Flag):
    """What an answer changed."""

    NOTHING = 0
    TRANSITION = auto()
    PROGRESS = auto()
    MESSAGES = auto()
    READ_AGAIN = auto()  # the answer is not complete without another read, now
    GONE = auto()  # the service does not know it, and the grace is over


_CHANGES = [Change(bits) for bits in range(8)]  # of the first three; putting one together costs many calls


@dataclass(slots=True, eq=False, repr=False, weakref_slot=True)
class SessionTracker:
    """
    All that is known of one session.

    Attributes:
        state: The newest state believed; None before the first read.
        video: The newest video read; None before.
        video_id: The newest video's id, once there is one.
        history: When in this status its progress changed, and to what.
        polls: How often it was read in this status.
        since: When it entered this status, as seen from here.
        revision: How often it was seen to enter a status; a clock may be too coarse to tell two of them apart.
        moved_at: When status, progress or messages last changed.
        read_at: When it was last read; None when what is known is from elsewhere.
        is_sending: Whether a message of ours is under way.
        on_transition: Called with each state that is a transition.
        has_read_messages: Whether the conversation has been read since the last message of ours.
        guard: What not to believe yet; None when nothing is in doubt.
        revised: The video of the run before the last message, which a new one is to follow.
        traceparent: The span that began it, for what traces it on, also elsewhere; None when nothing traces.
        digest: The hash of the answer that `state` was read from; 0 where it is not from one answer alone.
    """

    session_id: str
    mode: str | None = None
    video_id: str | None = None
    video: VideoInfo | None = None
    state: SessionState | None = None
    conversation: Conversation = field(default_factory=Conversation)
    history: tuple[tuple[float, int], ...] = ()
    polls: int = 0
    since: float = 0.0
    revision: int = 0
    moved_at: float = 0.0
    read_at: float | None = None
    is_sending: bool = False
    on_transition: Callable[[SessionState], None] | None = None
    has_read_messages: bool = False
    guard: StaleGuard | None = None
    revised: str | None = None
    traceparent: str | None = None
    digest: int = 0
    _failed: SessionData | None = None  # until its video has said why
    # What says how it goes on: where it is 404, its video or its videos.
    _authority: ReadTarget = ReadTarget.SESSION
    _missing_since: float | None = None
    _completed_at: float | None = None

    # -- questions --

    def next_read(self, *, for_video: bool = False) -> ReadTarget:
        """Say what to read next; `for_video` when a completed session is not enough."""
        if self._failed is not None:
            return ReadTarget.VIDEO
        is_enough = not (for_video and self.is_completed) or self.is_stale
        if self._authority is not ReadTarget.SESSION or is_enough:
            return self._authority
        return ReadTarget.VIDEOS if self.video_id in (None, self.revised) else ReadTarget.VIDEO

    @property
    def is_stale(self) -> bool:
        """Whether the newest read showed the state from before a send."""
        return self.guard is not None and self.guard.is_blocking

    def stalled_since(self, now: float) -> float | None:
        """Return since when the service has shown a pause that was answered, if that is too long; else None."""
        guard = self.guard
        if guard is None or guard.since is None or not guard.is_blocking or now - guard.since < guard.stale:
            return None
        return guard.since

    def phase(self, *, for_video: bool = False) -> tuple[SessionStatus, float]:
        """Return what the session is most likely doing, and since when; for the schedule, not for the user."""
        if self.guard is not None and self.guard.is_blocking:
            return SessionStatus.THINKING, self.since if self.guard.since is None else self.guard.since
        if self.state is None:
            return SessionStatus.THINKING, self.since
        if for_video and self.is_completed and self.finished_video is None:
            return SessionStatus.GENERATING, self.since
        return self.state.status, self.since

    @property
    def is_completed(self) -> bool:
        """Whether the newest run has ended well."""
        return self.state is not None and self.state.status == SessionStatus.COMPLETED

    def is_fresh(self, now: float) -> bool:
        """Whether the state may be handed out as the newest without a read."""
        is_believed = self.state is not None and not self.is_stale
        return is_believed and self.read_at is not None and now - self.read_at <= FRESH

    @property
    def is_rendering(self) -> bool:
        """Whether the video's status alone tells whether anything has changed."""
        return (
            self.state is not None
            and self.state.status == SessionStatus.GENERATING
            and self.video_id not in (None, self.revised)
            and self._failed is None
            and (self.guard is None or not self.guard.is_blocking)
        )

    @property
    def finished_video(self) -> VideoInfo | None:
        """The newest run's video, once it can be downloaded."""
        if self.video is not None and self.is_completed and not self.is_stale and self.video.is_downloadable:
            return self.video
        return None

    def video_failure(self, now: float) -> tuple[str, str] | None:
        """Say why a completed session will have no video, as (reason, source); None while it may."""
        if not self.is_completed or self.is_stale:
            return None
        if self.video is not None and self.video.status == VideoStatus.FAILED:
            return failure(self.video, self.conversation.messages)
        return (NO_VIDEO, "sdk") if self.video is None and self._has_waited(now) else None

    # -- what happened --

    def record_send(
        self,
        text: str,
        *,
        since: float,
        settle: float,
        cursor: int | None,
        stale: float = STALE,
        sent_at: int | None = None,
    ) -> None:
        """
        Record a message of ours, known to be there at `since`: the state from before is stale until shown otherwise.

        `cursor` is the conversation's from before the message was sent, None when it had not been read; `sent_at` is
        the service's time before which the message cannot have been made.
        """
        status = None if self.state is None else self.state.status
        before = None if cursor is None else frozenset(self.conversation.fingerprints(cursor))
        sent = SentText(text_mark(text), text)
        self.begin_run(StaleGuard(since, settle, stale, sent, before, status, sent_at), since)

    def begin_run(self, guard: StaleGuard, since: float) -> None:
        """Record a message, of this process or of another one, by what is not to be believed after it."""
        self.guard = guard
        self.has_read_messages = False
        self.revised = self.video_id if guard.status in (None, SessionStatus.COMPLETED) else self.revised
        self.video = self._failed = self._completed_at = self._missing_since = None
        self._authority = ReadTarget.SESSION
        self.moved_at = since

    def doubt(self, *, since: float, settle: float, stale: float = STALE) -> None:
        """Record that the session may not be in the pause it shows: it refused a message, or has been answered."""
        if self.state is not None and self.state.is_paused and self.guard is None:
            before = self.conversation.before_answer()
            self.guard = StaleGuard(since, settle, stale, None, before, self.state.status)

    def record_session(self, data: SessionData, *, asked: float, now: float, digest: int = 0) -> Change:
        """Record a session as read; `asked` is when the read began, `digest` the hash of the bytes."""
        guard, known = self.guard, () if self.state is None else self.state.messages
        if guard is not None and self._is_too_early(asked):
            return Change.NOTHING
        self._missing_since = None
        self._authority = ReadTarget.SESSION
        self.polls += 1
        if data.messages is not known and data.messages == known:
            data = structs.replace(data, messages=known)  # compared once, and kept once
        is_known = data.messages is self.conversation.window or self.conversation.add(data.messages)
        if not is_known and not self._is_newer_all_the_same(data, guard):
            return Change.NOTHING
        self.has_read_messages = self.has_read_messages or bool(data.messages)  # a create's answer has none
        if guard is not None and self._is_old(data, guard, now):
            return self._show_stale(data, guard, now)
        self.read_at = now
        # A new one; it may name the revised one for a while.
        if data.video_id != self.video_id and self._has_new_video(data):
            self.video_id, self.video = data.video_id, None
        was_failed = self.state is not None and self.state.status == SessionStatus.FAILED
        if data.status == SessionStatus.FAILED and self.video_id is not None and not was_failed:
            self._failed = data  # the video knows the reason best
            return Change.READ_AGAIN
        change = self._publish(data, now)
        if guard is not None and (data.status.is_paused or data.status.is_terminal):
            # It was at work in between, if too shortly to be seen: this is another pause, or end.
            self.revision += Change.TRANSITION not in change
        self.digest = digest
        return change

    def _is_old(self, data: SessionData, guard: StaleGuard, now: float) -> bool:
        verdict = guard.judge(data, self.conversation, now, has_new_video=self._has_new_video(data))
        guard.is_blocking = verdict is Staleness.OLD
        self.guard = None if verdict is Staleness.NEW else guard
        return guard.is_blocking

    def _is_newer_all_the_same(self, data: SessionData, guard: StaleGuard | None) -> bool:
        """
        Whether a session that lacks messages shown before is newer: it has another video, or shows no messages.

        A failed session may show nothing but its status (contract.md, 8).
        """
        if self._has_new_video(data):
            return True
        if data.messages or data.status.is_paused:
            return False
        known = guard if guard is not None and guard.is_blocking else self.state
        if data.status.is_terminal:
            return known is None or data.status != known.status
        return guard is not None or self.state is None or not (self.state.is_paused or self.state.is_terminal)

    def _has_new_video(self, data: SessionData) -> bool:
        return data.video_id is not None and data.video_id not in (self.revised, self.video_id)

    def _show_stale(self, data: SessionData, guard: StaleGuard, now: float) -> Change:
        """Keep the state from before to ourselves; once it has stood for long, show it, marked as stale."""
        if guard.since is None or now - guard.since < guard.settle:
            return Change.NOTHING
        change = self._publish(data, now, is_stale=True)
        if not guard.is_shown:
            guard.is_shown = True
            self.revision += Change.TRANSITION not in change
        return change

    def record_unchanged(self, now: float) -> None:
        """Take it that a read brought the state that is known, or one of the video alone no end."""
        self.read_at = now
        self.polls += 1
        self._missing_since = None

    def record_video(self, video: VideoInfo, *, asked: float, now: float) -> Change:
        """Take a video as read."""
        if self._is_too_early(asked):
            return Change.NOTHING
        self._missing_since = None
        self.video = video
        self.video_id = video.id
        if self._failed is not None:
            return self.record_no_reason(now=now)
        if self._authority is not ReadTarget.VIDEO:
            return Change.NOTHING
        self.read_at = now
        self.guard = None  # the video is the authority, and it was asked after the send
        return self._publish(_session_of(video, self.session_id, self.state), now)

    def record_videos(self, videos: Sequence[VideoInfo], *, asked: float, now: float) -> Change:
        """Take a session's videos as read, newest first."""
        is_missing = self._authority is ReadTarget.VIDEOS
        if is_missing and (not videos or videos[0].id == self.revised):
            return self.record_missing(ReadTarget.VIDEOS, now=now, grace=VIDEO_GRACE)
        if not videos:
            return Change.NOTHING
        self._authority = ReadTarget.VIDEO if is_missing else self._authority
        if videos[0].id == self.revised:
            if not self._has_waited(now):
                return Change.NOTHING  # the new run's video is not listed yet
            self.revised = None
        return self.record_video(videos[0], asked=asked, now=now)

    def record_missing(self, target: ReadTarget, *, now: float, grace: float = MISSING_GRACE) -> Change:
        """Take a 404: some are for a while, and a session may vanish once its video exists (contract.md, 1)."""
        if self._failed is not None:
            return self.record_no_reason(now=now)
        if target is ReadTarget.SESSION and self.video_id not in (None, self.revised):
            self._authority = ReadTarget.VIDEO
            return Change.READ_AGAIN
        if self.state is None:
            return Change.GONE
        if target is ReadTarget.SESSION:
            self._authority = ReadTarget.VIDEOS
            return Change.READ_AGAIN  # its video may be there, although its id was never told
        if self._authority is ReadTarget.VIDEOS:
            self._authority = ReadTarget.SESSION
        self._missing_since = now if self._missing_since is None else self._missing_since
        return Change.GONE if now - self._missing_since >= grace else Change.NOTHING

    def record_no_reason(self, *, now: float) -> Change:
        """Take it that the video of a failed session has told what it can; what it has not comes from elsewhere."""
        data, self._failed = self._failed, None
        return self._publish(data, now) if data is not None else Change.NOTHING

    # -- the work --

    def _is_too_early(self, asked: float) -> bool:
        """Whether a question is from before the send and so cannot tell what came of it."""
        guard = self.guard
        if guard is not None and guard.since is None:
            guard.since = asked
        return guard is not None and guard.since is not None and asked < guard.since

    def _has_waited(self, now: float) -> bool:
        """Whether a completed session has had its time to show the video."""
        return self._completed_at is not None and now - self._completed_at >= VIDEO_GRACE

    def _publish(self, data: SessionData, now: float, *, is_stale: bool = False) -> Change:
        before = self.state
        if before is not None and not self.history:
            self._enter(before, now)  # restored: its time in this status counts from here
        previous, elapsed = (None, 0.0) if before is None else (before.previous, before.elapsed)
        has_entered = before is None or before.status != data.status
        has_progress = before is not None and before.progress != data.progress
        has_messages = before is None or before.messages is not data.messages
        if has_progress:
            self.history = (*self.history[-_HISTORY:], (now - self.since, data.progress))
        if has_entered:
            previous, elapsed = (None, 0.0) if before is None else (before.status, now - self.since)
            self._enter(data, now)
        if has_entered or has_progress or has_messages:
            self.moved_at = now
        if self._completed_at is None and data.status == SessionStatus.COMPLETED:
            self._completed_at = now
        is_failed = data.status == SessionStatus.FAILED
        reason, source = failure(self.video, self.conversation.messages) if is_failed else (None, None)
        self.state = SessionState(
            session_id=self.session_id,
            status=data.status,
            created_at=data.created_at,
            progress=data.progress,
            title=data.title,
            video_id=self.video_id,
            messages=data.messages,
            previous=previous,
            elapsed=elapsed,
            failure_reason=reason,
            failure_source=source,
            is_stale=is_stale,
        )
        self.digest = 0
        if has_entered and self.on_transition is not None:
            self.on_transition(self.state)
        return _CHANGES[has_entered + 2 * has_progress + 4 * has_messages]

    def _enter(self, data: SessionData, now: float) -> None:
        self.revision += 1
        self.since = self.moved_at = now
        self.polls = 0
        self.history = ((0.0, data.progress),)
        self._completed_at = None


def _session_of(video: VideoInfo, session_id: str, known: SessionState | None) -> SessionData:
    """Return what a session that vanished behind its video would say; `known` is what it said last."""
    status = SessionStatus.GENERATING
    if video.is_downloadable:
        status = SessionStatus.COMPLETED
    elif video.status == VideoStatus.FAILED:
        status = SessionStatus.FAILED
    created_at, title = video.created_at or 0, video.title
    data = known or SessionData(session_id=session_id, status=status, created_at=created_at, title=title)
    progress = 100 if status == SessionStatus.COMPLETED else data.progress
    return structs.replace(data, status=status, progress=progress, video_id=video.id)
