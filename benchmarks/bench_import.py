"""What `import` costs a program that has done nothing yet: CPU and wall time above a bare interpreter."""

from __future__ import annotations

import importlib.util
import os
import resource
import subprocess
import sys
import time
from functools import partial

from . import _generated
from ._measure import Row, rounds

PEERS = (
    "aiohttp",
    "httpx",
    "pydantic",
    "openai",
    "anthropic",
    "runwayml",
    "replicate",
    "fal_client",
    _generated.PYTHON_CLIENT,
    _generated.ASYNCIO,
)
OURS = "heygen_async"
PARTS = {  # what a program of each kind begins with
    "heygen_async": "from heygen_async import HeyGen",
    "heygen_async, a client": "from heygen_async import HeyGen; HeyGen('key')",
    "heygen_async.models": "import heygen_async.models",
    "heygen_async.webhooks": "import heygen_async.webhooks",
    "asyncio and msgspec": "import asyncio, msgspec",
}


def run(*, quick: bool) -> Row:
    """Import everything in a fresh interpreter, in turn."""
    _generated.make()
    names = [name for name in PEERS if importlib.util.find_spec(name) is not None]
    statements = {"": "pass", **PARTS, **{name: f"import {name}" for name in names}}
    timed = {name: partial(_imported, statement) for name, statement in statements.items()}
    measured = rounds(timed, 2 if quick else 5)
    bare = measured.pop("")
    for row in measured.values():
        row["cpu_ms"] -= bare["cpu_ms"]
        row["wall_ms"] -= bare["wall_ms"]
    ours = measured[OURS]["cpu_ms"]
    rows = [{"module": name, **row, "ratio": row["cpu_ms"] / ours} for name, row in measured.items()]
    return {"rows": rows, "bare_cpu_ms": bare["cpu_ms"], "loads_aiohttp": _loads_aiohttp()}


def _imported(statement: str) -> Row:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or what lies in a checkout is compiled anew each time
    begun, before = time.perf_counter(), _spent()
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)
    return {"cpu_ms": (_spent() - before) * 1e3, "wall_ms": (time.perf_counter() - begun) * 1e3}


def _spent() -> float:
    """Return the CPU seconds of all children so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _loads_aiohttp() -> bool:
    statement = f"import sys; {PARTS[OURS]}; sys.exit('aiohttp' in sys.modules)"
    return subprocess.run([sys.executable, "-c", statement], check=False).returncode != 0
