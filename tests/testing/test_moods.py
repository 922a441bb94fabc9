"""What the real service does beyond its contract, as switches."""

from __future__ import annotations

import pytest

from heygen_async.testing import Moods, Scenario, Simulator
from testing.desk import Desk

CREATE = "/v3/video-agents"


def desk_with(**moods: object) -> Desk:
    """A desk whose service has these moods."""
    return Desk(Simulator(moods=Moods(**moods), max_jobs=100))  # type: ignore[arg-type]


def create(desk: Desk, **fields: object) -> tuple[int, str | None]:
    """Status and error code of a create."""
    answer = desk.call("POST", CREATE, {"prompt": "p", "mode": "generate", **fields})
    return answer.status, answer.code if answer.status != 200 else None


def video_of(desk: Desk, session_id: str) -> dict[str, object]:
    """The video of a session, as an object."""
    found: dict[str, object] = desk.call("GET", f"/v3/videos/{desk.read(session_id)['video_id']}").data
    return found


def test_the_wallet_falls_with_each_video_until_a_create_is_refused() -> None:
    """A completed video takes its price; below half a credit a create is refused with 402."""
    desk = desk_with(balance=2.0, price=0.25)  # a video has four seconds
    balances: list[object] = []
    answers: list[tuple[int, str | None]] = []
    for _ in range(3):
        answers.append(create(desk))
        desk.wait(200)
        balances.append(desk.call("GET", "/v3/users/me").data["wallet"]["remaining_balance"])

    assert [1.0, 0.0, 0.0] == balances
    assert [(200, None), (200, None), (402, "insufficient_credit")] == answers


@pytest.mark.parametrize("billing", ["wallet", "subscription", "usage_based"])
def test_accounts_of_each_kind(billing: str) -> None:
    """One of wallet, subscription and usage-based billing is filled, as `billing_type` says."""
    account = desk_with(billing=billing, balance=7.0).call("GET", "/v3/users/me").data
    filled = [name for name in ("wallet", "subscription", "usage_based") if account[name] is not None]

    assert ([billing], billing) == (filled, account["billing_type"])


def test_a_burst_of_creates_is_refused_beside_the_cap() -> None:
    """Of twenty creates within a second as many pass as the burst allows; a second later they pass again."""
    desk = desk_with(burst=13)
    statuses = [create(desk)[0] for _ in range(20)]
    desk.wait(1)

    assert [200] * 13 + [429] * 7 == statuses
    assert 200 == create(desk)[0]


def test_congestion_prolongs_thinking() -> None:
    """Each session in progress makes the next one think longer."""
    desk = desk_with(congestion=30.0)
    first, second = desk.create(mode="generate"), desk.create(mode="generate")
    desk.wait(25)

    assert ("generating", "thinking") == (desk.status(first), desk.status(second))


@pytest.mark.parametrize("moods", [{"failure_rate": 1.0}, {"fails_above": 5}], ids=["dice", "length"])
def test_sessions_fail_without_a_word(moods: dict[str, object]) -> None:
    """By chance, or for a long prompt, a session fails at progress 0; the agent's opener is all it says."""
    desk = desk_with(**moods)
    session_id = desk.create("A long prompt", mode="generate")
    desk.wait(100)
    state = desk.read(session_id)

    assert ("failed", 0, None) == (state["status"], state["progress"], state["video_id"])
    assert ["text", "text"] == [message["type"] for message in state["messages"]]


def test_chance_is_seeded() -> None:
    """The same seed lets the same sessions fail."""

    def outcomes(seed: int) -> list[str]:
        desk = Desk(Simulator(moods=Moods(failure_rate=0.5), max_jobs=100, seed=seed))
        ids = [desk.create(mode="generate") for _ in range(12)]
        desk.wait(200)
        return [desk.status(one) for one in ids]

    assert outcomes(3) == outcomes(3)
    assert {"completed", "failed"} == set(outcomes(3))


