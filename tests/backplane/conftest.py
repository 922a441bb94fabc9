"""What the tests of shared polls share."""

from __future__ import annotations

import pytest

from backplane.memory import MemoryEngine


@pytest.fixture
def engine() -> MemoryEngine:
    """Where the processes meet."""
    return MemoryEngine()
