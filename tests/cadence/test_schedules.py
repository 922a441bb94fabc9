from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

import strategies
from heygen_async.cadence import Cadence, PollContext, bounded
from heygen_async.errors import InvalidArgument
from heygen_async.models import SessionStatus

if TYPE_CHECKING:
    from collections.abc import Callable

THINKING = SessionStatus.THINKING
SCHEDULES = [
    Cadence.constant(7),
    Cadence.exponential(),
    Cadence.exponential(0.01, factor=3, longest=9e9, jitter=0.99),
    Cadence.exponential(1, factor=1e9),
    Cadence.exponential(5, factor=0.5),
    Cadence.stepped([(5, 6), (15, 12)], then=30),
    Cadence.adaptive(),
]


def ladder(cadence: Cadence, count: int, jitter: float = 0.5) -> list[float]:
    """The intervals of the first polls in a status."""
    return [cadence(PollContext(status=THINKING, polls=polls, jitter=jitter)) for polls in range(count)]


def test_constant_is_constant() -> None:
    """Every poll is so many seconds after the one before, with no jitter."""
    assert [7, 7, 7] == ladder(Cadence.constant(7), 3, jitter=0.9)


def test_exponential_doubles_up_to_the_longest() -> None:
    """The official command line's ladder: 2 seconds, doubled to 30."""
    assert [2, 4, 8, 16, 30, 30] == ladder(Cadence.exponential(), 6)
    assert [1, 3, 9, 10] == ladder(Cadence.exponential(1, factor=3, longest=10, jitter=0), 4, jitter=0.9)


def test_exponential_lasts_as_long_as_a_watch() -> None:
    """The billionth poll costs no more thought than the first, whole numbers or not."""
    moment = PollContext(status=THINKING, polls=10**9)

    assert 30 == Cadence.exponential(2, factor=3)(moment) == Cadence.exponential(2, factor=1e9)(moment)


@pytest.mark.parametrize(("jitter", "share"), [(0.0, 0.75), (0.5, 1.0), (0.999, 1.25)])
def test_exponential_varies_both_ways(jitter: float, share: float) -> None:
    """A quarter less to a quarter more, as the die falls."""
    varied = ladder(Cadence.exponential(), 8, jitter)
    exact = [wait * share for wait in ladder(Cadence.exponential(), 8)]

    assert exact == pytest.approx(varied, rel=0.01)


def test_stepped_follows_its_steps() -> None:
    """The official plugin's ladder: 5 seconds six times, 15 twelve times, then 30."""
    steps = Cadence.stepped([(5, 6), (15, 12)], then=30)

    assert [5] * 6 + [15] * 12 + [30] * 3 == ladder(steps, 21)
    assert [4, 4] == ladder(Cadence.stepped([], then=4), 2)


def test_own_schedule_is_bounded_too() -> None:
    """A schedule of one's own cannot make a watch busy or blind."""
    moment = PollContext(status=THINKING)

    assert 0.2 == Cadence(lambda _: -5.0)(moment)
    assert 3600 == Cadence(lambda _: 1e12)(moment) == Cadence(lambda _: math.nan)(moment)


@given(st.floats())
def test_any_interval_is_bounded(wait: float) -> None:
    """Whatever number a schedule returns, the next poll is in a fifth of a second to an hour."""
    assert 0.2 <= bounded(wait) <= 3600


@pytest.mark.parametrize("cadence", SCHEDULES, ids=range(len(SCHEDULES)))
@given(moment=strategies.moments)
def test_every_schedule_bears_every_moment(cadence: Cadence, moment: PollContext) -> None:
    """No state of a session breaks a schedule or makes it busy."""
    assert 0.2 <= cadence(moment) <= 3600


@given(strategies.moments)
def test_adaptive_is_never_busy(moment: PollContext) -> None:
    """The default never polls more than twice a second, nor less than every few minutes."""
    assert 0.5 <= Cadence.adaptive()(moment) <= 300


@pytest.mark.parametrize("status", [SessionStatus.REVIEWING, SessionStatus.WAITING_FOR_INPUT])
@given(elapsed=strategies.seconds, polls=st.integers(0, 1000), jitter=st.floats(0, 1, exclude_max=True))
def test_adaptive_is_rare_at_a_pause(
    status: SessionStatus, elapsed: float, polls: int, jitter: float
) -> None:
    """A session that waits for its caller moves when the caller speaks, so it is seldom polled."""
    moment = PollContext(status=status, elapsed=elapsed, unchanged=elapsed, polls=polls, jitter=jitter)

    assert Cadence.adaptive()(moment) >= (12 if polls else 7)


def test_adaptive_stretches_while_nothing_moves() -> None:
    """The first polls at a thinking session are quick, later ones slower."""
    early, late = (
        Cadence.adaptive()(PollContext(status=THINKING, elapsed=seconds, unchanged=seconds))
        for seconds in (0.0, 300.0)
    )

    assert early <= 5
    assert late > early


@given(strategies.moments)
def test_adaptive_spreads_by_the_die(moment: PollContext) -> None:
    """Sessions that started together are not polled together: the interval grows with the die."""
    low, high = (Cadence.adaptive()(structs.replace(moment, jitter=jitter)) for jitter in (0.0, 0.99))

    assert low < high


@given(strategies.moments)
def test_schedule_is_pure(moment: PollContext) -> None:
    """The same moment has the same answer, from any instance: no clock and no lots inside."""
    assert Cadence.adaptive()(moment) == Cadence.adaptive()(moment)


BUILDERS: dict[str, Callable[[float], Cadence]] = {
    "seconds": Cadence.constant,
    "first": Cadence.exponential,
    "factor": lambda value: Cadence.exponential(factor=value),
    "longest": lambda value: Cadence.exponential(longest=value),
    "steps": lambda value: Cadence.stepped([(value, 1)], then=1),
    "then": lambda value: Cadence.stepped([], then=value),
}


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize(
    ("argument", "build"),
    BUILDERS.items(),
    ids=BUILDERS,
)
def test_bad_number_is_named(argument: str, build: Callable[[float], Cadence], value: float) -> None:
    """A schedule that cannot be kept is refused by the name of its argument."""
    with pytest.raises(InvalidArgument) as raised:
        build(value)

    assert argument == raised.value.argument


@pytest.mark.parametrize("jitter", [-0.1, 1.0, math.nan])
def test_jitter_is_a_share(jitter: float) -> None:
    """A jitter below nothing or of everything is refused."""
    with pytest.raises(InvalidArgument, match="jitter"):
        Cadence.exponential(jitter=jitter)


@pytest.mark.parametrize(
    ("cadence", "expected"),
    [
        (Cadence.constant(7), "Cadence.constant(7)"),
        (Cadence.exponential(), "Cadence.exponential(2, factor=2, longest=30)"),
        (Cadence.stepped([(5, 6)], then=30), "Cadence.stepped([(5, 6)], then=30)"),
    ],
    ids=["constant", "exponential", "stepped"],
)
def test_schedule_says_what_it_is(cadence: Cadence, expected: str) -> None:
    """The repr reads like the call that made it."""
    assert expected == repr(cadence)
