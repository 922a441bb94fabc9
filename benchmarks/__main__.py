"""
Measure what the client costs, beside others in the same run.

`python -m benchmarks` takes everything and writes JSON, Markdown and plots to `benchmarks/results/`;
`python -m benchmarks polls --quick --json` prints rough figures of one.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from . import _generated
from ._measure import Row, machine

NAMES = ("import", "decode", "polls", "scale", "watchers", "calls", "poll", "tls", "batch", "browsers")
EXTRA = "durable"  # measured where the extra is installed
PACKAGES = (
    *("heygen-async", "aiohttp", "msgspec", "anyio", "httpx", "httpcore", "pydantic", "attrs", "uvloop"),
    *("pyreqwest", "openai", "anthropic", "runwayml", "replicate", "fal-client"),
    *("openapi-python-client", "openapi-generator-cli", "dbos"),
)
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Run the benchmarks that were named, each in a process of its own."""
    options = _options()
    if options.tables:
        _write_pages(Path(options.output))
        return
    if options.alone:
        bench = importlib.import_module(f".bench_{options.names[0]}", __package__)
        print(json.dumps(bench.run(quick=options.quick)))
        return
    _generated.make()  # out of the way of what is measured
    results: dict[str, Row] = {}
    for name in [*options.names, *(["calls"] if options.calls else [])] or _all():
        results[name] = _run(name, quick=options.quick)
        if not options.json:  # each as it is done, so that a later one that fails costs nothing
            _write(name, results[name], Path(options.output))
    if options.json:
        print(json.dumps(results, indent=1))
    else:
        _write_pages(Path(options.output))


def _all() -> tuple[str, ...]:
    return NAMES if importlib.util.find_spec("dbos") is None else (*NAMES, EXTRA)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__.partition("\n\n")[0])
    parser.add_argument(
        "names", nargs="*", choices=[*NAMES, EXTRA, []], help=f"which ones: {', '.join(NAMES)}; all"
    )
    parser.add_argument(
        "--quick", action="store_true", help="short rounds: to see that it works, not what it costs"
    )
    parser.add_argument("--calls", action="store_true", help="count the calls of a poll as well")
    parser.add_argument("--json", action="store_true", help="print the figures and write nothing")
    parser.add_argument(
        "--tables",
        action="store_true",
        help="measure nothing; write tables, plots and pages of what was measured",
    )
    parser.add_argument("--output", default=RESULTS, help="the folder to write to")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(name: str, *, quick: bool) -> Row:
    print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
    about, begun = machine(list(PACKAGES)), time.perf_counter()
    command = [sys.executable, "-m", "benchmarks", name, "--alone", *(["--quick"] if quick else [])]
    # Keys and proxies of whoever runs this have no part in it.
    clean = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=clean)
    seconds = time.perf_counter() - begun
    print(f"{seconds:.0f} s", file=sys.stderr)
    result: Row = json.loads(done.stdout.splitlines()[-1])
    about["load_after"] = os.getloadavg()[0]
    return {"machine": about, "quick": quick, "seconds": seconds, **result}


def _write(name: str, result: Row, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _write_pages(folder: Path) -> None:
    """Write the tables and plots of all results of a folder, and what pages quote of those that are published."""
    from . import _figures, _plots, _tables

    results = _figures.read_results(folder)
    (folder / "results.md").write_text(_tables.page(results), encoding="utf-8")
    _plots.draw(results, folder)
    if folder == RESULTS:
        _figures.write()
    print(f"written to {folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
