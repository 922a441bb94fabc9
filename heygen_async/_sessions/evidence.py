"""
What recoveries of creates and sends read: how often, how long, and the account's newest sessions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from .._api import sessions as session_api
from .._http.retry import Delivery, delivery, waits
from ..errors import HeyGenError, NotFound

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Mapping, Sequence

    from .._http.client import ApiClient
    from ..models import Message, SessionSummary

T = TypeVar("T")

SKEW: Final = 330.0  # seconds the service's clock may be off from ours, where its answers do not tell
PATIENCE_TIMES: Final = 3  # times the settle time for what is there and cannot be read
LAG_TIMES: Final = 3  # an absence counts after so many times the lag that reads have shown
SHORTEST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 4.0

PAGES: Final = 5  # of a hundred
OLD_PAGES: Final = 200  # when an earlier process began the create: more than a batch makes in a day


def read_pauses() -> Iterator[float]:
    """Yield the seconds between two reads."""
    return waits(SHORTEST_WAIT, _LONGEST_WAIT)


async def unless_failing(asking: Awaitable[T]) -> T | None:
    """Return the answer; None when there is none now that may be there soon."""
    try:
        return await asking
    except HeyGenError as error:
        if delivery(error) is Delivery.FINAL and not isinstance(error, NotFound):
            raise
        return None


def user_texts(messages: Sequence[Message]) -> list[str]:
    """Return the texts a session shows of its user, oldest first."""
    return [message.content for message in reversed(messages) if message.role == "user"]


@dataclass(frozen=True, slots=True)
class Listing:
    """
    One reading of the list of sessions.

    Attributes:
        rows: The sessions by id, newest first.
        is_whole: Whether nothing that is newer than the moment asked for was left out.
    """

    rows: Mapping[str, SessionSummary]
    is_whole: bool

    def missing(self, own: Mapping[str, float]) -> list[str]:
        """Return which of our sessions should be listed and are not; `own` says when the service made each."""
        oldest = min((row.created_at for row in self.rows.values()), default=float("inf"))
        return [one for one, at in own.items() if one not in self.rows and (self.is_whole or at > oldest)]


async def read_listing(api: ApiClient, since: float, *, pages: int = PAGES) -> Listing | None:
    """Read the sessions made since a moment of the service's time; None while the list cannot be read."""
    rows: dict[str, SessionSummary] = {}
    skipped = 0  # a row that cannot be read may be the one that is searched for
    token: str | None = None
    tokens: set[str] = set()
    for _ in range(pages):
        page = await unless_failing(api.call(session_api.sessions(limit=100, token=token)))
        if page is None:
            return None
        rows |= {row.session_id: row for row in page.data}
        skipped += page.skipped
        token = page.next_page
        if token is None or any(row.created_at < since for row in page.data):
            return Listing(rows, is_whole=not skipped)
        if token in tokens:
            break
        tokens.add(token)
    return Listing(rows, is_whole=False)
