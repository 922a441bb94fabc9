"""The desk in several processes: they share its database, and meet on a Redis to poll each session once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Final

_EXAMPLES: Final = str(pathlib.Path(__file__).parents[1])


async def serve(environment: Mapping[str, str], *, host: str, port: int, workers: int) -> None:
    """Serve the desk of an environment until this process is told to end: `uvicorn --workers`, and a Redis for it."""
    port = port or free_port(host)
    command = [sys.executable, "-m", "uvicorn", "--factory", "review_desk.app:from_environment"]
    options = ["--app-dir", _EXAMPLES, "--log-level", "warning"]
    where = ["--host", host, "--port", str(port), "--workers", str(workers)]
    async with redis_of(environment) as url:
        env = {**os.environ, **environment, "REDIS_URL": url}
        async with program(*command, *options, *where, env=env) as process:
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, process.terminate)
            await listening(host, port, process)
            print(f"\n  The review desk is at http://{host}:{port}\n  Ctrl-C ends it.\n", flush=True)
            await process.wait()


@asynccontextmanager
async def redis_of(environment: Mapping[str, str]) -> AsyncGenerator[str]:
    """Yield the address of the environment's Redis, or of one of our own that keeps nothing and ends with the block."""
    if url := environment.get("REDIS_URL"):
        yield url
        return
    server = shutil.which("redis-server") or shutil.which("valkey-server")
    if server is None:
        raise SystemExit("Several workers meet on a Redis: install redis-server, or name yours in REDIS_URL.")
    port = free_port("127.0.0.1")
    with tempfile.TemporaryDirectory() as folder:
        options = (
            "--bind",
            "127.0.0.1",
            "--port",
            str(port),
            "--save",
            "",
            "--dir",
            folder,
            "--logfile",
            "redis.log",
        )
        async with program(server, *options) as process:
            await listening("127.0.0.1", port, process)
            yield f"redis://127.0.0.1:{port}"


@asynccontextmanager
async def program(
    *command: str, env: Mapping[str, str] | None = None
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Run a program that ends with the block; Ctrl-C reaches it through us only."""
    process = await asyncio.create_subprocess_exec(*command, env=env, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def listening(host: str, port: int, process: asyncio.subprocess.Process) -> None:
    """
    Wait until a program listens.

    Raises:
        SystemExit: It has ended instead; it has said why.
    """
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise SystemExit(process.returncode or 1)


def free_port(host: str) -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port
