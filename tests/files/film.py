"""What the tests of files share: clients in a hurry, finished videos, and bytes to fill them."""
# ruff: noqa: TID251 - a server on a socket lives in real time

from __future__ import annotations

import json
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

from heygen_async import HeyGen, RetryPolicy, Timeouts
from heygen_async.testing import HttpRequest

if TYPE_CHECKING:
    import pathlib

    from heygen_async import Transfer, Video
    from heygen_async.testing import Simulator, SimulatorServer

PNG = b"\x89PNG\r\n\x1a\n"
MP4 = b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"

MIB = 1024 * 1024

HURRIED = RetryPolicy(base=0.001, longest=0.01, settle_time=0.01)


def client(server: SimulatorServer, **options: Any) -> HeyGen:
    """Return a client that waits for milliseconds only."""
    options = {"retry": HURRIED, "timeouts": Timeouts(transfer=5.0), **options}
    return HeyGen("test-key", base_url=server.url, **options)


def film(service: Simulator, prompt: str = "An espresso machine") -> str:
    """Let a session have been created and finished long ago; return its video's id."""
    long_ago = time.time() - 5_000
    headers = {"x-api-key": service.api_key}
    body = json.dumps({"prompt": prompt, "mode": "generate"}).encode()
    made = service.exchange(HttpRequest("POST", "/v3/video-agents", {}, headers, body), long_ago).response
    path = f"/v3/video-agents/{json.loads(made.body)['data']['session_id']}"
    read = service.exchange(HttpRequest("GET", path, {}, headers), long_ago + 1_000).response
    return str(json.loads(read.body)["data"]["video_id"])


def noise(size: int, seed: int = 1) -> bytes:
    """Return bytes in which every place looks different."""
    return random.Random(seed).randbytes(size)


def left_in(folder: pathlib.Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def half_a_file(video: Video, service: Simulator, target: pathlib.Path) -> int:
    """Leave half a file behind, or less, as a run that ended badly does; return how many bytes."""
    service.faults.add("stall_after", bytes=MIB // 2, times=1)
    async with anyio.create_task_group() as group:

        def cancel(transfer: Transfer) -> None:
            if transfer.done_bytes:
                group.cancel_scope.cancel()

        group.start_soon(partial(video.download, target, on_progress=cancel))
    return target.with_name(f"{target.name}.part").stat().st_size
