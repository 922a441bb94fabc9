"""A batch goes on from what an earlier one wrote down, and pays for nothing twice."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from batches import Notes, Slow, ends, errors, films, made, quick, through
from flows import client
from heygen_async import Approve, BatchEvent, Job, Reply
from heygen_async.testing import Scenario, Simulator

each = pytest.mark.parametrize


async def test_jobs_go_on_from_their_refs(tmp_path: Any) -> None:
    """Sessions of a batch that was left are gone on with by the next, and nothing is created."""
    service, notes = Simulator(max_jobs=10), Notes()
    async with client(service) as heygen:
        with anyio.move_on_after(70):
            await through(heygen, ["A", "B", "C"], reviewer=Approve(), on_event=notes)
    refs = {event.key: event.ref for event in notes.events if event.ref}
    jobs = [Job("again", key=key, ref=ref) for key, ref in refs.items()]
    later = Notes()
    outcomes = await made(service, jobs, download_to=tmp_path, on_event=later)

    assert {"ok": 3} == ends(outcomes)
    assert 3 == len(service.ledger.sessions)
    assert [] == later.of("creating")
    assert {event.session_id for event in notes.of("created")} == {o.session_id for o in outcomes}
    assert 0 == service.ledger.duplicate_messages


async def test_a_fixed_reply_is_not_said_again() -> None:
    """A job that is gone on with does not repeat the batch's one reply."""
    service, notes = Simulator(scenario=Scenario.question()), Notes()
    reply = Reply(message="Newcomers")
    async with client(service) as heygen:
        with anyio.move_on_after(30):
            await through(heygen, ["A"], on_event=notes, reviewer=reply)
    ref = [event.ref for event in notes.events if event.ref][-1]
    [outcome] = await made(service, [Job("A", ref=ref)], reviewer=reply)

    assert outcome.ok
    assert ["Newcomers", "Looks good, go ahead and generate."] == [m.text for m in service.ledger.messages]


async def test_an_answer_nobody_wrote_down_is_not_given_again() -> None:
    """A pause that was answered right before the process died is not answered again while the service shows it."""
    service, notes = Simulator(), Notes()
    async with client(service) as heygen:
        await through(heygen, ["A"], on_event=notes, reviewer=None)
        [ref] = [event.ref for event in notes.of("paused")]
        service.faults.add("stale_status", on="send", polls=3)
        await heygen.sessions.restore(ref or b"").approve()
    tried = service.ledger.requests["send"].total()
    [outcome] = await made(service, [Job("A", ref=ref)], reviewer=Approve())

    assert outcome.ok
    assert tried == service.ledger.requests["send"].total()


@each("idempotency", ["honoured", "ignored"])
@each("moment", [0.3, 0.7, 1.1, 1.6])
async def test_jobs_go_on_from_their_intents(idempotency: Any, moment: float) -> None:
    """Creates whose outcome was never learnt are found or made by the next batch, each once."""
    service = quick(idempotency=idempotency)
    intents: dict[str, BatchEvent] = {}
    line = Slow(service)
    dead = client(line)  # its process is killed: nothing of it goes on

    def listen(event: BatchEvent) -> None:
        if event.kind == "creating":
            intents[event.key] = event

    async with dead:
        with anyio.move_on_after(moment):
            await through(dead, films(4), on_event=listen)
        again = [
            Job(
                f"Film number {int(key) - 1}",
                key=key,
                mode="generate",
                idempotency_key=event.idempotency_key,
                begun_at=event.started_at,
            )
            for key, event in intents.items()
        ]
        notes = Notes()
        outcomes = await made(service, again, on_event=notes)

    assert {"ok": 4} == ends(outcomes)
    assert 4 == len(service.ledger.sessions)
    assert {e.started_at for e in notes.of("creating")} == {e.started_at for e in intents.values()}


async def test_a_doubtful_intent_is_an_outcome() -> None:
    """When nobody can say which session a job made, it ends with the candidates, and nothing is paid for."""
    service = quick()
    twice: list[Job] = []

    def listen(event: BatchEvent) -> None:
        if event.kind == "creating":
            twice.append(
                Job("Same", mode="generate", idempotency_key="k", begun_at=event.started_at, key="same")
            )

    await made(service, [Job("Same", mode="generate") for _ in range(3)], on_event=listen)
    [outcome] = await made(service, twice[:1])

    assert "OutcomeUnknown" == type(outcome.error).__name__
    assert set(service.ledger.sessions) == set(getattr(errors([outcome])[0], "candidates", ()))
