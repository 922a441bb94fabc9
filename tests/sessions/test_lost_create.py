"""A create whose answer is lost: one session is made and paid for, and the caller gets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import pytest

from flows import Line, client, clock, pass_time
from heygen_async import (
    Forbidden,
    HeyGenError,
    InsufficientCredit,
    OutcomeUnknown,
    RateLimited,
    RetryPolicy,
    Session,
)
from heygen_async.testing import MemoryAnswer
from sessions.losses import PROMPT, both_services, each, one_for_each, served

if TYPE_CHECKING:
    from heygen_async.testing._transports.memory import Outgoing

PROCESSED = (
    "reset_after_processing",
    "silence",
    "cut_length",
    "cut_chunked",
    "trickle",
    "oversized",
    "bad_gzip",
    "json_null",
    "json_array",
    "json_scalar",
    "missing_data",
    "wrong_types",
)
UNPROCESSED = ("connect_refused", "reset_before", "silence_before", "rate_limit", "in_progress")
EITHER = ("gateway_html", "error_500", "error_500_plain")


# ---- one create ---------------------------------------------------------------------------------------------------


@each(
    ("fault", "idempotency"),
    [
        (fault, idempotency)
        for fault in (*PROCESSED, *UNPROCESSED)
        for idempotency in ("honoured", "ignored")
        if (fault, idempotency)
        != ("in_progress", "ignored")  # who ignores keys cannot know that one is in use
    ],
)
async def test_lost_answer_makes_one_session(fault: str, idempotency: str) -> None:
    """Whatever happens to the answer, the caller gets the one session there is."""
    service = served(idempotency)
    service.faults.add(fault, on="create")
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT)

    one_for_each(service, [session])
    assert 0 == service.ledger.duplicate_creates


@both_services
@each("processed", [True, False], ids=["processed", "not processed"])
@each("fault", EITHER)
async def test_server_error_makes_one_session(fault: str, processed: bool, idempotency: str) -> None:
    """A 500 or 502 may hide a session or not: either way there is one in the end."""
    service = served(idempotency)
    service.faults.add(fault, on="create", processed=processed)
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT)

    one_for_each(service, [session])


@both_services
@each("processed", [True, False], ids=["processed", "not processed"])
@each("variant", ["full", "code_only", "empty"])
async def test_error_in_success_makes_one_session(variant: str, processed: bool, idempotency: str) -> None:
    """An internal error inside a 200 is as unclear as a 500, and ends as well."""
    service = served(idempotency)
    service.faults.add("error_200", on="create", variant=variant, processed=processed)
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT)

    one_for_each(service, [session])


@both_services
async def test_answer_lost_again_and_again(idempotency: str) -> None:
    """Neither a service that loses its answers three times nor one that never saw the request costs a second video."""
    service = served(idempotency)
    for fault in ("reset_before", "silence_before", "error_500", "reset_after_processing"):
        service.faults.add(fault, on="create")
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT)

    one_for_each(service, [session])


@both_services
async def test_every_attempt_carries_one_key(idempotency: str) -> None:
    """All attempts of a create carry the caller's key."""
    service = served(idempotency)
    service.faults.add("reset_before", on="create", times=2)
    line = Line(service)
    async with client(line) as heygen:
        await heygen.sessions.create(PROMPT, idempotency_key="order-7")

    posts = [sent.headers["idempotency-key"] for sent in line.sent if sent.method == "POST"]
    assert ["order-7"] * 3 == posts


async def test_adopted_session_is_as_good_as_any() -> None:
    """A session found after a lost answer knows its mode and goes on to its video."""
    service = served()
    service.faults.add("reset_after_processing", on="create")
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT)
        await session.wait()
        await session.approve()
        video = await session.video()

        assert "chat" == session.mode

    assert [video.id] == service.ledger.billed


async def test_found_at_once() -> None:
    """A lost answer that comes as an error costs the caller well under a second."""
    service = served()
    service.faults.add("reset_after_processing", on="create")
    async with client(service) as heygen:
        began = clock()
        await heygen.sessions.create(PROMPT)

        assert clock() - began < 1


async def test_reading_the_session_fails_too() -> None:
    """The session is adopted even if it cannot be read a moment later: the id is what counts."""
    service = served()
    service.faults.add("reset_after_processing", on="create")
    service.faults.add("error_500", on="get", after=1, times=6)
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT)

    one_for_each(service, [session])


@each("polls", [1, 3, 6])
async def test_hidden_at_first(polls: int) -> None:
    """A new session that answers 404 for a while is waited for, not made again."""
    service = served()
    service.faults.add("early_404", on="create", polls=polls)
    service.faults.add("reset_after_processing", on="create")
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT)

    one_for_each(service, [session])


async def test_hidden_for_good() -> None:
    """A new session that stays 404 may be ours: nobody guesses, and the error names it."""
    service = served()
    service.faults.add("early_404", on="create", polls=1000)
    service.faults.add("reset_after_processing", on="create")
    async with client(service) as heygen:
        with pytest.raises(OutcomeUnknown) as caught:
            await heygen.sessions.create(PROMPT)

    assert tuple(service.ledger.sessions) == caught.value.candidates


@each("skew", [-18_000.0, -600.0, 600.0, 18_000.0])
async def test_clocks_disagree(skew: float) -> None:
    """Hours between the clocks hide no session: the service's answers tell its time."""
    service = served(clock_skew=skew)
    service.faults.add("reset_after_processing", on="create")
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT)

    one_for_each(service, [session])


