"""What sessions and videos go through."""

from __future__ import annotations

import pytest

from heygen_async.testing import Moods, Scenario, Simulator
from testing.desk import Desk


def test_chat_pauses_revises_and_renders(desk: Desk) -> None:
    """A chat is thought over, reviewed, revised, reviewed again, approved, rendered and completed."""
    session_id = desk.create()
    seen = [desk.status(session_id)]
    for seconds, message in (
        (21, "Warmer, please"),
        (0, None),
        (21, "Looks good, go ahead."),
        (0, None),
        (91, None),
    ):
        desk.wait(seconds)
        seen.append(desk.status(session_id))
        if message:
            desk.send(session_id, message)

    assert ["thinking", "reviewing", "thinking", "reviewing", "generating", "completed"] == seen


def test_completed_chat_can_be_revised_into_another_video(desk: Desk) -> None:
    """A message to a completed chat leads to a second video, listed first."""
    session_id = desk.create()
    for message in ("Approve", "Shorter", "Approve"):
        desk.wait(120)
        desk.send(session_id, message)
    desk.wait(120)

    videos = desk.videos(session_id)
    assert ["completed", "completed"] == [video["status"] for video in videos]
    assert desk.read(session_id)["video_id"] == videos[0]["id"]
    assert sorted(desk.simulator.ledger.billed) == sorted(video["id"] for video in videos)


def test_question_waits_for_an_answer(desk: Desk) -> None:
    """A question leads through waiting_for_input to a review."""
    desk.simulator.script(Scenario.question())
    session_id = desk.create()
    desk.wait(10_000)
    assert "waiting_for_input" == desk.status(session_id)

    desk.send(session_id, "Newcomers, go ahead")
    desk.wait(21)
    assert "reviewing" == desk.status(session_id)


def test_generate_mode_never_pauses(desk: Desk) -> None:
    """A one-shot session thinks, renders and completes."""
    session_id = desk.create(mode="generate")
    seen: list[str] = []
    for seconds in (0, 21, 90):
        desk.wait(seconds)
        seen.append(desk.status(session_id))

    assert ["thinking", "generating", "completed"] == seen


@pytest.mark.parametrize("count", [1, 50])
def test_status_follows_from_time_not_from_polls(count: int) -> None:
    """Polling often changes nothing about when a session gets where."""
    desk = Desk()
    session_id = desk.create(mode="generate")
    desk.wait(19)
    for _ in range(count):
        assert "thinking" == desk.status(session_id)
    desk.wait(2)

    assert "generating" == desk.status(session_id)


def test_progress_grows(desk: Desk) -> None:
    """Progress never falls by itself and ends at 100."""
    session_id = desk.create(mode="generate")
    seen: list[int] = []
    for _ in range(30):
        seen.append(desk.read(session_id)["progress"])
        desk.wait(5)

    assert sorted(seen) == seen
    assert 100 == seen[-1]


@pytest.mark.parametrize("at", ["thinking", "generating", "reviewing"])
def test_failure_at_each_stage_says_why(desk: Desk, at: str) -> None:
    """A failing session ends in failed, with an error message of the agent's."""
    state = desk.live(Scenario.failing(at))  # type: ignore[arg-type]

    assert "failed" == state["status"]
    assert "error" == state["messages"][0]["type"]


def test_failure_before_a_video_exists(desk: Desk) -> None:
    """A session that fails while thinking never had a video, and nothing is charged."""
    assert desk.live(Scenario.failing("thinking"))["video_id"] is None
    assert [] == desk.simulator.ledger.billed


def test_failure_without_reason_is_null_everywhere(desk: Desk) -> None:
    """Without a reason the video's failure fields are null and the agent is silent."""
    state = desk.live(Scenario.failing("generating", with_reason=False))
    video = desk.call("GET", f"/v3/videos/{state['video_id']}").data

    assert ("failed", None, None) == (video["status"], video["failure_code"], video["failure_message"])
    assert "error" not in [message["type"] for message in state["messages"]]


def test_impossible_failure_is_refused() -> None:
    """A scenario cannot fail at a stage it does not have."""
    with pytest.raises(ValueError, match="reviewing"):
        Scenario.generate().fails(at="reviewing")


def test_stuck_session_thinks_for_ever(desk: Desk) -> None:
    """A stuck session is thinking a day later."""
    assert "thinking" == desk.live(Scenario.stuck(), seconds=86_400)["status"]


