"""Whole conversations in virtual time: minutes of waiting cost no time at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import loops
from flow.parties import Line, client
from heygen_async.testing import Simulator
from heygen_async.testing._loop import VirtualLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from heygen_async import HeyGen


@pytest.fixture(scope="session")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio on a loop whose clock jumps to the next timer when nothing else is left to do."""
    return loops.backend(pytestconfig, VirtualLoop)


@pytest.fixture
def service() -> Simulator:
    """A fresh service that never runs out of places for jobs."""
    return Simulator(max_jobs=10_000)


@pytest.fixture
def line(service: Simulator) -> Line:
    """The way to it."""
    return Line(service)


@pytest.fixture
async def heygen(line: Line, anyio_backend: object) -> AsyncIterator[HeyGen]:
    """A client of it."""
    async with client(line) as heygen:
        yield heygen
