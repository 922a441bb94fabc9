"""
What the groups of one client share, and how they read page after page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from .._api.calls import STATUS_IDS, segment
from .._files.upload import Uploads
from ..errors._arguments import list_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Sequence

    from .._api.calls import Call
    from .._http.client import ApiClient
    from .._polling.scheduler import PollScheduler

T = TypeVar("T")


class Core:
    """
    The parts of a client that every group uses.

    Attributes:
        api: Sends calls.
        scheduler: Polls for all watchers.
        uploads: What was uploaded for `files=`.
    """

    __slots__ = ("api", "scheduler", "uploads")

    def __init__(self, api: ApiClient, scheduler: PollScheduler) -> None:
        self.api: ApiClient = api
        self.scheduler: PollScheduler = scheduler
        self.uploads: Uploads = Uploads()

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
