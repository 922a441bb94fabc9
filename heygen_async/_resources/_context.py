"""
What the groups of one client share, how they read page after page, and what they give to values that can be downloaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, structs

from .._api.calls import STATUS_IDS, segment
from .._files.upload import Uploads
from ..errors import ClientStateError
from ..errors._arguments import list_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from .._api.calls import Call
    from .._http.client import ApiClient
    from .._polling.scheduler import PollScheduler

T = TypeVar("T")
S = TypeVar("S", bound=Struct)


class Core:
    """
    The parts of a client that every group uses.

    Attributes:
        api: Sends calls.
        scheduler: Polls for all watchers.
        uploads: What was uploaded for `files=`.
        takes_auto_proceed: Whether the service has not yet refused that field of a message.
    """

    def __init__(self, api: ApiClient, scheduler: PollScheduler) -> None:
        self.api: ApiClient = api
        self.scheduler: PollScheduler = scheduler
        self.uploads: Uploads = Uploads()
        self.takes_auto_proceed: bool = True

    async def read_statuses(
        self, name: str, ids: Iterable[str], call: Callable[[Sequence[str]], Call[tuple[T, ...]]]
    ) -> list[T]:
        """Return what a call says of any number of ids, of which it takes a hundred."""
        unique = list({segment(name, each): each for each in list_of(name, ids)}.values())
        calls = [call(unique[at : at + STATUS_IDS]) for at in range(0, len(unique), STATUS_IDS)]
        return [row for each in calls for row in (await self.api.call(each)).data]

    async def pages(self, page: Callable[[str | None], Call[tuple[T, ...]]]) -> AsyncIterator[T]:
        """Yield the items of all pages; ends also where the service repeats a token, or it would never end."""
        token: str | None = None
        seen: set[str] = set()
        while True:
            envelope = await self.api.call(page(token))
            for item in envelope.data:
                yield item
            token = envelope.next_page
            if token is None or token in seen:
                return
            seen.add(token)


class Group:
    """Calls of one resource, such as `heygen.videos`, and the client that makes them."""

    def __init__(self, core: Core) -> None:
        self._core = core


def bind(kind: type[S], info: Struct, core: Core, **context: str) -> S:
    """
    Return the values of `info` as a struct of another kind that knows its client.

    Args:
        kind: The struct; it must have a `__dict__`.
        info: The values.
        core: The client's parts.
        **context: What else it must know to be read again; kept under `_NAME`.
    """
    value = kind(**structs.asdict(info))
    # No fields: they are no part of the value, of its repr, its comparison or its pickle.
    structs.force_setattr(value, "_core", core)
    for name, text in context.items():
        structs.force_setattr(value, f"_{name}", text)
    return value


def core_of(value: Struct, reread: str) -> Core:
    """
    Return the client's parts.

    Args:
        value: A value that was bound.
        reread: How to get one that has a client.

    Raises:
        ClientStateError: It has none: it was unpickled.
    """
    core: Core | None = value.__dict__.get("_core")
    if core is None:
        raise ClientStateError(f"This {type(value).__name__.lower()} has no client.", hint=reread)
    return core
