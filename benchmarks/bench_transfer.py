"""
A large file up and down through loopback: our client beside bare aiohttp doing the same.

Run it as `python -m benchmarks.bench_transfer [--mib 1024] [--rounds 3] [--json FILE]`. The server is a process of its
own that hardly works: it sends a file with `sendfile` and counts what it gets. Every measurement is a process of its
own too, so that its peak memory is its own. "The same" means: fetch to a file and fsync; hash, ask for a place, put,
complete. The rounds of both alternate. Ratios are of throughputs, ours to bare, above 1 when ours is faster: by the
median of the rounds, by the best (what is left when nobody else uses the machine), and by processor time.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio.to_thread

from heygen_async import HeyGen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MIB = 1024 * 1024
MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"


# ---- the server ---------------------------------------------------------------------------------------------------


class _Storage(asyncio.Protocol):
    """Speaks as much HTTP as two clients need."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._head = b""
        self._due = 0
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._due:
            self._due -= len(data)
            if not self._due:
                self._answer(b"")
            return
        self._head += data
        if b"\r\n\r\n" not in self._head:
            return
        head, _, body = self._head.partition(b"\r\n\r\n")
        self._head = b""
        length = _header(head, b"content-length")
        if head.startswith(b"PUT"):
            self._due = length - len(body)
            if self._due:
                return
        elif len(body) < length:  # a JSON body that came in two parts
            self._head = head + b"\r\n\r\n" + body
            return
        self._answer(head.split(b" ", 2)[1])

    def _answer(self, path: bytes) -> None:
        host = "http://{}:{}".format(*self._transport.get_extra_info("sockname"))
        if path.startswith(b"/file"):
            asyncio.get_running_loop().create_task(self._send_file())
        elif path.startswith(b"/v3/videos/"):
            video = {"id": "vid", "status": "completed", "video_url": f"{host}/file"}
            self._json(video)
        elif path.endswith(b"/direct-uploads"):
            slot = {
                "asset_id": "a",
                "upload_url": f"{host}/put",
                "upload_headers": {"Content-Type": "video/mp4"},
            }
            self._json({**slot, "expires_in_seconds": 3600, "max_bytes": 2**40, "status": "pending_upload"})
        elif path.endswith(b"/complete"):
            self._json({"asset_id": "a", "url": f"{host}/file", "mime_type": "video/mp4", "size_bytes": 1})
        else:
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def _json(self, data: object) -> None:
        body = json.dumps({"data": data}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)

    async def _send_file(self) -> None:
        size = self._file.stat().st_size
        head = b'HTTP/1.1 200 OK\r\nETag: "one"\r\nContent-Type: video/mp4\r\nContent-Length: %d\r\n\r\n'
        self._transport.write(head % size)
        with self._file.open("rb") as file:
            await asyncio.get_running_loop().sendfile(self._transport, file)


