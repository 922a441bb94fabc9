"""What a program is told of its client's work, and that nothing it does with that disturbs the work."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from typing import TYPE_CHECKING

import anyio
import pytest

from flows import Line, pass_time
from heygen_async import (
    ClientStateError,
    HeyGen,
    Job,
    NotFound,
    RequestEvent,
    RetryEvent,
    RetryPolicy,
    TransitionEvent,
)
from heygen_async.testing import MemoryTransport, Scenario, Simulator, run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

PROMPT = "A tour of our bakery"


@pytest.fixture
def service() -> Simulator:
    """A service that renders without asking."""
    return Simulator(scenario=Scenario.generate())


async def test_each_exchange_is_told(line: Line, service: Simulator) -> None:
    """Every request of the ledger is one event, with its status and how long it took."""
    told: list[RequestEvent] = []
    async with HeyGen(service.api_key, http=line, on_request=told.append) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="generate")
        await session.wait()

    assert service.ledger.total_requests == len(told)
    assert {200} == {event.status for event in told}
    assert all(event.elapsed > 0 for event in told)


async def test_routes_have_no_ids(line: Line, service: Simulator) -> None:
    """A route is the same for all sessions, so it can name a metric."""
    told: list[RequestEvent] = []
    async with HeyGen(service.api_key, http=line, on_request=told.append) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="generate")
        await session.refresh()

    assert [("POST", "/v3/video-agents"), ("GET", "/v3/video-agents/{session_id}")] == [
        (event.method, event.route) for event in told
    ]


async def test_refusals_are_told_with_the_name_the_service_gave_them(line: Line, service: Simulator) -> None:
    """What to quote to the service's support is in the event."""
    told: list[RequestEvent] = []
    async with HeyGen(service.api_key, http=line, on_request=told.append) as heygen:
        with pytest.raises(NotFound) as caught:
            await heygen.videos.get("nobody-knows-it")

    assert [(404, caught.value.request_id)] == [(event.status, event.request_id) for event in told]
    assert caught.value.request_id


async def test_attempts_and_retries_are_told(line: Line, service: Simulator) -> None:
    """A call that failed twice is three exchanges and two retries, with what went wrong and the wait."""
    requests: list[RequestEvent] = []
    retries: list[RetryEvent] = []
    service.faults.add("reset_before", on="account", times=1)
    service.faults.add("rate_limit", on="account", times=1, retry_after=7)
    async with HeyGen(
        service.api_key, http=line, on_request=requests.append, on_retry=retries.append
    ) as heygen:
        await heygen.account.me()

    assert [(1, None), (2, 429), (3, 200)] == [(event.attempt, event.status) for event in requests]
    assert [None, None] == [event.error for event in requests[1:]]
    assert [(1, "GET"), (2, "GET")] == [(event.attempt, event.method) for event in retries]
    assert "RateLimited" == retries[1].error
    assert "429" in retries[1].reason
    assert retries[1].delay >= 7


async def test_an_exchange_without_an_answer_says_so(line: Line, service: Simulator) -> None:
    """No status, and the kind of error."""
    told: list[RequestEvent] = []
    service.faults.add("reset_before", on="account")
    async with HeyGen(service.api_key, http=line, on_request=told.append) as heygen:
        await heygen.account.me()

    assert (None, "ConnectionLost") == (told[0].status, told[0].error)


async def test_transitions_are_told_once(line: Line, service: Simulator) -> None:
    """Each change of status is one event, however many watch and whoever looked."""
    told: list[TransitionEvent] = []
    async with HeyGen(service.api_key, http=line, on_transition=told.append) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="generate")
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(heygen.sessions.attach(session.id).wait)

    assert [(None, "thinking"), ("thinking", "generating"), ("generating", "completed")] == [
        (event.previous, event.status) for event in told
    ]
    assert {session.id} == {event.session_id for event in told}
    assert 90 == pytest.approx(told[-1].elapsed, abs=30)


async def by_itself(heygen: HeyGen, ref: bytes) -> None:
    """Go on with a session."""
    await heygen.sessions.restore(ref).wait()


async def in_a_batch(heygen: HeyGen, ref: bytes) -> None:
    """Go on with a session as a job."""
    async with heygen.batch([Job(PROMPT, mode="generate", ref=ref)]) as run:
        await run.raise_failures()


@pytest.mark.parametrize("go_on", [by_itself, in_a_batch], ids=["session", "batch"])
async def test_a_restored_session_is_told_from_where_it_was(
    line: Line, service: Simulator, go_on: Callable[[HeyGen, bytes], Awaitable[None]]
) -> None:
    """What was a transition for an earlier process is none for this one, and the next ones are."""
    async with HeyGen(service.api_key, http=line) as earlier:
        ref = (await earlier.sessions.create(PROMPT, mode="generate")).ref()
    told: list[TransitionEvent] = []
    async with HeyGen(service.api_key, http=Line(service), on_transition=told.append) as heygen:
        await go_on(heygen, ref)

    assert [("thinking", "generating"), ("generating", "completed")] == [
        (event.previous, event.status) for event in told
    ]


