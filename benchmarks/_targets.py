"""What was aimed at, and what was measured: the table of targets in this folder's README, out of the results."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .bench_poll import BULK, CALL, KEPT, WATCH
from .bench_polls import LEARNT, OURS
from .bench_watchers import EVERY
from .bench_watchers import OURS as WATCHERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._measure import Row

    Results = Mapping[str, Row]
    Figures = Mapping[str, float]


@dataclass(frozen=True)
class Target:
    """
    One line of the table.

    Attributes:
        text: What was aimed at.
        figures: Picks what was measured out of all results, each figure with what it is of.
        most: No figure is to be above this.
        least: No figure is to be below this.
        why: The reason where a figure misses.
    """

    text: str
    figures: Callable[[Results], Figures]
    most: float = math.inf
    least: float = -math.inf
    why: str = ""

    def missed(self, results: Results) -> Figures:
        """Return the figures that miss, compared as they are shown."""
        return {name: value for name, value in self.figures(results).items() if not self._is_met(value)}

    def verdict(self, results: Results) -> str:
        """Return what was measured, as met or missed, and why."""
        missed = self.missed(results)
        met = {name: value for name, value in self.figures(results).items() if name not in missed}
        word = "shown" if math.isinf(self.most) and math.isinf(self.least) else "met"
        parts = [
            f"**{word}**: {', '.join(f'{number(value)} {name}'.rstrip() for name, value in figures.items())}"
            for word, figures in ((word, met), ("missed", missed))
            if figures
        ]
        return "; ".join(parts) + (f". {self.why}" if missed else "")

    def _is_met(self, value: float) -> bool:
        return self.least <= float(number(value).replace(",", "")) <= self.most


def table(results: Results) -> str:
    """Return all targets with what came of them, in Markdown."""
    return "\n".join(
        ["| target | here |", "|---|---|", *(f"| {one.text} | {one.verdict(results)} |" for one in TARGETS)]
    )


def number(value: float) -> str:
    """Return a figure with as many digits as say something."""
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def find(results: Results, benchmark: str, **having: object) -> Row:
    """Return the one row of a benchmark that has these values."""
    rows: list[Row] = results[benchmark]["rows"]
    [row] = [row for row in rows if having.items() <= row.items()]
    return row


# ---- figures that are more than a cell of a table -----------------------------------------------------------------


def _poll(figure: str, callers: int, client: str, *, answer: str = "") -> Callable[[Results], Figures]:
    return lambda results: {
        size: find(results, "poll", client=client, size=size + answer, callers=callers)[figure]
        for size in ("small", "large")
    }


def _polls_of(results: Results, callers: int) -> Figures:
    watch, refresh = (_poll("ratio", callers, client)(results) for client in (WATCH, CALL))
    return {**watch, **{f"{size} by `refresh()`": ratio for size, ratio in refresh.items()}}


def _cpu(client: str, over: str, callers: int = 50) -> Callable[[Results], Figures]:
    """Pick how many times the CPU of another a client takes."""
    sizes = ("small", "large") if callers == 50 else ("small",)

    def figures(results: Results) -> Figures:
        of = {
            (size, name): find(results, "poll", client=name, size=size, callers=callers)["cpu_us"]
            for size in sizes
            for name in (client, over)
        }
        return {size: of[size, client] / of[size, over] for size in sizes}

    return figures


def _schedule(progress: str, schedule: str, *figures: str) -> Callable[[Results], Figures]:
    def picked(results: Results) -> Figures:
        row = find(results, "polls", progress=progress, schedule=schedule)
        return {_SCHEDULES[figure]: row[figure] for figure in figures}

    return picked


_SCHEDULES = {
    "requests_ratio": "of the requests",
    "delay_ratio": "of the delay",
    "end_requests_ratio": "of the requests",
}


def _official(results: Results) -> Figures:
    rows = [
        row
        for row in results["polls"]["targets"]
        if row["progress"] == "informative" and not row["against"].startswith("fixed")
    ]
    return {
        f"{_SCHEDULES[figure]} of the {row['against'].partition(':')[0]}": row[figure]
        for row in rows
        for figure in ("requests_ratio", "delay_ratio")
    }


def _imports(results: Results, *modules: str) -> Figures:
    cpu = {row["module"]: row["cpu_ms"] for row in results["import"]["rows"]}
    return {f"`{module}`": cpu[module] / cpu["aiohttp"] for module in modules}


def _openai_import(results: Results) -> Figures:
    ours, theirs = _imports(results, "heygen_async", "openai").values()
    return {"×": theirs / ours}


def _rounds(results: Results, figure: str) -> Figures:
    rows = [row for row in results["scale"]["rows"] if row["polls"] == "100 a request"]
    return {f"with {row['sessions']:,} sessions": row[figure] for row in rows if row["sessions"] >= 1000}


def _fifty_thousand(results: Results) -> Row:
    return find(results, "watchers", client=WATCHERS, watchers=50_000)


def _share_of_a_core(results: Results) -> Figures:
    """Pick the CPU that all polls take: on a busy machine fewer are made, and later."""
    row = _fifty_thousand(results)
    return {"%": row["cpu_percent"] * row["sessions"] / EVERY / row["polls_per_second"]}


def _memory(part: str) -> Callable[[Results], Figures]:
    return lambda results: {"bytes": results["watchers"]["memory"][part]}


def _calls(client: str, answer: str) -> Callable[[Results], Figures]:
    return lambda results: {"": find(results, "calls", client=client, answer=answer)["ours"]}


def _submitted(results: Results) -> Figures:
    row = results["durable"]["submit"]
    cpu = row["cpu_ms_each"] * row["jobs"] / 1000
    return {"s": row["seconds"], "s of CPU": cpu, "MB more memory": row["mb_more"]}


TARGETS = (
    Target(
        "adaptive, informative: at most ½ of the requests of fixed intervals that are as late, ½ of the delay of those "
        "that send as many",
        _schedule("informative", OURS, "requests_ratio", "delay_ratio"),
        most=0.5,
    ),
    Target(
        "the same of every official schedule",
        _official,
        most=0.5,
        why="Someone content to be 15 s late needs no more than a few requests, and the first polls of each phase, "
        "which find early failures, are 6 of them",
    ),
    Target(
        "adaptive, silent: at most 1.05 × the requests of the best fixed interval",
        _schedule("silent", OURS, "requests_ratio"),
        most=1.05,
    ),
    Target(
        "… at most 0.80 × once 50 durations were seen",
        _schedule("silent", LEARNT, "requests_ratio"),
        most=0.8,
    ),
    Target(
        "… by the delay of the end alone, at most 1.05 ×",
        _schedule("silent", OURS, "end_requests_ratio"),
        most=1.05,
    ),
    Target(
        "… by the delay of the end alone, at most 0.80 × once 50 durations were seen",
        _schedule("silent", LEARNT, "end_requests_ratio"),
        most=0.8,
        why="The thinking phase is polled too, and a fixed interval gets its polls there for less",
    ),
    Target(
        "at most 11 requests in a round of 1,000 rendering sessions",
        lambda results: {
            "": find(results, "scale", sessions=1000, polls="100 a request")["requests_per_round"]
        },
        most=11,
    ),
    Target(
        "a poll through the whole client at most 1.20 × the floor, 50 under way",
        lambda results: _polls_of(results, 50),
        most=1.2,
        why="Sixteen kilobytes are hashed twice and passed over once to find that only the progress is new, a tenth of "
        "it; the rest is no call, but records that are no longer in the processor's caches",
    ),
    Target(
        "… beside a floor that keeps the memory it reads into, as the client does: no mark was set",
        _cpu(WATCH, KEPT),
    ),
    Target(
        "one at a time at most 1.05 ×",
        lambda results: _polls_of(results, 1),
        most=1.05,
        why="As above",
    ),
    Target(
        "an unchanged large answer at most 0.85 ×, 50 under way",
        lambda results: {
            "": find(results, "poll", client=WATCH, size="large, unchanged", callers=50)["ratio"],
        },
        most=0.85,
        why="As above",
    ),
    Target(
        "at most 35 calls of ours for a changed small answer, with its sockets",
        _calls(WATCH, "changed"),
        most=35,
    ),
    Target(
        "at most 20 for the same bytes",
        _calls(WATCH, "the same bytes"),
        most=20,
        why="What carries the request counts here too; without it the count is met, as a test of the polls asserts",
    ),
    Target("at most 30 for `refresh()`", _calls(CALL, "changed"), most=30),
    Target(
        "1,000 callers at once at most 0.70 × the floor with 1,000 sockets",
        _poll("ratio", 1000, WATCH),
        most=0.7,
        why="A poll costs what it does with fifty callers, and the floor loses no more than that to its sockets",
    ),
    Target("their busiest / idlest at most 1.2", _poll("fairness", 1000, CALL), most=1.2),
    Target(
        "the openapi-generator client takes at least 3 × the CPU of a poll",
        _cpu("openapi-generator asyncio", WATCH),
        least=3,
        why="It follows from what a poll costs",
    ),
    Target(
        "httpx + pydantic 12 ×",
        _cpu("httpx + pydantic", WATCH),
        least=12,
        why="It follows from what a poll costs",
    ),
    Target(
        "openapi-python-client 12 ×",
        _cpu("openapi-python-client", WATCH),
        least=12,
        why="It follows from what a poll costs",
    ),
    Target(
        "the openai SDK's core 10 ×",
        _cpu("openai SDK core", WATCH),
        least=10,
        why="It follows from what a poll costs",
    ),
    Target(
        "with 1,000 callers httpx + pydantic 16 ×",
        _cpu("httpx + pydantic", WATCH, 1000),
        least=16,
        why="It follows from what a poll costs",
    ),
    Target(
        "with 1,000 callers the openai SDK's core 20 ×",
        _cpu("openai SDK core", WATCH, 1000),
        least=20,
        why="It follows from what a poll costs",
    ),
    Target(
        "bulk: a rendering session at least 25 × below the floor",
        lambda results: {"": 1 / find(results, "poll", client=BULK)["ratio"]},
        least=25,
        why="What carries the request takes most of it",
    ),
    Target(
        "at most 2 µs of CPU of our own for each rendering session and round",
        lambda results: _rounds(results, "cpu_us_per_session_round"),
        most=2,
        why="The machine was busy: see its load in the table `scale`",
    ),
    Target(
        "at most 512 bytes for a scheduled session",
        _memory("scheduled session: record, watcher, due time"),
        most=512,
        why="Its record and its watch have some twenty fields each",
    ),
    Target(
        "at most 410 for a further watcher",
        _memory("further watcher of the same session"),
        most=410,
        why="Its watch has some twenty fields",
    ),
    Target(
        "with the consumer's own coroutine at most 1,500 bytes for `wait()`",
        _memory("session with wait()"),
        most=1500,
        why="Most of it is the task and its coroutine",
    ),
    Target(
        "2,500 for `async for`",
        _memory("session with async for"),
        most=2500,
        why="Most of it is the task and its coroutines",
    ),
    Target(
        "the 16 KB of an answer of 40 messages not kept once read: at most 30,000 bytes after it",
        _memory("after one large answer"),
        most=30_000,
        why="The bytes are kept beside what was read from them",
    ),
    Target(
        "at most 12 objects for the garbage collector to visit for each `async for`",
        lambda results: {"": results["watchers"]["objects"]},
        most=12,
        why="8 of them are those of any task that waits",
    ),
    Target(
        "50,000 sessions every ten seconds at most 45 % of a core",
        _share_of_a_core,
        most=45,
        why="A task for each that sleeps and asks by hand is no cheaper: see the table `watchers`",
    ),
    Target(
        "their polls late by at most 20 ms (p99)",
        lambda results: {"ms": _fifty_thousand(results)["late_p99_ms"]},
        most=20,
        why="The requests under way alone bring about a full collection every ten seconds or so, which stops the loop",
    ),
    Target(
        "no full collection over 50 ms meanwhile",
        lambda results: {"ms": _fifty_thousand(results)["longest_pause_ms"]},
        most=50,
        why="It visits all that is alive; `gc.freeze()` takes that out of its sight and is the program's to decide",
    ),
    Target(
        "a batch of 100,000 jobs takes at most 20 MB more at its peak than one of 1,000",
        lambda results: {"MB": results["batch"]["grown_bytes"] / 1e6},
        most=20,
        why="Something is kept for each job",
    ),
    Target(
        "a durable job at most 1.5 × the CPU of a bare workflow of the engine with as many steps",
        lambda results: {"×": results["durable"]["cpu_over_bare"]},
        most=1.5,
        why="A job is written down four times in tables of our own as well, and followed by a poller in another thread",
    ),
    Target(
        "… of one with a step for all that a job does: no mark was set",
        lambda results: {"×": results["durable"]["cpu_over_all_steps"]},
    ),
    Target("100,000 durable jobs submitted in one command: no mark was set", _submitted),
    Target(
        "the import at most 0.50 of aiohttp's CPU",
        lambda results: _imports(results, "heygen_async"),
        most=0.5,
        why="asyncio and msgspec alone are most of it: see the table `import`",
    ),
    Target(
        "`models` and `webhooks` at most 0.25",
        lambda results: _imports(results, "heygen_async.models", "heygen_async.webhooks"),
        most=0.25,
        why="msgspec is most of it",
    ),
    Target(
        "at least 6 × faster to import than openai",
        _openai_import,
        least=6,
        why="See above",
    ),
)
"""Those of the design's performance notes that a benchmark measures."""
