from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import strategies
from heygen_async._polling.state import (
    MISSING_GRACE,
    NO_VIDEO,
    VIDEO_GRACE,
    Change,
    ReadTarget,
    SessionTracker,
)
from heygen_async.models import SessionData, SessionStatus, VideoInfo, VideoStatus
from polling.walk import ANSWER, HELLO, OURS, Walk, session, video

# ---- 404 ----------------------------------------------------------------------------------------------------------


def test_unknown_id_is_unknown_at_once(walk: Walk) -> None:
    """A session that was never there is not waited for."""
    assert Change.GONE == walk.track.record_missing(ReadTarget.SESSION, now=0)


def test_new_session_may_be_missing_for_a_while(walk: Walk) -> None:
    """A 404 right after create is tolerated for a short grace, which each answer renews."""
    walk.saw(0, "thinking")
    for start in (100, 200):
        for second in (0, 1, MISSING_GRACE - 1):
            assert Change.NOTHING == walk.missed(start + second)
            assert ReadTarget.SESSION is walk.track.next_read()
        assert Change.NOTHING == walk.saw(start + MISSING_GRACE - 1, "thinking")
    assert Change.NOTHING == walk.missed(300)

    assert Change.GONE == walk.missed(300 + MISSING_GRACE)


def test_vanished_session_may_have_a_video_nobody_told_of(walk: Walk) -> None:
    """When a session is 404 and its video's id was never told, the list of its videos says how it goes on."""
    walk.saw(0, "generating")
    walk.track.record_missing(ReadTarget.SESSION, now=1)
    walk.track.record_videos([video("processing", url=None)], asked=2, now=2)
    assert (ReadTarget.VIDEO, "generating", "v1") == (
        walk.track.next_read(),
        walk.status,
        walk.track.video_id,
    )

    walk.record_video(3, video())
    assert "completed" == walk.status


def test_empty_list_is_as_good_as_none(walk: Walk) -> None:
    """A missing session with an empty list of videos is missing, and gone after the time a video may take to show."""
    walk.saw(0, "thinking")
    for now, expected in [
        (10, Change.NOTHING),
        (9 + VIDEO_GRACE, Change.NOTHING),
        (10 + VIDEO_GRACE, Change.GONE),
    ]:
        walk.track.record_missing(ReadTarget.SESSION, now=now)

        assert expected == walk.track.record_videos([], asked=now, now=now)


def test_vanished_session_is_told_by_its_video(walk: Walk) -> None:
    """When a session is 404 behind its video, the video says how it goes on, to the end."""
    walk.saw(0, "generating", progress=40, video_id="v1", messages=[HELLO])
    assert Change.READ_AGAIN == walk.track.record_missing(ReadTarget.SESSION, now=1)
    assert ReadTarget.VIDEO is walk.track.next_read()

    walk.record_video(2, video("processing", url=None))
    assert ("generating", 40, (HELLO,)) == (walk.status, walk.state.progress, walk.state.messages)
    walk.record_video(3, video("completed", url=None))
    assert "generating" == walk.status
    walk.record_video(4, video())
    assert ("completed", "generating", 100) == (walk.status, walk.state.previous, walk.state.progress)
    assert walk.track.finished_video is not None


def test_vanished_session_may_fail(walk: Walk) -> None:
    """A failed video is the end of a session that cannot be read any more, with the video's reason."""
    walk.saw(0, "generating", video_id="v1")
    walk.track.record_missing(ReadTarget.SESSION, now=1)
    walk.record_video(2, video("failed", message="No voice."))

    assert ("failed", "No voice.", "video") == (
        walk.status,
        walk.state.failure_reason,
        walk.state.failure_source,
    )


