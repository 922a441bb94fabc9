"""A batch: whatever comes in, each job comes out once, with what became of it."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from flow.batches import Notes, client, ends, errors, film, films, made, quick, statuses, through
from flow.parties import Line, clock, pass_time
from heygen_async import (
    Approve,
    Batch,
    BatchEvent,
    ClientStateError,
    HeyGen,
    InvalidArgument,
    Job,
    NotFound,
    Outcome,
    Reply,
    Session,
    SessionFailed,
    SessionPaused,
    SessionState,
    SessionStatus,
    Stop,
    WatchTimeout,
)
from heygen_async.testing import Scenario, Simulator

each = pytest.mark.parametrize


async def later(count: int) -> AsyncIterator[Job]:
    """Yield jobs, one a second."""
    for number in range(count):
        await pass_time(1)
        yield film(number)


# ---- in -----------------------------------------------------------------------------------------------------------


@each(
    "jobs",
    [films(25), tuple(films(25)), (film(n) for n in range(25)), later(25)],
    ids=["list", "tuple", "generator", "async-generator"],
)
async def test_every_job_has_one_outcome(jobs: Any) -> None:
    """From whatever iterable the jobs come, each has one outcome with its video, under its position."""
    service = quick()
    outcomes = await made(service, jobs)

    assert [str(n) for n in range(1, 26)] == sorted((o.key for o in outcomes), key=int)
    assert {"ok": 25} == ends(outcomes)
    assert sorted(service.ledger.billed) == sorted(o.video.id for o in outcomes if o.video)
    assert 25 == len(service.ledger.sessions)


async def test_no_jobs_no_outcomes() -> None:
    """A batch of nothing ends at once and asks for nothing."""
    line = Line(quick())

    assert [] == await made(line, [])
    assert [] == line.sent


async def test_prompts_are_jobs(service: Simulator) -> None:
    """Text is a prompt for a chat session, reviewed by the batch's reviewer."""
    [outcome] = await made(service, ["A tour of our bakery"])

    assert outcome.ok
    assert "A tour of our bakery" == service.ledger.creates[0].prompt
    assert ["thinking", "reviewing", "generating", "completed"] == statuses(outcome)[:4]


async def test_jobs_are_taken_as_places_become_free() -> None:
    """No more jobs are taken from the input than are in flight, and one in hand."""
    taken = 0

    def jobs() -> Iterator[Job]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield film(number)

    async with client(quick()) as heygen, heygen.batch(jobs(), max_in_flight=5) as run:
        ended = 0
        async for _ in run:
            ended += 1
            assert taken <= ended + 2 * 5 + 1
            if ended == 30:
                break


async def test_outcomes_come_as_jobs_end() -> None:
    """The first to end is the first to come, whatever its place in the input."""
    service = Simulator(scenario=Scenario.generate())
    service.script(Scenario.generate().timed(thinking=1, generating=5), prompt="short")
    outcomes = await made(service, [Job("A long one", mode="generate"), Job("A short one", mode="generate")])

    assert ["2", "1"] == [outcome.key for outcome in outcomes]


async def test_options_reach_the_service() -> None:
    """A job's options are those of its create."""
    line = Line(quick())
    job = Job(
        "A tour",
        mode="generate",
        orientation="portrait",
        files=["https://example.com/a.pdf"],
        callback_url="https://example.com/hook",
        callback_id="7",
        idempotency_key="mine",
    )
    await made(line, [job])
    [create] = [sent for sent in line.sent if sent.method == "POST"]

    assert create.body is not None
    for part in (b'"portrait"', b"a.pdf", b'"7"', b"hook", b'"generate"'):
        assert part in create.body
    assert "mine" == create.headers["idempotency-key"]


# ---- what is wrong with a job -------------------------------------------------------------------------------------


async def test_bad_items_are_outcomes() -> None:
    """What no job can be made of is an outcome with an error, and the others go on."""
    jobs: list[Any] = [film(1), "", 7, "x" * 10_001, film(2)]
    outcomes = await made(quick(), jobs)
    bad = {outcome.key: outcome.error for outcome in outcomes if not outcome.ok}

    assert {"ok": 2, "InvalidArgument": 3} == ends(outcomes)
    assert ["2", "3", "4"] == sorted(bad)
    assert "item 3 is int" in str(bad["3"])


