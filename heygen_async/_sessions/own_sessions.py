"""
Which sessions this client has, and what they tell of the service: whether it echoes exactly, whether its list lags.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from .. import _clock
from .._api import sessions as session_api
from .evidence import unless_failing, user_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._http.client import ApiClient
    from .evidence import Listing

_REMEMBERED = 3600.0  # seconds a session stays known as ours: longer than any create can take to be recovered
_SAMPLES = 20
_READ_FOR_ECHO = 3


class OwnSessions:
    """
    Which sessions this client has: they are not taken for those of lost creates, and tell how the service behaves.

    Attributes:
        adopters: The keys of creates that took over a session instead of getting it as their answer.
    """

    __slots__ = ("_created", "_exact", "_owned", "_prompts", "adopters")

    def __init__(self) -> None:
        self.adopters: dict[str, str | None] = {}
        self._owned: dict[str, float] = {}
        self._created: dict[str, tuple[float, float]] = {}
        self._prompts: dict[str, str] = {}
        self._exact: bool | None = None

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._owned

    def add(self, session_id: str) -> None:
        """Take a session as this client's."""
        now = _clock.wall()
        self._owned[session_id] = now
        for old, since in list(islice(self._owned.items(), 2)):
            if since < now - _REMEMBERED:
                del self._owned[old]
                self.adopters.pop(old, None)

    def record_create(self, session_id: str, prompt: str, created_at: float, *, is_listed: bool) -> None:
        """Take what the service answered to a create: what its list and its messages show can be held against it."""
        self.add(session_id)
        if is_listed and created_at:
            self._created[session_id] = created_at, _clock.now()
            for old in list(self._created)[:-_SAMPLES]:
                del self._created[old]
        self._prompts[session_id] = prompt
        for old in list(self._prompts)[:-_SAMPLES]:
            del self._prompts[old]

    def lag(self, listing: Listing) -> float:
        """Return for how long at least a session of ours has been missing from the list; 0 when none is."""
        now = _clock.now()
        created = {one: at for one, (at, known) in self._created.items() if now - known < _REMEMBERED}
        return max((now - self._created[one][1] for one in listing.missing(created)), default=0.0)

    def record_echo(self, sent: str, shown: Sequence[str]) -> None:
        """Take how the service shows a prompt of ours."""
        if texts := [text for text in shown if text.strip()]:
            self._exact = sent in texts and self._exact is not False

    async def echoes_exactly(self, api: ApiClient) -> bool:
        """Whether the service shows the prompts of our own sessions to the letter; reads one if need be."""
        for session_id, prompt in list(self._prompts.items())[::-1][:_READ_FOR_ECHO]:
            if self._exact is not None:
                break
            answer = await unless_failing(api.call(session_api.session(session_id)))
            if answer is not None:
                self.record_echo(prompt, user_texts(answer.data.messages))
        return self._exact is True