@pytest.mark.parametrize(
    ("moment", "known"), [("create", [True, True]), ("generating", [False, True]), ("never", [False, False])]
)
def test_video_id_appears_when_scripted(desk: Desk, moment: str, known: list[bool]) -> None:
    """A session learns its video id at the create, when it renders, or never."""
    desk.simulator.script(Scenario.generate().with_video_at(moment))  # type: ignore[arg-type]
    session_id = desk.create(mode="generate")
    first = desk.read(session_id)["video_id"]
    desk.wait(200)
    last = desk.read(session_id)["video_id"]

    assert known == [first is not None, last is not None]
    assert first in {None, last}


def test_video_can_lag_behind_its_session(desk: Desk) -> None:
    """A completed session's video may still be processing, then be completed without a link, then have one."""
    desk.simulator.script(Scenario.generate().with_lag(video=30, url=10))
    session_id = desk.create(mode="generate")
    desk.wait(111)
    seen: list[tuple[str, str, bool]] = []
    for seconds in (0, 30, 10):
        desk.wait(seconds)
        video = desk.videos(session_id)[0]
        seen.append((desk.status(session_id), video["status"], video["video_url"] is not None))

    assert [
        ("completed", "processing", False),
        ("completed", "completed", False),
        ("completed", "completed", True),
    ] == seen


def test_stop_ends_a_session_without_video(desk: Desk) -> None:
    """A stopped session without a video fails within seconds and says that it was stopped."""
    session_id = desk.create()
    desk.call("POST", f"/v3/video-agents/{session_id}/stop")
    assert "thinking" == desk.status(session_id)
    desk.wait(3)

    state = desk.read(session_id)
    assert "failed" == state["status"]
    assert "stopped" in state["messages"][0]["content"]


def test_stop_keeps_an_earlier_video(desk: Desk) -> None:
    """A revision that is stopped leaves the session completed with its earlier video."""
    session_id = desk.create()
    desk.wait(30)
    desk.send(session_id, "Approve")
    desk.wait(120)
    desk.send(session_id, "Shorter")
    desk.call("POST", f"/v3/video-agents/{session_id}/stop", {})
    desk.wait(3)

    assert "completed" == desk.status(session_id)
    assert 1 == len(desk.simulator.ledger.billed)


def test_script_can_be_for_one_prompt(desk: Desk) -> None:
    """A scenario given for a prompt leaves other sessions alone."""
    desk.simulator.script(Scenario.stuck(), prompt="bad")
    good, bad = desk.create("good", "generate"), desk.create("a bad one", "generate")
    desk.wait(500)

    assert ("completed", "thinking") == (desk.status(good), desk.status(bad))


def test_speed_divides_every_duration() -> None:
    """At speed 60 two minutes take two seconds."""
    desk = Desk(Simulator(speed=60))
    session_id = desk.create(mode="generate")
    desk.wait(2)

    assert "completed" == desk.status(session_id)


def test_a_video_is_as_long_as_its_scenario_says() -> None:
    """The length of a video, which is what it costs, is the scenario's."""
    service = Simulator(
        moods=Moods(balance=10, price=0.5), scenario=Scenario.generate().with_video_seconds(7)
    )
    desk = Desk(service)
    session_id = desk.create(mode="generate")
    desk.wait(500)
    video_id = desk.read(session_id)["video_id"]

    assert 7 == desk.call("GET", f"/v3/videos/{video_id}").data["duration"]
    assert 6.5 == desk.call("GET", "/v3/users/me").data["wallet"]["remaining_balance"]


def test_messages_are_the_newest_forty(desk: Desk) -> None:
    """A session shows at most 40 messages, newest first."""
    session_id = desk.create()
    for number in range(30):
        desk.wait(30)
        desk.send(session_id, f"Change {number}")
    messages = desk.read(session_id)["messages"]

    assert 40 == len(messages)
    assert "Change 29" == messages[0]["content"]


def test_resources_of_messages_can_be_read(desk: Desk) -> None:
    """Each resource a message refers to has a picture of its own, as PNG and as SVG."""
    session_id = desk.create()
    desk.wait(30)
    ids = desk.read(session_id)["messages"][0]["resource_ids"]
    found = [desk.call("GET", f"/v3/video-agents/{session_id}/resources/{one}").data for one in ids]
    pictures = [desk.exchange("GET", one["url"]).response for one in found]

    assert 3 == len({picture.body for picture in pictures})
    assert all(picture.body.startswith(b"\x89PNG") for picture in pictures)
    assert desk.exchange("GET", found[0]["preview_url"]).response.body.startswith(b"<svg")
