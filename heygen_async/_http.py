"""
The seam under the client: what it asks of whatever carries its requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from ._wire import Request


class Answer(Protocol):
    """What a transport returns: header names are looked up in lower case."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class Download(Protocol):
    """An answer whose body is still coming."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def chunks(self) -> AsyncIterator[bytes]: ...


class Transport(Protocol):
    """
    The seam under the client: `HeyGen(http=...)` takes one in place of an aiohttp session.

    Its errors are `TransportError`s, whose kind says whether the request can have been processed.
    """

    async def send(self, request: Request) -> Answer:
        """
        Exchange one request for its whole answer.

        Raises:
            TransportError: There is none.
        """
        ...

    def stream(self, request: Request) -> AbstractAsyncContextManager[Download]:
        """
        Open an answer whose body is read as it comes.

        Raises:
            TransportError: There is none.
        """
        ...

    async def aclose(self) -> None:
        """Let go of all connections."""
        ...