@each("download", [False, True], ids=["no-files", "files"])
@each(
    ("first", "second"),
    [("intro", "intro"), (None, "1"), ("2", None)],
    ids=["both-named", "a-position-first", "a-position-second"],
)
async def test_a_key_is_used_once(
    first: str | None, second: str | None, download: bool, tmp_path: Any
) -> None:
    """The second job of a key is refused, and both positions are named."""
    service = quick()
    options = {"download_to": tmp_path} if download else {}
    outcomes = await made(service, [film(1, key=first), film(2, key=second)], **options)
    [error] = errors(outcomes)

    assert isinstance(error, InvalidArgument)
    assert "job 2" in str(error)
    assert "job 1" in str(error)
    assert 1 == len(service.ledger.sessions)


async def test_keys_that_would_be_one_file_are_refused(tmp_path: Any) -> None:
    """Where a key names a file, two that differ in case only are one; where it does not, they are two."""
    jobs = [film(1, key="Intro"), film(2, key="intro")]

    assert {"ok": 1, "InvalidArgument": 1} == ends(await made(quick(), jobs, download_to=tmp_path))
    assert {"ok": 2} == ends(await made(quick(), jobs))


@each(
    ("options", "argument"),
    [
        ({"orientation": "round"}, "orientation"),
        ({"mode": "fast"}, "mode"),
        ({"callback_id": "1"}, "callback_id"),
        ({"files": ["http://example.com/a.png"]}, "files[0]"),
        ({"files": ["https://example.com/a.png"] * 21}, "files"),
        ({"extra": {"prompt": "x"}}, "extra"),
        ({"idempotency_key": "no spaces"}, "idempotency_key"),
        ({"key": " "}, "key"),
        ({"key": "x" * 1001}, "key"),
        ({"key": "\ud800"}, "key"),
        ({"timeout": 0}, "timeout"),
        ({"ref": b"{}"}, "ref"),
        ({"reviewer": 7}, "reviewer"),
        ({"reviewer": Approve}, "reviewer"),
    ],
    ids=[
        *("orientation", "mode", "callback", "plain-http", "many-files", "extra", "idempotency-key"),
        *("blank-key", "long-key", "half-a-character", "timeout", "ref", "reviewer", "answer-class"),
    ],
)
def test_a_bad_job_is_refused_when_it_is_made(options: Any, argument: str) -> None:
    """What the service would refuse is refused where the job is written, and named."""
    with pytest.raises(InvalidArgument) as raised:
        Job("A tour", **options)

    assert argument == raised.value.argument


@each(
    ("options", "argument"),
    [
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"max_paused": 0}, "max_paused"),
        ({"on_exit": "explode"}, "on_exit"),
        ({"reviewer": "yes"}, "reviewer"),
        ({"jobs": "one prompt"}, "jobs"),
        ({"jobs": Job("one job")}, "jobs"),
        ({"jobs": 7}, "jobs"),
    ],
    ids=["no-window", "no-paused", "on-exit", "reviewer", "one-prompt", "one-job", "a-number"],
)
def test_a_bad_batch_is_refused_when_it_is_made(options: Any, argument: str) -> None:
    """Arguments out of range are refused before anything is asked of the service."""
    arguments: dict[str, Any] = {"jobs": [], **options}
    with pytest.raises(InvalidArgument) as raised:
        HeyGen("a-key").batch(**arguments)

    assert argument == raised.value.argument


async def test_a_failed_session_is_an_outcome() -> None:
    """A session that fails ends its own job only, with the reason and a ref."""
    service = quick()
    service.script(Scenario.failing("generating"), prompt="number 3")
    outcomes = await made(service, films(6))
    [error] = errors(outcomes)
    [failed] = [outcome for outcome in outcomes if not outcome.ok]

    assert isinstance(error, SessionFailed)
    assert failed.session_ref
    assert failed.session_id == error.session_id
    assert "failed" == statuses(failed)[-1]
    assert {"ok": 5, "SessionFailed": 1} == ends(outcomes)


async def test_a_refused_create_is_an_outcome() -> None:
    """A job whose avatar nobody knows ends with the service's refusal, and has no session."""
    outcomes = await made(quick(), [film(1, avatar_id="nobody"), film(2)])
    [error] = errors(outcomes)

    assert isinstance(error, NotFound)
    assert [None] == [outcome.session_id for outcome in outcomes if not outcome.ok]


async def test_a_job_has_its_own_deadline() -> None:
    """A job past its timeout ends with a ref while it goes on at the service; the others have theirs."""
    service = quick()
    service.script(Scenario.stuck(), prompt="stuck")
    began = clock()
    outcomes = await made(service, [Job("A stuck one", mode="generate", timeout=90), *films(3)])
    [late] = [outcome for outcome in outcomes if not outcome.ok]

    assert isinstance(late.error, WatchTimeout)
    assert late.session_ref
    assert 90 <= clock() - began <= 100


