"""What events are worth: when one deserves a poll, and how far webhooks are relied on."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heygen_async._polling.webhook_signals import EventSignals, WebhookReliability
from heygen_async.cadence import Cadence, PollContext
from heygen_async.models import SessionStatus

GENERATING: Final = SessionStatus.GENERATING
NAMES: Final = ("sess_1", "vid_1")

each = pytest.mark.parametrize


def heard(at: float, *, verified: bool = True) -> EventSignals:
    """A session of which an event told."""
    it = EventSignals()
    it.record(at, 0.0, verified=verified)
    return it


def announced(times: int, at: float = 100.0) -> WebhookReliability:
    """A client that was told of so many ends in a row."""
    it = WebhookReliability()
    for _ in range(times):
        it.record_end(GENERATING, heard(at), at, NAMES)
    return it


# ---- when to poll -------------------------------------------------------------------------------------------------


@each("verified", [True, False])
def test_the_first_event_is_a_look_now(verified: bool) -> None:
    """The first event about a session deserves a poll at once."""
    assert 50.0 == EventSignals().record(50.0, 0.0, verified=verified)


def test_looks_keep_a_distance() -> None:
    """The next one deserves a poll a second after the first, which then serves all that come until it begins."""
    it = EventSignals()
    moments = [it.record(50.0, 0.0, verified=True)]
    moments += [it.record(at, 50.0, verified=True) for at in (50.2, 50.4, 50.99)]
    moments.append(it.record(51.5, 51.0, verified=True))

    assert [50.0, 51.0, 51.0, 51.0, 52.0] == moments


def test_an_open_request_is_not_put_off() -> None:
    """A poll that was asked for and has not begun stays due when more events come."""
    it = EventSignals()
    it.record(50.0, 49.0, verified=True)

    assert 50.0 == it.record(50.5, 49.0, verified=True)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.booleans()), min_size=1, max_size=60))
def test_however_many_come(events: list[tuple[float, bool]]) -> None:
    """Whatever comes and when, the polls granted are at most two a second, and none is before its event."""
    it, now, polled_at, made = EventSignals(), 100.0, 0.0, list[float]()
    for wait, verified in events:
        now += wait
        if polled_at < it.wanted <= now:
            polled_at = it.wanted
            made.append(polled_at)
        assert it.record(now, polled_at, verified=verified) >= now or it.wanted > polled_at

    assert len(made) <= 2 * (now - 100.0) + 2


# ---- what to rely on ----------------------------------------------------------------------------------------------


def test_ends_in_a_row_are_counted() -> None:
    """Each end that a verified event told of adds to the row of that status, and to no other."""
    it = announced(3)

    assert 3 == it.streak(GENERATING, 100.0)
    assert 0 == it.streak(SessionStatus.THINKING, 100.0)


def test_one_silent_end_is_enough() -> None:
    """An end that no event told of ends the row, and says so once."""
    it = announced(3)

    assert it.record_end(GENERATING, None, 101.0, NAMES)
    assert not it.record_end(GENERATING, None, 102.0, NAMES)
    assert 0 == it.streak(GENERATING, 102.0)


def test_an_event_long_ago_told_nothing() -> None:
    """An event that no poll confirmed for a minute did not tell of the end that came then."""
    it = announced(3)

    assert it.record_end(GENERATING, heard(40.0), 101.0, NAMES)


def test_rumours_count_for_nothing() -> None:
    """An end of which only an unverified event told neither helps nor harms."""
    it = announced(3)

    assert not it.record_end(GENERATING, heard(100.0, verified=False), 101.0, NAMES)
    assert 3 == it.streak(GENERATING, 101.0)


@each("status", [SessionStatus.REVIEWING, SessionStatus.COMPLETED, SessionStatus("dreaming")])
def test_what_the_caller_ends_counts_for_nothing(status: SessionStatus) -> None:
    """A pause ends by what the caller says, so no event is missed there; nor of a status nobody knows."""
    it = WebhookReliability()

    assert not it.record_end(status, heard(100.0), 100.0, NAMES)
    assert 0 == it.streak(status, 100.0)


@each("names", [("sess_1", None), (None, "vid_1"), ("sess_1", "vid_1")])
def test_a_slower_event_is_excused(names: tuple[str | None, ...]) -> None:
    """An event that comes within ten seconds of the poll that was quicker counts once, by either name."""
    it = announced(3)
    it.record_end(GENERATING, None, 101.0, NAMES)
    for _ in range(2):
        it.excuse(names, 110.0)

    assert 4 == it.streak(GENERATING, 110.0)


@each(("names", "at"), [(NAMES, 111.5), (("sess_2", "vid_2"), 102.0), ((None, None), 102.0)])
def test_others_are_not_excused(names: tuple[str | None, ...], at: float) -> None:
    """One that comes later, or about something else, excuses nothing."""
    it = announced(3)
    it.record_end(GENERATING, None, 101.0, NAMES)
    it.excuse(names, at)

    assert 0 == it.streak(GENERATING, at)


def test_suspects_are_bounded() -> None:
    """Silent ends do not fill the memory."""
    it = WebhookReliability()
    for number in range(5000):
        it.record_end(GENERATING, None, 100.0, (f"sess_{number}", f"vid_{number}"))

    assert len(it._misses) <= 256


def test_each_missed_end_costs_trust_for_good() -> None:
    """After each end that no event announced, more announced ones are needed before webhooks are relied on again."""
    it, needed = announced(3), list[int]()
    for _ in range(7):
        it.record_end(GENERATING, None, 100.0, NAMES)
        count = 0
        while it.streak(GENERATING, 100.0) == 0:
            it.record_end(GENERATING, heard(100.0), 100.0, NAMES)
            count += 1
        needed.append(count - 1)

    assert [2, 6, 14, 30, 62, 64, 64] == needed


def test_ends_before_the_first_event_cost_nothing() -> None:
    """A client that had no webhook for long relies on one as soon as it works."""
    it = WebhookReliability()
    for _ in range(50):
        it.record_end(GENERATING, None, 100.0, NAMES)
    it.record_end(GENERATING, heard(100.0), 100.0, NAMES)

    assert 1 == it.streak(GENERATING, 100.0)


# ---- what the schedule makes of it --------------------------------------------------------------------------------


def wait(row: int, *, heard: float | None = None, elapsed: float = 60.0, jitter: float = 0.5) -> float:
    """The default schedule's interval in a rendering."""
    return Cadence.adaptive()(
        PollContext(
            status=GENERATING,
            elapsed=elapsed,
            polls=5,
            jitter=jitter,
            webhook_streak=row,
            since_webhook=heard,
        )
    )


def test_the_safety_look_becomes_rarer() -> None:
    """The more ends in a row were told, the rarer the poll; never rarer than every two minutes."""
    waits = [wait(row) for row in range(8)]

    assert waits == sorted(waits)
    assert 2 * waits[0] < waits[4] <= 120
    assert waits[4] == waits[7]
    assert wait(99, jitter=0.999) <= 120


def test_what_was_told_and_not_shown_is_looked_for() -> None:
    """After an event that no poll has confirmed yet, polls follow at once and then ever more slowly."""
    waits = [wait(9, heard=seconds) for seconds in (0.0, 1.0, 3.0, 8.0, 1000.0)]

    assert [1.0, 1.0, 3.0, 8.0] == waits[:4]
    assert waits[4] == wait(0)


def test_other_schedules_are_left_alone() -> None:
    """A schedule that the caller chose is followed whatever webhooks tell."""
    assert 7.0 == Cadence.constant(7)(PollContext(status=GENERATING, webhook_streak=9, since_webhook=0.0))
