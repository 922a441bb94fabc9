"""Thousands of creates with lost answers: none is paid for twice, whether or not the service honours keys."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import anyio
import pytest

from flows import Line, client
from heygen_async import OutcomeUnknown, RetryPolicy
from heygen_async.testing import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from heygen_async import HeyGen

SEED: Final = 20260101
AT_ONCE: Final = 10
LOSSES: Final = (
    "reset_after_processing",
    "reset_before",
    "silence",
    "cut_length",
    "error_500",
    "gateway_html",
)


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_ten_thousand_creates_with_trusted_keys() -> None:
    """Of ten thousand creates with honoured keys, half of whose answers are lost, none is paid for twice."""
    service = Simulator(max_jobs=100_000, idempotency="honoured")
    line = Line(service)
    async with client(line, retry=RetryPolicy(trust_keys=True, max_attempts=20)) as heygen:
        for number in range(10_000):
            if number % 2:
                service.faults.clear()  # those that have struck are asked about at every request
                service.faults.add("reset_after_processing", on="create", times=1 + number % 3)
            await heygen.sessions.create(f"Video {number}")

    assert 10_000 == len(service.ledger.sessions)
    assert [] == line.moments("GET", "/")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [60, pytest.param(2_000, marks=pytest.mark.chaos)])
async def test_creates_with_ignored_keys(count: int) -> None:
    """Of 2,000 creates with ignored keys, whose answers are lost and listed late, none is paid for twice or lost."""
    service = Simulator(max_jobs=100_000, idempotency="ignored", seed=SEED)
    dice, known, in_doubt = random.Random(SEED), set[str](), list[OutcomeUnknown]()
    numbers = iter(range(count))

    async def create_each(heygen: HeyGen, left: Iterator[int]) -> None:
        for number in left:
            if number and dice.random() < 0.5:
                service.faults.add(dice.choice(LOSSES), on="create")
                service.faults.add("list_lags", on="create", seconds=dice.uniform(0, 9))
            try:
                known.add((await heygen.sessions.create(f"Video {number} of a storm")).id)
            except OutcomeUnknown as error:
                in_doubt.append(error)
                known.update(error.candidates)

    async with client(service, rng=dice) as heygen:
        await create_each(heygen, iter([next(numbers)]))  # it shows how the service behaves
        async with anyio.create_task_group() as group:
            for _ in range(AT_ONCE):
                group.start_soon(create_each, heygen, numbers)

    assert 0 == service.ledger.duplicate_creates
    assert set(service.ledger.sessions) <= known
    assert len(in_doubt) <= count / 100
