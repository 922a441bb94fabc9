"""What a durable batch writes down and decides, without a database."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec import structs

from heygen_async import (
    Approve,
    AssetUrl,
    ConfigError,
    DownloadError,
    HeyGenError,
    InvalidArgument,
    Job,
    OutcomeUnknown,
    RateLimited,
    Reply,
    SessionFailed,
    SessionState,
    SessionStatus,
    Stop,
    WatchTimeout,
)
from heygen_async.durable import DurableBatch, JobCancelled, _records
from heygen_async.durable._maintenance import goes_on
from heygen_async.durable._records import VERSION, JobRecord, OutcomeRecord
from heygen_async.durable._recovery import Suspects
from heygen_async.durable._schema import Claim
from heygen_async.models import VideoInfo, VideoStatus

STATE = SessionState(session_id="s1", status=SessionStatus.REVIEWING, created_at=1)
WHEN = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(Job("A video"), id="a prompt"),
        pytest.param(Job("A video", mode="generate", orientation="portrait", timeout=5.0), id="options"),
        pytest.param(
            Job("A video", timeout=None, extra={"new": [1, {"field": None}]}), id="no deadline, extra"
        ),
        pytest.param(
            Job("A video", files=[Path("/tmp/a.png"), AssetUrl(url="https://x.org/b.png")]), id="files"
        ),
        pytest.param(
            Job("A video", reviewer=Reply(message="Warmer", voice_id="v")), id="an answer for all pauses"
        ),
        pytest.param(Job("A video", idempotency_key="mine", begun_at=WHEN), id="begun by another process"),
    ],
)
def test_a_job_comes_back_as_it_was(job: Job) -> None:
    """What is written down of a job makes the same job in another process."""
    back = _records.read_job(_records.write_job(job), "key")

    assert _records.write_job(job) == _records.write_job(back)
    assert "key" == back.key
    assert (job.prompt, job.mode, job.timeout, job.extra) == (
        back.prompt,
        back.mode,
        back.timeout,
        back.extra,
    )
    assert (job.reviewer, job.begun_at, job.files) == (back.reviewer, back.begun_at, back.files)


def test_every_field_of_a_job_is_written_down() -> None:
    """A field that jobs get is recorded without being listed again."""
    written = {item.name for item in structs.fields(JobRecord)} - {"v"}

    assert {item.name for item in fields(Job)} - {"key"} == written


@pytest.mark.parametrize(
    "error",
    [
        SessionFailed(
            "It failed.",
            session_id="s1",
            reason="No voice.",
            reason_source="video",
            last_state=STATE,
            ref=b'{"v":1}',
        ),
        WatchTimeout("Late.", session_id="s1", last_state=STATE, ref=b'{"v":1}'),
        OutcomeUnknown("Unclear.", idempotency_key="k", started_at=WHEN, candidates=("a", "b")),
        RateLimited("Too many.", status=429, code="quota_exceeded", retry_after=7.0),
        InvalidArgument("prompt", "is empty"),
        DownloadError("No space left.", hint="Make some."),
        JobCancelled("Cancelled."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_back_with_its_attributes(error: HeyGenError) -> None:
    """An outcome of another process has the same kind of error, with its message, hint and attributes."""
    back = _records.read_error(_records.write_error(error))

    assert type(error) is type(back)
    assert (str(error), error.hint) == (str(back), back.hint)
    for name in ("session_id", "reason", "ref", "candidates", "started_at", "status", "code", "retry_after"):
        assert getattr(error, name, None) == getattr(back, name, None)


def test_an_error_of_the_users_own_keeps_its_words() -> None:
    """What a reviewer raised elsewhere is shown by its name and message."""
    back = _records.read_error(_records.write_error(ZeroDivisionError("division by zero")))

    assert "ZeroDivisionError: division by zero" == str(back)


@pytest.mark.parametrize(
    "answer", [Reply(message="Warmer", avatar_id="a"), Approve(), Approve(message="Go"), Stop()]
)
def test_an_answer_comes_back(answer: Reply | Approve | Stop) -> None:
    """An answer recorded in one process is the same in another."""
    assert answer == _records.read_answer(_records.write_answer(answer))


@pytest.mark.parametrize(
    "written", ['{"v":2,"prompt":"A video"}', '{"v":1}', "garbage"], ids=["later", "incomplete", "damaged"]
)
def test_records_that_cannot_be_read_say_what_to_do(written: str) -> None:
    """A record of a later release, or a damaged one, is an error with a hint, never a guess."""
    with pytest.raises(ConfigError, match="JobRecord"):
        _records.read(JobRecord, written)


def test_keys_follow_from_batch_job_and_attempt() -> None:
    """The key of a create is the same in every process, and another for another job, attempt, prompt or option."""
    keys = {
        _records.create_key(name, key, attempt, Job(prompt))
        for name in ("spring", "autumn")
        for key in ("a", "b")
        for attempt in (1, 2)
        for prompt in ("One", "Two")
    }

    assert 16 == len(keys)
    assert _records.create_key("spring", "a", 1, Job("One")) in keys
    assert _records.create_key("spring", "a", 1, Job("One", orientation="portrait")) not in keys
    assert "mine" == _records.create_key("spring", "a", 1, Job("One", idempotency_key="mine"))
    assert "mine" != _records.create_key("spring", "a", 2, Job("One", idempotency_key="mine"))


@pytest.mark.parametrize(
    ("error", "video", "expected"),
    [
        pytest.param(WatchTimeout("Late.", session_id="s"), None, True, id="late"),
        pytest.param(
            DownloadError("Full."), VideoInfo(id="v", status=VideoStatus.COMPLETED), True, id="not saved"
        ),
        pytest.param(
            SessionFailed("Failed.", session_id="s", reason="?", reason_source="sdk"),
            None,
            False,
            id="failed",
        ),
        pytest.param(JobCancelled("Cancelled."), None, False, id="cancelled"),
    ],
)
def test_only_what_is_over_is_paid_for_again(
    error: HeyGenError, video: VideoInfo | None, expected: bool
) -> None:
    """A retry goes on with a session that is not over, and makes a new one in place of one that is."""
    outcome = OutcomeRecord(v=VERSION, error=_records.write_error(error), video=video)

    assert expected is goes_on(outcome, "s")
    assert not goes_on(outcome, None)


def test_claims_are_abandoned_after_three_checks() -> None:
    """An executor is dead when it was missing in three checks in a row; the count begins anew when it was seen."""
    suspects = Suspects()
    one, two, three, four = (
        Claim(workflow, executor, "queue")
        for workflow, executor in (("one", "dead"), ("two", "alive"), ("three", "me"), ("four", "me"))
    )

    def check(dead: set[str], *under_way: str) -> list[Claim]:
        return suspects.find_abandoned([one, two, three, four], dead=dead, own="me", under_way=under_way)

    assert [] == check({"dead"}, "three")
    assert [] == check(set(), "three", "four")
    for _ in range(2):
        assert [] == check({"dead"}, "three")
    assert [four, one] == check({"dead"}, "three")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"name": "a/b"}, id="name"),
        pytest.param({"name": ""}, id="no name"),
        pytest.param({"name": "a", "max_in_flight": 0}, id="max_in_flight"),
        pytest.param({"name": "a", "poll_interval": 0}, id="poll_interval"),
        pytest.param({"name": "a", "reviewer": "yes"}, id="reviewer"),
    ],
)
def test_arguments_are_checked_before_anything_is_opened(options: dict[str, object]) -> None:
    """A name or number that cannot be used is refused when the batch is made."""
    with pytest.raises(InvalidArgument):
        DurableBatch("sqlite:///campaign.db", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Job("Another film"), id="prompt"),
        pytest.param(Job("A film", avatar_id="look_1"), id="option"),
        pytest.param(Job("A film", files=[AssetUrl(url="https://x.org/a.png")]), id="file"),
        pytest.param(Job("A film", extra={"new": 1}), id="extra"),
    ],
)
def test_the_key_of_a_create_covers_all_that_is_sent(other: Job) -> None:
    """Another prompt or option has another key: the service would replay the answer to the first one."""
    one = _records.create_key("spring", "a", 1, Job("A film"))

    assert one != _records.create_key("spring", "a", 1, other)
    assert one == _records.create_key("spring", "a", 1, Job("A film", timeout=5.0, reviewer=Approve()))
