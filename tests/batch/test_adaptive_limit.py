"""The limit of a batch learns how much room there is, probes rarely, and never gets stuck."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygen_async._batch.concurrency import AdaptiveLimit, limit_after_refusal, limit_after_success

each = pytest.mark.parametrize

PACE = 2.0


class Account:
    """A service with a cap that others use too, and a batch with more jobs than will ever fit."""

    def __init__(self, maximum: int, cap: int) -> None:
        self.limit = AdaptiveLimit(maximum)
        self.cap = cap
        self.others = 0
        self.now = 0.0
        self.refusals = 0

    def attempt_all(self) -> None:
        """Make all attempts that may be made now, one answered after another."""
        while self.limit.is_open(self.now):
            self.limit.attempt()
            if self.limit.in_progress + self.others < self.cap:
                self.limit.accept()
            else:
                self.refusals += 1
                self.limit.refuse(self.now, PACE)

    def live(self, seconds: int) -> float:
        """Let time pass, jobs lasting for ever; return how full it was on average."""
        counts: list[int] = []
        for _ in range(seconds):
            self.attempt_all()
            counts.append(self.limit.in_progress)
            self.now += 1
        return sum(counts) / seconds


steps = st.lists(st.sampled_from(["attempt", "accept", "refuse", "withdraw", "finish", "time"]), max_size=300)


def move(limit: AdaptiveLimit, step: str, now: float, pace: float | None) -> None:
    """Do what can be done now."""
    if step == "attempt" and limit.is_open(now):
        limit.attempt()
    elif step == "finish" and limit.in_progress:
        limit.finish()
    elif step == "refuse" and limit.attempts:
        limit.refuse(now, pace)
        assert not limit.is_open(now)
    elif step in ("accept", "withdraw") and limit.attempts:
        getattr(limit, step)()


@given(
    maximum=st.integers(1, 60), steps=steps, pace=st.one_of(st.none(), st.just(0.0), st.floats(0.001, 120))
)
def test_it_keeps_its_bounds(maximum: int, steps: list[str], pace: float | None) -> None:
    """No more than the maximum are taken, and a free limit opens some time."""
    limit, now = AdaptiveLimit(maximum), 0.0
    for step in steps:
        now += step == "time"
        move(limit, step, now, pace)

        assert 0 <= limit.attempts <= limit.taken <= maximum
        assert 1 <= limit.current <= maximum
        if not limit.attempts and limit.taken < maximum:
            moment = limit.opens_at()
            assert moment is not None
            assert moment <= now + 4 * 120


@given(maximum=st.integers(1, 60), cap=st.integers(1, 60))
def test_it_fills_what_there_is(maximum: int, cap: int) -> None:
    """Whatever the cap, all slots are taken after some time, with few refusals."""
    account = Account(maximum, cap)
    account.live(60)

    assert min(maximum, cap) == account.limit.in_progress
    assert account.refusals <= 6


@given(
    maximum=st.integers(2, 60),
    cap=st.integers(2, 60),
    others=st.lists(st.integers(0, 60), min_size=1, max_size=5),
)
def test_it_follows_what_others_take_and_leave(maximum: int, cap: int, others: list[int]) -> None:
    """When others take slots or give them back, the limit is where it can be soon after."""
    account = Account(maximum, cap)
    for count in others:
        account.others = min(count, cap)
        for _ in range(account.limit.in_progress):
            account.limit.finish()
        account.live(130)

        assert min(maximum, cap - account.others) == account.limit.in_progress


def test_probing_gets_rare() -> None:
    """In an account that stays full, an attempt beyond the cap is made about once a minute."""
    account = Account(maximum=50, cap=10)
    account.live(120)
    before = account.refusals
    account.live(3600)

    assert 55 <= account.refusals - before <= 65


def test_a_replacement_needs_no_probing() -> None:
    """A job that ends is replaced at once, whatever was refused before, and says nothing new about the room."""
    account = Account(maximum=50, cap=10)
    account.live(200)
    for _ in itertools.repeat(None, 30):
        account.limit.finish()
        account.now += 3  # later than a pace, sooner than a probe
        before = account.refusals
        account.attempt_all()

        assert 10 == account.limit.in_progress
        assert account.refusals <= before + 1
    assert account.refusals <= 10 + 2


def test_a_refusal_narrows_to_what_is_in_progress() -> None:
    """Of four attempts the two that were taken are the new limit, and nothing is tried before the pace is over."""
    limit = AdaptiveLimit(10)
    for _ in range(4):
        limit.attempt()
    limit.accept()
    limit.accept()
    limit.refuse(100.0, PACE)
    limit.refuse(100.0, PACE)

    assert 2 == limit.current == limit.in_progress == limit.taken
    assert not limit.is_open(101.9)
    assert limit.is_open(102.0 + 15.0)


@each(("pace", "wait"), [(None, 5.0), (0.0, 1.0), (0.001, 1.0), (-3.0, 1.0), (2.5, 2.5), (30.0, 30.0)])
def test_the_pace_is_kept(pace: float | None, wait: float) -> None:
    """The service's own pace is kept, but never less than a second; where it names none, some seconds are."""
    limit = AdaptiveLimit(1)
    limit.attempt()
    limit.refuse(50.0, pace)

    assert 50.0 + wait == limit.opens_at()


def test_a_pace_of_nothing_grows() -> None:
    """Refused again and again with a pace of zero, the pauses grow to what a refusal without a pace costs."""
    limit, now, pauses = AdaptiveLimit(1), 0.0, list[float]()
    for _ in range(4):
        limit.attempt()
        limit.refuse(now, 0.0)
        opens_at = limit.opens_at()
        assert opens_at is not None
        pauses.append(opens_at - now)
        now = opens_at

    assert [1.0, 2.0, 4.0, 5.0] == pauses


def test_other_failures_change_nothing() -> None:
    """An attempt that failed for another reason gives its slot back and changes nothing else."""
    limit = AdaptiveLimit(10)
    current = limit.current
    limit.attempt()
    limit.withdraw()

    assert (current, 0, 0) == (limit.current, limit.taken, limit.attempts)


def test_the_limit_narrows_to_what_is_there_and_widens_by_one() -> None:
    """After a refusal no more may be in progress than are; after a success one more, up to the maximum."""
    assert 4 == limit_after_refusal(10, 4)
    assert 1 == limit_after_refusal(10, 0)
    assert 3 == limit_after_refusal(3, 7)
    assert 5 == limit_after_success(4, 10)
    assert 10 == limit_after_success(10, 10)