async def test_the_iterables_error_comes_last() -> None:
    """When the input breaks, what is in flight ends first, then the error is raised."""

    def jobs() -> Iterator[Job]:
        yield from films(3)
        raise LookupError("the table is gone")

    outcomes: list[Outcome] = []

    async def take(run: Batch) -> None:
        async for outcome in run:
            outcomes.append(outcome)  # noqa: PERF401 - what came before the error counts

    async with client(quick()) as heygen, heygen.batch(jobs()) as run:
        with pytest.raises(LookupError, match="the table is gone"):
            await take(run)

        assert {"ok": 3} == ends(outcomes)
        assert [] == [outcome async for outcome in run]


# ---- reviewers ----------------------------------------------------------------------------------------------------


async def test_without_a_reviewer_a_pause_ends_the_job(service: Simulator) -> None:
    """A session that asks, with nobody to answer, ends its job with what it asks."""
    [outcome] = await made(service, ["A tour"], reviewer=None)

    assert isinstance(outcome.error, SessionPaused)
    assert "Shall I go ahead?" in str(outcome.error)
    assert outcome.session_ref


def render(session: Session, state: SessionState) -> Approve:
    """Approve in other words."""
    return Approve(message="Render it")


def nonsense(session: Session, state: SessionState) -> Any:
    """Return what is no answer."""
    return "yes"


async def thinker(session: Session, state: SessionState) -> Any:
    """Approve after a while."""
    await pass_time(30)
    return Approve()


@each(
    ("reviewer", "scenario", "said"),
    [
        (Approve(), Scenario.chat(), ["Looks good, go ahead and generate."]),
        (Approve(message="Ship it"), Scenario.chat(), ["Ship it"]),
        (render, Scenario.chat(), ["Render it"]),
        (thinker, Scenario.chat(), ["Looks good, go ahead and generate."]),
        (
            Reply(message="Newcomers"),
            Scenario.question(),
            ["Newcomers", "Looks good, go ahead and generate."],
        ),
    ],
    ids=["approve", "own-words", "function", "coroutine", "reply-once"],
)
async def test_reviewers(reviewer: Any, scenario: Scenario, said: list[str]) -> None:
    """A fixed answer, a function and a coroutine function all bring a session through its pauses."""
    service = Simulator(scenario=scenario)
    [outcome] = await made(service, ["A tour"], reviewer=reviewer)

    assert outcome.ok
    assert said == [message.text for message in service.ledger.messages]


async def test_a_job_may_bring_its_own_reviewer(service: Simulator) -> None:
    """A job's own reviewer comes before the batch's."""
    await made(service, [Job("A", reviewer=Approve(message="Ship it")), "B"])

    assert {"Ship it", "Looks good, go ahead and generate."} == {m.text for m in service.ledger.messages}


async def test_a_reviewer_may_stop(service: Simulator) -> None:
    """A job whose reviewer stops it ends as stopped by the reviewer, and the session is stopped."""
    [outcome] = await made(service, ["A tour"], reviewer=Stop())

    assert isinstance(outcome.error, SessionFailed)
    assert "reviewer" == outcome.error.reason_source
    assert service.ledger.sessions == service.ledger.stops


async def test_one_answer_for_all_does_not_go_on_for_ever() -> None:
    """A session that asks again and again whatever is said ends its job as paused."""
    asking = Scenario.question()
    for_ever = Scenario(opening=asking.opening, answer=asking.opening, revision=asking.opening)
    service = Simulator(scenario=for_ever)
    [outcome] = await made(service, ["A tour"])

    assert isinstance(outcome.error, SessionPaused)
    assert 10 == len(service.ledger.messages)


async def test_a_reviewers_own_error_is_the_outcome(service: Simulator) -> None:
    """What a reviewer raises ends that job with it, and no other."""

    def review(session: Session, state: SessionState) -> Approve:
        raise LookupError("no opinion")

    outcomes = await made(service, ["A", Job("B", key="b", reviewer=review), "C"])

    assert {"ok": 2, "LookupError": 1} == ends(outcomes)
    assert ["b"] == [outcome.key for outcome in outcomes if not outcome.ok and outcome.session_ref]


async def test_a_reviewers_nonsense_is_refused(service: Simulator) -> None:
    """A reviewer that answers with something else ends its job with an error that says so."""
    [outcome] = await made(service, ["A"], reviewer=nonsense)

    assert isinstance(outcome.error, InvalidArgument)
    assert [] == service.ledger.messages


