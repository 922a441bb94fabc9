"""The simulator itself: in memory and in virtual time, but for what only a socket can show."""

from __future__ import annotations

import pytest

from testing.desk import Desk


@pytest.fixture
def desk() -> Desk:
    """A caller of a fresh simulator."""
    return Desk()
