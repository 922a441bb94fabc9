"""A durable batch in one process: what goes in, what comes out, what a user can do in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from durable.campaign import PATIENCE, campaign, ended, films, service
from heygen_async import (
    Approve,
    BatchEvent,
    ClientStateError,
    ConfigError,
    DownloadError,
    InvalidArgument,
    Job,
    SessionFailed,
    Unauthorized,
    WatchTimeout,
)
from heygen_async.durable import DurableBatch, JobCancelled
from heygen_async.testing import Scenario

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator


pytestmark = pytest.mark.durable


async def test_every_job_ends_once(database: str) -> None:
    """Every job of a batch comes to one outcome with its video, and is paid for once."""
    simulator = service()
    async with campaign(database, simulator, reviewer=Approve()) as batch:
        await batch.submit(films(12, mode="chat"))
        outcomes = await ended(batch)

    assert {f"film-{number}" for number in range(12)} == set(outcomes)
    assert all(outcome.ok and outcome.video for outcome in outcomes.values())
    assert 12 == len(simulator.ledger.creates)
    assert 12 == len(simulator.ledger.messages)


async def test_ends_of_an_earlier_opening_are_told_again(database: str) -> None:
    """Outcomes include the jobs that ended before this process opened the batch, with all that was known."""
    simulator = service()
    async with campaign(database, simulator) as batch:
        await batch.submit(films(3))
        before = await ended(batch)
    async with campaign(database, simulator) as batch:
        after = await ended(batch)

    assert before.keys() == after.keys()
    assert [one.video for one in before.values()] == [one.video for one in after.values()]
    assert [one.session_ref for one in before.values()] == [one.session_ref for one in after.values()]
    assert before["film-0"].states == after["film-0"].states
    assert "completed" == after["film-0"].states[-1].status


async def test_submitting_again_leaves_known_jobs_alone(database: str) -> None:
    """A second submit queues the new keys only, and names what differs in the known ones that read differently now."""
    simulator = service()
    async with campaign(database, simulator, reviewer=Approve()) as batch:
        first = await batch.submit(films(3))
        edited = Job("Another film", "film-2", mode="generate", orientation="portrait")
        found = await batch.find_changed([*films(2), edited, "A fourth"])
        second = await batch.submit([*films(2), edited, "A fourth"])
        await ended(batch)

    assert (3, 0, ()) == (first.new, first.known, first.changed)
    assert (1, 3, found) == (second.new, second.known, second.changed)
    [changed] = found
    assert "film-2" == changed.key
    assert (
        "prompt was 'A film about the number 2', is 'Another film'",
        "orientation was None, is 'portrait'",
    ) == changed.differences
    assert 4 == len(simulator.ledger.creates)


async def test_jobs_may_come_from_an_async_iterator(sqlite: str) -> None:
    """Jobs are taken from any iterable, also one that waits; a text is a job named by its position."""

    async def source() -> AsyncIterator[Job | str]:
        yield "One"
        await anyio.lowlevel.checkpoint()
        yield Job("Two", "second")

    async with campaign(sqlite, service(), work=False) as batch:
        await batch.submit(source())
        status = await batch.status()

    assert ["1", "second"] == [job.key for job in status.jobs]


@pytest.mark.parametrize(
    "jobs",
    [
        pytest.param([Job("One", "same"), Job("Two", "same")], id="the same key twice"),
        pytest.param(
            [Job("One", reviewer=lambda _session, _state: Approve())], id="a function as a job's reviewer"
        ),
    ],
)
async def test_what_cannot_be_written_down_is_refused(sqlite: str, jobs: list[Job]) -> None:
    """A batch that could not be gone on with elsewhere is refused before anything is created."""
    async with campaign(sqlite, service(), work=False) as batch:
        with pytest.raises(InvalidArgument):
            await batch.submit(jobs)
        assert 0 == (await batch.status()).total


async def test_a_failed_job_is_begun_again_when_asked(database: str) -> None:
    """A job whose session failed is paid for anew by a retry only, and its new outcome comes after it."""
    simulator = service()
    simulator.script(Scenario.failing(), prompt="number 1")
    async with campaign(database, simulator) as batch:
        await batch.submit(films(2))
        first = await ended(batch)
        simulator.script(Scenario.generate())
        failed = [key for key, outcome in first.items() if not outcome.ok]
        begun = await batch.retry()
        second = await ended(batch)
        status = await batch.status()

    assert 1 == len(failed)
    assert isinstance(first[failed[0]].error, SessionFailed)
    assert failed == begun
    assert all(outcome.ok for outcome in second.values())
    assert 3 == len(simulator.ledger.creates)
    assert [2] == [job.attempts for job in status.jobs if job.key == failed[0]]


async def test_whoever_listens_hears_the_outcome_of_a_retry(database: str) -> None:
    """A failed job begun again while its outcomes are listened to has its next outcome told there, too."""
    simulator = service()
    simulator.script(Scenario.failing())
    told: list[bool] = []
    async with campaign(database, simulator) as batch:
        await batch.submit(films(1))
        async for outcome in batch.outcomes():
            told.append(outcome.ok)
            if not outcome.ok:
                simulator.script(Scenario.generate())
                await batch.retry([outcome.key])

    assert [False, True] == told


async def test_a_late_job_goes_on_with_its_session(sqlite: str) -> None:
    """A retry of a job that was only late watches the session there is, and pays nothing."""
    simulator = service(speed=10)
    async with campaign(sqlite, simulator) as batch:
        await batch.submit([Job("A film", "late", mode="generate", timeout=0.06)])
        first = await ended(batch)
        last = first
        with anyio.fail_after(PATIENCE):
            while last["late"].error is not None:
                assert ["late"] == await batch.retry(["late"])
                last = await ended(batch)

    assert isinstance(first["late"].error, WatchTimeout)

    assert 1 == len(simulator.ledger.creates)


async def test_a_cancelled_job_ends_and_its_session_is_stopped(database: str) -> None:
    """Cancelling ends a job that renders and one that is queued, at once and for good."""
    simulator = service(scenario=Scenario.stuck())
    async with campaign(database, simulator, max_in_flight=1) as batch:
        await batch.submit(films(2))
        with anyio.fail_after(PATIENCE):
            while not (await batch.status()).jobs[0].session_id:
                await anyio.sleep(0.05)
        assert await batch.cancel("film-1")
        assert await batch.cancel("film-0")
        assert not await batch.cancel("film-0")
        outcomes = await ended(batch)
        with pytest.raises(InvalidArgument):
            await batch.cancel("film-9")

    assert [JobCancelled, JobCancelled] == [type(outcome.error) for outcome in outcomes.values()]
    assert 1 == len(simulator.ledger.creates)
    assert simulator.ledger.sessions == simulator.ledger.stops


async def test_what_ended_long_ago_can_be_forgotten(database: str) -> None:
    """A purge removes ended jobs and what the engine knows of them, and nothing else."""
    simulator = service()
    async with campaign(database, simulator) as batch:
        await batch.submit(films(3))
        await ended(batch)
        assert 0 == await batch.purge(3600)
        assert 3 == await batch.purge(0)
        assert 0 == (await batch.status()).total
        await batch.submit([Job("Another", "film-0", mode="generate")])
        outcomes = await ended(batch)

    assert outcomes["film-0"].ok


async def test_videos_are_saved_under_their_keys(sqlite: str, tmp_path: pathlib.Path) -> None:
    """Finished videos lie in the folder asked for, and the outcome says where."""
    async with campaign(sqlite, service(), download_to=tmp_path / "films") as batch:
        await batch.submit(films(2))
        outcomes = await ended(batch)

    assert outcomes["film-1"].path == tmp_path / "films" / "film-1.mp4"
    assert (tmp_path / "films" / "film-1.mp4").stat().st_size


async def test_a_file_in_the_way_is_left_as_it_is(sqlite: str, tmp_path: pathlib.Path) -> None:
    """A job whose file is there already is not paid for; once the file is moved, a retry makes the video."""
    simulator = service()
    (tmp_path / "film-0.mp4").write_text("mine", encoding="utf-8")
    async with campaign(sqlite, simulator, download_to=tmp_path) as batch:
        await batch.submit(films(1))
        refused = (await ended(batch))["film-0"]
        before = len(simulator.ledger.creates)
        (tmp_path / "film-0.mp4").rename(tmp_path / "mine.mp4")
        await batch.retry()
        made = (await ended(batch))["film-0"]

    assert isinstance(refused.error, DownloadError)
    assert "move the file" in refused.error.hint
    assert (0, 1) == (before, len(simulator.ledger.creates))
    assert made.ok
    assert "mine" == (tmp_path / "mine.mp4").read_text(encoding="utf-8")


async def test_events_are_those_of_the_local_batch(sqlite: str) -> None:
    """What happens to a job is told in order, from the create that is about to be sent to its end."""
    told: list[BatchEvent] = []
    async with campaign(sqlite, service(), reviewer=Approve(), on_event=told.append) as batch:
        await batch.submit(films(1, mode="chat"))
        await ended(batch)

    kinds = [event.kind for event in told if event.kind != "state"]
    assert ["creating", "created", "paused", "answered", "ended"] == kinds
    assert told[0].idempotency_key
    assert told[-1].outcome


async def test_nothing_is_created_after_the_credential_is_refused(sqlite: str) -> None:
    """A refused credential ends creating; the jobs not begun say so, and are gone on with by the next opening."""
    simulator = service()
    simulator.faults.add("unauthorized_once", on="create")
    async with campaign(sqlite, simulator, max_in_flight=1) as batch:
        await batch.submit(films(4))
        refused = await ended(batch)
    async with campaign(sqlite, simulator) as batch:
        outcomes = await ended(batch)

    assert all(
        outcome.not_started and isinstance(outcome.error, Unauthorized) for outcome in refused.values()
    )
    assert all(outcome.ok for outcome in outcomes.values())
    assert 4 == len(simulator.ledger.creates)


async def test_the_service_decides_how_many_are_in_progress(database: str) -> None:
    """Refused for want of room, a batch waits, narrows its window, and still makes every video once."""
    simulator = service(max_jobs=2, speed=40)
    async with campaign(database, simulator, max_in_flight=6) as batch:
        await batch.submit(films(8))
        outcomes = await ended(batch)
        window = (await batch.status(jobs=False)).window

    assert all(outcome.ok for outcome in outcomes.values())
    assert 8 == len(simulator.ledger.creates)
    assert window < 6
    assert 2 == simulator.ledger.max_in_progress


async def test_twins_are_two_videos(database: str) -> None:
    """Jobs with the very same prompt are made each once, none for the other."""
    simulator = service()
    async with campaign(database, simulator) as batch:
        await batch.submit([Job("The same film", f"twin-{number}", mode="generate") for number in range(5)])
        outcomes = await ended(batch)

    assert 5 == len({outcome.session_id for outcome in outcomes.values()})
    assert 5 == len(simulator.ledger.creates)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite:////no/such/folder/campaign.db", id="no such folder"),
        pytest.param("sqlite://", id="in memory"),
        pytest.param("postgresql://nobody:secret@127.0.0.1:1/none", id="no server"),
        pytest.param("mysql://localhost/db", id="another kind"),
        pytest.param("nonsense", id="no address"),
    ],
)
async def test_a_database_that_cannot_be_used_is_said_at_once(url: str) -> None:
    """Nothing is created when the database cannot be opened, and the error keeps the password to itself."""
    simulator = service()
    with pytest.raises(ConfigError) as caught:
        async with campaign(url, simulator):
            raise AssertionError

    assert "secret" not in str(caught.value)
    assert [] == simulator.ledger.creates


async def test_a_batch_must_be_open() -> None:
    """A batch that is not open says so."""
    batch = DurableBatch("sqlite:///campaign.db", name="spring")

    with pytest.raises(ClientStateError):
        await batch.submit(["A film"])
