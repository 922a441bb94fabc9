"""What every engine must do: one suite for all of them, also for one of your own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import anyio
import pytest

from heygen_async.backplane import BackplaneConnection, BaseBackplane

pytestmark = pytest.mark.backplane

Connect = Callable[..., "AsyncIterator[BackplaneConnection]"]


@pytest.fixture
def channel() -> str:
    """A channel that no other test uses."""
    return f"heygen_{secrets.token_hex(8)}"


@pytest.fixture
async def three(
    backplane: Callable[..., BaseBackplane], channel: str, anyio_backend: object
) -> AsyncIterator[list[BackplaneConnection]]:
    """Three connections to one channel."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(backplane().connect(channel)) for _ in range(3)]


async def receive(connection: BackplaneConnection, count: int) -> list[bytes]:
    """Return so many messages."""
    with anyio.fail_after(30):
        return [await connection.receive() for _ in range(count)]


async def test_messages_reach_all_in_one_order(three: list[BackplaneConnection]) -> None:
    """What is published reaches every connection, the sender's too, in the same order."""
    for number in range(30):
        await three[number % 3].publish(b"%d" % number)
    received = [await receive(connection, 30) for connection in three]

    assert sorted(received[0]) == sorted(b"%d" % number for number in range(30))
    assert received[1:] == [received[0]] * 2


@pytest.mark.parametrize("size", [0, 1, 5_000, 7_999, 8_000, 8_001, 1_000_000])
async def test_messages_of_any_size_and_bytes(three: list[BackplaneConnection], size: int) -> None:
    """A message arrives as it was sent, whatever its bytes and however many."""
    message = secrets.token_bytes(size)
    await three[0].publish(message)
    await three[0].publish(b"the next")

    assert [message, b"the next"] == await receive(three[1], 2)


async def test_channels_are_apart(
    backplane: Callable[..., BaseBackplane], channel: str, three: list[BackplaneConnection]
) -> None:
    """Messages and leases of one channel are not those of another."""
    async with backplane().connect(channel + "_other") as other:
        await other.acquire(["a"], "other", 10)
        await other.publish(b"elsewhere")
        await three[0].publish(b"here")

        assert [b"here"] == await receive(three[1], 1)
        assert 0 not in await three[0].acquire(["a"], "one", 10)


async def test_a_name_is_lent_to_one_owner(three: list[BackplaneConnection]) -> None:
    """Of several that ask for names one gets each, and keeps it by asking again."""
    names = [f"name {number}" for number in range(500)]
    first = await three[0].acquire(names, "one", 10)
    second = await three[1].acquire([*names[250:], "new"], "two", 10)

    assert 0 not in first
    assert [0] * 250 == list(second[:250])
    assert second[250] > 0
    assert first == await three[0].acquire(names, "one", 10)


async def test_asking_at_once(three: list[BackplaneConnection]) -> None:
    """Of those that ask at the same moment one gets each name."""
    names = [f"name {number}" for number in range(200)]
    numbers: dict[int, list[int]] = {}

    async def ask(place: int) -> None:
        mine = names if place else list(reversed(names))
        found = await three[place].acquire(mine, f"owner {place}", 10)
        numbers[place] = list(found) if place else list(reversed(found))

    async with anyio.create_task_group() as group:
        for place in range(3):
            group.start_soon(ask, place)

    assert [1] * 200 == [sum(number > 0 for number in row) for row in zip(*numbers.values(), strict=True)]


async def test_a_name_comes_back_when_its_time_is_over(three: list[BackplaneConnection]) -> None:
    """A name whose owner has not asked again is lent to another, with a greater number."""
    (before,) = await three[0].acquire(["a"], "one", 1)
    assert [0] == list(await three[1].acquire(["a"], "two", 1))
    with anyio.fail_after(30):
        while not (after := (await three[1].acquire(["a"], "two", 10))[0]):
            await anyio.sleep(0.1)

    assert after > before
    assert [0] == list(await three[0].acquire(["a"], "one", 10))


async def test_a_name_that_is_kept_does_not_come_back(three: list[BackplaneConnection]) -> None:
    """Asking again makes the time of a loan begin anew."""
    for _ in range(4):
        assert 0 not in await three[0].acquire(["a"], "one", 3)
        await anyio.sleep(1)

        assert [0] == list(await three[1].acquire(["a"], "two", 3))


async def test_names_are_given_back(three: list[BackplaneConnection]) -> None:
    """A name that its owner gives back is free at once; what others have stays with them."""
    (before,) = await three[0].acquire(["a"], "one", 10)
    await three[1].release(["a", "unknown"], "two")
    assert [0] == list(await three[1].acquire(["a"], "two", 10))
    await three[0].release(["a"], "one")
    (after,) = await three[1].acquire(["a"], "two", 10)

    assert after > before


async def test_nothing_asked_is_nothing_got(three: list[BackplaneConnection]) -> None:
    """A request without names is a sign of life and no more."""
    assert [] == list(await three[0].acquire([], "one", 10))
    await three[0].release([], "one")


async def test_a_call_may_be_cancelled(three: list[BackplaneConnection]) -> None:
    """A wait for a message that was cancelled has taken none."""
    with anyio.move_on_after(0.05):
        await three[1].receive()
    await three[0].publish(b"later")

    assert [b"later"] == await receive(three[1], 1)
