"""
What one process tells the others of its creates, and they it: what was made, and what is looked for.

A create whose answer was lost is one of several of the same prompt, maybe, in as many processes. Those that look for
theirs say so and wait for those that may still be answered. Of identical ones each takes any session that nobody has,
and the engine gives each session to one.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

from .. import _clock
from .._polling.planner import SharedCreates
from ._messages import Ownership, Pending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._link import BackplaneLink
    from ._messages import Item

_OWNED = 10_000  # sessions, more than are made while a create is recovered
_RECENT = 60.0  # seconds for which a session is told to processes that come
_VALID = 120.0  # seconds after which a process that says no more has ended: no answer takes longer


class Announcer(Protocol):
    """What sends to the others: see `PollSharing`."""

    owner: str
    is_away: bool | None

    def announce(self, item: Item) -> None:
        """Send an item."""
        ...


class CreateSharing(SharedCreates):
    """
    The creates of one client among those of others.

    Args:
        announcer: Sends to the others.
        link: Asks the engine.
    """

    def __init__(self, announcer: Announcer, link: BackplaneLink) -> None:
        self._announcer = announcer
        self._link = link
        self._made: dict[str, float] = {}
        self._ours: dict[str, Pending] = {}
        self._elsewhere: dict[str, None] = {}
        self._pending: dict[tuple[str, bytes], tuple[float, Pending]] = {}

    # -- from recovery --

    def listen(self) -> None:
        """Hear from now on which sessions the others make."""
        self._link.wake()

    def announce_made(self, session_id: str) -> None:
        """Have the others not take a session of this process for one of theirs."""
        now = _clock.now()
        self._made = {made: at for made, at in self._made.items() if now - at <= _RECENT}
        self._made[session_id] = now
        self._announcer.announce(Ownership(session_id))

    def is_elsewhere(self, session_id: str) -> bool:
        """Whether another process has made a session."""
        return session_id in self._elsewhere

    def announce_pending(self, name: str, *, doubts: Sequence[bytes], under_way: int) -> None:
        """Give the others the digests of requests of one name that are in doubt here, and how many are under way."""
        pending = Pending(self._announcer.owner, _digest(name), tuple(doubts), under_way)
        if doubts or under_way:
            self._ours[name] = pending
        else:
            self._ours.pop(name, None)
        self._announcer.announce(pending)

    def doubts_elsewhere(self, name: str) -> Sequence[bytes]:
        """Return the digests of the requests of one name that are in doubt in other processes."""
        return [digest for pending in self._pending_of(name) for digest in pending.doubts]

    def is_under_way_elsewhere(self, name: str) -> bool:
        """Whether another process has sent a request of one name and has no answer yet."""
        return any(pending.under_way for pending in self._pending_of(name))

    def _pending_of(self, name: str) -> list[Pending]:
        if self._announcer.is_away:
            return []
        now, digest = _clock.now(), _digest(name)
        return [each for at, each in self._pending.values() if each.name == digest and now - at <= _VALID]

    async def claim(self, session_id: str) -> bool:
        """Whether this process may take a session that creates in doubt may have made: one of all may."""
        if self._announcer.is_away:
            return True
        is_ours = await self._link.claim(session_id)
        if is_ours is False:
            self.take_ownership(Ownership(session_id))
        return is_ours is True

    def recent(self) -> list[Item]:
        """Return what a process that has just come does not know yet."""
        return [*map(Ownership, self._made), *self._ours.values()]

    # -- from the others --

    def take_ownership(self, ownership: Ownership) -> None:
        """Remember that a session is another's."""
        self._elsewhere[ownership.session_id] = None
        if len(self._elsewhere) > _OWNED:
            del self._elsewhere[next(iter(self._elsewhere))]

    def take_pending(self, pending: Pending) -> None:
        """Remember what another process has not ended."""
        now = _clock.now()
        self._pending = {key: seen for key, seen in self._pending.items() if now - seen[0] <= _VALID}
        self._pending[pending.owner, pending.name] = now, pending


def _digest(name: str) -> bytes:
    """Return what stands for a prompt, which is nobody else's business."""
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
