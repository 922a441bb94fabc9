"""
The task that keeps a process among the others: sends, receives, renews leases, and comes back after an outage.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Protocol, cast

import anyio

from .. import _clock, _concurrency
from .._redact import clean
from ._messages import Release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._engine import BackplaneConnection, BackplaneEngine
    from ._messages import Item, Sealer

_TICK = 1.0  # seconds between two signs that the engine is there
_LONGEST = 1.0  # seconds for one answer of the engine
_RENEWALS = 4  # in the time of one lease
_CLAIMED = 600.0  # seconds a session is kept for the one process that takes it
_FIRST_RETRY = 0.25  # seconds, doubled each time
_LONGEST_RETRY = 5.0


class BackplanePeer(Protocol):
    """
    What one process has to say, and what it does with what it hears.

    Attributes:
        sealer: Names and seals of the account.
        owner: What the process is called.
        lease: Seconds it holds a session without saying so again.
        released: Sessions whose leases are to be given up, and to whom; to anybody where that is empty.
        greeted_at: When the others have had their time to answer.
    """

    sealer: Sealer
    owner: str
    lease: float
    released: dict[str, str]
    greeted_at: float

    def join(self) -> None:
        """Begin."""
        ...

    def leave(self, reason: str) -> None:
        """Go on alone until the engine is back."""
        ...

    def take(self, payload: bytes) -> None:
        """Take what came."""
        ...

    def next_message(self, now: float) -> bytes | None:
        """Return what is to be sent next; None when there is nothing."""
        ...

    @property
    def is_echo_missing(self) -> bool:
        """Whether a message that was sent has not come back."""
        ...

    def announce(self, item: Item) -> None:
        """Have an item sent."""
        ...

    def wanted(self) -> Sequence[str]:
        """Return the sessions whose leases the process keeps or would take."""
        ...

    def record_leases(self, session_ids: Sequence[str], generations: Sequence[int], until: float) -> None:
        """Record which leases it has got."""
        ...


class BackplaneLink:
    """
    Keeps one client connected, from the first call to `wake` to the end.

    Args:
        engine: Where the processes meet.
        sharing: Says what to send, and takes what comes.
    """

    def __init__(self, engine: BackplaneEngine, sharing: BackplanePeer) -> None:
        self._engine = engine
        self._sharing = sharing
        self._alarm = _concurrency.Alarm()
        self._renew_at = self._ask_at = 0.0
        self._is_closing = self._is_connected = False
        self._runner: asyncio.Task[None] | None = None
        self._claims: list[tuple[str, asyncio.Future[bool]]] = []

    def wake(self) -> None:
        """Have the outbox sent."""
        self._alarm.ring()
        if self._runner is None and not self._is_closing:
            # In a context of its own, as the polls: it is no part of the first caller's request.
            self._runner = asyncio.Task(
                self._run(),
                loop=asyncio.get_running_loop(),
                name="heygen_async backplane",
                context=contextvars.Context(),
            )

    def acquire_now(self) -> None:
        """Ask for leases at once: a session is new, or has lost its holder."""
        self._renew_at = 0.0
        self.wake()

    async def claim(self, session_id: str) -> bool | None:
        """Whether this process gets a session that several may take; None when the engine does not say."""
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._claims.append((session_id, answer))
        self.wake()
        with anyio.move_on_after(2 * _LONGEST):
            return await answer
        return None

    async def aclose(self) -> None:
        """Send what is to be sent, give up the leases and end."""
        self._is_closing = True
        self._alarm.ring()
        if self._runner is not None:
            if self._is_connected:
                await asyncio.wait((self._runner,), timeout=2 * _LONGEST)
            self._runner.cancel()
            await asyncio.wait((self._runner,))

    # -- the task --

    async def _run(self) -> None:
        pause = _FIRST_RETRY
        while not self._is_closing:
            joined_at = _clock.now()
            try:
                await self._stay_connected()
            except Exception as error:  # noqa: BLE001 - whatever is wrong with it: it must not end the polls
                self._sharing.leave(_reason(error))
            if _clock.now() - joined_at > _LONGEST_RETRY:
                pause = _FIRST_RETRY
            self._is_connected = False
            if not self._is_closing:
                await _clock.sleep(pause)
            pause = min(2 * pause, _LONGEST_RETRY)

    async def _stay_connected(self) -> None:
        async with self._engine.connect(self._sharing.sealer.channel) as connection:
            self._sharing.join()
            self._is_connected, self._renew_at = True, 0.0
            async with anyio.create_task_group() as group:
                group.start_soon(self._receive, connection)
                await self._serve(connection)
                group.cancel_scope.cancel()

    async def _receive(self, connection: BackplaneConnection) -> None:
        while True:
            self._sharing.take(await connection.receive())

    async def _serve(self, connection: BackplaneConnection) -> None:
        """Send, give up and renew, until the client is closed."""
        sent_at = _clock.now()
        while True:
            while (payload := self._sharing.next_message(_clock.now())) is not None:
                sent_at = _clock.now()
                with anyio.fail_after(_LONGEST):
                    await connection.publish(payload)
            if self._sharing.released:
                await self._release(connection)
                continue  # the others are to know at once
            if self._claims:
                await self._ask_for_claims(connection)
            if self._is_closing:
                return
            await self._renew(connection)
            now = _clock.now()
            greeted_at = self._sharing.greeted_at
            await self._alarm.wait(greeted_at if now < greeted_at else min(self._renew_at, self._ask_at))
            if self._sharing.is_echo_missing and _clock.now() - sent_at > 3 * _LONGEST:
                raise TimeoutError("what was sent did not come back")

    async def _release(self, connection: BackplaneConnection) -> None:
        released, self._sharing.released = self._sharing.released, {}
        names = [self._sharing.sealer.name(session_id) for session_id in released]
        with anyio.fail_after(_LONGEST):
            await connection.release(names, self._sharing.owner)
        for heir in set(released.values()):
            session_ids = (session_id for session_id, its_heir in released.items() if its_heir == heir)
            self._sharing.announce(Release(heir, tuple(session_ids)))

    async def _ask_for_claims(self, connection: BackplaneConnection) -> None:
        claims, self._claims = self._claims, []
        names = [self._sharing.sealer.name(f"create {session_id}") for session_id, _ in claims]
        with anyio.fail_after(_LONGEST):
            generations = await connection.acquire(names, self._sharing.owner, _CLAIMED)
        for (_, answer), generation in zip(claims, generations, strict=True):
            if not answer.done():
                answer.set_result(bool(generation))

    async def _renew(self, connection: BackplaneConnection) -> None:
        """Renew the leases when that is due; in between an empty request shows that the engine is there."""
        asked = _clock.now()
        if asked < min(self._renew_at, self._ask_at):
            return
        self._ask_at = asked + _TICK
        wanted: Sequence[str] = ()
        if asked >= self._renew_at:
            wanted = self._sharing.wanted()
            self._renew_at = asked + self._sharing.lease / _RENEWALS
        names = [self._sharing.sealer.name(session_id) for session_id in wanted]
        with anyio.fail_after(_LONGEST):
            generations = await connection.acquire(names, self._sharing.owner, self._sharing.lease)
        self._sharing.record_leases(wanted, generations, asked + self._sharing.lease)


def _reason(error: Exception) -> str:
    cause: Exception = error
    while isinstance(cause, ExceptionGroup):
        cause = cast("ExceptionGroup[Exception]", cause).exceptions[0]
    return clean(f"{type(cause).__name__}: {cause}")
