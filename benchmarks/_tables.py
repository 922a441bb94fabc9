"""The figures as one Markdown page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._measure import Row, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_POLL = {
    "size": "answer",
    "callers": "callers",
    "client": "client",
    "cpu_us": "CPU µs",
    "ratio": "× floor",
    "wall_us": "wall µs",
    "page_faults": "page faults",
    "fairness": "busiest / idlest",
    "drift": "drift",
    "spread": "spread",
    "rounds": "rounds",
}
_DECODE = {"size": "answer", "decoder": "decoder", "us": "µs", "ratio": "× ours", "spread": "spread"}
_WATCHERS = {
    "watchers": "watchers",
    "sessions": "sessions",
    "client": "client",
    "kb_each": "KB each, all in all",
    "cpu_percent": "CPU %",
    "polls_per_second": "polls / s",
    "late_p50_ms": "late p50, ms",
    "late_p99_ms": "p99",
    "late_max_ms": "max",
    "tasks": "tasks",
    "full_collections": "full collections",
    "paused_ms": "together, ms",
    "longest_pause_ms": "longest",
    "pause_now_ms": "one at the end",
}
_POLLS = {
    "progress": "progress",
    "schedule": "schedule",
    "requests": "requests / session",
    "mean_delay": "mean delay, s",
    "p95_delay": "p95",
    "end_mean_delay": "of the end",
    "end_p95_delay": "p95",
    "requests_ratio": "requests × fixed, equally late",
    "delay_ratio": "delay × fixed, as many requests",
    "end_requests_ratio": "requests × fixed, end equally late",
}
_TARGETS = {
    "progress": "progress",
    "against": "against",
    "requests_ratio": "requests, equally late",
    "delay_ratio": "delay, as many requests",
}
_IMPORT = {
    "module": "module",
    "cpu_ms": "CPU ms",
    "wall_ms": "wall ms",
    "ratio": "× ours",
    "spread": "spread",
}
_SCALE = {
    "sessions": "sessions",
    "polls": "polls",
    "requests_per_round": "requests / round",
    "cpu_us_per_session_round": "CPU µs / session and round",
    "tasks_beside_readers": "tasks",
    "bytes_each": "bytes / scheduled session",
}
_BATCH = {
    "jobs": "jobs",
    "peak_bytes": "peak of the process, bytes",
    "most": "most in progress",
    "used": "of the places used",
    "requests_each": "requests / job",
    "cpu_ms_each": "CPU ms / job",
}
_BROWSERS = {
    "phase": "phase",
    "browsers": "browsers",
    "streams": "streams opened",
    "events": "states sent",
    "polls": "polls",
    "polls_each": "polls / session and minute",
    "mb": "memory, MB",
    "descriptors": "descriptors",
    "cpu_percent": "CPU %",
}


def page(results: Mapping[str, Row]) -> str:
    """Return all tables, with what they were taken on."""
    about = next(results[name] for name in _BODIES if name in results)["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items() if version)
    parts = [
        "# Results",
        "Written by `python -m benchmarks`; how to read them: [README](../README.md).",
        "Marked (!): the middle half of the rounds spreads over a fifth of the median, also after two more rounds.",
        f"{about['processor']}, {about['cores']} cores, {about['system']}, Python {about['python']}.\n{versions}.",
    ]
    for name in (name for name in _BODIES if name in results):
        result = results[name]
        load, after = result["machine"]["load_before"], result["machine"].get("load_after")
        parts.append(f"## {name}")
        then = "" if after is None else f", after: {after:.1f}"
        parts.append(f"{result['seconds']:.0f} s; load of the machine before: {load:.1f}{then}.")
        if result["quick"]:
            parts.append("**Short rounds: they show that it works, and measure nothing.**")
        parts += _BODIES[name](result)
    return "\n\n".join(parts) + "\n"


def _poll(result: Row) -> list[str]:
    missing = [f"Not to be had here: {name}: {why}" for name, why in result["missing"].items()]
    return [table(result["rows"], _POLL), *missing]


def _watchers(result: Row) -> list[str]:
    memory = [{"what": name, "bytes": round(size)} for name, size in result["memory"].items()]
    weight = f"The garbage collector visits {result['objects']:.1f} objects for each `async for`."
    return [table(result["rows"], _WATCHERS), table(memory, {"what": "of memory", "bytes": "bytes"}), weight]


def _polls(result: Row) -> list[str]:
    said = "Ours, at the price of a request at which it is as late, or costs as much, as the other; the other is 1:"
    return [
        f"{result['sessions']:,} sessions of each kind.",
        table(result["rows"], _POLLS),
        said,
        table(result["targets"], _TARGETS),
    ]


def _batch(result: Row) -> list[str]:
    grown, budget = result["grown_bytes"], result["budget_bytes"]
    said = f"From the shortest to the longest the peak grew by {grown:,} bytes; {budget:,} are allowed."
    return [table(result["rows"], _BATCH), said]


_DURABLE = {
    "batch": "",
    "jobs": "jobs",
    "cpu_ms_each": "CPU of a job, ms",
    "jobs_per_second": "jobs a second",
}


def _durable(result: Row) -> list[str]:
    one = result["waiting"]
    said = (
        f"{one['jobs']:,} jobs waiting in one process: {one['kb_each']:.0f} KB each, {one['rss_mb']:.0f} MB in all, "
        f"{one['cpu_percent']:.1f} % CPU with their polls, {one['threads']} threads, and {one['bytes_written']:,} "
        f"bytes written while they waited. Queued in {one['submit_ms_each']:.2f} ms each, all at work after "
        f"{one['start_seconds']:.1f} s."
    )
    submit = result["submit"]
    submitted = (
        f"{submit['jobs']:,} jobs submitted in one command: {submit['seconds']:.0f} s, {submit['cpu_ms_each']:.2f} ms "
        f"of CPU each, {submit['mb_more']:.1f} MB more memory, {submit['peak_rss_mb']:.0f} MB at the peak."
    )
    return [said, table(result["rows"], _DURABLE), submitted]


_CALLS = {
    "client": "client",
    "answer": "answer",
    "ours": "heygen_async",
    "aiohttp": "aiohttp",
    "asyncio": "asyncio",
    "others": "others",
}
_TLS = {
    "link": "over",
    "loop": "loop",
    "client": "client",
    "cpu_us": "CPU µs",
    "ratio": "× floor, plain on asyncio",
    "to_asyncio": "× the same on asyncio",
    "spread": "spread",
}
_BODIES: Mapping[str, Callable[[Row], list[str]]] = {  # in the order of the page
    "import": lambda result: [table(result["rows"], _IMPORT)],
    "decode": lambda result: [table(result["rows"], _DECODE)],
    "polls": _polls,
    "scale": lambda result: [table(result["rows"], _SCALE)],
    "watchers": _watchers,
    "calls": lambda result: [table(result["rows"], _CALLS)],
    "poll": _poll,
    "tls": lambda result: [table(result["rows"], _TLS)],
    "batch": _batch,
    "browsers": lambda result: [table(result["rows"], _BROWSERS)],
    "durable": _durable,
}
