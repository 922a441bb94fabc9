"""What a desk shows of the account: read seldom, in words, and without standing in anybody's way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from heygen_async import SessionStatus, _clock
from heygen_async.cadence import Expected
from heygen_async.testing import Simulator
from review_desk.eta import seconds_left

if TYPE_CHECKING:
    from desk.visitor import Visitor
    from heygen_async.testing._moods import Billing


@pytest.mark.parametrize(
    ("billing", "words"),
    [("wallet", "1,234.50 USD"), ("usage_based", "1,234 credits"), ("subscription", "1,234 credits")],
)
async def test_a_balance_is_told_in_words(
    visitor: Visitor, service: Simulator, billing: Billing, words: str
) -> None:
    """Each kind of account says what is left to spend."""
    service.moods.billing, service.moods.balance = billing, 1234.5

    assert {"balance": words} == (await visitor.get("/balance")).json


async def test_a_hundred_pages_read_the_account_once(visitor: Visitor, service: Simulator) -> None:
    """However many pages ask, the account and its catalogue are read once, and again when they are old."""
    async with asyncio.TaskGroup() as asking:
        for path in ("/balance", "/catalog") * 100:
            asking.create_task(visitor.get(path))
    once = {name: answers.total() for name, answers in service.ledger.requests.items()}
    await _clock.sleep(3600)
    await visitor.get("/balance")

    # Own ones and public ones, and further pages where there are.
    assert {"account": 1, "looks": 2, "voices": 3, "styles": 2} == once
    assert 2 == service.ledger.requests["account"].total()


async def test_an_account_that_cannot_be_read_is_asked_again(visitor: Visitor, service: Simulator) -> None:
    """A refusal is told and not kept."""
    service.faults.add("forbidden", on="account", times=1)

    assert [502, 200] == [(await visitor.get("/balance")).status for _ in range(2)]


async def test_what_is_not_ready_is_not_offered(visitor: Visitor) -> None:
    """Of the avatars those that can be used are offered, one's own first."""
    offered = [choice["id"] for choice in (await visitor.get("/catalog")).json["avatar_id"]]

    assert ["look_5", "look_1", "look_2", "look_3", "look_4"] == offered


RENDERING, THINKING = SessionStatus.GENERATING, SessionStatus.THINKING
USUAL = Expected(100.0, 2.0, 20)


@pytest.mark.parametrize(
    ("status", "elapsed", "gained", "progress", "usual", "left"),
    [
        (RENDERING, 60.0, 20, 60, None, 120.0),
        (RENDERING, 60.0, 20, 60, USUAL, 120.0),
        (RENDERING, 60.0, 4, 44, USUAL, 40.0),
        (RENDERING, 60.0, 4, 44, None, None),
        (THINKING, 60.0, 20, 20, USUAL, 40.0),
        (THINKING, 160.0, 20, 20, USUAL, None),
    ],
    ids=[
        "by progress",
        "progress first",
        "too little of it",
        "nothing known",
        "as others",
        "longer than others",
    ],
)
def test_what_is_left_is_told_by_progress_or_by_others(
    status: SessionStatus,
    elapsed: float,
    gained: int,
    progress: int,
    usual: Expected | None,
    left: float | None,
) -> None:
    """How long it will take is told by the session's own progress, else by how long others took, else not at all."""
    assert left == seconds_left(status, elapsed, gained, progress, usual)
