"""A create that an earlier process may have sent: its session is found, or made, and never twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from flows import Line, client, clock, pass_time
from heygen_async import InvalidArgument, OutcomeUnknown, RetryPolicy, Session
from heygen_async.testing import Simulator
from heygen_async.testing._transports.memory import wall_time
from sessions.losses import PROMPT, both_services, each, one_for_each, served

KEY = "job-1"


def now() -> datetime:
    """Return the moment of the loop's calendar."""
    return datetime.fromtimestamp(wall_time(), UTC)


async def earlier(service: Simulator, key: str = KEY, prompt: str = PROMPT) -> str:
    """Create a session as a process that then dies; return its id."""
    async with client(service) as heygen:
        return (await heygen.sessions.create(prompt, idempotency_key=key)).id


@both_services
@each("age", [0.0, 40.0, 7200.0], ids=["just-now", "some-time-ago", "long-ago"])
async def test_the_session_of_an_earlier_process_is_taken_over(idempotency: str, age: float) -> None:
    """What an earlier process made is adopted, however long ago, and nothing is paid for again."""
    service = served(idempotency)
    begun_at = now()
    made = await earlier(service)
    await pass_time(age)
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT, idempotency_key=KEY, begun_at=begun_at)

    assert made == session.id
    assert [made] == service.ledger.sessions


@both_services
async def test_what_was_never_made_is_made_once(idempotency: str) -> None:
    """When the earlier process never got so far, the session is made now, with the same key."""
    service = served(idempotency)
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT, idempotency_key=KEY, begun_at=now())

    one_for_each(service, [session])
    assert [KEY] == [record.idempotency_key for record in service.ledger.creates]


@both_services
async def test_a_late_session_is_waited_for(idempotency: str) -> None:
    """A session that the service shows only after some seconds is still found, and not made again."""
    service = served(idempotency)
    begun_at, line = now(), Line(service)
    async with client(line) as heygen, anyio.create_task_group() as group:
        sessions: list[Session] = []

        async def resume() -> None:
            sessions.append(await heygen.sessions.create(PROMPT, idempotency_key=KEY, begun_at=begun_at))

        group.start_soon(resume)
        await pass_time(6)
        made = await earlier(service)

    assert [made] == [session.id for session in sessions] == service.ledger.sessions


async def test_nothing_is_sent_before_the_settle_time() -> None:
    """That it is not there is believed only after the settle time."""
    service = served()
    line, began = Line(service), clock()
    async with client(line, retry=RetryPolicy(settle_time=25.0)) as heygen:
        await heygen.sessions.create(PROMPT, idempotency_key=KEY, begun_at=now())

    assert line.moments("POST", "/v3/video-agents")[0] - began >= 25.0


@both_services
async def test_known_sessions_are_not_taken_for_it(idempotency: str) -> None:
    """A session with the same prompt that the caller attached belongs to another job."""
    service = served(idempotency)
    begun_at = now()
    other = await earlier(service, "job-0")
    async with client(service) as heygen:
        heygen.sessions.attach(other)
        session = await heygen.sessions.create(PROMPT, idempotency_key=KEY, begun_at=begun_at)

    assert session.id != other
    assert 2 == len(service.ledger.sessions)


async def test_other_prompts_and_older_sessions_are_left_alone() -> None:
    """Sessions about something else, or from long before, are not taken for it."""
    service = served()
    old = await earlier(service, "old")
    await pass_time(3600)
    begun_at = now()
    other = await earlier(service, "other", "A tour of our bakery")
    async with client(service) as heygen:
        session = await heygen.sessions.create(PROMPT, idempotency_key=KEY, begun_at=begun_at)

    assert session.id not in {old, other}


async def test_two_that_may_be_it_are_named() -> None:
    """When several sessions may be it, nothing is sent and all are named, with the beginning that was given."""
    service = served()
    begun_at = now()
    made = {await earlier(service, "a"), await earlier(service, "b")}
    async with client(service) as heygen:
        with pytest.raises(OutcomeUnknown) as raised:
            await heygen.sessions.create(PROMPT, idempotency_key=KEY, begun_at=begun_at)

    assert made == set(raised.value.candidates)
    assert begun_at == raised.value.started_at
    assert 2 == len(service.ledger.sessions)