def test_video_may_be_missing_for_a_while(walk: Walk) -> None:
    """When session and video are both 404, the grace counts, then nobody knows them."""
    walk.saw(0, "generating", video_id="v1")
    walk.track.record_missing(ReadTarget.SESSION, now=1)
    assert Change.NOTHING == walk.track.record_missing(ReadTarget.VIDEO, now=2)

    assert Change.GONE == walk.track.record_missing(ReadTarget.VIDEO, now=2 + MISSING_GRACE)


@pytest.mark.parametrize("behind", [False, True], ids=["read", "vanished"])
def test_message_does_not_hang_behind_a_vanished_session(walk: Walk, behind: bool) -> None:
    """Who speaks while the video renders still gets it when the session is 404 from then on."""
    walk.saw(0, "generating", video_id="v1")
    walk.sent(5)
    if behind:
        walk.saw(6, "reviewing", video_id="v1")
    walk.track.record_missing(ReadTarget.SESSION, now=7)
    walk.record_video(8, video())

    assert walk.track.finished_video is not None
    assert not walk.track.is_stale


# ---- completed means downloadable ---------------------------------------------------------------------------------


def test_completed_waits_for_its_video(walk: Walk) -> None:
    """A completed session is polled through its video until that can be downloaded."""
    walk.saw(0, "completed", video_id="v1")
    assert (ReadTarget.SESSION, ReadTarget.VIDEO) == (
        walk.track.next_read(),
        walk.track.next_read(for_video=True),
    )

    for now, told in [(1, video("processing", url=None)), (2, video("completed", url=None))]:
        assert Change.NOTHING == walk.record_video(now, told)
        assert walk.track.finished_video is None
        assert (SessionStatus.GENERATING, 0) == walk.track.phase(for_video=True)
        assert walk.track.video_failure(now) is None
    walk.record_video(3, video())
    assert video() == walk.track.finished_video
    assert SessionStatus.COMPLETED is walk.track.phase(for_video=True)[0]


def test_completed_without_a_video_id_asks_for_the_list(walk: Walk) -> None:
    """A completed session that names no video is asked for its videos; the newest is the one."""
    walk.saw(0, "completed")
    assert ReadTarget.VIDEOS is walk.track.next_read(for_video=True)
    assert Change.NOTHING == walk.track.record_videos([], asked=1, now=1)

    walk.track.record_videos([video(video_id="v2"), video()], asked=2, now=2)
    assert walk.track.finished_video is not None
    assert "v2" == walk.track.finished_video.id == walk.track.video_id


def test_completed_without_any_video_fails_in_the_end(walk: Walk) -> None:
    """After minutes without any video there will be none, and that is said."""
    walk.saw(0, "completed")

    assert walk.track.video_failure(VIDEO_GRACE - 1) is None
    assert (NO_VIDEO, "sdk") == walk.track.video_failure(VIDEO_GRACE)


def test_completed_with_a_failed_video_fails(walk: Walk) -> None:
    """A completed session with a failed video has failed, for the video's reason."""
    walk.saw(0, "completed", video_id="v1")
    walk.record_video(1, video("failed", message="No voice.", url=None))

    assert ("No voice.", "video") == walk.track.video_failure(2)


@pytest.mark.parametrize("status", ["thinking", "reviewing", "generating", "failed"])
def test_only_completed_sessions_lack_a_video(walk: Walk, status: str) -> None:
    """A session that has not completed is not blamed for having no video."""
    walk.saw(0, status)

    assert walk.track.video_failure(1e6) is None
    assert ReadTarget.SESSION is walk.track.next_read(for_video=True)


# ---- revisions ----------------------------------------------------------------------------------------------------


def test_revision_takes_the_old_video_away(completed: Walk) -> None:
    """As soon as a revision is sent, the finished video is no answer any more."""
    completed.sent(10)

    assert completed.track.finished_video is None
    assert Change.NOTHING == completed.saw(11, "completed", video_id="v1")
    assert completed.track.finished_video is None


