"""The simulator itself: in memory and in virtual time, but for what only a socket can show."""

from __future__ import annotations

import pytest

import loops
from heygen_async.testing import VirtualLoop
from simulator.desk import Desk


@pytest.fixture(scope="session")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio in virtual time."""
    return loops.backend(pytestconfig, VirtualLoop)


@pytest.fixture
def desk() -> Desk:
    """A caller of a fresh simulator."""
    return Desk()
