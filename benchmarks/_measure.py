"""Rounds, medians and spread: everything is measured side by side, in turn, several times, each in its own process."""

from __future__ import annotations

import asyncio
import importlib.metadata
import multiprocessing
import os
import pathlib
import platform
import random
import statistics
import sys
import traceback
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from multiprocessing.connection import Connection

T = TypeVar("T")
Row = dict[str, Any]

WIDE = 0.2  # of the median: the machine was busy with something else
_REPEATS = 2


def rounds(
    contestants: Mapping[str, Callable[[], Mapping[str, float]]], count: int, *, seed: int = 1
) -> dict[str, Row]:
    """
    Run all contestants `count` times, in another order each round, so that a busy moment hits all alike.

    What spreads too far then is measured again, twice at most; what still does is marked in the tables.

    Returns:
        For each the median of every figure, and as `spread` the middle half of the first figure over its median.
    """
    order = random.Random(seed)
    seen: dict[str, list[Mapping[str, float]]] = {name: [] for name in contestants}
    for _ in range(count):
        for name in order.sample(list(contestants), len(contestants)):
            seen[name].append(apart(contestants[name]))
    for _ in range(_REPEATS if count > 1 else 0):
        wide = [name for name, figures in seen.items() if summary(figures)["spread"] > WIDE]
        for name in order.sample(wide, len(wide)):
            seen[name].append(apart(contestants[name]))
    return {name: summary(figures) for name, figures in seen.items()}


def apart(work: Callable[[], T]) -> T:
    """
    Do the work in a new interpreter, and return or raise what it did.

    What a contestant leaves behind would be the next one's: modules, full caches, and above all the allocator's state.
    glibc maps each large block anew (asyncio reads every answer into 256 KiB) until the process has given back a larger
    one, or has that much room by chance. A fork would not do, since it has the room of the process it comes from.

    Args:
        work: What a new interpreter can import: a function of a module, with its arguments as a `partial`.

    Raises:
        RuntimeError: The process ended without a result.
    """
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    child = spawn.Process(target=_send_outcome, args=(sender, work))
    child.start()
    sender.close()
    try:
        done, outcome = receiver.recv()
    except EOFError:
        child.join()
        raise RuntimeError(f"a measurement ended without a result, with exit code {child.exitcode}") from None
    child.join()
    if not done:
        raise outcome
    result: T = outcome
    return result


def run_async(function: Callable[..., Coroutine[Any, Any, T]], *arguments: object) -> T:
    """Run a coroutine function: `partial(run_async, function, 1)` is work that can be done apart."""
    return asyncio.run(function(*arguments))


def _send_outcome(sender: Connection, work: Callable[[], object]) -> None:
    try:
        outcome = True, work()
    except Exception as error:  # noqa: BLE001 - the parent raises it
        traceback.print_exc()  # which does not travel with it
        outcome = False, error
    sender.send(outcome)
    os._exit(0)  # how a peer's threads end is not measured: those of pyreqwest may crash then


def summary(figures: list[Mapping[str, float]]) -> Row:
    """Return the medians, and the spread of the first figure."""
    row: Row = {key: statistics.median(one[key] for one in figures) for key in figures[0]}
    first = next(iter(row))
    values = sorted(one[first] for one in figures)
    quarter = len(values) // 4
    row["spread"] = (values[-1 - quarter] - values[quarter]) / row[first] if row[first] else 0.0
    row["rounds"] = len(figures)
    return row


def machine(packages: list[str]) -> Row:
    """Return what the numbers were taken on."""
    versions: Row = {}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "versions": versions,
    }


def _processor() -> str:
    try:
        with pathlib.Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def table(rows: list[Row], columns: Mapping[str, str]) -> str:
    """Return a Markdown table; columns are pairs of key and heading."""
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        mark = " (!)" if "spread" in columns and row.get("spread", 0.0) > WIDE else ""
        cells = [_cell(row.get(key)) + (mark if key == "spread" else "") for key in columns]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        return f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