@pytest.mark.parametrize("named", ["v1", "v2", None], ids=["still-the-old", "the-new", "none"])
def test_revision_ends_with_the_new_video(completed: Walk, named: str | None) -> None:
    """A revised session's video is the new one, whichever the session names and however late the list has it."""
    completed.sent(10)
    completed.saw(20, "thinking", video_id="v1")
    completed.saw(30, "completed", video_id=named)
    if named != "v2":
        assert ReadTarget.VIDEOS is completed.track.next_read(for_video=True)
        completed.track.record_videos([video()], asked=31, now=31)
        assert completed.track.finished_video is None
        assert ReadTarget.VIDEOS is completed.track.next_read(for_video=True)
        completed.track.record_videos(
            [video("processing", video_id="v2", url=None), video()], asked=32, now=32
        )
    assert ReadTarget.VIDEO is completed.track.next_read(for_video=True)
    completed.saw(33, "completed", video_id=named)
    assert ("v2", ReadTarget.VIDEO) == (completed.track.video_id, completed.track.next_read(for_video=True))
    completed.record_video(34, video(video_id="v2"))

    assert video(video_id="v2") == completed.track.finished_video


def test_revision_without_a_new_video_keeps_the_old_in_the_end(completed: Walk) -> None:
    """When minutes bring no other video, the newest video is the one there is."""
    completed.sent(10)
    completed.saw(20, "thinking", video_id="v1")
    completed.saw(30, "completed", video_id="v1")
    completed.track.record_videos([video()], asked=30 + VIDEO_GRACE, now=30 + VIDEO_GRACE)

    assert video() == completed.track.finished_video


def test_revision_may_pause_again(completed: Walk) -> None:
    """A revision goes through review like a first version, and the approval still waits for the new video."""
    completed.sent(10)
    completed.saw(20, "reviewing", video_id="v1", messages=[HELLO, OURS, ANSWER])
    assert "reviewing" == completed.status
    completed.sent(30)
    completed.saw(40, "generating", video_id="v1")
    assert not completed.track.is_rendering
    completed.saw(50, "completed", video_id="v1")

    assert ReadTarget.VIDEOS is completed.track.next_read(for_video=True)


def test_vanished_session_is_not_told_by_the_video_before(completed: Walk) -> None:
    """A 404 after a revision is a 404 of a session without a video: the old one says nothing about the new run."""
    completed.sent(10)
    assert Change.READ_AGAIN == completed.track.record_missing(ReadTarget.SESSION, now=11)
    assert Change.NOTHING == completed.track.record_videos([video()], asked=11, now=11)
    assert ReadTarget.SESSION is completed.track.next_read(for_video=True)

    assert Change.TRANSITION in completed.saw(12, "reviewing", video_id="v1", messages=[HELLO, OURS, ANSWER])


def test_video_of_another_run_is_not_the_finished_one(completed: Walk) -> None:
    """When somebody else revised the session, the video known from before is not taken for the new one."""
    completed.saw(10, "generating", video_id="v2")
    completed.saw(20, "completed", video_id="v2")

    assert completed.track.finished_video is None
    assert ReadTarget.VIDEO is completed.track.next_read(for_video=True)


def test_unanswered_revision_does_not_wait_for_ever(walk: Walk) -> None:
    """A completed session without a video that ignores a message counts as stalled in the end."""
    walk.saw(0, "completed")
    walk.sent(10, settle=30)
    walk.saw(50, "completed")

    assert walk.track.video_failure(50 + VIDEO_GRACE) is None
    assert (None, 10) == (walk.track.stalled_since(609), walk.track.stalled_since(610))


def test_rendering_is_watched_by_its_video(walk: Walk) -> None:
    """Only a believed, generating session with a video of its own can be polled through the video's status."""
    for status, video_id, expected in [
        ("thinking", None, False), ("generating", None, False), ("generating", "v1", True), ("reviewing", "v1", False),
    ]:  # fmt: skip
        walk.saw(0, status, video_id=video_id)
        assert expected == walk.track.is_rendering
    walk.saw(1, "generating", video_id="v1")
    walk.sent(2)
    assert not walk.track.is_rendering


