"""
A session as bytes: what another process needs to go on with it, and nothing that must stay secret.

Messages and addresses are left out (they are read again); fingerprints of the messages already delivered keep them
from being delivered twice.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypedDict

import msgspec
from msgspec import Struct, structs

from .._api.calls import segment
from .._redact import clean
from ..errors import InvalidArgument
from ..models import SessionState
from .staleness import StaleGuard
from .state import SessionTracker

_VERSION = 1
_TRACEPARENT = 55  # characters of one; whether these are one decides who reads them


class _Ref(Struct, frozen=True, kw_only=True, omit_defaults=True):
    v: int
    session_id: str
    mode: str | None = None
    video_id: str | None = None
    state: SessionState | None = None
    seen: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()  # of `seen`, what the service does not show any more
    unread: tuple[str, ...] = ()  # what it shows besides
    newest_at: int = 0  # the time of its newest message
    guard: StaleGuard | None = None
    revised: str | None = None
    traceparent: str | None = None


def write(track: SessionTracker, cursor: int) -> bytes:
    """Return the session as plain JSON; messages up to the cursor count as delivered."""
    state = track.state
    if state is not None:
        reason = None if state.failure_reason is None else clean(state.failure_reason)
        state = structs.replace(state, messages=(), new_messages=(), failure_reason=reason)
    seen, shown = track.conversation.fingerprints(cursor), track.conversation.shown
    ref = _Ref(
        v=_VERSION,
        session_id=track.session_id,
        mode=track.mode,
        video_id=track.video_id,
        state=state,
        seen=tuple(seen),
        gone=tuple(mark for mark in seen if mark not in shown),
        unread=tuple(mark for mark in shown if mark not in seen),
        newest_at=track.conversation.newest_at,
        guard=None if track.guard is None else track.guard.without_words(),
        revised=track.revised,
        traceparent=track.traceparent,
    )
    return msgspec.json.encode(ref)


class SessionFacts(TypedDict):
    """What every `SessionError` says of its session."""

    session_id: str
    last_state: SessionState | None
    ref: bytes


def facts(track: SessionTracker, cursor: int) -> SessionFacts:
    """Return what an error about a session says of it."""
    return {"session_id": track.session_id, "last_state": track.state, "ref": write(track, cursor)}


FindTracker = Callable[[str], SessionTracker | None]


def read(ref: bytes | str, find: FindTracker = lambda _: None) -> tuple[SessionTracker, int]:
    """
    Return the track a ref names, the known one if there is one, and the cursor of what was delivered.

    Whoever wrote the ref may have gone on with the session: what is known here is read again before it counts.

    Raises:
        InvalidArgument: These are not the bytes of a ref, or those of a later version.
    """
    try:
        found = msgspec.json.decode(ref, type=_Ref)
    except (msgspec.DecodeError, ValueError, RecursionError, TypeError) as error:
        raise InvalidArgument("ref", f"is not what Session.ref() returned: {clean(str(error))}") from error
    if found.v != _VERSION:
        raise InvalidArgument("ref", f"has version {found.v}; this release reads version {_VERSION}")
    segment("ref", found.session_id)
    track = find(found.session_id) or SessionTracker(found.session_id, found.mode, found.video_id)
    track.mode = track.mode or found.mode
    track.state = track.state or found.state
    track.traceparent = track.traceparent or (found.traceparent or "")[:_TRACEPARENT] or None
    shown = [mark for mark in found.seen if mark not in found.gone]
    cursor = track.conversation.recall(found.seen, (*shown, *found.unread), found.newest_at)
    track.read_at = None
    if track.conversation.cursor == cursor:  # else more is known here than when the ref was written
        track.revised = track.revised or found.revised
        track.guard = track.guard or found.guard
    return track, cursor


class Tracing:
    """Where work on sessions is told apart for traces; does nothing: `heygen_async.otel` has one that does."""

    def create(self) -> AbstractContextManager[object]:
        """Trace a create until it has ended; within it, `join` says which session it has made."""
        return nullcontext()

    def join(self, session_id: str) -> None:
        """Have the running task work for a session from here on."""

    def record_video(self, tracker: SessionTracker) -> None:
        """Record that the video of a session can be downloaded, and was asked for."""

    def record_batch(self, batch: object) -> None:
        """Record a batch that begins."""
