"""Whole conversations in virtual time: minutes of waiting cost no time at all."""

from __future__ import annotations

import pytest

from heygen_async.testing._loop import VirtualLoop


@pytest.fixture(scope="session")
def anyio_backend() -> object:
    """Asyncio on a loop whose clock jumps to the next timer when nothing else is left to do."""
    return "asyncio", {"loop_factory": VirtualLoop}
