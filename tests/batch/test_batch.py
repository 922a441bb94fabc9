"""A batch: whatever comes in, each job comes out once, with what became of it."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from batches import count_ends, fast_service, make_job, make_jobs, run_batch, run_jobs, statuses
from flows import Line, client, pass_time
from heygen_async import Approve, ClientStateError, HeyGen, Job, Session, SessionState, SessionStatus
from heygen_async.testing import Scenario, Simulator

each = pytest.mark.parametrize


async def later(count: int) -> AsyncIterator[Job]:
    """Yield jobs, one a second."""
    for number in range(count):
        await pass_time(1)
        yield make_job(number)


@each(
    "jobs",
    [make_jobs(25), tuple(make_jobs(25)), (make_job(n) for n in range(25)), later(25)],
    ids=["list", "tuple", "generator", "async-generator"],
)
async def test_every_job_has_one_outcome(jobs: Any) -> None:
    """From whatever iterable the jobs come, each has one outcome with its video, under its position."""
    service = fast_service()
    outcomes = await run_jobs(service, jobs)

    assert [str(n) for n in range(1, 26)] == sorted((o.key for o in outcomes), key=int)
    assert {"ok": 25} == count_ends(outcomes)
    assert sorted(service.ledger.billed) == sorted(o.video.id for o in outcomes if o.video)
    assert 25 == len(service.ledger.sessions)


async def test_no_jobs_no_outcomes() -> None:
    """A batch of nothing ends at once and asks for nothing."""
    line = Line(fast_service())

    assert [] == await run_jobs(line, [])
    assert [] == line.sent


async def test_prompts_are_jobs(service: Simulator) -> None:
    """Text is a prompt for a chat session, reviewed by the batch's reviewer."""
    [outcome] = await run_jobs(service, ["A tour of our bakery"])

    assert outcome.ok
    assert "A tour of our bakery" == service.ledger.creates[0].prompt
    assert ["thinking", "reviewing", "generating", "completed"] == statuses(outcome)[:4]


async def test_jobs_are_taken_as_slots_become_free() -> None:
    """No more jobs are taken from the input than are in flight, and one in hand."""
    taken = 0

    def jobs() -> Iterator[Job]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield make_job(number)

    async with client(fast_service()) as heygen, heygen.batch(jobs(), max_in_flight=5) as run:
        ended = 0
        async for _ in run:
            ended += 1
            assert taken <= ended + 2 * 5 + 1
            if ended == 30:
                break


async def test_outcomes_come_as_jobs_end() -> None:
    """The first to end is the first to come, whatever its position in the input."""
    service = Simulator(scenario=Scenario.generate())
    service.script(Scenario.generate().timed(thinking=1, generating=5), prompt="short")
    outcomes = await run_jobs(
        service, [Job("A long one", mode="generate"), Job("A short one", mode="generate")]
    )

    assert ["2", "1"] == [outcome.key for outcome in outcomes]


async def test_options_reach_the_service() -> None:
    """A job's options are those of its create."""
    line = Line(fast_service())
    job = Job(
        "A tour",
        mode="generate",
        orientation="portrait",
        files=["https://example.com/a.pdf"],
        callback_url="https://example.com/hook",
        callback_id="7",
        idempotency_key="mine",
    )
    await run_jobs(line, [job])
    [create] = [sent for sent in line.sent if sent.method == "POST"]

    assert create.body is not None
    for part in (b'"portrait"', b"a.pdf", b'"7"', b"hook", b'"generate"'):
        assert part in create.body
    assert "mine" == create.headers["idempotency-key"]


async def test_videos_are_saved_under_their_keys(tmp_path: Any) -> None:
    """Each video is in the folder under its job's key, as far as a file's name can hold it."""
    folder = tmp_path / "new" / "folder"
    jobs = [
        make_job(1, key="intro"),
        make_job(2, key="a/b"),
        make_job(3, key="../up"),
        make_job(4, key="é" * 300),
        make_job(5),
    ]
    outcomes = {o.key: o for o in await run_jobs(fast_service(), jobs, download_to=folder)}

    assert {"ok": 5} == count_ends(list(outcomes.values()))
    assert sorted(folder.iterdir()) == sorted(o.path for o in outcomes.values() if o.path)
    assert folder / "intro.mp4" == outcomes["intro"].path
    assert folder / "5.mp4" == outcomes["5"].path
    assert all(path.stat().st_size for path in folder.iterdir())


