"""Places that are taken and left."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from flows import pass_time
from heygen_async._http.limits import Gate


async def test_first_come_first_served() -> None:
    """No more are in than there are places, and whoever came first goes first."""
    gate, inside, order, most = Gate(3), set[int](), list[int](), 0

    async def one(number: int) -> None:
        nonlocal most
        await gate.enter()
        order.append(number)
        inside.add(number)
        most = max(most, len(inside))
        await pass_time(1)
        inside.discard(number)
        gate.leave()

    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(one, number)

    assert list(range(20)) == order
    assert 3 == most


@pytest.mark.parametrize("in_the_same_moment", [False, True], ids=["while waiting", "as the place comes"])
async def test_a_place_is_never_lost(in_the_same_moment: bool) -> None:
    """Who gives up in line, even as his turn comes, leaves the place to the next."""
    gate = Gate(1)
    await gate.enter()
    waiting = asyncio.ensure_future(gate.enter())
    await pass_time(1)
    if in_the_same_moment:
        gate.leave()
        waiting.cancel()
    else:
        waiting.cancel()
        await pass_time(1)
        gate.leave()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    with anyio.fail_after(1):
        await gate.enter()
