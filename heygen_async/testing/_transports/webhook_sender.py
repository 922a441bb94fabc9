"""Delivers a simulator's webhooks: to a function of yours, or over a socket to a program on this machine."""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import anyio

from ...errors._arguments import check_callable, check_type
from .._simulator import Simulator
from .memory import wall_time

if TYPE_CHECKING:
    from .._service.webhook_queue import Notice

log = logging.getLogger("heygen_async.testing")

Receiver = Callable[["Notice"], Awaitable["int | None"] | int | None]

POST_SECONDS = 10.0
PROBE_SECONDS = 1.0


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

        Raises:
            InvalidArgument: One of them is not what it should be.
        """
        check_type(Simulator, "a simulator", simulator=simulator)
        check_callable(receiver=receiver)
        self._simulator = simulator
        self._receiver = receiver
        self._woken = anyio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._simulator.listeners.append(self._wake)
        self._task = asyncio.get_running_loop().create_task(self._run(), name="heygen_async webhook sender")
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
            self._simulator.listeners.remove(self._wake)
            task.cancel()
            await asyncio.wait([task])

    def _wake(self) -> None:
        self._woken.set()

    async def _run(self) -> None:
        async with anyio.create_task_group() as group:
            while True:
                self._woken = anyio.Event()
                for notice in self._simulator.notices(wall_time()):
                    group.start_soon(self._deliver, notice)
                wait = self._simulator.next_notice() - wall_time()
                with anyio.move_on_after(None if wait == math.inf else max(wait, 0.0)):
                    await self._woken.wait()

    async def _deliver(self, notice: Notice) -> None:
        try:
            answer = self._receiver(notice)
            status = await answer if inspect.isawaitable(answer) else answer
        except Exception:
            log.exception("The receiver of a webhook failed")
            status = 500
        self._simulator.record_answer(notice, 200 if status is None else status, wall_time())
        self._wake()


async def post(notice: Notice) -> int:
    """Post a notice and return the status of the answer; 0 for none, and for an address that is not on this machine."""
    return await _request("POST", notice.url, notice.headers, notice.body, POST_SECONDS)


async def probe(url: str) -> bool | None:
    """Return whether an address answers OPTIONS and GET at once; None for one that is not on this machine."""
    if not _is_local(url):
        return None
    answers = [await _request(method, url, {}, None, PROBE_SECONDS) for method in ("OPTIONS", "GET")]
    return all(200 <= status < 300 for status in answers)


async def _request(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, seconds: float
) -> int:
    if not _is_local(url):
        return 0
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=seconds)) as session,
            session.request(method, url, headers=headers, data=body, allow_redirects=False) as answer,
        ):
            return answer.status
    except (OSError, TimeoutError, ValueError, aiohttp.ClientError):
        return 0


def _is_local(url: str) -> bool:
    """Whether it is plain http to this machine: a simulator posts nowhere else."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    if parts.scheme != "http":
        return False
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