async def test_a_question_in_generate_mode_ends_the_job() -> None:
    """A session that takes no messages and asks all the same is not spoken to."""
    service = Simulator(scenario=Scenario.question())
    [outcome] = await made(service, [film(1)], reviewer=Reply(message="Newcomers"))

    assert isinstance(outcome.error, SessionPaused)
    assert [] == service.ledger.messages


async def test_the_reviewer_sees_what_was_said(service: Simulator) -> None:
    """A reviewer gets all that was said since the last pause."""
    heard: list[str] = []

    def review(session: Session, state: SessionState) -> Approve:
        heard.extend(message.content for message in state.new_messages)
        return Approve()

    await made(service, ["A tour"], reviewer=review)

    assert ["A tour", "Here is the storyboard. Shall I go ahead?"] == heard


# ---- told ---------------------------------------------------------------------------------------------------------


async def test_events_tell_a_job_in_order(service: Simulator, tmp_path: Any) -> None:
    """One job's events come in order, from before it is paid for to its end."""
    notes = Notes()
    [outcome] = await made(service, [Job("A", key="a")], on_event=notes, download_to=tmp_path, progress=True)
    kinds = list(dict.fromkeys(notes.kinds("a")))

    assert ["creating", "created", "paused", "answered", "downloading", "downloaded", "ended"] == kinds
    assert outcome == notes.of("ended")[0].outcome
    assert {outcome.session_id} == {event.session_id for event in notes.events[1:]}
    assert outcome.path == notes.of("downloaded")[0].path
    assert notes.of("creating")[0].idempotency_key == service.ledger.creates[0].idempotency_key
    assert all(event.ref for kind in ("created", "paused", "answered") for event in notes.of(kind))
    assert len({event.state.progress for event in notes.of("state") if event.state}) > 5


async def test_transitions_are_told_without_progress(service: Simulator) -> None:
    """Unless progress is asked for, a job's states are told once for each transition."""
    notes = Notes()
    await made(service, ["A"], on_event=notes)
    told = [str(event.state.status) for event in notes.of("state") if event.state]

    assert ["thinking", "reviewing", "generating", "completed"] == list(dict.fromkeys(told))
    assert len(told) <= 6


async def test_creating_is_told_before_the_request_leaves() -> None:
    """An async listener is waited for before a create is sent, and a created session before it is watched."""
    line, moments = Line(quick()), dict[str, float]()

    async def slowly(event: BatchEvent) -> None:
        if event.kind in ("creating", "created"):
            await pass_time(5)
            moments[event.kind] = clock()

    await made(line, [film(1)], on_event=slowly)
    [post] = line.moments("POST", "/v3/video-agents")
    [get, *_] = line.moments("GET", "/v3/video-agents")

    assert post >= moments["creating"]
    assert get >= moments["created"]


async def test_a_listener_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """What a listener raises on other events is logged and harms no job."""

    def fail(event: BatchEvent) -> None:
        if event.kind in ("state", "ended"):
            raise LookupError("no room on the screen")

    assert {"ok": 3} == ends(await made(quick(), films(3), on_event=fail))
    assert "on_event failed on 'ended' of job" in caplog.text


async def test_an_intent_that_cannot_be_written_is_not_sent() -> None:
    """When a listener fails on `creating`, nothing is sent for it and nothing more is created."""
    line = Line(quick())

    def fail(event: BatchEvent) -> None:
        if event.kind == "creating" and event.key == "3":
            raise OSError("disk full")

    outcomes = await made(line, films(30), on_event=fail, max_in_flight=4)
    ended = ends(outcomes)

    assert 30 == len(outcomes)
    assert 1 == ended["OSError"]
    assert ended["ok"] <= 4
    assert ended["not started"] >= 25
    assert ended["ok"] == len(line.service.ledger.sessions)


async def test_a_session_that_cannot_be_written_down_goes_on() -> None:
    """When a listener fails on `created`, the session is still watched to its video; the error is told with it."""
    service = quick()

    def fail(event: BatchEvent) -> None:
        if event.kind == "created":
            raise OSError("disk full")

    outcomes = await made(service, films(30), on_event=fail, max_in_flight=4)
    unwritten = [outcome for outcome in outcomes if not outcome.not_started]

    assert len(service.ledger.sessions) == len(unwritten) <= 4
    assert all(isinstance(o.error, OSError) and o.video and o.session_ref for o in unwritten)


# ---- out ----------------------------------------------------------------------------------------------------------


