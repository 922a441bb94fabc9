"""What `heygen-async durable` shows and does; that batches in databases work is in `tests/durable`."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from heygen_async import Approve, Job, Message, Reply, SessionState, SessionStatus, Stop
from heygen_async._cli import durable_admin
from heygen_async.durable import BatchStatus, JobStatus, PendingReview

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from cli.terminal_user import TerminalUser

WHERE = ("--database", "sqlite:///spring.db", "--name", "spring")
ASKED = Message(role="model", content="Here is the \x1b[2Jstoryboard.", type="text")
STATE = SessionState(
    session_id="sess_1", status=SessionStatus.REVIEWING, created_at=1_760_000_000, messages=(ASKED,)
)


class FakeBatch:
    """A batch without a database: one job waits, one failed."""

    def __init__(self) -> None:
        self.calls: list[object] = []

    async def status(self) -> BatchStatus:
        jobs = (
            JobStatus(key="a", phase="reviewing", attempts=1, session_id="sess_1"),
            JobStatus(key="b", phase="failed", attempts=1, error="No reason was given."),
        )
        counts = {"reviewing": 1, "failed": 1, "queued": 0}
        money = {"spent": 8.0, "reserved": 2.5, "max_spend": 1_250.0}
        return BatchStatus(counts=counts, window=10, jobs=jobs, currency="eur", **money)

    async def pending_reviews(self) -> list[PendingReview]:
        since = datetime(2026, 1, 1, tzinfo=UTC)
        return [PendingReview(key="a", job=Job("A tour"), session_id="sess_1", state=STATE, since=since)]

    async def answer(self, key: str, given: object) -> None:
        self.calls.append((key, given))

    async def retry(self, keys: tuple[str, ...] | None) -> list[str]:
        self.calls.append(keys)
        return ["b"]

    async def cancel(self, key: str) -> bool:
        self.calls.append(key)
        return key == "a"

    async def purge(self, older_than: float) -> int:
        self.calls.append(older_than)
        return 3


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> FakeBatch:
    """The batch that every command opens."""
    batch = FakeBatch()

    @asynccontextmanager
    async def opened(database: str, name: str) -> AsyncGenerator[FakeBatch]:
        assert WHERE[1::2] == (database, name)
        yield batch

    monkeypatch.setattr(durable_admin, "_open", opened)
    return batch


async def test_status_shows_what_needs_a_person(user: TerminalUser, batch: FakeBatch) -> None:
    """`status` counts jobs and money, shows what failed and why, what a paused one asks, and how to answer it."""
    printed = await user.types("durable", "status", *WHERE)

    assert 0 == printed.code
    assert "1 reviewing, 1 failed" in printed.out
    assert "8.00 of 1,250.00 eur, 2.50 reserved" in printed.out
    assert "b  No reason was given." in printed.out
    assert "a  sess_1  Here is the storyboard." in printed.out
    assert "heygen-async durable answer KEY --database sqlite:///spring.db --name spring" in printed.err


async def test_status_for_a_program(user: TerminalUser, batch: FakeBatch) -> None:
    """With `--json` each job is an object."""
    events = (await user.types("durable", "status", *WHERE, "--json")).events

    assert {"a": "reviewing", "b": "failed"} == {
        it["key"]: it["phase"] for it in events if it["event"] == "job"
    }
    [money] = [it for it in events if it["event"] == "spent"]
    assert (8, 2.5, 1_250) == (money["spent"], money["reserved"], money["max_spend"])


@pytest.mark.parametrize(
    ("words", "given"),
    [
        (("warmer",), Reply(message="warmer")),
        (("--approve",), Approve()),
        (("go", "--approve"), Approve(message="go")),
        (("--stop",), Stop()),
    ],
)
async def test_answers(user: TerminalUser, batch: FakeBatch, words: tuple[str, ...], given: object) -> None:
    """A message, an approval or a stop reaches the job."""
    printed = await user.types("durable", "answer", "a", *words, *WHERE)

    assert (0, [("a", given)]) == (printed.code, batch.calls)


@pytest.mark.parametrize("words", [(), ("  ",), ("\u200b",), ("no", "--stop"), ("--approve", "--stop")])
async def test_no_answer_approves_by_accident(
    user: TerminalUser, batch: FakeBatch, words: tuple[str, ...]
) -> None:
    """Without an answer, or with two, nothing reaches the job."""
    printed = await user.types("durable", "answer", "a", *words, *WHERE)

    assert (2, []) == (printed.code, batch.calls)


async def test_retry_cancel_and_purge(user: TerminalUser, batch: FakeBatch) -> None:
    """`retry` takes keys or all, `cancel` needs keys, and `purge` takes days."""
    codes = [
        (await user.types("durable", *words, *WHERE)).code
        for words in (
            ("retry",),
            ("retry", "b"),
            ("cancel", "a", "b"),
            ("cancel",),
            ("purge", "--older-than", "2"),
        )
    ]

    assert [0, 0, 0, 2, 0] == codes
    assert [None, ("b",), "a", "b", 172_800] == batch.calls
