"""Creates that repeat a key, wait for room, or end in doubt: what a web backend with impatient browsers relies on."""

from __future__ import annotations

import asyncio
import itertools
import logging

import anyio
import pytest

from flows import Line, client, clock, pass_time
from heygen_async import (
    ClientStateError,
    HeyGen,
    OutcomeUnknown,
    RateLimited,
    RetryPolicy,
    Session,
    Timeouts,
)
from heygen_async.testing import Simulator, run
from sessions.losses import PROMPT, both_services, each, one_for_each, served

KEY = "order-7"

# ---- one key ------------------------------------------------------------------------------------------------------


@both_services
async def test_creates_with_one_key_are_one(idempotency: str) -> None:
    """Equal keys under way in one client make one session, which all callers get."""
    service = served(idempotency)
    got: list[str] = []
    async with client(Line(service, latency=1.0)) as heygen, anyio.create_task_group() as group:

        async def create() -> None:
            got.append((await heygen.sessions.create(PROMPT, idempotency_key=KEY)).id)

        for _ in range(5):
            group.start_soon(create)

    assert service.ledger.sessions * 5 == got


async def test_a_key_is_remembered_after_the_create() -> None:
    """A create repeated after its end gets the same session, and nothing is sent."""
    service = served()
    line = Line(service)
    async with client(line) as heygen:
        first = await heygen.sessions.create(PROMPT, idempotency_key=KEY)
        await pass_time(600)
        second = await heygen.sessions.create(PROMPT, idempotency_key=KEY)

        assert (first.id, "chat") == (second.id, second.mode)

    assert 1 == len(line.moments("POST", "/v3/video-agents"))


@each("pause", [0.0, 0.3, 5.0], ids=["at-once", "while-it-is-finished", "later"])
async def test_who_leaves_and_comes_back_pays_once(pause: float) -> None:
    """A browser that drops its create and retries with the same key gets the session that was made."""
    service = served()
    async with client(Line(service, latency=1.0)) as heygen:
        task = asyncio.ensure_future(heygen.sessions.create(PROMPT, idempotency_key=KEY))
        await pass_time(0.7)
        task.cancel()
        await pass_time(pause)
        session = await heygen.sessions.create(PROMPT, idempotency_key=KEY)
        await asyncio.wait([task])

        assert [] == list(heygen.sessions.orphans)

    one_for_each(service, [session])


async def test_one_of_two_callers_leaves() -> None:
    """When one of two callers is cancelled it goes at once, and the other gets the session."""
    service = served()
    async with client(Line(service, latency=2.0)) as heygen:
        tasks = [asyncio.ensure_future(heygen.sessions.create(PROMPT, idempotency_key=KEY)) for _ in range(2)]
        await pass_time(0.5)
        began = clock()
        tasks[0].cancel()
        await asyncio.wait([tasks[0]])

        assert began == clock()
        one_for_each(service, [await tasks[1]])
        assert [] == list(heygen.sessions.orphans)


async def test_orphans_carry_what_made_them_and_can_be_taken(caplog: pytest.LogCaptureFixture) -> None:
    """An orphan names its prompt and key, is in the log with both, and leaves the list when it is taken."""
    service = served()
    async with client(Line(service, latency=1.0)) as heygen:
        with anyio.move_on_after(0.7):
            await heygen.sessions.create(PROMPT, idempotency_key=KEY)
        orphan = heygen.sessions.orphans.pop()

        assert orphan is not None
        assert (PROMPT, KEY) == (orphan.prompt, orphan.idempotency_key)
        assert heygen.sessions.orphans.pop() is None
        assert () == heygen.sessions.orphans.drain()

    [record] = [one for one in caplog.records if getattr(one, "event", "") == "cancelled_write"]
    assert (orphan.id, KEY) == (vars(record)["session_id"], vars(record)["idempotency_key"])


async def test_what_nobody_took_is_named_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """A client that closes says in its log which sessions no caller has got."""
    async with client(Line(served(), latency=1.0)) as heygen:
        with anyio.move_on_after(0.5):
            await heygen.sessions.create(PROMPT, idempotency_key=KEY)
        [orphan] = heygen.sessions.orphans

    [record] = [one for one in caplog.records if getattr(one, "event", "") == "orphans_left"]
    assert [orphan.id] == vars(record)["session_ids"]
    assert orphan.id in record.getMessage()


