"""
The figures that guides and this folder's README quote, taken from the results.

`python -m benchmarks --tables` writes them anew; a test sees that they are those of the results.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from . import _targets
from ._targets import find, number
from .bench_poll import FLOOR, WATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._measure import Row
    from ._targets import Results

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
PAGES = (
    ROOT / "examples/guides/alternatives.md",
    ROOT / "examples/guides/client.md",
    ROOT / "benchmarks/README.md",
)
_PART = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def write() -> None:
    """Write the figures into the pages."""
    for path in PAGES:
        path.write_text(fill(path.read_text("utf-8")), encoding="utf-8")


def fill(text: str) -> str:
    """Return a page with the figures of the results."""
    results = read_results()
    return _PART.sub(lambda part: f"{part[1]}{_PARTS[part[2]](results)}\n{part[3]}", text)


def read_results(folder: Path = RESULTS) -> dict[str, Row]:
    """Return what was measured last, by benchmark."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def _alternatives(results: Results) -> str:
    def poll(client: str) -> str:
        return number(find(results, "poll", client=client, size="small", callers=50)["ratio"])

    imports = {row["module"]: row["cpu_ms"] for row in results["import"]["rows"]}
    fixed = {
        row["against"]: number(row["requests_ratio"])
        for row in results["polls"]["targets"]
        if row["progress"] == "informative"
    }
    rounds = [row for row in results["scale"]["rows"] if row["sessions"] == 1000]
    generated = [
        imports[name] / imports["aiohttp"] for name in ("generated_python_client", "generated_asyncio")
    ]
    rows = [
        ("Measured", "`heygen_async`", "by hand", "generated"),
        ("---", "---", "---", "---"),
        (
            "CPU of one poll, 50 callers, × aiohttp + msgspec",
            poll(WATCH),
            f"1.00; httpx + pydantic {poll('httpx + pydantic')}",
            f"{poll('openapi-generator asyncio')} (asyncio), {poll('openapi-python-client')} (attrs)",
        ),
        (
            "Requests to know the end as soon as a poll every 5 or 10 s does",
            f"{fixed['fixed 5 s']} or {fixed['fixed 10 s']}",
            "1.00",
            "1.00",
        ),
        (
            "Requests for a round of 1,000 rendering sessions",
            number(min(row["requests_per_round"] for row in rounds)),
            "1,000",
            "1,000",
        ),
        (
            "CPU of the import, × aiohttp's",
            number(imports["heygen_async"] / imports["aiohttp"]),
            f"1.00; httpx {number(imports['httpx'] / imports['aiohttp'])}",
            f"{number(min(generated))} to {number(max(generated))}",
        ),
    ]
    return "\n".join(
        f"| {' | '.join(row)} |".replace("| --- | --- | --- | --- |", "|---|---|---|---|") for row in rows
    )


def _tls(results: Results) -> str:
    rows = results["tls"]["rows"]
    loops = ("asyncio", "uvloop", "aiofastnet")

    def of(link: str, client: str) -> str:
        found = {row["loop"]: row["ratio"] for row in rows if row["link"] == link and row["client"] == client}
        return " | ".join(number(found[loop]) if loop in found else "–" for loop in loops)

    def saved(link: str) -> str:
        cpu = {
            row["loop"]: row["to_asyncio"] for row in rows if row["link"] == link and row["client"] == WATCH
        }
        return " and ".join(f"{number(cpu[loop])} on {loop}" for loop in loops[1:] if loop in cpu)

    return "\n".join(
        [
            "| CPU of one poll, × aiohttp + msgspec by hand, plain on asyncio | asyncio | uvloop | aiofastnet |",
            "|---|---|---|---|",
            f"| by hand, TLS | {of('TLS', FLOOR)} |",
            f"| `heygen_async`, plain | {of('plain', WATCH)} |",
            f"| `heygen_async`, TLS | {of('TLS', WATCH)} |",
            "",
            f"Of its CPU on asyncio a poll takes {saved('TLS')} over TLS, {saved('plain')} without.",
        ]
    )


def _browsers(results: Results) -> str:
    rows = results["browsers"]["rows"]
    before, one_each, _, first, _, second, after = rows
    streams, grown = first["streams"] + second["streams"], first["mb"] - one_each["mb"]
    return (
        f"{streams:,} streams in twice {first['seconds']:.0f} seconds. The service was asked {first['polls']} times in "
        f"the first round and {second['polls']} times in the second; {one_each['polls']} times in as long by one "
        "browser a session that stays, right after the sessions began, when polls are closest. Once all had left it "
        f"was asked {after['polls']} times, and the app had {after['descriptors']} descriptors, before "
        f"{before['descriptors']}. Memory grew by {grown:.1f} MB in the first round and by "
        f"{second['mb'] - first['mb']:.1f} in the second."
    )


_PARTS: Mapping[str, Callable[[Results], str]] = {
    "alternatives": _alternatives,
    "tls": _tls,
    "browsers": _browsers,
    "targets": _targets.table,
}