def _header(head: bytes, name: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(name + b":"):
            return int(line.partition(b":")[2])
    return 0


async def serve(file: Path) -> None:
    """Serve a file and swallow others, until standard input closes."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Storage(file), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


# ---- what is measured ---------------------------------------------------------------------------------------------


async def bare_down(url: str, _source: Path, target: Path, ready: Callable[[], None]) -> None:
    """Fetch to a file with aiohttp alone."""
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url}/v3/videos/vid") as answer:
            link = (await answer.json())["data"]["video_url"]
        ready()
        async with http.get(link) as answer:
            with target.open("wb") as file:
                async for chunk in answer.content.iter_any():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())


async def sdk_down(url: str, _source: Path, target: Path, ready: Callable[[], None]) -> None:
    """Fetch to a file with ours."""
    async with HeyGen("key", base_url=url) as heygen:
        video = await heygen.videos.get("vid")
        ready()
        await video.download(target)


async def bare_up(url: str, source: Path, _target: Path, ready: Callable[[], None]) -> None:
    """Upload with aiohttp alone: hash, ask, put, complete."""
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url}/v3/videos/vid") as answer:
            await answer.read()
        ready()
        digest = await anyio.to_thread.run_sync(_digest, source)
        async with http.post(f"{url}/v3/assets/direct-uploads", json={"checksum_sha256": digest}) as answer:
            slot = (await answer.json())["data"]
        with source.open("rb") as file:
            async with http.put(slot["upload_url"], data=file, headers=slot["upload_headers"]) as answer:
                await answer.read()
        async with http.post(f"{url}/v3/assets/a/complete", json={"checksum_sha256": digest}) as answer:
            await answer.read()


async def sdk_up(url: str, source: Path, _target: Path, ready: Callable[[], None]) -> None:
    """Upload with ours."""
    async with HeyGen("key", base_url=url) as heygen:
        await heygen.videos.get("vid")
        ready()
        await heygen.assets.upload(source)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


WORK: dict[str, Callable[[str, Path, Path, Callable[[], None]], Awaitable[None]]] = {
    "bare_down": bare_down,
    "sdk_down": sdk_down,
    "bare_up": bare_up,
    "sdk_up": sdk_up,
}


def measure(name: str, url: str, source: Path, target: Path) -> dict[str, float]:
    """Do one piece of work; return seconds, processor seconds, and MiB at the peak above those before it."""
    before: list[float] = []

    def ready() -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins now
        before.extend([_memory("VmRSS"), time.perf_counter(), _processor()])

    async def work() -> None:
        await WORK[name](url, source, target, ready)

    asyncio.run(work())
    return {
        "seconds": time.perf_counter() - before[1],
        "processor": _processor() - before[2],
        "peak_mib": (_memory("VmHWM") - before[0]) / 1024,
    }


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return float(next(line for line in lines if line.startswith(name)).split()[1])


# ---- the run ------------------------------------------------------------------------------------------------------


def run(mib: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Measure everything, alternating, and compare."""
    source, target = folder / "source.mp4", folder / "target.mp4"
    _fill(source, mib)
    here = [sys.executable, "-m", "benchmarks.bench_transfer"]
    with subprocess.Popen(
        [*here, "--serve", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        found: dict[str, list[dict[str, float]]] = {name: [] for name in WORK}
        for _ in range(rounds):
            for name, results in found.items():
                told = subprocess.run(
                    [*here, "--work", name, url, source, target], stdout=subprocess.PIPE, check=True
                )
                results.append(json.loads(told.stdout))
                target.unlink(missing_ok=True)
        server.communicate()
    return {
        "mib": mib,
        "rounds": rounds,
        "down": _compared(found, "down"),
        "up": _compared(found, "up"),
        "runs": found,
    }


def _fill(path: Path, mib: int) -> None:
    with path.open("wb") as file:
        file.write(MP4.ljust(MIB, b"\x01"))
        for _ in range(mib - 1):
            file.write(os.urandom(MIB))


def _compared(found: dict[str, list[dict[str, float]]], way: str) -> dict[str, float]:
    ours, bare = found[f"sdk_{way}"], found[f"bare_{way}"]

    def ratio(pick: Callable[[list[float]], float], figure: str) -> float:
        return round(pick([one[figure] for one in bare]) / pick([one[figure] for one in ours]), 3)

    return {
        "ratio_median": ratio(statistics.median, "seconds"),
        "ratio_best": ratio(min, "seconds"),
        "ratio_processor": ratio(statistics.median, "processor"),
        "sdk_peak_mib": round(max(one["peak_mib"] for one in ours), 1),
        "bare_peak_mib": round(max(one["peak_mib"] for one in bare), 1),
    }


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--folder", help="where the files go; memory where there is some, so that no disk hides us"
    )
    parser.add_argument("--json", help="write the result here")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
    elif options.work:
        name, url, source, target = options.work
        print(json.dumps(measure(name, url, Path(source), Path(target))))
    else:
        memory = Path("/dev/shm")
        where = options.folder or (str(memory) if memory.is_dir() else None)
        with tempfile.TemporaryDirectory(dir=where) as folder:
            result = run(options.mib, options.rounds, Path(folder))
        print(json.dumps({key: value for key, value in result.items() if key != "runs"}, indent=2))
        if options.json:
            Path(options.json).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
