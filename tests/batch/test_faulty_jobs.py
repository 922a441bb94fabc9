"""What is wrong with one job of a batch ends that job only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from batches import count_ends, errors, fast_service, make_job, make_jobs, run_jobs, statuses
from flows import Line, client, clock
from heygen_async import (
    Approve,
    Batch,
    HeyGen,
    InvalidArgument,
    Job,
    NotFound,
    Outcome,
    RateLimited,
    Session,
    SessionFailed,
    SessionState,
    WatchTimeout,
)
from heygen_async.testing import MemoryAnswer, Scenario, Simulator

each = pytest.mark.parametrize


async def test_bad_items_are_outcomes() -> None:
    """What no job can be made of is an outcome with an error, and the others go on."""
    jobs: list[Any] = [make_job(1), "", 7, "x" * 10_001, make_job(2)]
    outcomes = await run_jobs(fast_service(), jobs)
    bad = {outcome.key: outcome.error for outcome in outcomes if not outcome.ok}

    assert {"ok": 2, "InvalidArgument": 3} == count_ends(outcomes)
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
    service = fast_service()
    options = {"download_to": tmp_path} if download else {}
    outcomes = await run_jobs(service, [make_job(1, key=first), make_job(2, key=second)], **options)
    [error] = errors(outcomes)

    assert isinstance(error, InvalidArgument)
    assert "job 2" in str(error)
    assert "job 1" in str(error)
    assert 1 == len(service.ledger.sessions)


async def test_keys_that_would_be_one_file_are_refused(tmp_path: Any) -> None:
    """Where a key names a file, two that differ in case only are one; where it does not, they are two."""
    jobs = [make_job(1, key="Intro"), make_job(2, key="intro")]

    assert {"ok": 1, "InvalidArgument": 1} == count_ends(
        await run_jobs(fast_service(), jobs, download_to=tmp_path)
    )
    assert {"ok": 2} == count_ends(await run_jobs(fast_service(), jobs))


@each(
    ("options", "argument"),
    [
        ({"orientation": "round"}, "orientation"),
        ({"mode": "fast"}, "mode"),
        ({"callback_id": "1"}, "callback_id"),
        ({"files": ["http://example.com/a.png"]}, "files[0]"),
        ({"files": ["https://example.com/a.png"] * 21}, "files"),
        ({"files": "https://example.com/a.png"}, "files"),
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
        *(
            "orientation",
            "mode",
            "callback",
            "plain-http",
            "many-files",
            "one-text",
            "extra",
            "idempotency-key",
        ),
        *("blank-key", "long-key", "half-a-character", "timeout", "ref", "reviewer", "answer-class"),
    ],
)
def test_a_bad_job_is_refused_when_it_is_made(options: Any, argument: str) -> None:
    """What the service would refuse is refused where the job is written, and named."""
    with pytest.raises(InvalidArgument) as raised:
        Job("A tour", **options)

    assert argument == raised.value.argument


async def test_a_ref_needs_no_beginning(service: Simulator) -> None:
    """A job whose session is known cannot also be one whose session is not."""
    [outcome] = await run_jobs(service, ["A"])
    with pytest.raises(InvalidArgument, match="begun_at"):
        Job("A", ref=outcome.session_ref, idempotency_key="k", begun_at=datetime.now(UTC))  # noqa: TID251


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
    ids=["no-slot", "no-paused", "on-exit", "reviewer", "one-prompt", "one-job", "a-number"],
)
def test_a_bad_batch_is_refused_when_it_is_made(options: Any, argument: str) -> None:
    """Arguments out of range are refused before anything is asked of the service."""
    arguments: dict[str, Any] = {"jobs": [], **options}
    with pytest.raises(InvalidArgument) as raised:
        HeyGen("a-key").batch(**arguments)

    assert argument == raised.value.argument


async def test_a_failed_session_is_an_outcome() -> None:
    """A session that fails ends its own job only, with the reason and a ref."""
    service = fast_service()
    service.script(Scenario.failing("generating"), prompt="number 3")
    outcomes = await run_jobs(service, make_jobs(6))
    [error] = errors(outcomes)
    [failed] = [outcome for outcome in outcomes if not outcome.ok]

    assert isinstance(error, SessionFailed)
    assert failed.session_ref
    assert failed.session_id == error.session_id
    assert "failed" == statuses(failed)[-1]
    assert {"ok": 5, "SessionFailed": 1} == count_ends(outcomes)


async def test_a_refused_create_is_an_outcome() -> None:
    """A job whose avatar does not exist ends with the service's refusal, and has no session."""
    outcomes = await run_jobs(fast_service(), [make_job(1, avatar_id="nobody"), make_job(2)])
    [error] = errors(outcomes)

    assert isinstance(error, NotFound)
    assert [None] == [outcome.session_id for outcome in outcomes if not outcome.ok]


