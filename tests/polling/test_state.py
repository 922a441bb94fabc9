from __future__ import annotations

import pytest
from msgspec import structs

from heygen_async._polling.messages import NO_REASON, failure, last_words
from heygen_async._polling.state import FRESH, SETTLED, STOP, Change, ReadTarget
from heygen_async.models import Message, SessionData, SessionStatus, VideoInfo
from polling.walk import ANSWER, HELLO, OURS, Walk, session, video

MOVES = Change.TRANSITION | Change.MESSAGES

# ---- transitions --------------------------------------------------------------------------------------------------

STORY = [
    # second, status, progress, change, previous, elapsed
    (0, "thinking", 0, MOVES, None, 0),
    (5, "thinking", 0, Change.NOTHING, None, 0),
    (8, "thinking", 10, Change.PROGRESS, None, 0),
    (10, "reviewing", 10, Change.TRANSITION, "thinking", 10),
    (70, "thinking", 10, Change.TRANSITION, "reviewing", 60),
    (75, "waiting_for_input", 10, Change.TRANSITION, "thinking", 5),
    (80, "a_word_of_tomorrow", 10, Change.TRANSITION, "waiting_for_input", 5),
    (90, "generating", 20, Change.TRANSITION | Change.PROGRESS, "a_word_of_tomorrow", 10),
    (100, "generating", 60, Change.PROGRESS, "a_word_of_tomorrow", 10),
    (110, "generating", 40, Change.PROGRESS, "a_word_of_tomorrow", 10),
    (120, "thinking", 40, Change.TRANSITION, "generating", 30),
    (130, "completed", 100, Change.TRANSITION | Change.PROGRESS, "thinking", 10),
    (140, "completed", 100, Change.NOTHING, "thinking", 10),
]


def test_story_is_told_as_it_was_read(walk: Walk) -> None:
    """Each read says what moved; a state knows the status before and how long that lasted, backwards too."""
    for now, status, progress, change, previous, elapsed in STORY:
        assert change == walk.saw(now, status, progress=progress)
        assert (status, progress, previous, elapsed) == (
            walk.status,
            walk.state.progress,
            walk.state.previous,
            walk.state.elapsed,
        )


def test_messages_are_a_change(reviewing: Walk) -> None:
    """A message without anything else is a change, once."""
    assert Change.MESSAGES == reviewing.saw(1, "reviewing", messages=[HELLO, ANSWER])
    assert Change.NOTHING == reviewing.saw(2, "reviewing", messages=[HELLO, ANSWER])


def test_messages_that_are_the_same_are_kept_once(reviewing: Walk) -> None:
    """A read that brings the same messages again takes no more memory for them."""
    before = reviewing.state.messages
    again = session("generating", messages=[structs.replace(HELLO)])
    reviewing.track.record_session(again, asked=1, now=1)

    assert ("generating", True) == (reviewing.status, before is reviewing.state.messages)


def test_video_id_is_in_the_state_at_once(walk: Walk) -> None:
    """A video id or title that comes without any other change is in the newest state."""
    walk.saw(0, "generating")
    told = SessionData(
        session_id="s", status=SessionStatus.GENERATING, created_at=1, title="T", video_id="v1"
    )
    walk.track.record_session(told, asked=1, now=1)

    assert ("v1", "T") == (walk.state.video_id, walk.state.title)


def test_video_id_is_never_forgotten(walk: Walk) -> None:
    """A read without the video id does not lose the one that was told."""
    walk.saw(0, "generating", video_id="v1")
    walk.saw(1, "generating", progress=5)

    assert "v1" == walk.track.video_id == walk.state.video_id


def test_movement_is_timed(walk: Walk) -> None:
    """When anything last moved is known, for stalls and schedules; a poll that brings nothing is no movement."""
    moments: list[float] = []
    for now, status, progress, messages in [
        (10, "thinking", 0, []), (20, "thinking", 0, []), (30, "thinking", 1, []), (40, "thinking", 1, [HELLO]),
        (50, "thinking", 1, [HELLO]), (60, "generating", 1, [HELLO]),
    ]:  # fmt: skip
        walk.saw(now, status, progress=progress, messages=messages)
        moments.append(walk.track.moved_at)

    assert [10, 10, 30, 40, 40, 60] == moments


