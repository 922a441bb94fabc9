"""
How many requests a schedule costs and how late it knows: made-up sessions, no I/O.

The schedules of official clients and guides, fixed intervals, and ours at several prices of a request. Nothing here
was used to choose the constants of our schedule: those were tried on sessions from other seeds.
"""

from __future__ import annotations

import math
import multiprocessing
import random
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from heygen_async import Cadence
from heygen_async.cadence import Durations, PollContext

from ._traces import Trace, cost, draw

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._measure import Row

SEED = 20_260_101
OURS = "adaptive (default)"
LEARNT = "adaptive, 50 durations seen"
FIXED = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
PRICES = (0.05, 0.1, 0.4, 0.8, 1.6)
KINDS = {"informative": True, "silent": False}


def run(*, quick: bool) -> Row:
    """Watch the same sessions on every schedule, both kinds at once: no time is measured."""
    count = 500 if quick else 10_000
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        rows = [row for of_kind in pool.map(partial(_compare, count), KINDS) for row in of_kind]
    return {"rows": rows, "targets": _targets(rows), "sessions": count}


def _compare(count: int, kind: str) -> list[Row]:
    informative, jitter = KINDS[kind], random.Random(SEED + list(KINDS).index(kind))
    traces = [draw(jitter, informative=informative) for _ in range(count)]
    figures = {name: _figures(traces, schedule) for name, schedule in _schedules().items()}
    figures[LEARNT] = _figures(traces, Cadence.adaptive(), durations=_learnt(50))
    figures |= {
        f"adaptive(worth={p:g})": _figures(traces[: count // 4], Cadence.adaptive(worth=p)) for p in PRICES
    }
    fixed = [figures[f"fixed {seconds:g} s"] for seconds in FIXED]
    return [
        *({"progress": kind, "schedule": n, **row, **_against(row, fixed)} for n, row in figures.items()),
        *(_robust(kind, informative=informative, stretch=s, count=count // 5) for s in (1 / 3, 3.0)),
    ]


def _schedules() -> dict[str, Callable[[PollContext], float]]:
    found: dict[str, Callable[[PollContext], float]] = {OURS: Cadence.adaptive()}
    found |= {f"fixed {seconds:g} s": Cadence.constant(seconds) for seconds in FIXED}
    found["command line: 2 s doubling to 30 s"] = Cadence.exponential()
    found["plugin: 5 s x 6, 15 s x 12, 30 s"] = Cadence.stepped([(5, 6), (15, 12)], then=30)
    found["guide: 10 s, 30 s, 60 s by age"] = Cadence(_guide)
    return found


def _guide(moment: PollContext) -> float:
    """Ten seconds to minute 2, thirty to minute 5, then sixty."""
    return 10.0 if moment.elapsed < 120 else 30.0 if moment.elapsed < 300 else 60.0


def _figures(
    traces: list[Trace], schedule: Callable[[PollContext], float], durations: Durations | None = None
) -> Row:
    return cost(traces, schedule, random.Random(SEED), durations=durations).figures()


def _learnt(sessions: int) -> Durations:
    durations, jitter = Durations(), random.Random(SEED - 1)
    for _ in range(sessions):
        for status, seconds in draw(jitter, informative=False).phases:
            durations.add(status, seconds)
    return durations


def _robust(kind: str, *, informative: bool, stretch: float, count: int) -> Row:
    """Sessions that take a third or three times of what the documentation says."""
    jitter = random.Random(SEED + 7)
    traces = [draw(jitter, informative=informative, stretch=stretch) for _ in range(count)]
    fixed = [_figures(traces, Cadence.constant(seconds)) for seconds in FIXED]
    row = _figures(traces, Cadence.adaptive())
    return {"progress": kind, "schedule": f"{OURS}, sessions x {stretch:.2g}", **row, **_against(row, fixed)}


# ---- what it would have cost otherwise ----------------------------------------------------------------------------


def _against(row: Row, fixed: list[Row]) -> Row:
    """Compare with the fixed interval that is equally late, and with the one that costs as much."""
    return {
        "requests_ratio": row["requests"] / _at(fixed, "mean_delay", "requests", row["mean_delay"]),
        "delay_ratio": row["mean_delay"] / _at(fixed, "requests", "mean_delay", row["requests"]),
        "end_requests_ratio": row["requests"]
        / _at(fixed, "end_mean_delay", "requests", row["end_mean_delay"]),
    }


def _at(curve: list[Row], x: str, y: str, value: float) -> float:
    """Read a curve of schedules between its points, and past its ends, straight on logarithmic paper."""
    points = sorted((math.log(row[x]), math.log(row[y])) for row in curve)
    wanted = math.log(value)
    right = next((k for k, point in enumerate(points[1:], 1) if point[0] >= wanted), len(points) - 1)
    (x0, y0), (x1, y1) = points[right - 1], points[right]
    return math.exp(y0 + (y1 - y0) * (wanted - x0) / (x1 - x0))


def _targets(rows: list[Row]) -> list[Row]:
    """Say of each target how near we are: against fixed intervals at our point, against the others at theirs."""
    found: list[Row] = []
    for kind in KINDS:
        of_kind = {row["schedule"]: row for row in rows if row["progress"] == kind}
        ours = [row for name, row in of_kind.items() if name.startswith("adaptive(") or name == OURS]
        for name, row in of_kind.items():
            if name.startswith("adaptive"):
                continue
            at = partial(_at, ours)
            found.append(
                {
                    "progress": kind,
                    "against": name,
                    "requests_ratio": at("mean_delay", "requests", row["mean_delay"]) / row["requests"],
                    "delay_ratio": at("requests", "mean_delay", row["requests"]) / row["mean_delay"],
                }
            )
    return found
