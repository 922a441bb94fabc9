"""
Makes a session: what costs money, and happens once; or takes up one that was made before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import _clock
from .._http.writes import PendingWrite, run_shielded
from ..errors import ConnectionLost
from .create_recovery import CreateRecovery
from .session import Session

if TYPE_CHECKING:
    from datetime import datetime

    from .._api.calls import Call
    from .._http.writes import SendGuard
    from .._resources._context import Core
    from ..models import SessionData
    from .registry import SessionRegistry


class SessionFactory:
    """
    Makes the sessions of one client, and handles of those made elsewhere.

    Attributes:
        core: The client's parts.
        orphans: Sessions whose creator was cancelled meanwhile.
    """

    def __init__(self, registry: SessionRegistry) -> None:
        self.core: Core = registry.core
        self.orphans: list[Session] = []
        self._registry = registry
        self._recovery = CreateRecovery(registry.core.api)

    async def create(
        self,
        call: Call[SessionData],
        prompt: str,
        mode: str,
        *,
        begun_at: datetime | None = None,
        raise_rate_limit: bool = False,
        on_orphan: Callable[[Session], None] | None = None,
        send_guard: SendGuard | None = None,
    ) -> Session:
        """
        Make the session of a call; see `Sessions.create`.

        Args:
            call: What to send.
            prompt: Its prompt, by which the session is known again.
            mode: Its mode.
            begun_at: When an earlier process may have sent it.
            raise_rate_limit: Whether a 429 is raised at once.
            on_orphan: Also gets the session that a cancelled caller leaves behind.
            send_guard: Awaited right before each attempt, which is not made if it raises.
        """

        def keep(session: Session) -> None:
            self.orphans.append(session)
            if on_orphan is not None:
                on_orphan(session)

        api = self.core.api
        api.bind()
        write = PendingWrite(call, raise_rate_limit=raise_rate_limit, permit=send_guard)
        began = None if begun_at is None else begun_at.timestamp()
        return await run_shielded(
            write,
            self._create(write, prompt, mode, began),
            limit=api.timeouts.write,
            rescue=keep,
            rescues=api.rescues,
        )

    async def _create(
        self, write: PendingWrite[SessionData], prompt: str, mode: str, began: float | None
    ) -> Session:
        api = self.core.api
        with self._recovery.flight(prompt, write, began):
            data: SessionData | None = None
            if began is not None:
                data = await write.recall(ConnectionLost("An earlier process may have made this session."))
            if data is None:
                data = (await api.call(write.call, write=write)).data
            while key := self._recovery.swapped_key(data.session_id, write):
                write.call = replace(write.call, key=key)
                data = (await api.call(write.call, write=write)).data
            self._recovery.own(data.session_id)
        track = self._registry.tracker(data.session_id)
        track.mode = mode
        now = _clock.now()
        track.record_session(data, asked=now, now=now)
        return Session(self._registry, track)

    def attach(self, session_id: str) -> Session:
        """Return a handle of a session made elsewhere, which is no longer taken for one of a lost create."""
        self._recovery.own(session_id)
        return Session(self._registry, self._registry.tracker(session_id))

    def restore(self, ref: bytes | str, send_guard: SendGuard | None = None) -> Session:
        """Return the session of a ref; see `Sessions.restore`. Its messages are sent only if the guard allows."""
        track, cursor = self._registry.restore(ref)
        self._recovery.own(track.session_id)
        return Session(self._registry, track, cursor, send_guard)

    def resume(self, ref: bytes | str) -> Session:
        """
        Return the session of a ref to go on with by itself.

        Its last pause may have been answered by a process that ended before it could record that, and the service
        may show the pause for a while: answered twice, an approval is a revision that is paid for.
        """
        track, cursor = self._registry.restore(ref)
        self._recovery.own(track.session_id)
        track.doubt(since=_clock.now(), settle=self.core.api.timeouts.settle)
        return Session(self._registry, track, cursor)