async def test_a_file_that_is_there_costs_nothing(tmp_path: Any) -> None:
    """A job whose file is there already is refused before it is paid for."""
    (tmp_path / "intro.mp4").write_bytes(b"mine")
    service = fast_service()
    [outcome] = await run_jobs(service, [make_job(1, key="intro")], download_to=tmp_path)

    assert "Nothing was created" in str(outcome.error)
    assert [] == service.ledger.sessions
    assert b"mine" == (tmp_path / "intro.mp4").read_bytes()


async def test_a_failed_download_keeps_the_video(tmp_path: Any) -> None:
    """When only the download fails, the outcome has both the error and the video."""
    service = fast_service()
    service.faults.add("forbidden", on="media", times=100)
    [outcome] = await run_jobs(service, [make_job(1)], download_to=tmp_path)

    assert "DownloadError" == type(outcome.error).__name__
    assert outcome.video is not None
    assert outcome.path is None


async def test_a_folder_that_cannot_be_made_is_refused_first(tmp_path: Any) -> None:
    """Nothing is created when there is nowhere to put it."""
    (tmp_path / "file").write_bytes(b"")
    line = Line(fast_service())
    async with client(line) as heygen:
        with pytest.raises(Exception, match="cannot be made"):
            await run_batch(heygen, make_jobs(3), download_to=tmp_path / "file")

    assert [] == line.sent


async def test_failures_can_be_raised_together() -> None:
    """All outcomes come back when all went well; else the errors come as one group, each with its key."""
    service = fast_service()
    service.script(Scenario.failing("generating"), prompt="number 1")
    async with client(service) as heygen:
        async with heygen.batch([make_job(0), make_job(2)]) as run:
            assert 2 == len(await run.raise_failures())
        async with heygen.batch(make_jobs(3)) as run:
            with pytest.raises(ExceptionGroup, match="1 of 3 jobs failed") as raised:
                await run.raise_failures()

    [error] = raised.value.exceptions
    assert "Job: 2" in error.__notes__


async def test_it_is_entered_once() -> None:
    """A batch that is not entered, or entered twice, says what to do."""
    async with client(fast_service()) as heygen:
        batch = heygen.batch(make_jobs(1))
        with pytest.raises(ClientStateError, match="not running"):
            await anext(batch)
        async with batch:
            pass
        with pytest.raises(ClientStateError, match="run once"):
            await batch.__aenter__()


async def test_how_it_stands_can_be_asked() -> None:
    """A batch shows how many jobs are in progress, how many wait, and how many the account seems to hold."""
    service = Simulator(max_jobs=3)

    async def later(session: Session, state: SessionState) -> Approve:
        await pass_time(500)
        return Approve()

    async with client(service) as heygen, heygen.batch(["A", "B", *make_jobs(4)], reviewer=later) as run:
        await pass_time(60)
        assert (3, 2, 3) == (run.in_progress, run.paused, run.limit)
        assert "<Batch 3 in progress, 2 paused>" == repr(run)


async def test_what_is_shown_is_short() -> None:
    """Jobs, outcomes and batches say in a line what they are."""
    job = Job("A tour of our bakery " * 100, key="tour")
    [outcome] = await run_jobs(fast_service(), [make_job(1)])
    [unmade] = await run_jobs(fast_service(), [make_job(1, avatar_id="nobody")])

    assert "<Job 'tour' 'A tour of our bakery A tour of our bake…'>" == repr(job)
    assert repr(outcome).startswith(f"<Outcome '1' {outcome.session_id} ok after ")
    assert repr(unmade).startswith("<Outcome '1' NotFound after ")
    assert "<Batch 0 in progress, 0 paused>" == repr(HeyGen("a-key").batch([]))


async def test_outcomes_travel() -> None:
    """An outcome and its job can be pickled, for another process."""
    service = fast_service()
    service.script(Scenario.failing("generating"), prompt="number 1")
    for outcome in await run_jobs(service, make_jobs(2)):
        copy = pickle.loads(pickle.dumps(outcome))

        assert (outcome.key, outcome.job, outcome.session_ref) == (copy.key, copy.job, copy.session_ref)
        assert str(outcome.error) == str(copy.error)


async def test_states_are_few_and_light() -> None:
    """An outcome holds transitions, without the conversation."""
    [outcome] = await run_jobs(fast_service(), [make_job(1)])

    assert [SessionStatus.THINKING, SessionStatus.GENERATING, SessionStatus.COMPLETED] == statuses(outcome)
    assert all(not state.messages and not state.new_messages for state in outcome.states)
    assert 60 <= outcome.elapsed <= 100
