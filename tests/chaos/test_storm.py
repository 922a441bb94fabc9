"""Through any storm: nothing lost, nothing paid twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chaos.storm import Books, cut_short, lives

if TYPE_CHECKING:
    from heygen_async.testing._service.state import Idempotency

SEED = 20260101

each = pytest.mark.parametrize
both_services = each("idempotency", ["honoured", "ignored"])


def check(books: Books) -> None:
    """Fail unless a tenth of all failed and the books are clean all the same."""
    print(f"\n{books}")
    assert books.struck >= 0.1
    assert 0 == books.paid_twice
    assert 0 == books.service.ledger.duplicate_messages
    assert [] == books.unknown
    assert [] == books.nameless


@pytest.mark.chaos
@both_services
async def test_two_thousand_lives(idempotency: Idempotency) -> None:
    """Of 2,000 sessions in a storm each ends as a video or as an error that names it; none is lost or paid twice."""
    books = await lives(2_000, seed=SEED, idempotency=idempotency)

    check(books)
    assert 2_000 == books.ends.total()
    assert books.ends["Video"] >= 1_500


@pytest.mark.chaos
@both_services
async def test_two_hundred_cancelled_creates(idempotency: Idempotency) -> None:
    """Of 200 creates cancelled at random moments in a storm no session is lost."""
    check(await cut_short(200, seed=SEED, idempotency=idempotency))


@both_services
@each("seed", [1, 2])
async def test_sixty_lives(seed: int, idempotency: Idempotency) -> None:
    """The same for 60 sessions, with every run of the tests."""
    books = await lives(60, seed=seed, idempotency=idempotency)

    check(books)
    assert 60 == books.ends.total()


@both_services
@each("seed", [1, 2])
async def test_forty_cancelled_creates(seed: int, idempotency: Idempotency) -> None:
    """The same for 40 cancelled creates, with every run of the tests."""
    check(await cut_short(40, seed=seed, idempotency=idempotency))
