"""What a batch emits and asks on the way: events to write down, pauses to review."""

from __future__ import annotations

from typing import Any

import pytest

from batches import EventLog, count_ends, fast_service, make_job, make_jobs, run_jobs
from flows import Line, clock, pass_time
from heygen_async import (
    Approve,
    BatchEvent,
    InvalidArgument,
    Job,
    Reply,
    Session,
    SessionFailed,
    SessionPaused,
    SessionState,
    Stop,
)
from heygen_async.testing import Scenario, Simulator

each = pytest.mark.parametrize


async def test_events_of_a_job_come_in_order(service: Simulator, tmp_path: Any) -> None:
    """One job's events come in order, from before it is paid for to its end."""
    events = EventLog()
    [outcome] = await run_jobs(
        service, [Job("A", key="a")], on_event=events, download_to=tmp_path, progress=True
    )
    kinds = list(dict.fromkeys(events.kinds("a")))

    assert ["creating", "created", "paused", "answered", "downloading", "downloaded", "ended"] == kinds
    assert outcome == events.of("ended")[0].outcome
    assert {outcome.session_id} == {event.session_id for event in events.all[1:]}
    assert outcome.path == events.of("downloaded")[0].path
    assert events.of("creating")[0].idempotency_key == service.ledger.creates[0].idempotency_key
    assert all(event.ref for kind in ("created", "paused", "answered") for event in events.of(kind))
    assert len({event.state.progress for event in events.of("state") if event.state}) > 5


async def test_transitions_are_emitted_without_progress(service: Simulator) -> None:
    """Unless progress is asked for, a job's states are emitted once for each transition."""
    events = EventLog()
    await run_jobs(service, ["A"], on_event=events)
    emitted = [str(event.state.status) for event in events.of("state") if event.state]

    assert ["thinking", "reviewing", "generating", "completed"] == list(dict.fromkeys(emitted))
    assert len(emitted) <= 6


async def test_creating_is_emitted_before_the_request_leaves() -> None:
    """An async callback is awaited before a create is sent, and a created session before it is watched."""
    line, moments = Line(fast_service()), dict[str, float]()

    async def slowly(event: BatchEvent) -> None:
        if event.kind in ("creating", "created"):
            await pass_time(5)
            moments[event.kind] = clock()

    await run_jobs(line, [make_job(1)], on_event=slowly)
    [post] = line.moments("POST", "/v3/video-agents")
    [get, *_] = line.moments("GET", "/v3/video-agents")

    assert post >= moments["creating"]
    assert get >= moments["created"]