@both_services
async def test_interrupted_twins_are_all_found(idempotency: str) -> None:
    """Several interrupted creates of one prompt get a session each, the missing ones are made, none twice."""
    service = served(idempotency, max_jobs=100)
    begun_at = now()
    for number in range(3):
        await earlier(service, f"job-{number}")
    sessions: list[Session] = []
    async with client(service) as heygen, anyio.create_task_group() as group:

        async def resume(key: str) -> None:
            sessions.append(await heygen.sessions.create(PROMPT, idempotency_key=key, begun_at=begun_at))

        for number in range(5):
            group.start_soon(resume, f"job-{number}")

    one_for_each(service, sessions)
    assert 5 == len(service.ledger.sessions)


@both_services
@each("made", [(1, 12), (12,), (1,), ()], ids=str)
async def test_prompts_that_are_alike_are_told_apart(idempotency: str, made: tuple[int, ...]) -> None:
    """Creates that died together, of which one prompt begins like another, find the session of their own or make it."""
    service = served(idempotency)
    begun_at = now()
    for number in made:
        await earlier(service, f"job-{number}", f"A film about the number {number}")
    sessions: dict[int, Session] = {}
    async with client(service) as heygen, anyio.create_task_group() as group:

        async def resume(number: int) -> None:
            prompt, key = f"A film about the number {number}", f"job-{number}"
            sessions[number] = await heygen.sessions.create(prompt, idempotency_key=key, begun_at=begun_at)

        for number in (1, 12):
            group.start_soon(resume, number)

    assert {f"A film about the number {number}" for number in (1, 12)} == {
        create.prompt for create in service.ledger.creates
    }
    assert 2 == len(service.ledger.sessions)
    prompts = {create.session_id: create.prompt for create in service.ledger.creates}
    assert ["A film about the number 1", "A film about the number 12"] == [
        prompts[sessions[number].id] for number in (1, 12)
    ]


async def test_it_is_found_behind_thousands_of_newer_ones() -> None:
    """A session is found however many have been made since."""
    service = served(max_jobs=10_000)
    begun_at = now()
    made = await earlier(service)
    async with client(service) as heygen:
        ids = [(await heygen.sessions.create(f"Video {number}")).id for number in range(700)]
    async with client(service) as heygen:
        for one in ids:
            heygen.sessions.attach(one)
        session = await heygen.sessions.create(PROMPT, idempotency_key=KEY, begun_at=begun_at)

    assert made == session.id


async def test_it_is_found_among_strangers() -> None:
    """Sessions nobody knows are read, each once, until it is found."""
    service = served(max_jobs=10_000)
    begun_at = now()
    made = await earlier(service)
    async with client(service) as heygen:
        for number in range(150):
            await heygen.sessions.create(f"Video {number}")
    line = Line(service)
    async with client(line) as heygen:
        session = await heygen.sessions.create(PROMPT, idempotency_key=KEY, begun_at=begun_at)

    assert made == session.id
    assert len(line.sent) < 160


@each(
    ("options", "argument"),
    [
        ({"begun_at": datetime(2026, 1, 1, tzinfo=UTC)}, "begun_at"),
        ({"begun_at": datetime(2026, 1, 1), "idempotency_key": KEY}, "begun_at"),  # noqa: DTZ001
    ],
    ids=["no-key", "no-time-zone"],
)
async def test_a_beginning_that_cannot_be_looked_for_is_refused(
    options: dict[str, object], argument: str
) -> None:
    """Without the key that was sent, or without a time zone, nothing is sent."""
    line = Line(served())
    async with client(line) as heygen:
        with pytest.raises(InvalidArgument) as raised:
            await heygen.sessions.create(PROMPT, **options)  # type: ignore[arg-type]

    assert argument == raised.value.argument
    assert [] == line.sent


async def test_switched_off_settling_leaves_the_decision_to_you() -> None:
    """With settling switched off a doubtful create is raised at once and nothing is sent."""
    line = Line(served())
    async with client(line, retry=RetryPolicy(settle="raise")) as heygen:
        with pytest.raises(OutcomeUnknown):
            await heygen.sessions.create(PROMPT, idempotency_key=KEY, begun_at=now() - timedelta(hours=1))

    assert [] == line.sent


async def test_a_cancelled_search_sends_nothing() -> None:
    """A create that is cancelled while it looks ends without a new session, and an old one is an orphan."""
    service = served()
    begun_at = now()
    made = await earlier(service)
    line = Line(service, latency=2.0)
    async with client(line) as heygen:
        with anyio.move_on_after(1.0):
            await heygen.sessions.create(PROMPT, idempotency_key=KEY, begun_at=begun_at)
        with anyio.move_on_after(1.0):
            await heygen.sessions.create("Another", idempotency_key="job-2", begun_at=begun_at)

        assert [made] == [session.id for session in heygen.sessions.orphans]

    assert [] == line.moments("POST", "/v3/video-agents")