async def test_videos_are_saved_under_their_keys(tmp_path: Any) -> None:
    """Each video is in the folder under its job's key, as far as a file's name can hold it."""
    folder = tmp_path / "new" / "folder"
    jobs = [film(1, key="intro"), film(2, key="a/b"), film(3, key="../up"), film(4, key="é" * 300), film(5)]
    outcomes = {o.key: o for o in await made(quick(), jobs, download_to=folder)}

    assert {"ok": 5} == ends(list(outcomes.values()))
    assert sorted(folder.iterdir()) == sorted(o.path for o in outcomes.values() if o.path)
    assert folder / "intro.mp4" == outcomes["intro"].path
    assert folder / "5.mp4" == outcomes["5"].path
    assert all(o.path and o.path.stat().st_size for o in outcomes.values())


async def test_a_file_that_is_there_costs_nothing(tmp_path: Any) -> None:
    """A job whose file is there already is refused before it is paid for."""
    (tmp_path / "intro.mp4").write_bytes(b"mine")
    service = quick()
    [outcome] = await made(service, [film(1, key="intro")], download_to=tmp_path)

    assert "Nothing was created" in str(outcome.error)
    assert [] == service.ledger.sessions
    assert b"mine" == (tmp_path / "intro.mp4").read_bytes()


async def test_a_failed_download_keeps_the_video(tmp_path: Any) -> None:
    """When only the download fails, the outcome has both the error and the video."""
    service = quick()
    service.faults.add("forbidden", on="media", times=100)
    [outcome] = await made(service, [film(1)], download_to=tmp_path)

    assert "DownloadError" == type(outcome.error).__name__
    assert outcome.video is not None
    assert outcome.path is None


async def test_a_folder_that_cannot_be_made_is_told_first(tmp_path: Any) -> None:
    """Nothing is created when there is nowhere to put it."""
    (tmp_path / "file").write_bytes(b"")
    line = Line(quick())
    async with client(line) as heygen:
        with pytest.raises(Exception, match="cannot be made"):
            await through(heygen, films(3), download_to=tmp_path / "file")

    assert [] == line.sent


async def test_failures_can_be_raised_together() -> None:
    """All outcomes come back when all went well; else the errors come as one group, each with its key."""
    service = quick()
    service.script(Scenario.failing("generating"), prompt="number 1")
    async with client(service) as heygen:
        async with heygen.batch([film(0), film(2)]) as run:
            assert 2 == len(await run.raise_failures())
        async with heygen.batch(films(3)) as run:
            with pytest.raises(ExceptionGroup, match="1 of 3 jobs failed") as raised:
                await run.raise_failures()

    [error] = raised.value.exceptions
    assert "Job: 2" in error.__notes__


async def test_it_is_entered_once() -> None:
    """A batch that is not entered, or entered twice, says what to do."""
    async with client(quick()) as heygen:
        batch = heygen.batch(films(1))
        with pytest.raises(ClientStateError, match="not running"):
            await anext(batch)
        async with batch:
            pass
        with pytest.raises(ClientStateError, match="run once"):
            await batch.__aenter__()


async def test_what_is_shown_is_short() -> None:
    """Jobs, outcomes and batches say in a line what they are."""
    job = Job("A tour of our bakery " * 100, key="tour")
    [outcome] = await made(quick(), [film(1)])
    [unmade] = await made(quick(), [film(1, avatar_id="nobody")])

    assert "<Job 'tour' 'A tour of our bakery A tour of our bake…'>" == repr(job)
    assert repr(outcome).startswith(f"<Outcome '1' {outcome.session_id} ok after ")
    assert repr(unmade).startswith("<Outcome '1' NotFound after ")
    assert "<Batch 0 in progress, 0 paused>" == repr(HeyGen("a-key").batch([]))


async def test_outcomes_travel() -> None:
    """An outcome and its job can be pickled, for another process."""
    service = quick()
    service.script(Scenario.failing("generating"), prompt="number 1")
    for outcome in await made(service, films(2)):
        copy = pickle.loads(pickle.dumps(outcome))

        assert (outcome.key, outcome.job, outcome.session_ref) == (copy.key, copy.job, copy.session_ref)
        assert str(outcome.error) == str(copy.error)


async def test_states_are_few_and_light() -> None:
    """An outcome tells transitions, without the conversation."""
    [outcome] = await made(quick(), [film(1)])

    assert [SessionStatus.THINKING, SessionStatus.GENERATING, SessionStatus.COMPLETED] == statuses(outcome)
    assert all(not state.messages and not state.new_messages for state in outcome.states)
    assert 60 <= outcome.elapsed <= 100