async def test_a_callback_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What a callback raises on other events is logged and harms no job."""

    def fail(event: BatchEvent) -> None:
        if event.kind in ("state", "ended"):
            raise LookupError("no room on the screen")

    assert {"ok": 3} == count_ends(await run_jobs(fast_service(), make_jobs(3), on_event=fail))
    assert "on_event failed on 'ended' of job" in caplog.text


async def test_an_intent_that_cannot_be_written_is_not_sent() -> None:
    """When a callback fails on `creating`, nothing is sent for it and nothing more is created."""
    line = Line(fast_service())

    def fail(event: BatchEvent) -> None:
        if event.kind == "creating" and event.key == "3":
            raise OSError("disk full")

    outcomes = await run_jobs(line, make_jobs(30), on_event=fail, max_in_flight=4)
    ended = count_ends(outcomes)

    assert 30 == len(outcomes)
    assert 1 == ended["OSError"]
    assert ended["ok"] <= 4
    assert ended["not started"] >= 25
    assert ended["ok"] == len(line.service.ledger.sessions)


async def test_a_session_that_cannot_be_written_down_goes_on() -> None:
    """When a callback fails on `created`, the session is still watched to its video; the error comes with it."""
    service = fast_service()

    def fail(event: BatchEvent) -> None:
        if event.kind == "created":
            raise OSError("disk full")

    outcomes = await run_jobs(service, make_jobs(30), on_event=fail, max_in_flight=4)
    unwritten = [outcome for outcome in outcomes if not outcome.not_started]

    assert len(service.ledger.sessions) == len(unwritten) <= 4
    assert all(isinstance(o.error, OSError) and o.video and o.session_ref for o in unwritten)


# ---- reviewers ----------------------------------------------------------------------------------------------------


async def test_without_a_reviewer_a_pause_ends_the_job(service: Simulator) -> None:
    """A session that asks, with no reviewer, ends its job with what it asks."""
    [outcome] = await run_jobs(service, ["A tour"], reviewer=None)

    assert isinstance(outcome.error, SessionPaused)
    assert "Shall I go ahead?" in str(outcome.error)
    assert outcome.session_ref


def render(session: Session, state: SessionState) -> Approve:
    """Approve in other words."""
    return Approve(message="Render it")


def nonsense(session: Session, state: SessionState) -> Any:
    """Return what is no answer."""
    return "yes"


async def thinker(session: Session, state: SessionState) -> Any:
    """Approve after a while."""
    await pass_time(30)
    return Approve()


@each(
    ("reviewer", "scenario", "sent"),
    [
        (Approve(), Scenario.chat(), ["Looks good, go ahead and generate."]),
        (Approve(message="Ship it"), Scenario.chat(), ["Ship it"]),
        (render, Scenario.chat(), ["Render it"]),
        (thinker, Scenario.chat(), ["Looks good, go ahead and generate."]),
        (
            Reply(message="Newcomers"),
            Scenario.question(),
            ["Newcomers", "Looks good, go ahead and generate."],
        ),
    ],
    ids=["approve", "own-words", "function", "coroutine", "reply-once"],
)
async def test_reviewers(reviewer: Any, scenario: Scenario, sent: list[str]) -> None:
    """A fixed answer, a function and a coroutine function all bring a session through its pauses."""
    service = Simulator(scenario=scenario)
    [outcome] = await run_jobs(service, ["A tour"], reviewer=reviewer)

    assert outcome.ok
    assert sent == [message.text for message in service.ledger.messages]


async def test_a_job_may_bring_its_own_reviewer(service: Simulator) -> None:
    """A job's own reviewer comes before the batch's."""
    await run_jobs(service, [Job("A", reviewer=Approve(message="Ship it")), "B"])

    assert {"Ship it", "Looks good, go ahead and generate."} == {m.text for m in service.ledger.messages}


async def test_a_reviewer_may_stop(service: Simulator) -> None:
    """A job whose reviewer stops it ends as stopped by the reviewer, and the session is stopped."""
    [outcome] = await run_jobs(service, ["A tour"], reviewer=Stop())

    assert isinstance(outcome.error, SessionFailed)
    assert "reviewer" == outcome.error.reason_source
    assert service.ledger.sessions == service.ledger.stops


async def test_one_answer_for_all_does_not_go_on_for_ever() -> None:
    """A session that asks again and again ends its job as paused."""
    asking = Scenario.question()
    for_ever = Scenario(opening=asking.opening, answer=asking.opening, revision=asking.opening)
    service = Simulator(scenario=for_ever)
    [outcome] = await run_jobs(service, ["A tour"])

    assert isinstance(outcome.error, SessionPaused)
    assert 10 == len(service.ledger.messages)


async def test_a_reviewers_own_error_is_the_outcome(service: Simulator) -> None:
    """What a reviewer raises ends that job with it, and no other."""

    def review(session: Session, state: SessionState) -> Approve:
        raise LookupError("no opinion")

    outcomes = await run_jobs(service, ["A", Job("B", key="b", reviewer=review), "C"])

    assert {"ok": 2, "LookupError": 1} == count_ends(outcomes)
    assert ["b"] == [outcome.key for outcome in outcomes if not outcome.ok and outcome.session_ref]


async def test_a_reviewers_nonsense_is_refused(service: Simulator) -> None:
    """A reviewer that answers with something else ends its job with an error that says so."""
    [outcome] = await run_jobs(service, ["A"], reviewer=nonsense)

    assert isinstance(outcome.error, InvalidArgument)
    assert [] == service.ledger.messages


async def test_a_question_in_generate_mode_ends_the_job() -> None:
    """A session that takes no messages and asks all the same gets no message."""
    service = Simulator(scenario=Scenario.question())
    [outcome] = await run_jobs(service, [make_job(1)], reviewer=Reply(message="Newcomers"))

    assert isinstance(outcome.error, SessionPaused)
    assert [] == service.ledger.messages


async def test_the_reviewer_sees_new_messages(service: Simulator) -> None:
    """A reviewer gets all messages since the last pause."""
    seen: list[str] = []

    def review(session: Session, state: SessionState) -> Approve:
        seen.extend(message.content for message in state.new_messages)
        return Approve()

    await run_jobs(service, ["A tour"], reviewer=review)

    assert ["A tour", "Here is the storyboard. Shall I go ahead?"] == seen
