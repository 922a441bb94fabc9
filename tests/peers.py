"""Servers on loopback that answer with exact bytes, or fail in an exact way; they remember all they heard."""
# ruff: noqa: TID251 - real sockets need real milliseconds

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import anyio
import trustme

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"

Behaviour = bytes | Callable[["Line"], Awaitable[None]]


def http(body: bytes = b'{"data": {}}', *, status: str = "200 OK", **headers: str) -> bytes:
    """A well-formed answer; header names are written with underscores."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "content-type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True)
class Heard:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Line:
    """One connection, from the server's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, *pieces: bytes) -> None:
        """Write; whoever does not listen any more is ignored."""
        with suppress(OSError):
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()

    async def wait(self) -> None:
        """Say nothing more until the other side closes."""
        with suppress(OSError):
            await self.reader.read()

    def reset(self) -> None:
        """Close with a reset instead of a polite end."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hear(self) -> Heard | None:
        """Read one request; None when the other side is done."""
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *rest = head.removesuffix("\r\n\r\n").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        except (asyncio.IncompleteReadError, OSError):
            return None
        method, target, _ = first.split(" ")
        return Heard(method, target, headers, body)


@dataclass
class Peer:
    """
    A server that behaves as told: the last behaviour is for all further requests.

    Attributes:
        heard: Every request, in the order of arrival.
        connections: How many were ever opened.
        still_open: How many are open now.
    """

    behaviours: list[Behaviour]
    url: str = ""
    heard: list[Heard] = field(default_factory=list[Heard])
    connections: int = 0
    still_open: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def until_quiet(self) -> None:
        """Wait until the other side has closed every connection."""
        while self.still_open:
            await anyio.sleep(0.001)

    async def until_connected(self) -> None:
        """Wait until a connection was opened."""
        while not self.connections:
            await anyio.sleep(0.001)

    async def until_heard(self, count: int = 1) -> None:
        """Wait until so many requests have come."""
        while len(self.heard) < count:
            await anyio.sleep(0.001)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(Line(reader, writer)))
        self._tasks.add(task)

    async def _serve(self, line: Line) -> None:
        self.connections += 1
        self.still_open += 1
        try:
            while not line.writer.is_closing() and (heard := await line.hear()):
                self.heard.append(heard)
                behaviour = self.behaviours[min(len(self.heard), len(self.behaviours)) - 1]
                if isinstance(behaviour, bytes):
                    await line.say(behaviour)
                else:
                    await behaviour(line)
        finally:
            self.still_open -= 1
            line.writer.close()

    async def stop(self) -> None:
        """Hang up on everybody."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def peer(*behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncGenerator[Peer]:
    """Serve on a free port of loopback."""
    it = Peer(list(behaviours))
    server = await asyncio.start_server(it._accept, "127.0.0.1", 0, ssl=tls)
    scheme = "http" if tls is None else "https"
    it.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield it
    finally:
        server.close()
        await it.stop()


def says(*pieces: bytes) -> Callable[[Line], Awaitable[None]]:
    """Say this and hang up."""

    async def behave(line: Line) -> None:
        await line.say(*pieces)
        line.writer.close()

    return behave


def stays(*pieces: bytes) -> Callable[[Line], Awaitable[None]]:
    """Say this and fall silent."""

    async def behave(line: Line) -> None:
        await line.say(*pieces)
        await line.wait()

    return behave


async def reset(line: Line) -> None:
    """Hear the request, then reset."""
    line.reset()


async def silence(line: Line) -> None:
    """Hear the request and say nothing."""
    await line.wait()


def closed_port() -> str:
    """The address of a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def certified(name: str, until: datetime | None = None) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A context to serve *name* with, and one that trusts its authority; nobody else does."""
    authority: Any = trustme.CA()
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name, not_after=until).configure_cert(serving)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return serving, trusting