def test_progress_history_is_of_this_status(walk: Walk) -> None:
    """The schedule learns when in this status progress changed, and no more than it can use."""
    walk.saw(0, "thinking", progress=3)
    walk.saw(10, "generating", progress=5)
    walk.saw(14, "generating", progress=9)
    assert ((0.0, 5), (4.0, 9)) == walk.track.history

    for second in range(100):
        walk.saw(20 + second, "generating", progress=second)
    assert len(walk.track.history) <= 17


def test_state_is_fresh_for_seconds(reviewing: Walk) -> None:
    """The newest state stands for a look for some seconds, unless something was said since."""
    assert reviewing.track.is_fresh(FRESH)
    assert not reviewing.track.is_fresh(FRESH + 1)
    reviewing.sent(1)
    assert not reviewing.track.is_fresh(1)


def test_words_that_end_a_watch() -> None:
    """By default a watch ends where the caller is needed or nothing more comes, as documented."""
    assert {"reviewing", "completed", "failed"} == STOP
    assert {"reviewing", "waiting_for_input", "completed"} == SETTLED


# ---- stale after send ---------------------------------------------------------------------------------------------


def test_paused_state_is_stale_after_a_send(reviewing: Walk) -> None:
    """The next poll may still tell of the pause we answered; it is no news, and not the newest state."""
    reviewing.sent(10)

    assert Change.NOTHING == reviewing.saw(11, "reviewing", messages=[HELLO, OURS])
    assert Change.NOTHING == reviewing.saw(12, "waiting_for_input", messages=[HELLO, OURS])
    assert reviewing.track.is_stale
    assert (SessionStatus.THINKING, 10) == reviewing.track.phase()


@pytest.mark.parametrize("status", ["thinking", "generating", "processing", "completed", "failed"])
def test_other_status_ends_staleness(reviewing: Walk, status: str) -> None:
    """Anything but a pause shows that our message has arrived, unknown words included."""
    reviewing.sent(10)
    reviewing.saw(11, "reviewing", messages=[HELLO, OURS])

    assert Change.TRANSITION in reviewing.saw(12, status)
    assert (status, "reviewing", 12) == (reviewing.status, reviewing.state.previous, reviewing.state.elapsed)
    assert not reviewing.track.is_stale


def test_answer_ends_staleness(reviewing: Walk) -> None:
    """A pause with a model message newer than ours is a new pause, even if no work was seen in between."""
    reviewing.sent(10)

    assert Change.MESSAGES == reviewing.saw(11, "reviewing", messages=[HELLO, OURS, ANSWER])
    assert not reviewing.track.is_stale


def test_answer_to_something_older_does_not_end_staleness(reviewing: Walk) -> None:
    """A model message from before ours, seen late, is no answer to ours."""
    reviewing.sent(10)

    assert Change.NOTHING == reviewing.saw(11, "reviewing", messages=[HELLO, ANSWER, OURS])


def test_time_alone_makes_no_pause_new(reviewing: Walk) -> None:
    """A pause that was answered stays the old one however long it shows; after a while it is shown, marked."""
    reviewing.sent(10, settle=30)
    assert Change.NOTHING == reviewing.saw(39.9, "reviewing", messages=[HELLO, OURS])
    assert reviewing.track.guard is not None
    assert not reviewing.track.guard.is_shown
    assert Change.MESSAGES == reviewing.saw(40, "reviewing", messages=[HELLO, OURS])
    assert reviewing.state.is_stale
    reviewing.saw(4000, "reviewing", messages=[HELLO, OURS])

    assert reviewing.track.is_stale
    assert reviewing.state.is_stale
    assert (None, 10) == (reviewing.track.stalled_since(609), reviewing.track.stalled_since(4000))


