"""Faults that change a session for good."""

from __future__ import annotations

from .._scenario import CREDIT_CODE
from .._service.echo import ECHOES
from .._service.timeline import SessionSnapshot, SimulatedMessage, SimulatedSession, StaleReads
from .registry import Params, number, session

_CREATE = frozenset({"create"})
_READ = frozenset({"get"})
_SEND = frozenset({"send"})
_CREATE_OR_READ = frozenset({"create", "get"})


@session("stale_status", on=_SEND)
def show_old_status(
    target: SimulatedSession, params: Params, before: SessionSnapshot | None, now: float
) -> bool:
    """For `polls` (2) reads after a send the old state shows."""
    if before is None:
        return False
    target.faults.stale = StaleReads(before, now, int(number(params, "polls", 2)))
    return True


@session("stale_reads", on=_SEND)
def show_old_session(
    target: SimulatedSession, params: Params, _before: SessionSnapshot | None, _now: float
) -> bool:
    """For `seconds` (20) after each send reads show the session as it was before it, without the message."""
    changed = target.faults.lag_after_message == 0
    target.faults.lag_after_message = number(params, "seconds", 20.0)
    return changed


@session("replicas", on=_CREATE_OR_READ)
def alternate_replicas(
    target: SimulatedSession, params: Params, _before: SessionSnapshot | None, _now: float
) -> bool:
    """Every other read comes from a replica that is `seconds` (30) behind."""
    changed = target.faults.replica_lag == 0
    target.faults.replica_lag = number(params, "seconds", 30.0)
    return changed


@session("list_lags", on=_CREATE)
def list_late(target: SimulatedSession, params: Params, _before: SessionSnapshot | None, _now: float) -> bool:
    """The session is missing from the list for `seconds` (20)."""
    target.faults.listed_after = number(params, "seconds", 20.0)
    return True


@session("unlisted", on=_CREATE, survivable=False)
def never_list(
    target: SimulatedSession, _params: Params, _before: SessionSnapshot | None, _now: float
) -> bool:
    """The session never appears in the list."""
    target.faults.listed_after = float("inf")
    return True


@session("altered_echo", on=_CREATE)
def alter_echo(
    target: SimulatedSession, params: Params, _before: SessionSnapshot | None, _now: float
) -> bool:
    """
    The caller's words come back changed; `how` (line_ends): see the list of echoes.

    Raises:
        ValueError: There is no such way.
    """
    how = str(params.get("how", "line_ends"))
    if how not in ECHOES:
        message = f"There is no echo {how!r}. Known: {', '.join(ECHOES)}."
        raise ValueError(message)
    target.faults.echo = how
    return True


@session("no_messages", on=_CREATE)
def hide_messages(
    target: SimulatedSession, _params: Params, _before: SessionSnapshot | None, _now: float
) -> bool:
    """The session never shows a message."""
    changed = not target.faults.hides_messages
    target.faults.hides_messages = True
    return changed


@session("many_messages", on=_READ)
def add_messages(
    target: SimulatedSession, params: Params, _before: SessionSnapshot | None, now: float
) -> bool:
    """The agent says `count` (45) things between two reads."""
    texts = [f"Working on scene {scene}." for scene in range(1, int(number(params, "count", 45)) + 1)]
    target.faults.extra_messages += [
        SimulatedMessage(role="model", content=text, kind="text", at=now) for text in texts
    ]
    return True


@session("null_failure", on=_CREATE_OR_READ)
def drop_failure_text(
    target: SimulatedSession, _params: Params, _before: SessionSnapshot | None, _now: float
) -> bool:
    """A failure has null fields and a silent agent."""
    target.drop_failure_text()
    return True


@session("late_credit", on=_CREATE, survivable=False)
def run_out_of_credit(
    target: SimulatedSession, _params: Params, _before: SessionSnapshot | None, _now: float
) -> bool:
    """The create is accepted, and the video fails with MOVIO_PAYMENT_INSUFFICIENT_CREDIT."""
    if not target.scenario.can_fail(at="generating"):
        return False
    target.fail_video("Insufficient credit.", CREDIT_CODE)
    return True


@session("session_gone", on=_CREATE_OR_READ)
def hide_with_video(
    target: SimulatedSession, _params: Params, _before: SessionSnapshot | None, _now: float
) -> bool:
    """Reads answer 404 as soon as the session has a video_id."""
    changed = not target.faults.gone_with_video
    target.faults.gone_with_video = True
    return changed


@session("early_404", on=_CREATE)
def hide_at_first(
    target: SimulatedSession, params: Params, _before: SessionSnapshot | None, _now: float
) -> bool:
    """The first `polls` (2) reads answer 404."""
    target.faults.early_404s = int(number(params, "polls", 2))
    return True


@session("video_lags", on=_CREATE_OR_READ)
def delay_video(
    target: SimulatedSession, params: Params, _before: SessionSnapshot | None, _now: float
) -> bool:
    """Videos are ready `seconds` (30) after the session."""
    if target.scenario.video_lag:
        return False
    seconds = number(params, "seconds", 30.0)
    target.scenario = target.scenario.with_lag(video=seconds, url=target.scenario.url_lag)
    return True


@session("stuck_thinking", on=_CREATE_OR_READ, survivable=False)
def think_forever(
    target: SimulatedSession, _params: Params, _before: SessionSnapshot | None, now: float
) -> bool:
    """The session thinks for ever."""
    if target.status(now) != "thinking" or target.faults.stuck_since is not None:
        return False
    target.faults.stuck_since = now
    return True


@session("clock_skew", on=_CREATE_OR_READ)
def shift_created_at(
    target: SimulatedSession, params: Params, _before: SessionSnapshot | None, _now: float
) -> bool:
    """`created_at` is off by `seconds` (300)."""
    changed = target.faults.created_at_offset == 0
    target.faults.created_at_offset = number(params, "seconds", 300.0)
    return changed
