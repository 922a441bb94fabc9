"""
The client's whole tour through the Prism proxy, which compares each exchange with the strict contract.

`nox -s prism` runs it. Only what goes beyond the contract on purpose may be found: `auto_proceed`, which an approval
carries until it is refused once, and a field of `extra=`.
"""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from contract.book import FOLDER, Book, Exchange
from contract.tour import everything
from heygen_async import Cadence, HeyGen
from heygen_async.testing import Simulator, SimulatorServer

CONTRACT = FOLDER / "openapi.strict.yaml"
ON_PURPOSE = {"auto_proceed", "visibility"}


@dataclass
class Judge:
    """What Prism says of each exchange, in a header of the answer."""

    book: Book = field(default_factory=lambda: Book(CONTRACT.name))
    operations: list[str] = field(default_factory=list[str])
    on_purpose: list[str] = field(default_factory=list[str])
    violations: list[str] = field(default_factory=list[str])

    async def note(self, _: object, __: object, ended: aiohttp.TraceRequestEndParams) -> None:
        """Keep what it says of one."""
        exchange = Exchange(ended.method, str(ended.url), {}, None, ended.response.status, b"")
        if not exchange.path.startswith("/v3/"):
            return  # storage, which is no part of the contract
        operation = self.book.operation(exchange)
        self.operations.append(operation)
        for violation in json.loads(ended.response.headers.get("sl-violations", "[]")):
            message = str(violation["message"])
            extra = re.search(r"NOT have additional properties; found '(\w+)'", message)
            if extra and extra[1] in ON_PURPOSE:
                self.on_purpose.append(extra[1])
            else:
                self.violations.append(f"{operation} {exchange.status} {violation['location']}: {message}")


@asynccontextmanager
async def proxy(prism: str, upstream: str) -> AsyncGenerator[str]:
    """Run Prism before a server; give its address."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = ("node", prism, "proxy", str(CONTRACT), upstream, "--host=127.0.0.1", f"--port={port}")
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            await wait_for(port, process)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # `node` may be a program that starts the real one
            process.wait()


async def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once it listens."""
    for _ in range(600):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)  # noqa: TID251 - a real process takes its time
        else:
            writer.close()
            return
        if process.poll() is not None:
            break
    raise TimeoutError("Prism did not start")


async def travel(prism: str) -> Judge:
    """Do everything the client can do, through Prism."""
    judge, service = Judge(), Simulator(speed=100)
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(judge.note)
    async with SimulatorServer(service) as server, proxy(prism, server.url) as url:
        with tempfile.TemporaryDirectory() as folder:
            async with (
                aiohttp.ClientSession(trace_configs=[trace]) as http,
                HeyGen(service.api_key, base_url=url, http=http, cadence=Cadence.constant(0.2)) as heygen,
            ):
                await everything(heygen, service, pathlib.Path(folder))
    return judge


def main(prism: str) -> int:
    """Return 1 if Prism found more than what is there on purpose."""
    judge = asyncio.run(travel(prism))
    missing = sorted(set(judge.book.operations) - set(judge.operations))
    print(f"{len(judge.operations)} exchanges, {len(set(judge.operations))} operations through Prism")
    print("On purpose:", *judge.on_purpose)
    print("\n".join([*dict.fromkeys(judge.violations), *(f"{name} was not called" for name in missing)]))
    is_as_expected = ON_PURPOSE == set(judge.on_purpose)
    return 0 if is_as_expected and not judge.violations and not missing else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
