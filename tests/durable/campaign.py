"""What the tests of one process share: a service at high speed, and batches on it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import sqlalchemy as sa

from heygen_async import Cadence, HeyGen, Job, RetryPolicy
from heygen_async.durable import DurableBatch, _database
from heygen_async.testing import MemoryTransport, Simulator

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager

    from heygen_async import Outcome
    from heygen_async._http.transport import Request, Response, ResponseStream, Transport

SPEED = 400.0
POLL = 0.05
PATIENCE = 100.0  # a guard against hanging


def service(*, max_jobs: int = 20, speed: float = SPEED, **options: Any) -> Simulator:
    """A service whose sessions take a third of a second."""
    return Simulator(speed=speed, max_jobs=max_jobs, **options)


@asynccontextmanager
async def client(simulator: Simulator, http: Transport | None = None) -> AsyncGenerator[HeyGen]:
    """A client that polls often and soon knows what became of a lost write."""
    async with HeyGen(
        simulator.api_key,
        base_url=simulator.base_url,
        cadence=Cadence.constant(0.05),
        retry=RetryPolicy(settle_time=0.2, base=0.05),
        http=http or MemoryTransport(simulator),
    ) as heygen:
        yield heygen


@asynccontextmanager
async def campaign(
    url: str, simulator: Simulator, *, name: str = "spring", http: Transport | None = None, **options: Any
) -> AsyncGenerator[DurableBatch]:
    """An open batch of this service."""
    async with client(simulator, http) as heygen:
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


class Held:
    """A transport that keeps back the first answer of a route until it is let go."""

    def __init__(self, simulator: Simulator, route: str) -> None:
        self._inner: Transport = MemoryTransport(simulator)
        self._route = route
        self.is_here, self.let_go = anyio.Event(), anyio.Event()

    async def send(self, request: Request) -> Response:
        answer = await self._inner.send(request)
        if request.method == "POST" and request.route.endswith(self._route):
            self.is_here.set()
            await self.let_go.wait()
        return answer

    def stream(self, request: Request) -> AbstractAsyncContextManager[ResponseStream]:
        return self._inner.stream(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def change(url: str, statement: str, **values: object) -> None:
    """Change the rows of a batch, as another process would."""
    engine = sa.create_engine(_database.parse(url))
    with engine.begin() as connection:
        connection.execute(sa.text(statement), values)
    engine.dispose()


def select(url: str, statement: str) -> tuple[Any, ...]:
    """Return the first row that a database answers with."""
    engine = sa.create_engine(_database.parse(url))
    with engine.connect() as connection:
        row = connection.execute(sa.text(statement)).one()
    engine.dispose()
    return tuple(row)
