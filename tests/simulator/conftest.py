"""The simulator itself: in memory and in virtual time, but for what only a socket can show."""

from __future__ import annotations

import pytest

from heygen_async.testing import VIRTUAL_TIME
from simulator.desk import Desk


@pytest.fixture(scope="session")
def anyio_backend() -> object:
    """Asyncio in virtual time."""
    return VIRTUAL_TIME


@pytest.fixture
def desk() -> Desk:
    """A caller of a fresh simulator."""
    return Desk()
