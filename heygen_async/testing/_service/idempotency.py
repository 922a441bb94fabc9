"""Replays of the first answer to an `Idempotency-Key`."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...errors import InvalidArgument
from .._http import HttpResponse, Refusal, invalid

if TYPE_CHECKING:
    from .state import Idempotency

AGENT_POSTS: Final = frozenset({"create", "send", "stop"})
REPLAY_SECONDS = 24 * 3600.0
_KEY = re.compile(r"[A-Za-z0-9_\-:.]{1,255}")

Scope = tuple[str, str, str]


@dataclass(slots=True)
class _Entry:
    response: HttpResponse
    answered_at: float
    born_at: float


class Replays:
    """
    The first answers of the last 24 hours.

    Whether the service replays refusals is not documented; here it does not, so that a key refused for want of room can
    be tried again.
    """

    def __init__(self) -> None:
        self._entries: dict[Scope, _Entry] = {}

    def find(self, scope: Scope, now: float) -> HttpResponse | None:
        """
        Return the answer to give again, or None for a key not seen before.

        Raises:
            Refusal: The first request with this key is still being worked on.
        """
        entry = self._entries.get(scope)
        if entry is None or now - entry.born_at >= REPLAY_SECONDS:
            return None
        if now < entry.answered_at:
            message = "The first request with this key is still running."
            raise Refusal(409, "request_in_progress", message, headers={"retry-after": "1"})
        return entry.response

    def keep(self, scope: Scope, response: HttpResponse, now: float) -> None:
        """Remember a first answer."""
        self._entries[scope] = _Entry(response, now, now)

    def hold(self, scope: Scope, now: float, delay: float) -> None:
        """Treat the request as in flight for `delay` seconds, if its answer is the first."""
        entry = self._entries.get(scope)
        if entry is not None and entry.born_at == now:
            entry.answered_at = now + delay


def check_idempotency(which: Idempotency) -> Idempotency:
    """
    Check which Video Agent calls honour keys.

    Raises:
        InvalidArgument: It is neither a word known here nor a set of those calls.
    """
    if which not in ("honoured", "ignored") and not (isinstance(which, AbstractSet) and which <= AGENT_POSTS):
        names = ", ".join(sorted(AGENT_POSTS))
        raise InvalidArgument(
            "idempotency", f"must be 'honoured', 'ignored', or a set of: {names}; not {which!r}"
        )
    return which


def check_key(key: str) -> None:
    """
    Check the form of a key.

    Raises:
        Refusal: It is not 1 to 255 of the allowed characters.
    """
    if _KEY.fullmatch(key) is None:
        raise invalid("Idempotency-Key", "The key must be 1 to 255 of A-Z a-z 0-9 _ - : .")
