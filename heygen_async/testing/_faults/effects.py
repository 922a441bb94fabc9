"""What each fault does: to the answer, to its delivery, or to the session."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate

from .._http import Delivery, Exchange, JsonObject, Response, as_list, as_object, json_response
from .._scenario import mute
from .._service.timeline import MESSAGES_SHOWN, Message, Session, Stale

Params = Mapping[str, object]

OVERSIZED_BYTES = 20_000_000
ABSURD_SECONDS = 86_400
EMPTY = Response(0, {}, b"")
_OVERSIZED: list[bytes] = []


@dataclass(frozen=True, slots=True)
class Before:
    """What a session was before the request at hand."""

    status: str
    progress: int
    video_id: str | None


def instead(name: str, params: Params, now: float) -> Exchange:
    """Return what comes back when the service's own answer does not."""
    delivery = _UNSENT.get(name)
    if delivery is not None:
        return Exchange(EMPTY, delivery, fault=name)
    return Exchange(_INSTEAD[name](params, now), fault=name)


def afterwards(name: str, params: Params, answer: Response, rng: random.Random) -> Exchange | None:
    """Return what becomes of the service's answer, or None if the fault finds nothing to spoil."""
    if name in _DELIVERIES:
        return Exchange(answer, _DELIVERIES[name], fault=name)
    if name in _PORTIONS:
        delivery, param = _PORTIONS[name]
        return Exchange(answer, delivery, fault=name, amount=int(_number(params, param, 1000)))
    if name == "slow":
        return Exchange(answer, delay=_number(params, "seconds", 5.0), fault=name)
    if name in _BODIES:
        return Exchange(replace(answer, headers=_json(answer), body=_BODIES[name]), fault=name)
    spoiled = _SPOILERS[name](answer, params, rng)
    return None if spoiled is None else Exchange(spoiled, fault=name)


def afflict(name: str, params: Params, session: Session, before: Before | None, now: float) -> bool:
    """Change a session for good; return whether there was something to change."""
    return _AFFLICTIONS[name](session, params, before, now)


# --- instead of an answer


def _error(status: int, code: str, message: str, **headers: str) -> Response:
    error = {"code": code, "message": message, "param": None, "doc_url": None}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return json_response({"error": error}, status=status, headers=named)


def _html(_params: Params, _now: float) -> Response:
    page = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
    return Response(502, {"content-type": "text/html"}, page)


def _error_200(params: Params, _now: float) -> Response:
    variants: dict[str, object] = {
        "full": {
            "code": "internal_error",
            "message": "Something went wrong.",
            "param": None,
            "doc_url": None,
        },
        "code_only": {"code": "internal_error"},
        "empty": {},
        "numeric": {"code": 40012, "message": "Something went wrong."},
    }
    return json_response({"error": variants[str(params.get("variant", "full"))]})


def _rate_limit(params: Params, now: float) -> Response:
    wanted = params.get("retry_after", 2)
    forms = {"date": formatdate(now + 2, usegmt=True), "absurd": str(ABSURD_SECONDS), "missing": ""}
    value = forms.get(str(wanted), str(wanted))
    headers = {"retry_after": value} if value else {}
    return _error(429, "rate_limit_exceeded", "Too many requests.", **headers)


def _redirect(params: Params, _now: float) -> Response:
    location = str(params.get("location", "https://elsewhere.example.test/v3/"))
    return Response(302, {"location": location}, b"")


def _statuses_missing(params: Params, _now: float) -> Response:
    status = int(_number(params, "status", 404))
    return _error(status, {403: "forbidden", 405: "method_not_allowed"}.get(status, "not_found"), "Not here.")