def test_a_new_pause_is_not_marked(reviewing: Walk) -> None:
    """The pause that answers our message is new, also after the old one was shown as stale."""
    reviewing.sent(10, settle=30)
    reviewing.saw(50, "reviewing", messages=[HELLO, OURS])
    revision = reviewing.track.revision
    reviewing.saw(60, "reviewing", messages=[HELLO, OURS, ANSWER])

    assert not reviewing.state.is_stale
    assert revision < reviewing.track.revision


@pytest.mark.parametrize("status", ["reviewing", "thinking", "generating", "completed"])
def test_an_older_snapshot_changes_nothing(reviewing: Walk, status: str) -> None:
    """A read that lacks a message shown before is older, whatever its status."""
    reviewing.saw(5, "waiting_for_input", messages=[HELLO, ANSWER])
    before = reviewing.state

    assert Change.NOTHING == reviewing.saw(6, status, messages=[HELLO])
    assert before is reviewing.state


def test_an_older_snapshot_ends_no_doubt(reviewing: Walk) -> None:
    """A replica that lags behind our message shows the old pause again and again; none of them is new."""
    reviewing.sent(10)
    reviewing.saw(11, "thinking", messages=[HELLO, OURS])
    for now in range(12, 4000, 400):
        assert Change.NOTHING == reviewing.saw(now, "reviewing", messages=[HELLO])

    assert "thinking" == reviewing.status


def test_work_without_our_message_is_no_evidence(reviewing: Walk) -> None:
    """An active status that does not show our message yet may be old: a pause after it is still the old one."""
    reviewing.saw(5, "reviewing", messages=[OURS, HELLO])
    reviewing.track.record_send("Bluer", since=10, settle=30, cursor=2)
    reviewing.saw(11, "thinking", messages=[OURS, HELLO])
    assert "thinking" == reviewing.status

    assert Change.NOTHING == reviewing.saw(12, "reviewing", messages=[OURS, HELLO])
    assert reviewing.track.is_stale


def test_work_on_our_message_is_evidence(reviewing: Walk) -> None:
    """After an active status beside our message, a pause is new even if the model writes nothing."""
    reviewing.sent(10)
    reviewing.saw(11, "thinking", messages=[HELLO, OURS])

    assert Change.TRANSITION in reviewing.saw(12, "reviewing", messages=[HELLO, OURS])
    assert not reviewing.track.is_stale


def test_forty_newer_messages_push_ours_out(reviewing: Walk) -> None:
    """A window full of messages made after ours is newer, though it does not show ours any more."""
    reviewing.track.record_send("Bluer", since=10, settle=30, cursor=1, sent_at=9)
    newer = [Message(role="model", content=f"Scene {number}", created_at=10 + number) for number in range(40)]

    assert Change.MESSAGES in reviewing.saw(11, "reviewing", messages=newer)
    assert not reviewing.track.is_stale


@pytest.mark.parametrize("made_at", [99, 100], ids=["before", "in-the-same-second"])
def test_forty_late_messages_from_before_ours_are_not_newer(reviewing: Walk, made_at: int) -> None:
    """Old messages that were missing from reads so far push nothing out, where the service's time tells their age."""
    reviewing.track.record_send("Bluer", since=10, settle=30, cursor=1, sent_at=100)
    late = [Message(role="model", content=f"Scene {number}", created_at=made_at) for number in range(40)]

    assert Change.NOTHING == reviewing.saw(11, "reviewing", messages=late)
    assert reviewing.track.is_stale


def test_forty_messages_of_the_agent_do_not_show_that_ours_are_never_shown(walk: Walk) -> None:
    """They may have pushed ours out, so an old replica's pause after a look at the agent's work is no new one."""
    scenes = [Message(role="model", content=f"Scene {number}", created_at=number) for number in range(1, 41)]
    walk.saw(50, "reviewing", messages=scenes)
    walk.sent(60)
    walk.saw(61, "thinking", messages=scenes)

    assert Change.NOTHING == walk.saw(62, "reviewing", messages=scenes)
    assert walk.track.is_stale


