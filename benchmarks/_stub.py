"""
A server that does as little as a server can, in a process of its own.

It answers every GET with the next of its answers, and a question for many statuses with `processing` for each id. It
prints its port and serves until its standard input closes.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from contextlib import contextmanager
from itertools import cycle
from typing import TYPE_CHECKING

from . import _answers

if TYPE_CHECKING:
    from collections.abc import Iterator

_MANY = b"GET /v3/videos/statuses?"


class _Fixed(asyncio.Protocol):
    def __init__(self, answers: Iterator[bytes]) -> None:
        self._answers = answers
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        # Only GETs come, so every blank line ends a request.
        data = self._rest + data
        *requests, self._rest = data.split(b"\r\n\r\n")
        if requests and self._transport is not None:
            said = (_statuses(one) if one.startswith(_MANY) else next(self._answers) for one in requests)
            self._transport.write(b"".join(said))


def _statuses(request: bytes) -> bytes:
    query = request.split(b" ", 2)[1].partition(b"video_ids=")[2].partition(b"&")[0]
    ids = query.replace(b"%2C", b",").split(b",")
    rows = b",".join(b'{"video_id":"%s","status":"processing"}' % one for one in ids)
    return _whole(b'{"data":[' + rows + b"]}")


def _whole(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


async def _serve(size: str, change: str, certificate: str = "") -> None:
    bodies = _answers.changing(size) if change == "changing" else _answers.unchanging(size)
    answers = cycle([_whole(body) for body in bodies])
    loop = asyncio.get_running_loop()
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    server = await loop.create_server(lambda: _Fixed(answers), "127.0.0.1", 0, backlog=4096, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


@contextmanager
def stub(size: str, *, changing: bool = True, certificate: str = "") -> Iterator[str]:
    """Serve answers of this size, over TLS with a certificate; yield the address."""
    options = [size, "changing" if changing else "unchanging", *([certificate] if certificate else [])]
    command = [sys.executable, "-m", "benchmarks._stub", *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        scheme = "https" if certificate else "http"
        yield f"{scheme}://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