async def test_files_are_told(line: Line, service: Simulator, tmp_path: Path) -> None:
    """A download is an exchange too, without its presigned address."""
    told: list[RequestEvent] = []
    async with HeyGen(service.api_key, http=line, on_request=told.append) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="generate")
        await (await session.video()).download(tmp_path)

    assert ("GET", "a download", 200) == (told[-1].method, told[-1].route, told[-1].status)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_failing_hook_disturbs_nothing(
    line: Line, service: Simulator, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """What a hook raises is logged, and the work goes on as if it were not there."""

    def fail(event: object) -> None:
        raise ZeroDivisionError

    async def fail_later(event: object) -> None:
        fail(event)

    hook = fail if kind == "sync" else fail_later
    async with HeyGen(
        service.api_key, http=line, on_request=hook, on_retry=hook, on_transition=hook
    ) as heygen:
        service.faults.add("reset_before", on="get")
        session = await heygen.sessions.create(PROMPT, mode="generate")
        assert "completed" == (await session.wait()).status

    failures = [record for record in caplog.records if "hook_failed" == getattr(record, "event", None)]
    assert {"RequestEvent", "TransitionEvent"} <= {getattr(record, "hook", None) for record in failures}
    assert all(record.exc_info for record in failures)


async def test_closing_waits_for_async_hooks(line: Line, service: Simulator) -> None:
    """What a hook writes down slowly is written down when the client is closed."""
    written: list[RequestEvent] = []

    async def write(event: RequestEvent) -> None:
        await pass_time(9)
        written.append(event)

    async with HeyGen(service.api_key, http=line, on_request=write) as heygen:
        await heygen.account.me()
        assert [] == written

    assert 1 == len(written)


async def test_closing_ends_hooks_that_take_too_long(line: Line, service: Simulator) -> None:
    """A hook that never ends keeps a client open for ten seconds, and is over when that is closed."""

    async def hang(event: RequestEvent) -> None:
        await anyio.sleep_forever()

    began = asyncio.get_running_loop().time()
    async with HeyGen(service.api_key, http=line, on_request=hang) as heygen:
        await heygen.account.me()

    assert 10 == pytest.approx(asyncio.get_running_loop().time() - began, abs=1)
    assert [] == [task for task in asyncio.all_tasks() if "heygen_async hook" == task.get_name()]


async def test_an_exchange_that_was_given_up_is_told(line: Line, service: Simulator) -> None:
    """What a cancelled caller leaves is an exchange without an answer."""
    told: list[RequestEvent] = []
    service.faults.add("silence_before", on="account")
    async with HeyGen(service.api_key, http=line, on_request=told.append) as heygen:
        with anyio.move_on_after(5):
            await heygen.account.me()

    assert [(None, "CancelledError", 5)] == [(e.status, e.error, round(e.elapsed)) for e in told]


async def test_a_hook_may_close_the_client(line: Line, service: Simulator) -> None:
    """A program that gives up at the first refusal can say so in its hook."""

    async def give_up(event: RequestEvent) -> None:
        if event.status == 404:
            await heygen.aclose()

    heygen = HeyGen(service.api_key, http=line, on_request=give_up)
    with pytest.raises(NotFound):
        await heygen.videos.get("nobody-knows-it")
    await pass_time(1)

    with pytest.raises(ClientStateError):
        await heygen.account.me()


async def test_no_hooks_cost_nothing(line: Line, service: Simulator) -> None:
    """Without hooks the transport is used as it was given, and nothing is made to be told."""
    async with HeyGen(service.api_key, http=line, retry=RetryPolicy(max_attempts=1)) as heygen:
        await heygen.account.me()

        assert line is heygen._core.api._transport
        assert heygen._core.scheduler.trackers._on_transition is None


async def test_looks_belong_to_no_request_of_the_program(line: Line, service: Simulator) -> None:
    """What a web backend keeps for a request, its trace or its user, is not found in the polls that all share."""
    user: ContextVar[str] = ContextVar("user", default="nobody")
    seen: list[tuple[str, str]] = []

    def note(event: RequestEvent) -> None:
        seen.append((event.method, user.get()))

    async with HeyGen(service.api_key, http=line, on_request=note) as heygen:
        user.set("Ann")
        session = await heygen.sessions.create(PROMPT, mode="generate")
        await session.wait()

    assert [("POST", "Ann"), ("GET", "nobody")] == sorted(set(seen), reverse=True)


async def test_a_broken_download_is_told(line: Line, service: Simulator, tmp_path: Path) -> None:
    """A file that breaks off is an exchange with a status and an error, and the rest of it is another."""
    told: list[RequestEvent] = []
    async with HeyGen(service.api_key, http=line, on_request=told.append) as heygen:
        session = await heygen.sessions.create(PROMPT, mode="generate")
        video = await session.video()
        service.faults.add("cut_after", on="media", bytes=1000)
        await video.download(tmp_path)

    assert [(200, "ConnectionLost"), (206, None)] == [
        (event.status, event.error) for event in told if "a download" == event.route
    ]


def test_hooks_follow_a_client_into_the_next_loop(service: Simulator) -> None:
    """A client that goes on in another loop, because its first is closed, still tells what it does."""
    told: list[RequestEvent] = []
    heygen = HeyGen(service.api_key, http=MemoryTransport(service), on_request=told.append)
    for _ in range(2):
        run(heygen.account.me)

    assert [200, 200] == [event.status for event in told]
