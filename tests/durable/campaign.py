"""What the tests of one process share: a service at high speed, and batches on it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from heygen_async import Cadence, HeyGen, Job, RetryPolicy
from heygen_async._durable import _database
from heygen_async.durable import DurableBatch
from heygen_async.testing import MemoryTransport, Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from heygen_async import Outcome

SPEED = 400.0
POLL = 0.05


def service(*, max_jobs: int = 20, **options: Any) -> Simulator:
    """A service whose sessions take a third of a second."""
    return Simulator(speed=SPEED, max_jobs=max_jobs, **options)


@asynccontextmanager
async def client(simulator: Simulator) -> AsyncGenerator[HeyGen]:
    """A client that looks often and settles soon."""
    async with HeyGen(
        simulator.api_key,
        base_url=simulator.base_url,
        cadence=Cadence.constant(0.05),
        retry=RetryPolicy(settle_time=0.2, base=0.05),
        http=MemoryTransport(simulator),
    ) as heygen:
        yield heygen


@asynccontextmanager
async def campaign(
    url: str, simulator: Simulator, *, name: str = "spring", **options: Any
) -> AsyncGenerator[DurableBatch]:
    """An open batch of this service."""
    async with client(simulator) as heygen:
        options = {"heygen": heygen, "poll_interval": POLL, **options}
        async with DurableBatch(url, name=name, **options) as batch:
            yield batch


def films(count: int, *, mode: Any = "generate") -> list[Job]:
    """Jobs with keys film-0, film-1, ..."""
    return [Job(f"A film about the number {number}", f"film-{number}", mode=mode) for number in range(count)]


async def ended(batch: DurableBatch) -> dict[str, Outcome]:
    """All outcomes by key; each comes once."""
    found: dict[str, Outcome] = {}
    async for outcome in batch.outcomes():
        assert outcome.key not in found
        found[outcome.key] = outcome
    return found


def change(url: str, statement: str) -> None:
    """Change the rows of a batch, as another process would."""
    engine = sa.create_engine(_database.parse(url))
    with engine.begin() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()