# ---- anything at all ----------------------------------------------------------------------------------------------

Event = SessionData | VideoInfo | tuple[VideoInfo, ...] | ReadTarget | str
EVENTS: st.SearchStrategy[Event] = st.one_of(
    strategies.sessions,
    strategies.videos,
    st.lists(strategies.videos, max_size=2).map(tuple),
    st.sampled_from([*ReadTarget]),
    st.sampled_from(["sent", "same", "no reason"]),
)


def happens(track: SessionTracker, event: Event, now: float, late: float) -> Change:
    """Let one thing happen to a session; an answer may be late."""
    match event:
        case SessionData():
            return track.record_session(event, asked=now - late, now=now)
        case VideoInfo():
            return track.record_video(event, asked=now - late, now=now)
        case ReadTarget():
            return track.record_missing(event, now=now)
        case "sent":
            track.record_send(OURS.content, since=now, settle=5.0, cursor=track.conversation.cursor)
        case "same":
            track.record_unchanged(now)
        case tuple():
            return track.record_videos(event, asked=now - late, now=now)
        case _:
            return track.record_no_reason(now=now)
    return Change.NOTHING


@given(
    st.lists(st.tuples(EVENTS, st.floats(0, 60), st.sampled_from([0.0, 0.0, 20.0])), max_size=25),
    st.booleans(),
)
def test_no_order_of_events_breaks_a_session(
    events: list[tuple[Event, float, float]], for_video: bool
) -> None:
    """Whatever is read, said and missed in whatever order: no crash, and what is known stays consistent."""
    track, now = SessionTracker(strategies.SESSION_ID), 0.0
    for event, pause, late in events:
        now += pause
        before = track.state
        change = happens(track, event, now, late)
        assert_consistent(track, now)

        assert (track.next_read(for_video=for_video) is not ReadTarget.VIDEO) or track.video_id is not None
        assert Change.TRANSITION not in change or track.state is not None
        if before is not None and track.state is not None and before.status != track.state.status:
            assert Change.TRANSITION in change
            assert before.status == track.state.previous


def assert_consistent(track: SessionTracker, now: float) -> None:
    """Assert what holds of a session at any time."""
    state, told = track.state, track.finished_video
    assert now >= track.moved_at
    assert now >= track.phase()[1]
    if told is not None:
        assert (True, True, False) == (told.is_downloadable, track.is_completed, track.is_stale)
        assert told.id == track.video_id
    if state is not None:
        assert 0 <= state.elapsed <= now
        assert (state.status == SessionStatus.FAILED) == bool(
            state.failure_reason and state.failure_reason.strip()
        )
        assert state.previous != state.status or state.previous is None


@given(st.lists(st.tuples(strategies.sessions, strategies.videos, st.floats(0, 60)), min_size=1, max_size=10))
def test_every_session_can_still_end(steps: list[tuple[SessionData, VideoInfo, float]]) -> None:
    """Whatever a session went through, and however often it was revised, its next run's video ends the wait."""
    track, now = SessionTracker(strategies.SESSION_ID), 0.0
    for told, its_video, pause in steps:
        now += pause
        if track.next_read() is ReadTarget.VIDEO:
            track.record_video(its_video, asked=now, now=now)
        else:
            track.record_session(told, asked=now, now=now)
        track.record_send(OURS.content, since=now, settle=30.0, cursor=track.conversation.cursor)
    track.record_session(session("thinking"), asked=now + 1, now=now + 1)
    track.record_session(session("completed", video_id="v9"), asked=now + 2, now=now + 2)
    assert ReadTarget.VIDEO is track.next_read(for_video=True)
    track.record_video(video(video_id="v9"), asked=now + 3, now=now + 3)

    assert track.finished_video == VideoInfo(
        id="v9", status=VideoStatus.COMPLETED, video_url="https://f.test/v.mp4"
    )
