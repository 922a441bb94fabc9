"""
Made-up sessions and what a schedule costs on them: no I/O, no clock, no client.

A session thinks, renders and is done. How long is drawn so that 98 of 100 lie in the documented ranges (thinking 30
seconds to 5 minutes, rendering 3 to 30 minutes, log-normal) and one in thirty is stretched by a heavy tail. Progress
is either silent (0 until the end) or informative but rough: warped, off by a few percent, sometimes falling back,
moving in steps, and resting at 99 for the last part of every fourth render.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import fmean, quantiles
from typing import TYPE_CHECKING

from heygen_async.cadence import Durations, PollContext
from heygen_async.models import SessionStatus

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable

_HISTORY = 17  # as many as the client keeps
_TAIL_SHARE = 1 / 30
_NOTES = 48


@dataclass(frozen=True, slots=True)
class Trace:
    """
    One session.

    Attributes:
        phases: Pairs of (status, seconds), in order.
        warp: Progress is time to this power; None for a silent one.
        rests_from: The share of the render after which progress stays at 99.
        step: Progress moves in steps of so many percent.
        notes: Errors of progress in percent, one for each step of time.
    """

    phases: tuple[tuple[SessionStatus, float], ...]
    warp: float | None = None
    rests_from: float = 1.0
    step: int = 1
    notes: tuple[float, ...] = (0.0,)

    def progress(self, share: float) -> int:
        """Return what the service says after this share of the render."""
        if self.warp is None:
            return 0
        if share >= self.rests_from:
            return 99
        true = 100 * (share / self.rests_from) ** self.warp
        rough = true + self.notes[int(share * len(self.notes))] * min(1.0, true / 20)
        return min(max(int(rough) // self.step * self.step, 0), 99)


def draw(jitter: random.Random, *, informative: bool, stretch: float = 1.0) -> Trace:
    """Draw a session; `stretch` makes all of them longer or shorter than documented."""
    phases = (
        (SessionStatus.THINKING, stretch * _seconds(jitter, 30, 300)),
        (SessionStatus.GENERATING, stretch * _seconds(jitter, 180, 1800)),
    )
    if not informative:
        return Trace(phases)
    return Trace(
        phases,
        warp=math.exp(jitter.gauss(0, 0.3)),
        rests_from=jitter.uniform(0.7, 0.97) if jitter.random() < 1 / 4 else 1.0,
        step=jitter.choice((1, 1, 1, 5)),
        notes=tuple(jitter.gauss(0, 1.5) for _ in range(_NOTES)),
    )


def _seconds(jitter: random.Random, low: float, high: float) -> float:
    """Draw a duration of which 98 % lie between the two."""
    middle, spread = math.log(low * high) / 2, math.log(high / low) / (2 * 2.326)
    tail = jitter.paretovariate(1.5) if jitter.random() < _TAIL_SHARE else 1.0
    return math.exp(jitter.gauss(middle, spread)) * min(tail, 6.0)


@dataclass(slots=True)
class Bill:
    """What a schedule cost and brought, over many sessions."""

    sessions: int = 0
    requests: int = 0
    delays: list[float] = field(default_factory=list[float])
    end_delays: list[float] = field(default_factory=list[float])

    def figures(self) -> dict[str, float]:
        """Return requests for each finished session and how late its transitions and its end were known."""
        return {
            "requests": self.requests / self.sessions,
            "mean_delay": fmean(self.delays),
            "p95_delay": quantiles(self.delays, n=20)[-1],
            "end_mean_delay": fmean(self.end_delays),
            "end_p95_delay": quantiles(self.end_delays, n=20)[-1],
        }


def cost(
    traces: Iterable[Trace],
    schedule: Callable[[PollContext], float],
    jitter: random.Random,
    *,
    durations: Durations | None = None,
) -> Bill:
    """Watch every session to its end on a schedule; `durations` learns from each as the client would."""
    bill = Bill()
    for trace in traces:
        bill.sessions += 1
        late = 0.0
        for status, seconds in trace.phases:
            late, seen, polls = _watch(trace, status, seconds - late, schedule, jitter, durations)
            bill.requests += polls
            bill.delays.append(late)
            if durations is not None:
                durations.add(status, seen)
        bill.end_delays.append(late)
    return bill


def _watch(
    trace: Trace,
    status: SessionStatus,
    rest: float,
    schedule: Callable[[PollContext], float],
    jitter: random.Random,
    durations: Durations | None,
) -> tuple[float, float, int]:
    """Poll until a phase is over: seconds late, seconds it seemed to take, polls it took."""
    renders = status == SessionStatus.GENERATING
    expected = None if durations is None else durations.expected(status)
    total = dict(trace.phases)[status]
    begun = trace.progress(min(1 - rest / total, 0.999)) if renders and rest > 0 else 0
    elapsed, polls, history = 0.0, 0, ((0.0, begun),)
    while True:
        elapsed += schedule(
            PollContext(
                status=status,
                elapsed=elapsed,
                progress=history[-1][1],
                history=history,
                polls=polls,
                unchanged=elapsed - history[-1][0],
                jitter=jitter.random(),
                expected=expected,
            )
        )
        polls += 1
        if elapsed >= rest:
            return elapsed - rest, elapsed, polls
        if renders and (now := trace.progress(1 - (rest - elapsed) / total)) != history[-1][1]:
            history = (*history[1 - _HISTORY :], (elapsed, now))
