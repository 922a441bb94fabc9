"""
A session as bytes: what another process needs to go on with it, and nothing that must stay secret.

Messages and addresses are left out (they are read again); fingerprints of the messages already delivered keep them
from being told twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, structs

from .._api.calls import segment
from .._redact import clean
from ..errors import InvalidArgument
from ..models import SessionState
from .state import SessionTracker, StaleGuard

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION = 1


class _Ref(Struct, frozen=True, kw_only=True, omit_defaults=True):
    v: int
    session_id: str
    mode: str | None = None
    video_id: str | None = None
    state: SessionState | None = None
    seen: tuple[str, ...] = ()
    settle: float | None = None  # the guard's, if there is one
    said: str = ""
    since_said: int = 0  # how many of `seen` came after the message
    revised: str | None = None


_DECODER = msgspec.json.Decoder(_Ref)


def write(track: SessionTracker, cursor: int) -> bytes:
    """Return the session as plain JSON; messages up to the cursor count as delivered."""
    state = track.state
    if state is not None:
        reason = state.failure_reason
        state = structs.replace(
            state,
            messages=(),
            new_messages=(),
            failure_reason=None if reason is None else clean(reason),
        )
    settle, said, since_said = _doubted(track.guard, cursor)
    ref = _Ref(
        v=_VERSION,
        session_id=track.session_id,
        mode=track.mode,
        video_id=track.video_id,
        state=state,
        seen=tuple(track.conversation.fingerprints(cursor)),
        settle=settle,
        said=said,
        since_said=since_said,
        revised=track.revised,
    )
    return msgspec.json.encode(ref)


def _doubted(guard: StaleGuard | None, cursor: int) -> tuple[float | None, str, int]:
    if guard is None:
        return None, "", 0
    if cursor < guard.cursor:
        return guard.settle, "", 0  # what came before the message might later count as its answer
    return guard.settle, guard.said, cursor - guard.cursor


def read(ref: bytes | str, known: Mapping[str, SessionTracker]) -> tuple[SessionTracker, int]:
    """
    Return the track a ref names, the known one if there is one, and the cursor of what was delivered.

    Whoever wrote the ref may have gone on with the session: what is known here is read again before it counts.

    Raises:
        InvalidArgument: These are not the bytes of a ref, or those of a later version.
    """
    try:
        told = _DECODER.decode(ref)
    except (msgspec.DecodeError, ValueError, RecursionError, TypeError) as error:
        raise InvalidArgument("ref", f"is not what Session.ref() returned: {clean(str(error))}") from error
    if told.v != _VERSION:
        raise InvalidArgument("ref", f"has version {told.v}; this release reads version {_VERSION}")
    segment("ref", told.session_id)
    track = known.get(told.session_id) or SessionTracker(told.session_id, told.mode, told.video_id)
    track.mode = track.mode or told.mode
    track.state = track.state or told.state
    cursor = track.conversation.recall(told.seen)
    track.read_at = None
    if track.conversation.cursor == cursor:  # else more is known here than when the ref was written
        _doubt(track, told, cursor)
    return track, cursor


def _doubt(track: SessionTracker, told: _Ref, cursor: int) -> None:
    track.revised = track.revised or told.revised
    if told.settle is not None and track.guard is None:
        status = None if told.state is None else told.state.status
        track.guard = StaleGuard(None, told.settle, told.said, status, max(cursor - told.since_said, 0))
