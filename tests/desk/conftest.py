"""The review desk before a simulated agent, both in one loop and in virtual time."""

from __future__ import annotations

import importlib.util
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import pytest

import loops
from desk.visitor import Visitor
from heygen_async import Cadence, HeyGen
from heygen_async.testing import MemoryTransport, Simulator
from heygen_async.testing._virtual_loop import VirtualLoop
from review_desk.app import RETRY, TIMEOUTS, create_app
from review_desk.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from contextlib import AbstractAsyncContextManager

# The ordinary tests need no browser, and so nothing that drives one.
collect_ignore = [] if importlib.util.find_spec("playwright") else ["browser"]

SETTINGS = Settings(hosts=("localhost", "desk.example"))


class OpenDesk(Protocol):
    """How a test opens a desk with settings of its own."""

    def __call__(
        self, settings: Settings = ..., cadence: Cadence | None = ...
    ) -> AbstractAsyncContextManager[Visitor]: ...


@pytest.fixture(scope="session")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio on a loop whose clock jumps to the next timer when nothing else is left to do."""
    return loops.backend(pytestconfig, VirtualLoop)


@pytest.fixture
def service() -> Simulator:
    """A fresh agent with a place for every session."""
    return Simulator(max_jobs=1_000)


@pytest.fixture
def open_desk(service: Simulator) -> OpenDesk:
    """Opens desks before that agent."""

    @asynccontextmanager
    async def opened(
        settings: Settings = SETTINGS, cadence: Cadence | None = None
    ) -> AsyncGenerator[Visitor]:
        transport = MemoryTransport(service)
        heygen = HeyGen(service.api_key, http=transport, timeouts=TIMEOUTS, retry=RETRY, cadence=cadence)
        app = create_app(heygen, settings)
        app.state.heygen = heygen
        async with app.router.lifespan_context(app):
            yield Visitor(app)

    return opened


@pytest.fixture
async def visitor(open_desk: OpenDesk, anyio_backend: object) -> AsyncIterator[Visitor]:
    """Somebody at a desk."""
    async with open_desk() as visitor:
        yield visitor