def test_a_silent_failure_after_the_create_lacks_the_keys() -> None:
    """Where the video is known, its failure fields are not null but absent."""
    desk = desk_with(video_at="create", failure_rate=1.0)
    session_id = desk.create(mode="generate")
    desk.wait(100)
    video = video_of(desk, session_id)

    assert "failed" == video["status"]
    assert not {"failure_code", "failure_message"} & set(video)


def test_an_avatar_that_is_not_ready_fails_silently() -> None:
    """A look that is still processing makes the video fail with null fields."""
    desk = Desk()
    look = desk.call("GET", "/v3/avatars/looks/look_6").data
    session_id = desk.create(mode="generate", avatar_id="look_6")
    desk.wait(200)
    video = video_of(desk, session_id)

    assert ("processing", None) == (look["status"], look["preview_image_url"])
    assert ("failed", None, None) == (video["status"], video["failure_code"], video["failure_message"])


def test_credit_that_runs_out_late() -> None:
    """The create is accepted, and the video fails with the code that speaks of credit; in bulk too."""
    desk = Desk(Simulator(scenario=Scenario.credit_runs_out()))
    session_id = desk.create(mode="generate")
    desk.wait(200)
    video = video_of(desk, session_id)
    [row] = desk.call("GET", f"/v3/videos/statuses?video_ids={video['id']}").data

    assert "MOVIO_PAYMENT_INSUFFICIENT_CREDIT" == video["failure_code"] == row["error"]["code"]


def test_late_credit_failures_can_pass() -> None:
    """As a fault it strikes so many sessions, and the next one completes."""
    desk = Desk()
    desk.simulator.faults.add("late_credit", times=2)
    ids = [desk.create(mode="generate") for _ in range(3)]
    desk.wait(200)

    assert ["failed", "failed", "completed"] == [desk.status(one) for one in ids]
    assert 1 == len(desk.simulator.ledger.billed)


def test_small_talk_never_makes_a_video() -> None:
    """A conversational prompt in generate mode ends in an answer of the agent, and waits."""
    desk = Desk()
    desk.simulator.script(Scenario.conversational(), prompt="say hello")
    session_id = desk.create("say hello world", mode="generate")
    desk.wait(100_000)
    state = desk.read(session_id)

    assert ("waiting_for_input", None) == (state["status"], state["video_id"])


@pytest.mark.parametrize(
    ("mood", "status", "word"), [("missing", 404, "not_found"), ("status", 200, "deleted")]
)
def test_deleted_videos(mood: str, status: int, word: str) -> None:
    """A deleted video is not found, or shown with a status word nobody documents."""
    desk = desk_with(deleted_videos=mood)
    session_id = desk.create(mode="generate")
    desk.wait(200)
    video_id = str(desk.read(session_id)["video_id"])
    desk.call("DELETE", f"/v3/videos/{video_id}")
    [row] = desk.call("GET", f"/v3/videos/statuses?video_ids={video_id}").data

    read = desk.exchange(
        "GET", f"/v3/videos/{video_id}", x_api_key="test-key"
    ).response  # beyond the contract
    assert status == read.status
    assert word == row["status"]


def test_a_send_without_message_is_a_switch() -> None:
    """A send with files alone is refused, unless the service is in the mood for it."""
    files = [{"type": "url", "url": "https://example.test/a.png"}]
    answers: list[int] = []
    for is_optional in (False, True):
        desk = desk_with(message_optional=is_optional)
        session_id = desk.create()
        desk.wait(30)
        answers.append(desk.call("POST", f"{CREATE}/{session_id}", {"files": files}).status)

    assert [400, 200] == answers


def test_answers_without_a_date() -> None:
    """The clock of the service can be off, and its answers can lack the Date header."""
    dated = Desk(Simulator(clock_skew=600)).call("GET", CREATE).headers
    undated = desk_with(sends_date=False).call("GET", CREATE).headers

    assert "Thu, 01 Jan 2026 00:10:00 GMT" == dated["date"]
    assert "date" not in undated
