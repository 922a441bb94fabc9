"""
The figures that guides quote, taken from the results.

`python -m benchmarks._guide` writes them anew; a test sees that they are those of the results.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Results = Mapping[str, Mapping[str, Any]]

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
GUIDES = (ROOT / "examples/guides/alternatives.md", ROOT / "examples/guides/client.md")
_PART = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def main() -> None:
    """Write the figures into the guides."""
    for path in GUIDES:
        path.write_text(fill(path.read_text("utf-8")), encoding="utf-8")


def fill(text: str) -> str:
    """Return a guide with the figures of the results."""
    results = {path.stem: json.loads(path.read_text("utf-8")) for path in RESULTS.glob("*.json")}
    return _PART.sub(lambda part: f"{part[1]}{_PARTS[part[2]](results)}\n{part[3]}", text)


def _alternatives(results: Results) -> str:
    poll = {
        row["client"]: row["ratio"]
        for row in results["poll"]["rows"]
        if row["size"] == "small" and row["callers"] == 50
    }
    imports = {row["module"]: row["cpu_ms"] for row in results["import"]["rows"]}
    fixed = {
        row["against"]: _number(row["requests_ratio"])
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
            _number(poll["heygen_async: watch"]),
            f"1.00; httpx + pydantic {_number(poll['httpx + pydantic'])}",
            f"{_number(poll['openapi-generator asyncio'])} (asyncio), {_number(poll['openapi-python-client'])} (attrs)",
        ),
        (
            "Requests to know the end as soon as a poll every 5 or 10 s does",
            f"{fixed['fixed 5 s']} or {fixed['fixed 10 s']}",
            "1.00",
            "1.00",
        ),
        (
            "Requests for a round of 1,000 rendering sessions",
            _number(min(row["requests_per_round"] for row in rounds)),
            "1,000",
            "1,000",
        ),
        (
            "CPU of the import, × aiohttp's",
            _number(imports["heygen_async"] / imports["aiohttp"]),
            f"1.00; httpx {_number(imports['httpx'] / imports['aiohttp'])}",
            f"{_number(min(generated))} to {_number(max(generated))}",
        ),
    ]
    return "\n".join(
        f"| {' | '.join(row)} |".replace("| --- | --- | --- | --- |", "|---|---|---|---|") for row in rows
    )


def _tls(results: Results) -> str:
    rows = results["tls"]["rows"]
    loops = ("asyncio", "uvloop", "aiofastnet")

    def of(link: str, client: str) -> str:
        found = {row["loop"]: row["ratio"] for row in rows if row["link"] == link and client in row["client"]}
        return " | ".join(_number(found[loop]) if loop in found else "–" for loop in loops)

    return "\n".join(
        [
            "| CPU of one poll, × aiohttp + msgspec by hand, plain on asyncio | asyncio | uvloop | aiofastnet |",
            "|---|---|---|---|",
            f"| by hand, TLS | {of('TLS', 'floor')} |",
            f"| `heygen_async`, plain | {of('plain', 'heygen_async')} |",
            f"| `heygen_async`, TLS | {of('TLS', 'heygen_async')} |",
        ]
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


_PARTS: Mapping[str, Callable[[Results], str]] = {"alternatives": _alternatives, "tls": _tls}

if __name__ == "__main__":
    main()
