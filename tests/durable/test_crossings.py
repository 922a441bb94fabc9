"""Who comes too late: processes that were replaced, reviewers somebody else was faster than, changes that cross."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

import anyio
import pytest
import sqlalchemy as sa

from durable.campaign import PATIENCE, Held, campaign, change, client, ended, films, service
from heygen_async import Approve, InvalidArgument
from heygen_async.durable import DatabaseUnavailable, _database, _engine

if TYPE_CHECKING:
    import pathlib

    from heygen_async import Session, SessionState
    from servers import Postgres

pytestmark = pytest.mark.durable


async def test_who_was_replaced_says_nothing_more(database: str) -> None:
    """An answer another process gave while ours waited for its next attempt is not given again, and is followed."""
    simulator = service()
    simulator.faults.add("rate_limit", on="send", retry_after=1)
    held = Held(simulator, "{session_id}")
    async with campaign(database, simulator, http=held, reviewer=Approve()) as batch:
        await batch.submit(films(1, mode="chat"))
        with anyio.fail_after(PATIENCE):
            await held.is_here.wait()
        async with client(simulator) as another:
            await another.sessions.attach(simulator.ledger.sessions[0]).approve()
        change(database, "update heygen_jobs set sender = 'another', phase = 'rendering'")
        held.let_go.set()
        outcomes = await ended(batch)

    assert outcomes["film-0"].ok
    assert 1 == len(simulator.ledger.messages)


async def test_who_was_replaced_creates_nothing_more(database: str) -> None:
    """A session another process made while our create waited for its next attempt is the job's, and is followed."""
    simulator = service()
    simulator.faults.add("rate_limit", on="create", retry_after=1)
    held = Held(simulator, "video-agents")
    async with campaign(database, simulator, http=held) as batch:
        await batch.submit(films(1))
        with anyio.fail_after(PATIENCE):
            await held.is_here.wait()
        async with client(simulator) as another:
            made = await another.sessions.create("A film about the number 0", mode="generate")
        change(
            database,
            "update heygen_jobs set sender = 'another', phase = 'rendering', session_id = :id, ref = :ref",
            id=made.id,
            ref=made.ref().decode(),
        )
        held.let_go.set()
        outcomes = await ended(batch)

    assert outcomes["film-0"].ok
    assert [made.id] == simulator.ledger.sessions


async def test_a_refusal_to_who_was_replaced_ends_nothing(database: str) -> None:
    """A create refused to a process whose job another one has taken over does not end the job for that one."""
    simulator = service()
    simulator.faults.add("forbidden", on="create")
    held = Held(simulator, "video-agents")
    async with campaign(database, simulator, http=held) as batch:
        await batch.submit(films(1))
        with anyio.fail_after(PATIENCE):
            await held.is_here.wait()
        change(database, "update heygen_jobs set sender = 'another'")
        held.let_go.set()
        outcomes = await ended(batch)

    assert outcomes["film-0"].ok
    assert 1 == len(simulator.ledger.creates)


async def test_a_refusal_to_who_was_replaced_hides_nothing(sqlite: str) -> None:
    """What another process has sent is still looked for, although ours was refused the same create."""
    simulator = service()
    simulator.faults.add("payment_required", on="create")
    held = Held(simulator, "video-agents")
    async with campaign(sqlite, simulator, http=held) as batch:
        await batch.submit(films(1))
        with anyio.fail_after(PATIENCE):
            await held.is_here.wait()
        change(sqlite, "update heygen_jobs set sender = 'another'")
        held.let_go.set()
        await ended(batch)
        [job] = (await batch.status()).jobs

    assert "creating" == job.phase


async def test_a_reviewer_who_fails_too_late_is_not_heard(sqlite: str) -> None:
    """A pause that somebody else has answered meanwhile does not fail its job when the reviewer gives up."""
    simulator = service()
    asked, answered = anyio.Event(), anyio.Event()

    async def absent(_session: Session, _state: SessionState) -> Approve:
        asked.set()
        await answered.wait()
        raise TimeoutError

    async with campaign(sqlite, simulator, reviewer=absent) as batch:
        await batch.submit(films(1, mode="chat"))
        with anyio.fail_after(PATIENCE):
            await asked.wait()
        await batch.answer("film-0", Approve())
        answered.set()
        outcomes = await ended(batch)

    assert outcomes["film-0"].ok


async def test_an_answer_that_crosses_a_cancellation_comes_too_late(postgres: Postgres) -> None:
    """Of two changes to a job at the same moment the second sees the first: what was cancelled stays so."""
    database = postgres.database()
    async with campaign(database, service()) as batch, anyio.create_task_group() as tasks:
        await batch.submit(films(1, mode="chat"))
        with anyio.fail_after(PATIENCE):
            while not await batch.pending_reviews():
                await anyio.sleep(0.05)
        refused = anyio.Event()

        async def answer() -> None:
            with pytest.raises(InvalidArgument):
                await batch.answer("film-0", Approve())
            refused.set()

        engine = sa.create_engine(_database.parse(database))
        with engine.begin() as connection:
            connection.execute(sa.text("update heygen_jobs set phase = 'cancelled'"))
            tasks.start_soon(answer)
            await anyio.sleep(0.5)
        engine.dispose()
        with anyio.fail_after(PATIENCE):
            await refused.wait()


async def test_a_database_that_goes_away_while_opening_is_said(postgres: Postgres) -> None:
    """A connection that breaks in the middle of opening is told as such, and the next opening is a fresh one."""
    database = postgres.database()
    engine = sa.create_engine(_database.parse(database), isolation_level="AUTOCOMMIT")
    simulator, told = service(), list[DatabaseUnavailable]()

    async def fail_to_open() -> None:
        with pytest.raises(DatabaseUnavailable) as caught:
            async with campaign(database, simulator):
                raise AssertionError
        told.append(caught.value)

    with engine.connect() as connection:
        connection.execute(sa.text("select pg_advisory_lock(:making)"), {"making": _engine._CREATING_TABLES})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail_to_open)
            waits = "from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            with anyio.fail_after(PATIENCE):
                while not told:
                    connection.execute(sa.text(f"select pg_terminate_backend(pid) {waits}"))
                    await anyio.sleep(0.1)
    engine.dispose()
    async with campaign(database, simulator, work=False) as batch:
        assert 0 == (await batch.status()).total


def test_the_server_soon_sees_that_a_machine_is_gone(postgres: Postgres) -> None:
    """A machine that was switched off holds its locks for a minute, not for the two hours of a server's default."""
    engine = _database.connect(_database.parse(postgres.database()))
    with engine.connect() as connection:
        idle = connection.execute(sa.text("show tcp_keepalives_idle")).scalar_one()
    engine.dispose()

    assert "30" == idle


async def test_a_video_another_process_saves_is_waited_for(sqlite: str, tmp_path: pathlib.Path) -> None:
    """A file that a process thought dead is still writing does not fail the job: it is saved when that one is done."""
    simulator = service()
    part = tmp_path / "film-0.mp4.part"
    with part.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        async with campaign(sqlite, simulator, download_to=tmp_path) as batch:
            await batch.submit(films(1))
            with anyio.fail_after(PATIENCE):
                while not simulator.ledger.billed:
                    await anyio.sleep(0.05)
            await anyio.sleep(0.5)
            fcntl.flock(file, fcntl.LOCK_UN)
            outcomes = await ended(batch)

    assert outcomes["film-0"].ok
    assert outcomes["film-0"].path == tmp_path / "film-0.mp4"