@pytest.mark.parametrize("sent_at", [None, 5], ids=["no-clock", "clock"])
def test_what_shows_without_our_message_is_from_before_it(walk: Walk, sent_at: int | None) -> None:
    """A message that was not read before ours, and then shows without it, is no answer; what follows ours is."""
    walk.saw(0, "reviewing")
    walk.track.record_send("Bluer", since=5, settle=30, cursor=None, sent_at=sent_at)
    known = [Message(role="user", content="An espresso machine", created_at=1), HELLO]
    assert Change.NOTHING == walk.saw(6, "reviewing", messages=known)

    known.append(Message(role="user", content="[hidden]", created_at=6))
    assert Change.NOTHING == walk.saw(7, "reviewing", messages=known)
    walk.saw(8, "reviewing", messages=[*known, Message(role="model", content="Like this?", created_at=7)])
    assert not walk.track.is_stale


@pytest.mark.parametrize("pauses", [1, 3])
def test_a_service_without_messages_is_judged_by_statuses(walk: Walk, pauses: int) -> None:
    """Where no messages are shown, only a status that is active makes the next pause new."""
    walk.saw(0, "reviewing")
    for pause in range(pauses):
        walk.sent(100 * pause + 10)
        walk.saw(100 * pause + 11, "reviewing")
        assert walk.track.is_stale
        walk.saw(100 * pause + 50, "thinking")
        assert Change.TRANSITION in walk.saw(100 * pause + 60, "reviewing")
        assert not walk.track.is_stale


@pytest.mark.parametrize("echo", ["", "Warm", "[message hidden]", "User: Warmer, please", "WARMER PLEASE"])
def test_an_odd_echo_is_still_ours(reviewing: Walk, echo: str) -> None:
    """The first new message of the user stands for ours, however the service writes it."""
    reviewing.saw(5, "reviewing", messages=[HELLO])
    reviewing.sent(10)
    shown = Message(role="user", content=echo, created_at=11)
    assert Change.NOTHING == reviewing.saw(12, "reviewing", messages=[HELLO, shown])
    reviewing.saw(13, "reviewing", messages=[HELLO, shown, ANSWER])

    assert not reviewing.track.is_stale


@pytest.mark.parametrize("status", ["thinking", "generating", "completed", "reviewing"])
def test_poll_from_before_a_send_is_ignored(reviewing: Walk, status: str) -> None:
    """A poll that was asked before our message cannot tell what came of it, whatever it says."""
    reviewing.sent(10)

    assert Change.NOTHING == reviewing.track.record_session(session(status), asked=9.9, now=50)
    assert Change.NOTHING == reviewing.track.record_video(video(), asked=9.9, now=50)
    assert ("reviewing", None) == (reviewing.status, reviewing.track.video)


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_end_of_the_run_before_is_stale(status: str) -> None:
    """After a message to an ended session its end is old news, until it works again."""
    walk = Walk()
    walk.saw(0, status)
    walk.sent(10)

    assert Change.NOTHING == walk.saw(11, status)
    assert Change.TRANSITION == walk.saw(12, "thinking")
    assert Change.TRANSITION == walk.saw(13, status)


def test_unread_session_may_be_stale(walk: Walk) -> None:
    """Who speaks in a session that was never read believes neither a pause nor an end at first."""
    walk.sent(10)
    for status in ("reviewing", "completed", "failed"):
        assert Change.NOTHING == walk.saw(11, status)

    assert MOVES == walk.saw(12, "thinking")


def test_refused_message_makes_a_pause_doubtful(reviewing: Walk) -> None:
    """A pause in which the session refuses a message for its state is believed again only after a while."""
    reviewing.track.doubt(since=10, settle=5)
    assert Change.NOTHING == reviewing.saw(11, "reviewing", messages=[HELLO])
    assert not reviewing.track.is_fresh(11)
    reviewing.saw(15, "reviewing", messages=[HELLO])
    assert reviewing.track.is_fresh(15)

    reviewing.saw(16, "generating", messages=[HELLO])
    reviewing.track.doubt(since=17, settle=5)
    assert not reviewing.track.is_stale


