"""
What the groups of one client share, and the two ways they do many things: page after page, and side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from .._files.upload import Uploads

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from .._api.calls import Call
    from .._http.client import ApiClient
    from .._polling.scheduler import PollScheduler
    from .._polling.state import SessionTracker
    from .._sessions.create_recovery import CreateRecovery
    from .._sessions.session import Session
    from ..models import SessionState

T = TypeVar("T")


class Core:
    """
    The parts of a client.

    Attributes:
        tracks: What is known of each session somebody holds a handle or a watch of.
        heed: Told each state that is a transition; None when nobody asked.
        orphans: Sessions whose creator was cancelled meanwhile.
        takes_auto_proceed: Whether the service has not yet refused the field.
        uploads: What was uploaded for `files=`.
    """

    __slots__ = (
        "api",
        "heed",
        "orphans",
        "ownership",
        "scheduler",
        "takes_auto_proceed",
        "tracks",
        "uploads",
    )

    def __init__(
        self,
        api: ApiClient,
        scheduler: PollScheduler,
        ownership: CreateRecovery,
        heed: Callable[[SessionState], None] | None = None,
    ) -> None:
        self.api: ApiClient = api
        self.scheduler: PollScheduler = scheduler
        self.ownership: CreateRecovery = ownership
        self.heed: Callable[[SessionState], None] | None = heed
        self.tracks: WeakValueDictionary[str, SessionTracker] = WeakValueDictionary()
        self.orphans: list[Session] = []
        self.takes_auto_proceed: bool = True
        self.uploads: Uploads = Uploads()

    async def pages(self, page: Callable[[str | None], Call[tuple[T, ...]]]) -> AsyncIterator[T]:
        """Yield the items of all pages; ends also where the service repeats a token, or it would never end."""
        token: str | None = None
        told: set[str] = set()
        while True:
            envelope = await self.api.call(page(token))
            for item in envelope.data:
                yield item
            token = envelope.next_page
            if token is None or token in told:
                return
            told.add(token)