async def test_found_behind_a_page_of_others() -> None:
    """The session is found although a hundred newer ones fill the first page of the list."""
    service = served(max_jobs=1000)
    service.faults.add("silence", on="create")
    async with client(service) as heygen, client(service) as other, anyio.create_task_group() as group:
        lost: list[Session] = []

        async def create() -> None:
            lost.append(await heygen.sessions.create(PROMPT))

        group.start_soon(create)
        await pass_time(1)
        for number in range(110):
            await other.sessions.create(f"Somebody else's {number}")

    assert [service.ledger.sessions[0]] == [session.id for session in lost]
    assert 111 == len(service.ledger.sessions)


# ---- when nobody can know -----------------------------------------------------------------------------------------


async def test_switched_off() -> None:
    """With `settle="raise"` a lost answer is told at once, with the key and the time, and nothing more is sent."""
    service = served()
    service.faults.add("reset_after_processing", on="create")
    line = Line(service)
    async with client(line, retry=RetryPolicy(settle="raise")) as heygen:
        with pytest.raises(OutcomeUnknown) as caught:
            await heygen.sessions.create(PROMPT, idempotency_key="order-7")

    assert 1 == len(line.sent)
    assert "order-7" == caught.value.idempotency_key
    assert abs(caught.value.started_at.timestamp() - service.ledger.creates[0].created_at) < 2


@each("fault", ["connect_refused", "error_500", "forbidden"])
async def test_list_unreachable(fault: str) -> None:
    """When the list cannot be read either, nothing is sent again and the caller is told so."""
    service = served()
    service.faults.add("reset_after_processing", on="create")
    service.faults.add(fault, on="list", times=None)
    async with client(service) as heygen:
        with pytest.raises(OutcomeUnknown):
            await heygen.sessions.create(PROMPT)

    assert 1 == len(service.ledger.sessions)


async def test_foreign_session_with_the_same_prompt() -> None:
    """When another program has made a session of these words just now, both are named and neither is taken."""
    service = served()
    async with client(service) as other:
        await other.sessions.create(PROMPT)
    service.faults.add("reset_after_processing", on="create")
    async with client(service) as heygen:
        with pytest.raises(OutcomeUnknown) as caught:
            await heygen.sessions.create(PROMPT)

    assert set(service.ledger.sessions) == set(caught.value.candidates)


async def test_error_says_what_to_do_with_it() -> None:
    """The candidates of an unclear create can be attached to, and one of them is the session."""
    service = served()
    async with client(service) as other:
        await other.sessions.create(PROMPT)
    service.faults.add("silence", on="create")
    async with client(service) as heygen:
        with pytest.raises(OutcomeUnknown) as caught:
            await heygen.sessions.create(PROMPT)
        states = [await heygen.sessions.attach(one).refresh() for one in caught.value.candidates]

    assert 2 == len(states)


# ---- what is never taken ------------------------------------------------------------------------------------------


async def test_other_prompts_are_never_taken() -> None:
    """A session of other words is not adopted, however new, by a client that knows the service to echo exactly."""
    service = served()
    async with client(service) as heygen, client(service) as other:
        own = await heygen.sessions.create("Something else")
        await pass_time(5)
        foreign = await other.sessions.create(PROMPT + ", please")
        service.faults.add("reset_before", on="create")
        session = await heygen.sessions.create(PROMPT)

    one_for_each(service, [own, foreign, session])


@each("how", ["created", "attached", "restored"])
async def test_own_sessions_are_never_taken(how: str) -> None:
    """A session this client already has is not adopted a second time."""
    service = served()
    async with client(service) as heygen, client(service) as other:
        first = await (heygen if how == "created" else other).sessions.create(PROMPT)
        if how == "attached":
            heygen.sessions.attach(first.id)
        elif how == "restored":
            heygen.sessions.restore(first.ref())
        service.faults.add("reset_before", on="create")
        second = await heygen.sessions.create(PROMPT)

    one_for_each(service, [first, second])


# ---- plain refusals -----------------------------------------------------------------------------------------------


@each(
    ("fault", "error"),
    [("payment_required", InsufficientCredit), ("forbidden", Forbidden), ("rate_limit", RateLimited)],
)
async def test_refused_is_not_lost(fault: str, error: type[HeyGenError]) -> None:
    """A refusal is the answer: it is raised as it is, and nothing is looked for."""
    service = served()
    params: dict[str, Any] = {"retry_after": "absurd"} if fault == "rate_limit" else {}
    service.faults.add(fault, on="create", times=None, **params)
    line = Line(service)
    async with client(line) as heygen:
        with pytest.raises(error):
            await heygen.sessions.create(PROMPT)

    assert 1 == len(line.sent)


class RowsWithoutIds(Line):
    """The way to a service whose list has rows that name no session."""

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Pass it on; take the ids out of a list."""
        answer = await super().send(request)
        if request.method != "GET" or urlsplit(request.url).path != "/v3/video-agents":
            return answer
        body: dict[str, Any] = json.loads(answer.body)
        for row in body["data"]:
            row["session_id"] = None
        return MemoryAnswer(200, {"content-type": "application/json"}, json.dumps(body).encode())


async def test_a_list_with_rows_that_cannot_be_read_proves_no_absence() -> None:
    """A lost create is not paid again while a row of the list may be its session."""
    service = served("ignored")
    async with client(RowsWithoutIds(service)) as heygen:
        service.faults.add("reset_after_processing", on="create")
        with pytest.raises(OutcomeUnknown):
            await heygen.sessions.create(PROMPT)

    assert 1 == len(service.ledger.sessions)
