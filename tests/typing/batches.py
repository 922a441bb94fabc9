"""
Batches as users write them; never run, only read by type checkers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import assert_type

from heygen_async import (
    Approve,
    Batch,
    BatchEvent,
    Finding,
    HeyGen,
    InsufficientCredit,
    Job,
    Outcome,
    Rate,
    Reply,
    Session,
    SessionState,
    Transfer,
    Unauthorized,
    Video,
)


async def prompts() -> AsyncIterator[Job | str]:
    """Jobs may come one by one, and plain texts are jobs too."""
    yield "A tour of our bakery"
    yield Job("A tour of our mill", key="mill", mode="generate", files=[Path("mill.png")], timeout=None)
    yield Job("A tour of our shop", expected_seconds=30, max_seconds=45)
    yield Job("Again", "again", idempotency_key="my-key", begun_at=datetime.now().astimezone())  # noqa: TID251


async def batches(heygen: HeyGen, ref: bytes) -> None:
    """Everything a batch takes and gives."""

    async def review(session: Session, state: SessionState) -> Reply | Approve:
        return Reply(message=session.id) if state.is_paused else Approve()

    def listen(event: BatchEvent) -> None:
        assert_type(event.key, str)
        assert_type(event.ref, bytes | None)
        assert_type(event.state, SessionState | None)
        assert_type(event.transfer, Transfer | None)
        assert_type(event.outcome, Outcome | None)

    async with heygen.batch(
        prompts(),
        max_in_flight=5,
        max_paused=10,
        reviewer=review,
        on_event=listen,
        download_to="videos",
        stop_on=(Unauthorized, InsufficientCredit),
        on_exit="stop",
        min_balance=10,
        max_spend=25.0,
        rate=Rate(per_second=0.05, currency="usd"),
        retry_failed=2,
    ) as run:
        assert_type(run, Batch)
        assert_type(run.spent, float)
        assert_type(run.reserved, float)
        async for outcome in run:
            assert_type(outcome, Outcome)
            assert_type(outcome.ok, bool)
            assert_type(outcome.key, str)
            assert_type(outcome.job, Job | None)
            assert_type(outcome.video, Video | None)
            assert_type(outcome.path, Path | str | None)
            assert_type(outcome.error, Exception | None)
            assert_type(outcome.states, tuple[SessionState, ...])
            assert_type(outcome.session_ref, bytes | None)
            assert_type(outcome.not_started, bool)
        assert_type((run.in_progress, run.paused, run.limit), tuple[int, int, int])
        run.stop_creating()

    async with heygen.batch(["One", Job("Two", ref=ref)], reviewer=Approve()) as run:
        assert_type(await run.raise_failures(), list[Outcome])
    heygen.batch(prompts(), on_exit="wait")  # type: ignore[arg-type]
    Job("A tour", mode="talk")  # type: ignore[arg-type]


async def checks(heygen: HeyGen) -> None:
    """What is found before anything is paid for."""
    findings = await heygen.check(prompts(), rate=Rate(per_second=0.05))
    assert_type(findings, list[Finding])
    assert_type((findings[0].position, findings[0].key, findings[0].argument), tuple[int, str, str])
    assert_type((findings[0].problem, findings[0].is_warning), tuple[str, bool])
