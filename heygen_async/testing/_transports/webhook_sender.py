"""Carries a simulator's webhooks: to a function of yours, or over a socket to a program on this machine."""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import logging
import math
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import SplitResult, urlsplit

import anyio

from .memory import wall_time

if TYPE_CHECKING:
    from .._service.webhook_queue import Notice
    from .._simulator import Simulator

log = logging.getLogger("heygen_async.testing")

Receiver = Callable[["Notice"], Awaitable["int | None"] | int | None]

PATIENCE = 10.0
PROBE_PATIENCE = 1.0
_LONGEST_LINE = 4096


class WebhookSender:
    """
    Delivers the webhooks of a simulator for as long as its block runs, in virtual time as in real time.

    `SimulatorServer` has one of its own, which posts to http addresses on this machine.
    """

    def __init__(self, simulator: Simulator, receiver: Receiver) -> None:
        """
        Prepare; nothing is delivered before the block is entered.

        Args:
            simulator: Whose webhooks.
            receiver: Called with each `Notice`, sync or async, whatever its address; returns the HTTP status of its
                answer, None for 200. What it raises counts as 500.
        """
        self._simulator = simulator
        self._receiver = receiver
        self._called = anyio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._simulator.listeners.append(self._call)
        self._task = asyncio.get_running_loop().create_task(self._work(), name="heygen_async postman")
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop delivering; twice is the same as once."""
        if self._task is not None:
            task, self._task = self._task, None
            self._simulator.listeners.remove(self._call)
            task.cancel()
            await asyncio.wait([task])

    def _call(self) -> None:
        self._called.set()

    async def _work(self) -> None:
        async with anyio.create_task_group() as group:
            while True:
                self._called = anyio.Event()
                for notice in self._simulator.notices(wall_time()):
                    group.start_soon(self._deliver, notice)
                wait = self._simulator.next_notice() - wall_time()
                with anyio.move_on_after(None if wait == math.inf else max(wait, 0.0)):
                    await self._called.wait()

    async def _deliver(self, notice: Notice) -> None:
        try:
            answer = self._receiver(notice)
            status = await answer if inspect.isawaitable(answer) else answer
        except Exception:
            log.exception("The receiver of a webhook failed")
            status = 500
        self._simulator.answered(notice, 200 if status is None else status, wall_time())
        self._call()


# ---- over a socket ------------------------------------------------------------------------------------------------


async def post(notice: Notice) -> int:
    """Post a notice and return the status of the answer; 0 for none, and for an address that is not on this machine."""
    return await _ask("POST", notice.url, dict(notice.headers), notice.body, PATIENCE)


async def probe(url: str) -> bool | None:
    """Return whether an address answers OPTIONS and GET at once; None for one that is not on this machine."""
    if not _is_here(urlsplit(url)):
        return None
    answers = [await _ask(method, url, {}, b"", PROBE_PATIENCE) for method in ("OPTIONS", "GET")]
    return all(200 <= status < 300 for status in answers)


async def _ask(method: str, url: str, headers: dict[str, str], body: bytes, patience: float) -> int:
    parts = urlsplit(url)
    if not _is_here(parts):
        return 0
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    sent = {"host": parts.netloc, **headers, "content-length": str(len(body)), "connection": "close"}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
    with anyio.move_on_after(patience):
        return await _spoken(parts, "\r\n".join(lines).encode() + body)
    return 0


async def _spoken(parts: SplitResult, request: bytes) -> int:
    """Send and read the status line; nothing else of an answer matters."""
    answer = b""
    try:
        async with await anyio.connect_tcp(parts.hostname or "", parts.port or 80) as stream:
            await stream.send(request)
            while b"\r\n" not in answer and len(answer) < _LONGEST_LINE:
                answer += await stream.receive(_LONGEST_LINE)
        return int(answer.split(b" ", 2)[1])
    except (OSError, ValueError, IndexError, anyio.EndOfStream, anyio.BrokenResourceError):
        return 0


def _is_here(parts: SplitResult) -> bool:
    """Whether it is plain http to this machine: a simulator has no business anywhere else."""
    name = parts.hostname or ""
    if parts.scheme != "http":
        return False
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
