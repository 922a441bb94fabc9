"""
What an engine must do to carry a backplane: pass messages on, and lend names for a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager


class BackplaneConnection(Protocol):
    """
    A connection to an engine, of one client.

    Each call may be cancelled. Messages are never repeated; they may be lost only together with the connection.
    """

    async def publish(self, message: bytes, /) -> None:
        """
        Pass a message on to all that are connected to the channel, this connection too.

        Args:
            message: Bytes, mostly a few thousand; a thousand sessions at once may make it some megabytes.

        Raises:
            Exception: Whatever the engine's library raises: the client connects again.
        """
        ...

    async def receive(self) -> bytes:
        """
        Wait for the next message.

        Raises:
            Exception: Whatever the engine's library raises: the client connects again.
        """
        ...

    async def acquire(self, names: Sequence[str], owner: str, seconds: float, /) -> Sequence[int]:
        """
        Lend names that are free, and those that the owner has already, to the owner.

        Args:
            names: Any number; none is only a question whether the engine is there.
            owner: Who asks.
            seconds: For how long from now.

        Returns:
            For each name 0 when another has it, else the number of the loan: greater than that of any loan of this
            name to another before, also after the engine has lost all it knew. The engine's time will do.

        Raises:
            Exception: Whatever the engine's library raises: the client connects again.
        """
        ...

    async def release(self, names: Sequence[str], owner: str, /) -> None:
        """
        Take back the names that the owner has.

        Args:
            names: What is not lent to the owner stays as it is.
            owner: Who gives them back.

        Raises:
            Exception: Whatever the engine's library raises: the client connects again.
        """
        ...


class BackplaneEngine(Protocol):
    """What a backplane connects to."""

    def connect(self, channel: str) -> AbstractAsyncContextManager[BackplaneConnection]:
        """Connect to a channel."""
        ...
