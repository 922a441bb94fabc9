"""The default schedule: polls when a session is likely to have ended, and seldom before."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from heygen_async.cadence import Cadence, Durations, Expected, PollContext
from heygen_async.models import SessionStatus

THINKING = SessionStatus.THINKING
GENERATING = SessionStatus.GENERATING

adaptive = Cadence.adaptive()


def rendering(
    elapsed: float, *history: tuple[float, int], expected: Expected | None = None, shared_by: int = 1
) -> float:
    """The wait in the middle of a render with these changes of progress so far."""
    steps = ((0.0, 0), *history)
    return adaptive(
        PollContext(
            status=GENERATING,
            elapsed=elapsed,
            progress=steps[-1][1],
            history=steps,
            polls=9,
            expected=expected,
            shared_by=shared_by,
        )
    )


def learnt(*seconds: float) -> Expected | None:
    """What a client expects of a render that has seen these."""
    durations = Durations()
    for one in seconds:
        durations.add(GENERATING, one)
    return durations.expected(GENERATING)


def looks(status: SessionStatus, seconds: float, jitter: random.Random | None = None) -> list[float]:
    """The moments of all polls in so many seconds without any news."""
    moments = [0.0]
    while moments[-1] < seconds:
        moment = PollContext(
            status=status,
            elapsed=moments[-1],
            polls=len(moments) - 1,
            unchanged=moments[-1],
            jitter=0.5 if jitter is None else jitter.random(),
        )
        moments.append(moments[-1] + adaptive(moment))
    return moments[1:]


@pytest.mark.parametrize("status", [THINKING, GENERATING, SessionStatus("processing")])
def test_what_fails_early_is_known_early(status: SessionStatus) -> None:
    """A session that fails at once is reported within seconds, whatever it was doing."""
    assert looks(status, 1)[0] <= 6


@pytest.mark.parametrize("lasted", [0.0, 2.0, 10.0, 25.0])
def test_short_sessions_do_not_wait_for_long_ones(lasted: float) -> None:
    """A wait is bounded by how long the status has lasted, so a fast service is followed fast."""
    assert adaptive(PollContext(status=GENERATING, elapsed=lasted, polls=1)) <= 4 + 2 * lasted


def test_waits_stretch_while_nothing_moves() -> None:
    """A session that hangs for an hour costs fewer requests in its last ten minutes than in any fixed 5 seconds."""
    last = [moment for moment in looks(GENERATING, 3600) if moment > 3000]

    assert len(last) < 600 / 5 / 4


def test_near_the_end_it_looks_often() -> None:
    """The closer progress comes to its end the shorter the wait: eighteen seconds before it, less than half of them."""
    waits = [rendering(share * 600, (share * 600, int(share * 100))) for share in (0.2, 0.5, 0.8, 0.9, 0.97)]

    assert sorted(waits, reverse=True) == waits
    assert waits[0] > 40
    assert waits[-1] < 18 / 2


def test_progress_says_more_than_habit() -> None:
    """A render that is almost done ends soon, even if all before it took ten times as long."""
    assert rendering(60, (60, 95), expected=Expected(600, 4, 50)) < 6


def test_early_progress_is_not_believed_alone() -> None:
    """A jump to 10 percent in the first seconds does not promise an end within a minute."""
    assert rendering(3, (3, 10), expected=Expected(600, 4, 50)) <= 10
    assert rendering(30, (3, 10), expected=Expected(600, 4, 50)) > 15


def test_a_render_that_rests_at_99_may_end_any_time() -> None:
    """At 99 polls come every few seconds at first and farther apart the longer it rests."""
    waits = [rendering(600 + rested, (300, 50), (600, 99)) for rested in (0, 60, 300, 1200)]

    assert waits[0] < 4
    assert sorted(waits) == waits
    assert waits[-1] < 30


@pytest.mark.parametrize(
    "history",
    [(), ((60.0, 0),), ((60.0, 40), (120.0, 0)), ((0.0, 30),)],
    ids=["none yet", "still 0", "fell back to 0", "jumped before the first look"],
)
def test_silent_progress_counts_for_nothing(history: tuple[tuple[float, int], ...]) -> None:
    """Where progress says nothing of the end the wait is that of a session without any."""
    assert pytest.approx(adaptive(PollContext(status=GENERATING, elapsed=200, polls=9))) == rendering(
        200, *history
    )


def test_progress_that_falls_back_is_survived() -> None:
    """Progress that falls back and climbs again never stops the looks for longer than a minute and its jitter."""
    assert rendering(300, (60, 30), (120, 80), (180, 20), (290, 25)) <= 60 * 1.15


def test_it_waits_for_the_usual_end() -> None:
    """Once renders are known to take ten minutes, polls are rare at two and frequent at ten."""
    usual = learnt(*range(570, 634))

    assert 30 < rendering(120, expected=usual)
    assert rendering(600, expected=usual) < 10


def test_a_few_short_ones_teach_nothing() -> None:
    """The first sessions of a batch to end are its shortest, so they alone set no expectation."""
    assert learnt(*[120.0] * 15) is None


def test_what_hung_does_not_move_the_usual() -> None:
    """A tenth of sessions that hang for hours leaves the expectation where it was."""
    usual, with_hung = learnt(*range(500, 560)), learnt(*range(500, 554), *[9000.0] * 6)

    assert usual is not None
    assert with_hung is not None
    assert pytest.approx(usual.seconds, rel=0.02) == with_hung.seconds


def test_it_forgets() -> None:
    """A client that lives for months follows a service that became faster."""
    usual = learnt(*[900.0] * 1000, *[300.0] * 64)

    assert usual is not None
    assert (300, 64) == (usual.seconds, usual.seen)


@pytest.mark.parametrize(
    "status", [SessionStatus.REVIEWING, SessionStatus.COMPLETED, SessionStatus("processing")]
)
def test_only_the_service_s_own_time_is_learnt(status: SessionStatus) -> None:
    """How long a caller took to answer, or an unknown status lasted, says nothing of the next session."""
    durations = Durations()
    for _ in range(100):
        durations.add(status, 60)

    assert durations.expected(status) is None


@pytest.mark.parametrize("status", [SessionStatus.WAITING_FOR_INPUT, SessionStatus.REVIEWING])
def test_a_session_that_waits_for_its_caller_is_left_alone(status: SessionStatus) -> None:
    """In an hour of waiting for the caller it is polled about once a minute, no more."""
    assert 55 <= len(looks(status, 3600)) <= 75


def test_sharing_a_request_makes_looks_cheap() -> None:
    """Sessions that share a request are polled more often, yet a whole batch costs less than one alone."""
    alone, shared = rendering(300), rendering(300, shared_by=100)

    assert alone / 100 < shared < alone / 2


def test_sessions_created_together_spread_out() -> None:
    """A thousand sessions created in the same second do not come back in the same second."""
    jitter = random.Random(7)
    crowd = Counter(int(moment) for _ in range(1000) for moment in looks(THINKING, 120, jitter))

    later = [crowd[second] for second in range(30, 120)]

    assert max(crowd.values()) <= 350
    assert max(later) <= 1.5 * sum(later) / len(later)


def test_looks_never_crowd() -> None:
    """However it is fed, it polls at most once a second or so and at least once a minute or so."""
    jitter = random.Random(3)
    waits = [
        rendering(
            elapsed,
            (elapsed * jitter.random(), jitter.randrange(101)),
            expected=Expected(jitter.random() * 9, 5),
        )
        for elapsed in (0.0, 0.01, 1.0, 100.0, 1e5, 1e9)
        for _ in range(50)
    ]

    assert min(waits) >= 0.85
    assert max(waits) <= 69
