"""
The service behind sockets: HTTP/1.1 by hand, so that it can break anywhere.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from hostile.dials import Line
from hostile.exchange import Cut, Request

if TYPE_CHECKING:
    from hostile.exchange import Answer
    from hostile.service import Service

STALL: Final = 10.0  # seconds; a client that waits longer is left without an answer
NO_LINGER: Final = struct.pack("ii", 1, 0)  # closing sends a reset


class Hangup(Exception):
    """The service closes the connection now."""


@asynccontextmanager
async def listening(service: Service) -> AsyncGenerator[str]:
    """Put a service on a free port of this machine and give its address."""
    door = Door(service)
    server = await asyncio.start_server(door.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()
        await door.close()


class Door:
    """Takes connections, one task each."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._numbers: Iterator[int] = itertools.count(1)
        self._tasks: set[asyncio.Task[object]] = set()

    async def close(self) -> None:
        """End all connections."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # Only `close` cancels; asyncio would log a cancelled handler as an error.
            with suppress(Hangup, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._converse(next(self._numbers), reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _converse(
        self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line = self._service.dials.line
        if line is Line.UNREAD and number % 3 == 0:
            raise Hangup
        for turn in itertools.count(1):
            if line is Line.DIES_IDLE and turn > 1 and number % 2 == 0:
                await reader.readexactly(1)
                raise Hangup
            request = await _read(reader)
            answer = self._service.handle(request, time.time())
            await _write(writer, answer, is_last=line is Line.ONE_EACH)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    address = urlsplit(target)
    return Request(method, address.path, dict(parse_qsl(address.query)), headers, body)


async def _write(writer: asyncio.StreamWriter, answer: Answer, *, is_last: bool) -> None:
    head = _head(answer, is_last=is_last)
    match answer.cut:
        case None:
            await _send(writer, head + answer.body)
        case Cut.CLOSED:
            raise Hangup
        case Cut.RESET:
            _reset(writer)
        case Cut.IN_HEAD:
            await _send(writer, head[: len(head) // 2])
            raise Hangup
        case Cut.IN_BODY:
            await _send(writer, head + answer.body[: len(answer.body) // 2])
            raise Hangup
        case Cut.STALLED:
            await asyncio.sleep(STALL)
            raise Hangup
    if is_last:
        raise Hangup


def _head(answer: Answer, *, is_last: bool) -> bytes:
    phrase = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else "Unknown"
    headers = {**answer.headers, "content-length": str(len(answer.body))}
    if is_last:
        headers["connection"] = "close"
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def _send(writer: asyncio.StreamWriter, piece: bytes) -> None:
    writer.write(piece)
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    writer.transport.abort()
    raise Hangup