_UNSENT = {
    "connect_refused": Delivery.REFUSED,
    "reset_before": Delivery.RESET,
    "silence_before": Delivery.NOTHING,
}
_INSTEAD: Mapping[str, Callable[[Params, float], Response]] = {
    "gateway_html": _html,
    "error_500": lambda _params, _now: _error(500, "internal_error", "Something went wrong."),
    "error_500_plain": lambda _params, _now: Response(
        500, {"content-type": "text/plain"}, b"Internal Server Error"
    ),
    "error_200": _error_200,
    "rate_limit": _rate_limit,
    "unauthorized_once": lambda _params, _now: _error(
        401, "authentication_failed", "The credential has expired."
    ),
    "payment_required": lambda _params, _now: _error(402, "insufficient_credit", "Not enough credit."),
    "forbidden": lambda _params, _now: _error(403, "forbidden", "Not permitted."),
    "in_progress": lambda _params, _now: _error(
        409, "request_in_progress", "The first request with this key is still running.", retry_after="1"
    ),
    "redirect_other_origin": _redirect,
    "statuses_missing": _statuses_missing,
    "expired_link": lambda _params, _now: _error(403, "forbidden", "This link has expired."),
}

# --- to the answer


def _data(answer: Response) -> tuple[JsonObject, JsonObject] | None:
    """Return the envelope and its `data` object, if the answer has one."""
    if answer.status != 200:
        return None
    envelope: JsonObject = json.loads(answer.body)
    data = as_object(envelope.get("data"))
    return None if data is None else (envelope, data)


def _json(answer: Response) -> dict[str, str]:
    return {**answer.headers, "content-type": "application/json"}


def _with(answer: Response, envelope: JsonObject) -> Response:
    return replace(answer, headers=_json(answer), body=json.dumps(envelope, separators=(",", ":")).encode())


def _oversized(answer: Response, _params: Params, _rng: random.Random) -> Response:
    if not _OVERSIZED:
        _OVERSIZED.append(b'{"data":"' + b"x" * OVERSIZED_BYTES + b'"}')
    return replace(answer, headers=_json(answer), body=_OVERSIZED[0])


def _bad_gzip(answer: Response, _params: Params, _rng: random.Random) -> Response:
    return replace(
        answer,
        headers={**answer.headers, "content-encoding": "gzip"},
        body=b"\x1f\x8b\x08\x00broken" + answer.body,
    )


def _wrong_types(answer: Response, params: Params, _rng: random.Random) -> Response:
    envelope: JsonObject = json.loads(answer.body)
    field = params.get("field")
    envelope["data"] = _mistype(envelope.get("data"), None if field is None else str(field))
    return _with(answer, envelope)


def _mistype(value: object, field: str | None) -> object:
    entries = as_object(value)
    if entries is not None:
        return {name: _other_type(item) if field in {None, name} else item for name, item in entries.items()}
    return _other_type(value)


def _other_type(value: object) -> object:
    if isinstance(value, int | float) or value is None:
        return "seven"
    return 7


def _unknown_status(answer: Response, params: Params, _rng: random.Random) -> Response | None:
    envelope: JsonObject = json.loads(answer.body)
    data = envelope.get("data")
    rows = map(as_object, as_list(data) or [data])
    found = [row for row in rows if row is not None and "status" in row]
    for row in found:
        row["status"] = params.get("word", "processing")
    return _with(answer, envelope) if found else None


def _backwards(answer: Response, _params: Params, _rng: random.Random) -> Response | None:
    parts = _data(answer)
    if parts is None or parts[1].get("status") in {"thinking", "completed", "failed"}:
        return None
    parts[1].update(status="thinking", progress=0)
    return _with(answer, parts[0])


def _progress_back(answer: Response, params: Params, _rng: random.Random) -> Response | None:
    parts = _data(answer)
    if parts is None or not isinstance(progress := parts[1].get("progress"), int) or progress == 0:
        return None
    parts[1]["progress"] = max(0, progress - int(_number(params, "by", 30)))
    return _with(answer, parts[0])


