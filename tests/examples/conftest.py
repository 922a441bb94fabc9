"""Examples and blocks of the README, run as users run them: in real time."""

from __future__ import annotations

import pytest

import loops


@pytest.fixture(scope="session")
def anyio_backend(pytestconfig: pytest.Config) -> object:
    """Asyncio as it comes."""
    return loops.backend(pytestconfig)
