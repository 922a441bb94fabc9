"""The window of a batch learns how much room there is, asks rarely, and never gets stuck."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygen_async._batch.concurrency import Window

each = pytest.mark.parametrize

PACE = 2.0


class Account:
    """A service with a cap that others use too, and a batch with more jobs than will ever fit."""

    def __init__(self, most: int, cap: int) -> None:
        self.window = Window(most)
        self.cap = cap
        self.others = 0
        self.now = 0.0
        self.refusals = 0

    def ask(self) -> None:
        """Make all attempts that may be made now, one answered after another."""
        while self.window.is_open(self.now):
            self.window.attempt()
            if self.window.in_progress + self.others < self.cap:
                self.window.accepted()
            else:
                self.refusals += 1
                self.window.refused(self.now, PACE)

    def live(self, seconds: int) -> float:
        """Let time pass, jobs lasting for ever; return how full it was on average."""
        counts: list[int] = []
        for _ in range(seconds):
            self.ask()
            counts.append(self.window.in_progress)
            self.now += 1
        return sum(counts) / seconds


steps = st.lists(
    st.sampled_from(["attempt", "accepted", "refused", "withdrawn", "ended", "time"]), max_size=300
)


def move(window: Window, step: str, now: float, pace: float | None) -> None:
    """Do what can be done now."""
    if step == "attempt" and window.is_open(now):
        window.attempt()
    elif step == "ended" and window.in_progress:
        window.ended()
    elif step == "refused" and window.attempts:
        window.refused(now, pace)
        assert not window.is_open(now) or pace == 0
    elif step in ("accepted", "withdrawn") and window.attempts:
        getattr(window, step)()


@given(most=st.integers(1, 60), steps=steps, pace=st.one_of(st.none(), st.just(0.0), st.floats(0.001, 120)))
def test_it_keeps_its_bounds(most: int, steps: list[str], pace: float | None) -> None:
    """Whatever happens, no more than the most are taken, and a free window opens some time."""
    window, now = Window(most), 0.0
    for step in steps:
        now += step == "time"
        move(window, step, now, pace)

        assert 0 <= window.attempts <= window.taken <= most
        assert 1 <= window.limit <= most
        if not window.attempts and window.taken < most:
            moment = window.opens_at()
            assert moment is not None
            assert moment <= now + 4 * 120


@given(most=st.integers(1, 60), cap=st.integers(1, 60))
def test_it_fills_what_there_is(most: int, cap: int) -> None:
    """Whatever the cap, all places are taken after some time, with few refusals."""
    account = Account(most, cap)
    account.live(60)

    assert min(most, cap) == account.window.in_progress
    assert account.refusals <= 6


@given(
    most=st.integers(2, 60),
    cap=st.integers(2, 60),
    others=st.lists(st.integers(0, 60), min_size=1, max_size=5),
)
def test_it_follows_what_others_take_and_leave(most: int, cap: int, others: list[int]) -> None:
    """When others take places or give them back, the window is where it can be soon after."""
    account = Account(most, cap)
    for count in others:
        account.others = min(count, cap)
        for _ in range(account.window.in_progress):
            account.window.ended()
        account.live(130)

        assert min(most, cap - account.others) == account.window.in_progress


def test_probing_gets_rare() -> None:
    """In an account that stays full, the service is asked about once a minute."""
    account = Account(most=50, cap=10)
    account.live(120)
    before = account.refusals
    account.live(3600)

    assert 55 <= account.refusals - before <= 65


def test_a_replacement_needs_no_probing() -> None:
    """A job that ends is replaced at once, whatever was refused before, and tells nothing new about the room."""
    account = Account(most=50, cap=10)
    account.live(200)
    for _ in itertools.repeat(None, 30):
        account.window.ended()
        account.now += 3  # later than a pace, sooner than a probe
        refused = account.refusals
        account.ask()

        assert 10 == account.window.in_progress
        assert account.refusals <= refused + 1
    assert account.refusals <= 10 + 2


def test_a_refusal_narrows_to_what_is_in_progress() -> None:
    """Of four attempts the two that were taken are the new limit, and nothing is tried before the pace is over."""
    window = Window(10)
    for _ in range(4):
        window.attempt()
    window.accepted()
    window.accepted()
    window.refused(100.0, PACE)
    window.refused(100.0, PACE)

    assert 2 == window.limit == window.in_progress == window.taken
    assert not window.is_open(101.9)
    assert window.is_open(102.0 + 15.0)


@each(("pace", "wait"), [(None, 5.0), (0.0, 0.0), (30.0, 30.0)])
def test_the_pace_is_kept(pace: float | None, wait: float) -> None:
    """The service's own pace is kept; where it names none, some seconds are."""
    window = Window(1)
    window.attempt()
    window.refused(50.0, pace)

    assert 50.0 + wait == window.opens_at()


def test_other_failures_tell_nothing() -> None:
    """An attempt that failed for another reason gives its place back and changes nothing else."""
    window = Window(10)
    limit = window.limit
    window.attempt()
    window.withdrawn()

    assert (limit, 0, 0) == (window.limit, window.taken, window.attempts)
