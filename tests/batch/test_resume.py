"""A batch continues from what an earlier one wrote down, and pays for nothing twice."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from batches import EventLog, SlowLine, count_ends, errors, fast_service, make_jobs, run_batch, run_jobs
from flows import client
from heygen_async import Approve, BatchEvent, Job, Reply
from heygen_async.testing import Scenario, Simulator

each = pytest.mark.parametrize


async def test_jobs_go_on_from_their_refs(tmp_path: Any) -> None:
    """Sessions of a batch that was left are continued by the next, and nothing is created."""
    service, events = Simulator(max_jobs=10), EventLog()
    async with client(service) as heygen:
        with anyio.move_on_after(70):
            await run_batch(heygen, ["A", "B", "C"], reviewer=Approve(), on_event=events)
    refs = {event.key: event.ref for event in events.all if event.ref}
    jobs = [Job("again", key=key, ref=ref) for key, ref in refs.items()]
    later = EventLog()
    outcomes = await run_jobs(service, jobs, download_to=tmp_path, on_event=later)

    assert {"ok": 3} == count_ends(outcomes)
    assert 3 == len(service.ledger.sessions)
    assert [] == later.of("creating")
    assert {event.session_id for event in events.of("created")} == {o.session_id for o in outcomes}
    assert 0 == service.ledger.duplicate_messages


async def test_a_second_session_that_turns_up_is_not_the_jobs() -> None:
    """What a create sent twice has also made is an orphan of the client; the outcome names the job's own session."""
    service, events = Simulator(max_jobs=10), EventLog()
    service.faults.add("reset_after_processing", on="create")
    service.faults.add("list_lags", on="create", seconds=30.0)
    async with client(service) as heygen:
        [outcome] = await run_batch(heygen, ["A tour"], reviewer=Approve(), on_event=events)
        [orphan] = heygen.sessions.orphans

    assert outcome.ok
    assert [outcome.session_id] == [event.session_id for event in events.of("created")]
    assert {outcome.session_id, orphan.id} == set(service.ledger.sessions)
    assert "completed" == outcome.states[-1].status


async def test_a_fixed_reply_is_not_refusal_again() -> None:
    """A job that is continued does not send the batch's one reply again."""
    service, events = Simulator(scenario=Scenario.question()), EventLog()
    reply = Reply(message="Newcomers")
    async with client(service) as heygen:
        with anyio.move_on_after(30):
            await run_batch(heygen, ["A"], on_event=events, reviewer=reply)
    ref = [event.ref for event in events.all if event.ref][-1]
    [outcome] = await run_jobs(service, [Job("A", ref=ref)], reviewer=reply)

    assert outcome.ok
    assert ["Newcomers", "Looks good, go ahead and generate."] == [m.text for m in service.ledger.messages]


async def test_an_answer_that_was_not_recorded_is_not_given_again() -> None:
    """A pause that was answered right before the process died is not answered again while the service shows it."""
    service, events = Simulator(), EventLog()
    async with client(service) as heygen:
        await run_batch(heygen, ["A"], on_event=events, reviewer=None)
        [ref] = [event.ref for event in events.of("paused")]
        service.faults.add("stale_status", on="send", polls=3)
        await heygen.sessions.restore(ref or b"").approve()
    tried = service.ledger.requests["send"].total()
    [outcome] = await run_jobs(service, [Job("A", ref=ref)], reviewer=Approve())

    assert outcome.ok
    assert tried == service.ledger.requests["send"].total()


@each("idempotency", ["honoured", "ignored"])
@each("moment", [0.3, 0.7, 1.1, 1.6])
async def test_jobs_go_on_from_their_intents(idempotency: Any, moment: float) -> None:
    """Creates whose outcome was never learnt are found or made by the next batch, each once."""
    service = fast_service(idempotency=idempotency)
    intents: dict[str, BatchEvent] = {}
    line = SlowLine(service)
    dead = client(line)  # its process is killed: nothing of it goes on

    def listen(event: BatchEvent) -> None:
        if event.kind == "creating":
            intents[event.key] = event

    async with dead:
        with anyio.move_on_after(moment):
            await run_batch(dead, make_jobs(4), on_event=listen)
        again = [
            Job(
                f"Job number {int(key) - 1}",
                key=key,
                mode="generate",
                idempotency_key=event.idempotency_key,
                begun_at=event.started_at,
            )
            for key, event in intents.items()
        ]
        events = EventLog()
        outcomes = await run_jobs(service, again, on_event=events)

    assert {"ok": 4} == count_ends(outcomes)
    assert 4 == len(service.ledger.sessions)
    assert {e.started_at for e in events.of("creating")} == {e.started_at for e in intents.values()}


async def test_a_doubtful_intent_is_an_outcome() -> None:
    """When it cannot be known which session a job made, it ends with the candidates, and nothing is paid for."""
    service = fast_service()
    twice: list[Job] = []

    def listen(event: BatchEvent) -> None:
        if event.kind == "creating":
            twice.append(
                Job("Same", mode="generate", idempotency_key="k", begun_at=event.started_at, key="same")
            )

    await run_jobs(service, [Job("Same", mode="generate") for _ in range(3)], on_event=listen)
    [outcome] = await run_jobs(service, twice[:1])

    assert "OutcomeUnknown" == type(outcome.error).__name__
    assert set(service.ledger.sessions) == set(getattr(errors([outcome])[0], "candidates", ()))