# ---- why it failed ------------------------------------------------------------------------------------------------

BROKEN = Message(role="model", content="The voice broke.", type="error")
LADDER: list[tuple[VideoInfo | None, list[Message], tuple[str, str]]] = [
    (video("failed", message="No voice.", code="voice"), [BROKEN, HELLO], ("No voice.", "video")),
    (video("failed", code="voice"), [BROKEN, HELLO], ("voice", "video")),
    (video("failed", message="", code=None), [BROKEN, HELLO], ("The voice broke.", "error_message")),
    (video("failed", message="  ", code=" "), [HELLO], (NO_REASON, "sdk")),
    (None, [BROKEN, HELLO], ("The voice broke.", "error_message")),
    (None, [HELLO, ANSWER, OURS], (NO_REASON, "sdk")),
    (None, [Message(role="model", content=" ", type="error"), OURS], (NO_REASON, "sdk")),
    (None, [], (NO_REASON, "sdk")),
]
RUNGS = ["message", "code", "null-fields", "blank-fields", "error", "last-words", "blank-error", "nothing"]


@pytest.mark.parametrize(("told", "messages", "expected"), LADDER, ids=RUNGS)
def test_reason_is_the_best_there_is(
    told: VideoInfo | None, messages: list[Message], expected: tuple[str, str]
) -> None:
    """Video, then the newest error, then a plain sentence; never an empty one, nor the agent's small talk."""
    assert expected == failure(told, messages)


@pytest.mark.parametrize(("told", "messages", "expected"), LADDER, ids=RUNGS)
def test_failed_state_says_why(
    walk: Walk, told: VideoInfo | None, messages: list[Message], expected: tuple[str, str]
) -> None:
    """A failed state carries the reason and where it is from; with a video, only once that was asked."""
    change = walk.saw(0, "failed", video_id=told and told.id, messages=messages)
    if told is not None:
        assert (Change.READ_AGAIN, None, ReadTarget.VIDEO) == (
            change,
            walk.track.state,
            walk.track.next_read(),
        )
        change = walk.record_video(1, told)

    assert Change.TRANSITION in change
    assert ("failed", *expected) == (walk.status, walk.state.failure_reason, walk.state.failure_source)
    assert ReadTarget.SESSION is walk.track.next_read()


@pytest.mark.parametrize("how", ["missing", "unreachable"])
def test_failure_does_not_wait_for_a_video_for_ever(walk: Walk, how: str) -> None:
    """When the video of a failed session cannot be asked, the reason comes from elsewhere."""
    walk.saw(0, "generating", video_id="v1")
    walk.saw(1, "failed", messages=[BROKEN])
    assert "generating" == walk.status
    told = (
        walk.track.record_missing(ReadTarget.VIDEO, now=2)
        if how == "missing"
        else walk.track.record_no_reason(now=2)
    )

    assert Change.TRANSITION in told
    assert ("failed", "The voice broke.") == (walk.status, walk.state.failure_reason)
    assert Change.NOTHING == walk.track.record_no_reason(now=3)


def test_only_failures_have_a_reason(completed: Walk) -> None:
    """A state that is no failure has no reason."""
    assert (None, None) == (completed.state.failure_reason, completed.state.failure_source)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([HELLO, OURS, ANSWER], "Working on it."),
        ([HELLO, OURS], "Here is a storyboard."),
        ([OURS], None),
        ([Message(role="model", content=" ")], None),
    ],
    ids=["newest", "before-ours", "only-ours", "blank"],
)
def test_last_words_are_the_agents_newest(walk: Walk, messages: list[Message], expected: str | None) -> None:
    """At a pause the agent's newest words are what it asks."""
    walk.saw(0, "waiting_for_input", messages=messages)

    assert expected == last_words(walk.state)
    assert last_words(None) is None
