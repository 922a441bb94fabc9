"""The figures as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.ticker import NullFormatter

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ._measure import Row

mpl.use("Agg")

_OURS, _OTHERS = "#d1495b", "#7d8597"


def draw(results: Mapping[str, Row], folder: Path) -> None:
    """Draw what was measured."""
    for name, result in results.items():
        if name not in _DRAWN:
            continue  # its figures are few
        figure = _DRAWN[name](result)
        figure.tight_layout()
        figure.savefig(folder / f"{name}.png", dpi=110)
        plt.close(figure)


def _colour(name: str) -> str:
    return _OURS if name.startswith(("heygen_async", "adaptive")) else _OTHERS


def _bars(axes: Any, names: list[str], values: list[float], title: str) -> None:
    places = range(len(names))
    axes.barh(places, values, color=[_colour(name) for name in names])
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.bar_label(axes.containers[0], fmt="%.3g", padding=2, fontsize=8)
    axes.margins(x=0.25)
    axes.set_title(title, fontsize=10)
    axes.tick_params(labelsize=8)


def _poll(result: Row) -> Any:
    cases = [("small", 50), ("large", 50), ("small", 1000)]
    figure, grid = plt.subplots(3, 1, figsize=(8, 11))
    for axes, (size, callers) in zip(grid, cases, strict=True):
        rows = [row for row in result["rows"] if (row["size"], row["callers"]) == (size, callers)]
        rows.sort(key=lambda row: row["cpu_us"])
        title = f"CPU µs for each poll: {size} answer, {callers} at once"
        _bars(axes, [row["client"] for row in rows], [row["cpu_us"] for row in rows], title)
    return figure


def _decode(result: Row) -> Any:
    figure, grid = plt.subplots(2, 1, figsize=(8, 6))
    for axes, size in zip(grid, ("small", "large"), strict=True):
        rows = sorted((row for row in result["rows"] if row["size"] == size), key=lambda row: row["us"])
        _bars(axes, [row["decoder"] for row in rows], [row["us"] for row in rows], f"µs to decode, {size}")
    return figure


def _import(result: Row) -> Any:
    figure, axes = plt.subplots(figsize=(9, 4.5))
    rows = sorted(result["rows"], key=lambda row: row["cpu_ms"])
    _bars(axes, [row["module"] for row in rows], [row["cpu_ms"] for row in rows], "CPU ms to import")
    return figure


def _polls(result: Row) -> Any:
    figure, grid = plt.subplots(2, 1, figsize=(8, 11))
    for axes, kind in zip(grid, ("informative", "silent"), strict=True):
        rows = [
            row for row in result["rows"] if row["progress"] == kind and "sessions x" not in row["schedule"]
        ]
        for family, colour in (("adaptive", _OURS), ("fixed", "#30638e")):
            line = sorted(
                (row["requests"], row["mean_delay"])
                for row in rows
                if row["schedule"].startswith(family) and "seen" not in row["schedule"]
            )
            axes.plot(*zip(*line, strict=True), color=colour, linewidth=1.2, marker=".")
        for row in rows:
            if not row["schedule"].startswith("adaptive(worth"):
                mark = "*" if row["schedule"].startswith("adaptive") else "o"
                axes.scatter(
                    row["requests"], row["mean_delay"], color=_colour(row["schedule"]), marker=mark, s=60
                )
                ours = row["schedule"].startswith("adaptive")
                axes.annotate(
                    row["schedule"],
                    (row["requests"], row["mean_delay"]),
                    xytext=(-6, -4) if ours else (6, 3),
                    textcoords="offset points",
                    ha="right" if ours else "left",
                    fontsize=7,
                )
        axes.set(xscale="log", yscale="log", xlabel="requests for each finished session")
        axes.set_ylabel("mean delay of a transition, seconds")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xticks([20, 50, 100, 200, 500], ["20", "50", "100", "200", "500"])
        axes.set_yticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
        axes.set_title(f"progress {kind}: nearer to the lower left is better")
        axes.grid(visible=True, which="both", alpha=0.25)
    return figure


def _watchers(result: Row) -> Any:
    figure, grid = plt.subplots(3, 1, figsize=(8, 8))
    said = {
        "cpu_percent": "CPU %",
        "late_p99_ms": "late p99, ms",
        "kb_each": "KB for each watcher, all in all",
    }
    names = [f"{r['client']}: {r['watchers']:,} on {r['sessions']:,}" for r in result["rows"]]
    for axes, (key, title) in zip(grid, said.items(), strict=True):
        _bars(axes, names, [row[key] for row in result["rows"]], title)
    return figure


def _scale(result: Row) -> Any:
    figure, axes = plt.subplots(figsize=(8, 4.5))
    for polls, colour in (("one by one", "#30638e"), ("100 a request", _OURS)):
        rows = [row for row in result["rows"] if row["polls"] == polls]
        axes.plot(
            [row["sessions"] for row in rows],
            [row["cpu_us_per_session_round"] for row in rows],
            color=colour,
            marker="o",
            label=polls,
        )
    axes.set(xscale="log", xlabel="sessions", ylabel="CPU µs for each session and round")
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, alpha=0.25)
    axes.legend()
    return figure


def _batch(result: Row) -> Any:
    figure, axes = plt.subplots(figsize=(7, 3))
    rows = result["rows"]
    axes.plot([row["jobs"] for row in rows], [row["peak_bytes"] / 1e6 for row in rows], "o-", color=_OURS)
    axes.set(xscale="log", ylim=(0, None), xlabel="jobs", ylabel="MB at the peak, of the whole process")
    return figure


_DRAWN = {
    "poll": _poll,
    "decode": _decode,
    "import": _import,
    "polls": _polls,
    "watchers": _watchers,
    "scale": _scale,
    "batch": _batch,
}
