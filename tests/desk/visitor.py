"""A browser without a screen: asks an ASGI app in the same loop, so that whole days pass in no time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.types import Message

HOST = "localhost"
JSON = dict[str, Any]

Headers = Mapping[str, str]
NOTHING: Headers = MappingProxyType({})


@dataclass(kw_only=True)
class Answer:
    """What a visitor got."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def json(self) -> JSON:
        """The body as values."""
        value: JSON = json.loads(self.body)
        return value

    async def take(self, message: Message) -> None:
        """Be the `send` of an ASGI app."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


class Visitor:
    """Someone with a page of the desk open."""

    def __init__(self, app: Starlette) -> None:
        self.app = app

    async def get(self, path: str, headers: Headers = NOTHING) -> Answer:
        """Open a page."""
        return await self.ask("GET", path, headers)

    async def post(self, path: str, form: Headers = NOTHING, headers: Headers = NOTHING) -> Answer:
        """Send a form, as our pages do unless the headers say otherwise."""
        kind = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
        return await self.ask("POST", path, {**kind, **headers}, urlencode(form).encode())

    async def ask(self, method: str, path: str, headers: Headers, body: bytes = b"") -> Answer:
        """Ask for anything."""
        answer = Answer()
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return messages.pop() if messages else await _never()

        await self.app(
            _scope(method, path, {"content-length": str(len(body)), **headers}), receive, answer.take
        )
        return answer

    @asynccontextmanager
    async def watch(self, path: str) -> AsyncGenerator[Stream]:
        """Follow an event stream for the time of the block."""
        async with Stream(self.app, path) as stream:
            yield stream


class Stream:
    """An event stream that a browser follows; `leave` closes the tab."""

    def __init__(self, app: Starlette, path: str) -> None:
        self.events: list[JSON] = []
        self._gone = asyncio.Event()
        self._came = asyncio.Condition()
        self._task = asyncio.create_task(app(_scope("GET", path, {}), self._receive, self._take))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def leave(self) -> None:
        """Close the tab."""
        self._gone.set()
        await asyncio.wait([self._task])

    async def end(self) -> None:
        """Wait until the desk ends the stream."""
        await asyncio.wait([self._task])

    async def until(self, **wanted: object) -> JSON:
        """Wait for an event of which one row says this; return it."""
        return await self.when(lambda event: _says(event, wanted))

    async def when(self, holds: Callable[[JSON], bool]) -> JSON:
        """Wait for an event of which this holds; return it."""
        async with self._came:
            await self._came.wait_for(lambda: any(map(holds, self.events)))
        return next(filter(holds, self.events))

    async def _receive(self) -> Message:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _take(self, message: Message) -> None:
        for line in message.get("body", b"").splitlines():
            if line.startswith(b"data: "):
                self.events.append(json.loads(line[6:]))
        async with self._came:
            self._came.notify_all()


def _says(event: JSON, wanted: Mapping[str, object]) -> bool:
    rows = event["rows"] if "rows" in event else [event["row"]]
    return any(all({**row, **event}[name] == value for name, value in wanted.items()) for row in rows)


async def _never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def _scope(method: str, target: str, headers: Headers) -> JSON:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in {"host": HOST, **headers}.items()],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8000),
    }