def _messages(answer: Response, change: Callable[[list[object]], None]) -> Response | None:
    parts = _data(answer)
    messages = as_list(parts[1].get("messages")) if parts else None
    if parts is None or messages is None:
        return None
    change(messages)
    return _with(answer, parts[0])


def _twice(messages: list[object]) -> None:
    messages[:] = [message for message in messages for _ in range(2)][:MESSAGES_SHOWN]


_DELIVERIES = {
    "reset_after_processing": Delivery.RESET,
    "silence": Delivery.HEADERS_ONLY,
    "cut_length": Delivery.CUT_LENGTH,
    "cut_chunked": Delivery.CUT_CHUNKED,
    "trickle": Delivery.TRICKLE,
}
_PORTIONS = {
    "cut_after": (Delivery.CUT_LENGTH, "bytes"),
    "dead_link": (Delivery.CUT_LENGTH, "bytes"),
    "stall_after": (Delivery.STALL, "bytes"),
    "slow_file": (Delivery.TRICKLE, "rate"),
}
_BODIES = {"json_null": b"null", "json_array": b"[]", "json_scalar": b"7", "missing_data": b'{"meta":{}}'}
_SPOILERS: Mapping[str, Callable[[Response, Params, random.Random], Response | None]] = {
    "oversized": _oversized,
    "bad_gzip": _bad_gzip,
    "wrong_types": _wrong_types,
    "unknown_status": _unknown_status,
    "status_backwards": _backwards,
    "progress_back": _progress_back,
    "duplicate_messages": lambda answer, _params, _rng: _messages(answer, _twice),
    "reordered_messages": lambda answer, _params, rng: _messages(answer, rng.shuffle),
}

# --- to the session


def _stale(session: Session, params: Params, before: Before | None, now: float) -> bool:
    if before is None:
        return False
    polls = int(_number(params, "polls", 2))
    session.quirks.stale = Stale(before.status, before.progress, before.video_id, now, polls)
    return True


def _chatter(session: Session, params: Params, _before: Before | None, now: float) -> bool:
    count = int(_number(params, "count", 45))
    words = [f"Working on scene {number}." for number in range(1, count + 1)]
    session.quirks.chatter += [Message(role="model", content=text, kind="text", at=now) for text in words]
    return True


def _mute(session: Session, _params: Params, _before: Before | None, _now: float) -> bool:
    session.scenario = session.scenario.muted()
    for run in session.runs:
        run.steps = mute(run.steps)
    return True


def _gone(session: Session, _params: Params, _before: Before | None, _now: float) -> bool:
    changed = not session.quirks.gone_with_video
    session.quirks.gone_with_video = True
    return changed


def _hide(session: Session, params: Params, _before: Before | None, _now: float) -> bool:
    session.quirks.early_404s = int(_number(params, "polls", 2))
    return True


def _lag(session: Session, params: Params, _before: Before | None, _now: float) -> bool:
    if session.scenario.video_lag:
        return False
    session.scenario = session.scenario.with_lag(
        video=_number(params, "seconds", 30.0), url=session.scenario.url_lag
    )
    return True


def _stick(session: Session, _params: Params, _before: Before | None, now: float) -> bool:
    if session.status(now) != "thinking" or session.quirks.stuck_since is not None:
        return False
    session.quirks.stuck_since = now
    return True


def _skew(session: Session, params: Params, _before: Before | None, _now: float) -> bool:
    changed = session.quirks.created_at_offset == 0
    session.quirks.created_at_offset = _number(params, "seconds", 300.0)
    return changed


_AFFLICTIONS: Mapping[str, Callable[[Session, Params, Before | None, float], bool]] = {
    "stale_status": _stale,
    "many_messages": _chatter,
    "null_failure": _mute,
    "session_gone": _gone,
    "early_404": _hide,
    "video_lags": _lag,
    "stuck_thinking": _stick,
    "clock_skew": _skew,
}


def _number(params: Params, name: str, default: float) -> float:
    value = params.get(name, default)
    return float(value) if isinstance(value, int | float) else default
