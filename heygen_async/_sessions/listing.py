"""
The account's newest sessions, as evidence: whether the list was read whole, and whether it lags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._api import sessions as session_api
from .evidence import unless_failing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .._http.client import ApiClient
    from ..models import Message, SessionSummary

PAGES = 5  # of a hundred
OLD_PAGES = 200  # when an earlier process began the create: more than a batch makes in a day


class Listing:
    """
    One reading of the list.

    Attributes:
        rows: The sessions, newest first.
        is_whole: Whether nothing that is newer than the moment asked for was left out.
    """

    __slots__ = ("is_whole", "rows")

    def __init__(self, rows: Sequence[SessionSummary], *, is_whole: bool) -> None:
        self.rows = rows
        self.is_whole = is_whole

    def missing(self, own: Mapping[str, float]) -> list[str]:
        """Return which of our sessions should be listed and are not; `own` says when the service made each."""
        listed = {row.session_id for row in self.rows}
        oldest = min((row.created_at for row in self.rows), default=float("inf"))
        return [one for one, made in own.items() if one not in listed and (self.is_whole or made > oldest)]


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
            return Listing(tuple(rows.values()), is_whole=not skipped)
        if token in tokens:
            break
        tokens.add(token)
    return Listing(tuple(rows.values()), is_whole=False)


def user_texts(messages: Sequence[Message]) -> list[str]:
    """Return the texts a session shows of its user, oldest first."""
    return [message.content for message in reversed(messages) if message.role == "user"]
