"""Creates of the same words at the same time, and keys the service honours: nobody gets another's session."""

from __future__ import annotations

import random

import anyio
import pytest

from flows import Line, client, pass_time
from heygen_async import OutcomeUnknown, RetryPolicy, Session, Timeouts
from heygen_async.models import Orientation
from sessions.losses import PROMPT, both_services, created, each, one_for_each, served, sessions_of

# ---- the same create many times -----------------------------------------------------------------------------------


@both_services
@each("lost", [1, 3, 5])
@each("fault", ["reset_after_processing", "reset_before", "silence", "error_500", "cut_length"])
async def test_identical_creates(fault: str, lost: int, idempotency: str) -> None:
    """Five identical creates at once make five sessions, however many answers are lost."""
    service = served(idempotency)
    service.faults.add(fault, on="create", times=lost)
    async with client(service) as heygen:
        sessions = sessions_of(await created(heygen, 5))

    one_for_each(service, sessions)


@both_services
async def test_identical_creates_mixed(idempotency: str) -> None:
    """Of six identical creates some were processed, some not, some are slow: six sessions in the end."""
    service = served(idempotency)
    for fault in ("silence", "reset_before", "slow", "reset_after_processing", "silence_before"):
        service.faults.add(fault, on="create")
    async with client(service) as heygen:
        sessions = sessions_of(await created(heygen, 6))

    one_for_each(service, sessions)


@each("fault", ["reset_after_processing", "silence"])
@each("seed", range(5))
async def test_identical_creates_one_after_the_other(fault: str, seed: int) -> None:
    """Six identical creates within seconds, all of whose answers are lost, make six sessions: each finds one."""
    service = served("ignored")
    service.faults.add(fault, on="create", times=6)
    chance = random.Random(seed)
    async with client(Line(service, latency=0.3)) as heygen:
        sessions: list[Session] = []

        async def create(delay: float) -> None:
            await pass_time(delay)
            sessions.append(await heygen.sessions.create(PROMPT))

        async with anyio.create_task_group() as group:
            for _ in range(6):
                group.start_soon(create, chance.uniform(0, 4))

    one_for_each(service, sessions)


async def test_prompts_alike_but_for_blanks() -> None:
    """Creates whose prompts differ in outer blanks only do not take each other's sessions."""
    service = served()
    service.faults.add("reset_after_processing", on="create")
    service.faults.add("slow", on="create", after=1)
    async with client(service) as heygen:
        ends: list[Session] = []

        async def create(prompt: str) -> None:
            ends.append(await heygen.sessions.create(prompt))

        async with anyio.create_task_group() as group:
            group.start_soon(create, PROMPT)
            group.start_soon(create, f" {PROMPT} ")

    one_for_each(service, ends)


async def test_sibling_on_its_way_is_waited_for() -> None:
    """While another create of the same words is unanswered, nothing is adopted: it may be that one's session."""
    service = served()
    service.faults.add("reset_before", on="create")
    service.faults.add("slow", on="create", after=1, seconds=20)
    async with client(service) as heygen:
        sessions = sessions_of(await created(heygen, 2))

    one_for_each(service, sessions)


async def test_sibling_with_other_options_keeps_its_session() -> None:
    """A lost create does not take the session of one with other options whose answer is still on its way."""
    service = served()
    service.faults.add("reset_before", on="create")
    service.faults.add("slow", on="create", after=1, seconds=20)
    async with client(service) as heygen:
        got: dict[str, str] = {}

        async def create(orientation: Orientation) -> None:
            key = str(orientation)
            session = await heygen.sessions.create(PROMPT, orientation=orientation, idempotency_key=key)
            got[key] = session.id

        async with anyio.create_task_group() as group:
            group.start_soon(create, "landscape")
            group.start_soon(create, "portrait")

    assert got == {record.idempotency_key: record.session_id for record in service.ledger.creates}


@each("processed", [("reset_after_processing",) * 2, ("reset_after_processing", "reset_before")])
async def test_differing_options(processed: tuple[str, str]) -> None:
    """Two lost creates of the same words with other options cannot be told apart: neither is guessed, none is lost."""
    service = served()
    for fault in processed:
        service.faults.add(fault, on="create")
    async with client(service) as heygen:
        errors: list[OutcomeUnknown] = []

        async def create(orientation: str) -> None:
            with pytest.raises(OutcomeUnknown) as caught:
                await heygen.sessions.create(PROMPT, orientation=orientation)  # type: ignore[arg-type]
            errors.append(caught.value)

        async with anyio.create_task_group() as group:
            group.start_soon(create, "landscape")
            group.start_soon(create, "portrait")

    assert [set(service.ledger.sessions)] * 2 == [set(error.candidates) for error in errors]
    assert 0 == service.ledger.duplicate_creates


async def test_what_one_create_lost_is_not_taken_by_the_next() -> None:
    """A session that an earlier create could not tell for its own is not taken by a later one."""
    service = served()
    service.faults.add("reset_after_processing", on="create")
    service.faults.add("clock_skew", on="create", seconds=300.0)  # else it is known to be older
    service.faults.add("error_500", on="list", times=None)
    async with client(service) as heygen:
        with pytest.raises(OutcomeUnknown):
            await heygen.sessions.create(PROMPT)
        service.faults.clear()
        service.faults.add("reset_before", on="create")
        with pytest.raises(OutcomeUnknown) as caught:
            await heygen.sessions.create(PROMPT, orientation="portrait")

    assert tuple(service.ledger.sessions) == caught.value.candidates


# ---- keys that are honoured ---------------------------------------------------------------------------------------


async def test_key_in_use_is_asked_again_first() -> None:
    """A service that says the key is in use is asked again with it, and its replay is the session."""
    service = served("honoured", latency=20.0)
    line = Line(service)
    async with client(line, timeouts=Timeouts(write=5.0), retry=RetryPolicy(settle_time=1.0)) as heygen:
        service.faults.add("reset_after_processing", on="create")
        service.faults.add("in_progress", on="create", after=1)
        session = await heygen.sessions.create(PROMPT, idempotency_key="order-7")

    one_for_each(service, [session])


async def test_honoured_key_saves_the_search() -> None:
    """Once the service has shown that it honours keys, a lost answer is asked for again and no list is read."""
    service = served("honoured")
    service.faults.add("in_progress", on="create")
    line = Line(service)
    async with client(line) as heygen:
        await heygen.sessions.create("Something else")
        service.faults.add("reset_after_processing", on="create")
        await heygen.sessions.create(PROMPT)

    assert [] == line.moments("GET", "/v3/video-agents?")
    assert 2 == len(service.ledger.sessions)


@each("last", ["payment_required", "forbidden", "rate_limit", "error_500", "connect_refused"])
async def test_refusal_of_the_second_try_hides_no_session(last: str) -> None:
    """A create that happened on its first try is found even if all further tries are refused."""
    service = served("honoured")
    service.faults.add("in_progress", on="create")
    async with client(service, retry=RetryPolicy(max_attempts=3)) as heygen:
        await heygen.sessions.create("Something else")
        service.faults.add("reset_after_processing", on="create")
        service.faults.add(last, on="create", times=None)
        session = await heygen.sessions.create(PROMPT)

    assert service.ledger.sessions[1] == session.id


async def test_key_in_use_to_the_end() -> None:
    """While the service says it still works on the key, a create that gives up says that nobody knows."""
    service = served("honoured")
    service.faults.add("in_progress", on="create", times=None)
    async with client(service) as heygen:
        with pytest.raises(OutcomeUnknown):
            await heygen.sessions.create(PROMPT)
