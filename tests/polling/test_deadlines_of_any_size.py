"""Deadlines are kept to the moment, whatever the numbers."""

from __future__ import annotations

import pytest

from flows import Line, client, clock, pass_time
from heygen_async import WatchTimeout
from heygen_async.testing import MemoryAnswer, Simulator
from heygen_async.testing._transports.memory import Outgoing


class Silent(Line):
    """A line on which reads are never answered."""

    async def send(self, request: Outgoing) -> MemoryAnswer:
        """Pass on what is no read."""
        if request.method == "GET":
            await pass_time(10_000)
        return await super().send(request)


async def test_uneven_deadlines(service: Simulator) -> None:
    """When no poll comes back, each deadline is told within seconds, whichever fractions add up to it."""
    async with client(Silent(service)) as heygen:
        session = await heygen.sessions.create("An espresso machine", mode="generate")
        for power in range(14, 24):
            await pass_time(2.0**power - clock() - 3.3)  # where a sum has fewer digits than its parts
            began = clock()
            with pytest.raises(WatchTimeout):
                await session.wait(timeout=0.1 * power)
            assert 0 <= clock() - began - 0.1 * power <= 6