async def test_orphans_are_bounded(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more orphans than are kept the oldest leave the list, and are in the log with their keys."""
    monkeypatch.setattr("heygen_async._sessions.create._MOST_ORPHANS", 2)
    service = served()
    async with client(Line(service, latency=1.0)) as heygen:
        for number in range(4):
            with anyio.move_on_after(0.5):
                await heygen.sessions.create(f"Video {number}", idempotency_key=f"form-{number}")
        kept = [orphan.id for orphan in heygen.sessions.orphans]

    dropped = [vars(one) for one in caplog.records if getattr(one, "event", "") == "orphan_dropped"]
    assert service.ledger.sessions[2:] == kept
    assert service.ledger.sessions[:2] == [one["session_id"] for one in dropped]
    assert ["form-0", "form-1"] == [one["idempotency_key"] for one in dropped]


# ---- room ---------------------------------------------------------------------------------------------------------


async def test_who_does_not_wait_for_room_hears_at_once() -> None:
    """With `max_wait=0` a refusal for want of room is raised at once, with its pace and a word of the job cap."""
    service = Simulator(max_jobs=1)
    async with client(service) as heygen:
        await heygen.sessions.create("The first")
        for _ in range(2):  # the second time it is known without asking
            with pytest.raises(RateLimited) as caught:
                await heygen.sessions.create("The second", max_wait=0)

            assert caught.value.retry_after is not None
            assert "jobs in progress" in caught.value.hint


async def test_waiting_creates_try_one_at_a_time_in_order() -> None:
    """Three hundred creates before a cap of ten probe one at a time, first come, first served."""
    service = Simulator(max_jobs=10)
    line = Line(service, latency=0.2)
    made: list[int] = []
    patient = RetryPolicy(max_elapsed=1e6, max_attempts=1000)
    async with client(line, retry=patient) as heygen, anyio.create_task_group() as group:

        async def create(number: int) -> None:
            await heygen.sessions.create(f"Video {number}", mode="generate")
            made.append(number)

        for number in range(300):
            group.start_soon(create, number)

    posts = line.moments("POST", "/v3/video-agents")
    later = [after - before for before, after in itertools.pairwise(posts[300:])]
    assert sorted(made[10:]) == made[10:]  # the first ten had room at once
    assert [] == [gap for gap in later if gap < 0.19]


# ---- stopping -----------------------------------------------------------------------------------------------------


async def test_nothing_new_is_made_once_watching_was_stopped() -> None:
    """A client that was told to stop makes no session any more, also for creates that wait; one under way is made."""
    service = Simulator(max_jobs=1)
    line = Line(service, latency=1.0)
    ends: list[str] = []
    async with client(line) as heygen, anyio.create_task_group() as group:

        async def create(prompt: str) -> None:
            try:
                ends.append(f"{prompt} {(await heygen.sessions.create(prompt)).id}")
            except ClientStateError as error:
                ends.append(f"{prompt} {error}")

        await create("First")
        for prompt in ("Second", "Third"):
            group.start_soon(create, prompt)
        await pass_time(3)
        await heygen.stop_watching()
        posts = len(line.moments("POST", "/v3/video-agents"))
        await create("Fourth")

    refusal = "This client is closing; nothing was made."
    assert {f"{prompt} {refusal}" for prompt in ("Second", "Third", "Fourth")} == set(ends[1:])
    assert posts == len(line.moments("POST", "/v3/video-agents"))


async def test_a_create_under_way_is_answered_after_stopping() -> None:
    """A create that had left before its client was told to stop brings its session."""
    async with client(Line(Simulator(), latency=1.0)) as heygen, anyio.create_task_group() as group:
        made: list[str] = []

        async def create() -> None:
            made.append((await heygen.sessions.create(PROMPT)).id)

        group.start_soon(create)
        await pass_time(0.5)
        await heygen.stop_watching()

    assert 1 == len(made)


# ---- keys that are trusted ----------------------------------------------------------------------------------------


async def test_trusted_keys_read_nothing() -> None:
    """Where keys are trusted a lost answer is asked for again at once with the key, and no list is read."""
    service = served("honoured")
    line = Line(service)
    async with client(line, retry=RetryPolicy(trust_keys=True)) as heygen:
        service.faults.add("reset_after_processing", on="create", times=2)
        session = await heygen.sessions.create(PROMPT)

    one_for_each(service, [session])
    assert ["POST"] * 3 == [sent.method for sent in line.sent]


async def test_trusted_keys_that_never_get_an_answer() -> None:
    """A write whose key was sent to the end without an answer is in doubt, and nothing is read."""
    service = served("honoured")
    line = Line(service)
    async with client(line, retry=RetryPolicy(trust_keys=True, max_attempts=3)) as heygen:
        service.faults.add("reset_after_processing", on="create", times=None)
        with pytest.raises(OutcomeUnknown) as caught:
            await heygen.sessions.create(PROMPT, idempotency_key=KEY)

    assert KEY == caught.value.idempotency_key
    assert [] == line.moments("GET", "/")


@each("refusal", ["payment_required", "forbidden"])
async def test_a_refused_account_says_nothing_of_a_trusted_key(refusal: str) -> None:
    """A retry that is refused before the service has looked at its key leaves the lost create in doubt."""
    service = served("honoured")
    async with client(service, retry=RetryPolicy(trust_keys=True)) as heygen:
        service.faults.add("reset_after_processing", on="create")
        service.faults.add(refusal, on="create", after=1, times=None)
        with pytest.raises(OutcomeUnknown) as caught:
            await heygen.sessions.create(PROMPT, idempotency_key=KEY)

    assert KEY == caught.value.idempotency_key
    assert 1 == len(service.ledger.sessions)


# ---- afterwards ---------------------------------------------------------------------------------------------------


@each("leaving", ["later", "at-once"])
async def test_a_session_that_turns_up_late_is_an_orphan(
    leaving: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What was listed too late, and so was made twice, is found a minute later or as the client closes."""
    service = served()
    service.faults.add("reset_after_processing", on="create")
    service.faults.add("list_lags", on="create", seconds=30.0)
    async with client(service) as heygen:
        try:
            session = await heygen.sessions.create(PROMPT)
        finally:
            await pass_time(100 if leaving == "later" else 25)

    assert {session.id, *(one.id for one in heygen.sessions.orphans)} == set(service.ledger.sessions)


# ---- ends ---------------------------------------------------------------------------------------------------------


async def test_closing_waits_for_the_writes_of_other_tasks() -> None:
    """A create of another task that is under way when the client closes is answered, not lost."""
    service = served()
    heygen = client(Line(service, latency=2.0))
    task = asyncio.ensure_future(heygen.sessions.create(PROMPT))
    await pass_time(1.5)
    await heygen.aclose()

    one_for_each(service, [await task])


async def test_closing_names_what_stays_open(caplog: pytest.LogCaptureFixture) -> None:
    """A create that gets no answer in time is named with its key when the client closes."""
    service = served()
    service.faults.add("silence", on="create")
    service.faults.add("silence", on="list", times=None)
    heygen = client(service, timeouts=Timeouts(write=30.0))
    task = asyncio.ensure_future(heygen.sessions.create(PROMPT, idempotency_key=KEY))
    await pass_time(1)
    began = clock()
    with caplog.at_level(logging.WARNING):
        await heygen.aclose()

    assert clock() - began <= 31
    assert KEY in caplog.text
    with pytest.raises(OutcomeUnknown) as caught:
        await task
    assert KEY == caught.value.idempotency_key


def test_the_end_of_a_loop_waits_for_writes() -> None:
    """When the program ends while another task creates, the session is made, and kept as an orphan."""
    service, kept = served(), list[HeyGen]()

    async def program() -> None:
        heygen = client(Line(service, latency=2.0))
        kept.append(heygen)
        task = asyncio.ensure_future(heygen.sessions.create(PROMPT))
        await pass_time(1.5)
        assert not task.done()

    run(program)

    sessions: list[Session] = list(kept[0].sessions.orphans)
    one_for_each(service, sessions)