async def test_a_job_has_its_own_deadline() -> None:
    """A job past its timeout ends with a ref while it goes on at the service; the others have theirs."""
    service = fast_service()
    service.script(Scenario.stuck(), prompt="stuck")
    began = clock()
    outcomes = await run_jobs(service, [Job("A stuck one", mode="generate", timeout=90), *make_jobs(3)])
    [late] = [outcome for outcome in outcomes if not outcome.ok]

    assert isinstance(late.error, WatchTimeout)
    assert late.session_ref
    assert 90 <= clock() - began <= 100


async def test_the_iterables_error_comes_last() -> None:
    """When the input breaks, what is in flight ends first, then the error is raised."""

    def jobs() -> Iterator[Job]:
        yield from make_jobs(3)
        raise LookupError("the table is gone")

    outcomes: list[Outcome] = []

    async def take(run: Batch) -> None:
        async for outcome in run:
            outcomes.append(outcome)  # noqa: PERF401 - what came before the error counts

    async with client(fast_service()) as heygen, heygen.batch(jobs()) as run:
        with pytest.raises(LookupError, match="the table is gone"):
            await take(run)

        assert {"ok": 3} == count_ends(outcomes)
        assert [] == [outcome async for outcome in run]


async def test_a_file_that_is_missing_is_an_outcome(tmp_path: Any) -> None:
    """A job whose file cannot be read ends with that, and nothing is made for it."""
    service = fast_service()
    outcomes = await run_jobs(service, [make_job(1, files=[tmp_path / "missing.png"]), make_job(2)])

    assert {"ok": 1, "UploadError": 1} == count_ends(outcomes)
    assert 1 == len(service.ledger.sessions)


class Refusing(Line):
    """A line that refuses writes to addresses that end so, a number of times."""

    def __init__(self, service: Simulator, status: int, code: str, times: int, *, sends: bool) -> None:
        super().__init__(service)
        self._refusal = MemoryAnswer(
            status,
            {"content-type": "application/json"},
            b'{"error": {"code": "%s", "message": "no"}}' % code.encode(),
        )
        self._times = times
        self._sends = sends

    async def send(self, request: Any) -> MemoryAnswer:
        """Refuse, or pass on."""
        is_send = not request.url.endswith("/video-agents")
        if request.method == "POST" and is_send == self._sends and self._times > 0:
            self._times -= 1
            return self._refusal
        return await super().send(request)


@each("sends", [False, True], ids=["create", "send"])
async def test_an_exhausted_quota_is_an_outcome(sends: bool) -> None:
    """A quota that is used up is not waited for like a full account."""
    line = Refusing(Simulator(), 429, "quota_exceeded", 1, sends=sends)
    outcomes = await run_jobs(line, ["A", "B", "C"])

    assert {"ok": 2, "RateLimited": 1} == count_ends(outcomes)


async def test_an_exhausted_quota_may_end_creating() -> None:
    """With `RateLimited` in `stop_on` an exhausted quota ends creating."""
    line = Refusing(fast_service(), 429, "quota_exceeded", 1_000, sends=False)
    ended = count_ends(await run_jobs(line, make_jobs(50), stop_on=RateLimited))

    assert ended["not started"] >= 40
    assert 50 == ended["RateLimited"] + ended["not started"]


@each(("times", "end"), [(2, "ok"), (3, "Conflict")], ids=["an-old-pause", "never"])
async def test_a_pause_that_is_over_is_seen_again(times: int, end: str) -> None:
    """When a session refuses an answer for its state it is polled again, and the reviewer asked again."""
    asked: list[str] = []

    def review(session: Session, state: SessionState) -> Approve:
        asked.append(session.id)
        return Approve()

    line = Refusing(Simulator(), 409, "conflict", times, sends=True)
    outcomes = await run_jobs(line, ["A"], reviewer=review)

    assert {end: 1} == count_ends(outcomes)
    assert 3 == len(asked)
