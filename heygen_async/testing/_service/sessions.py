"""The Video Agent operations: create, list, read, send, stop, and what hangs on a session."""

from __future__ import annotations

from .._http import (
    HttpResponse,
    JsonObject,
    Refusal,
    as_list,
    as_object,
    data_response,
    invalid,
    not_found,
    page_response,
)
from .._scenario import ACTIVE, Scenario, Step
from .._storage.media import PREFIX
from .catalog import BRAND_GLOSSARIES, BRAND_KITS, LOOKS, STYLES, VOICES
from .ledger import CreateRecord, MessageRecord
from .state import OperationCall, ServiceState, page
from .timeline import Attachment, Run, SimulatedMessage, SimulatedSession, StaleReads, newest_first
from .validation import CREATE, GUIDE_ONLY, SEND, Rules, check
from .videos import show_video

LEAST_BALANCE = 0.5
BURST_SECONDS = 1.0


def create(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Start a session."""
    _check(state, call.body, CREATE, "prompt")
    if call.body.get("callback_id") is not None and call.body.get("callback_url") is None:
        raise invalid("callback_id", "'callback_id' needs 'callback_url'.")
    _check_ids(state, call)
    _check_credit(state, call.now)
    _check_burst(state, call.now)
    _check_room(state, call.now)
    session = _new_session(state, call)
    _record_create(state, call, session)
    return data_response(
        {
            "session_id": session.session_id,
            "status": _status_at_create(session.status(call.now)),
            "video_id": session.video_id(call.now),
            "created_at": _created_at(session),
        }
    )


def send(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Take a message: an answer, a revision, or an approval."""
    session = state.session(call.params["session_id"])
    is_optional = state.moods.message_optional and bool(call.body.get("files"))
    _check(state, call.body, SEND, *(() if is_optional else ("message",)))
    if session.mode != "chat":
        raise invalid("session_id", "Only sessions created with mode 'chat' take messages.")
    status = session.status(call.now)
    if status in ACTIVE:
        raise Refusal(409, "resource_not_ready", "The agent is still working; wait for it to pause.")
    if status == "failed":
        raise Refusal(409, "conflict", "The session has failed and takes no more messages.")
    _check_ids(state, call)
    _check_room(state, call.now)
    return _take_message(state, call, session, status)


def listing(state: ServiceState, call: OperationCall) -> HttpResponse:
    """List sessions, newest first."""
    return page(call, state.session_order, lambda session: _show_row(session, call.now))


def read(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Read one session."""
    session = state.session(call.params["session_id"])
    state.ledger.polls[session.session_id] += 1
    _refuse_if_hidden(session, call.now)
    moment = session.read_moment(call.now)
    shown, messages = session.snapshot(moment), session.messages(moment)
    stale = _use_stale(session)
    if stale is not None:
        shown = stale.snapshot
        messages = [one for one in messages if one.role == "user" or one.at < stale.since]
    return data_response(
        {
            "session_id": session.session_id,
            "status": shown.status,
            "progress": shown.progress,
            "title": session.title,
            "video_id": shown.video_id,
            "created_at": _created_at(session),
            "messages": [_show_message(message) for message in newest_first(messages)],
        }
    )


def stop(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Ask a session to end at its next checkpoint."""
    session = state.session(call.params["session_id"])
    session.stop(call.now)
    state.track(session, call.now)
    state.expect(session)
    state.ledger.stops.append(session.session_id)
    return data_response({"session_id": session.session_id})


def resource(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Read one resource a message refers to."""
    session = state.session(call.params["session_id"])
    found = session.attachment(call.params["resource_id"], call.now)
    if found is None:
        raise not_found("Resource", "resource_not_found")
    return data_response(_show_resource(state, found))


def videos(state: ServiceState, call: OperationCall) -> HttpResponse:
    """List the videos of one session, newest first."""
    session = state.session(call.params["session_id"])
    ids = [video_id for video_id in reversed(session.video_ids(call.now)) if video_id in state.videos]
    return page_response([show_video(state, session, video_id, call.now) for video_id in ids])


def _check(state: ServiceState, body: JsonObject, rules: Rules, *required: str) -> None:
    allowed = {**rules, **GUIDE_ONLY} if state.settings.contract == "guide" else rules
    check(body, allowed, required=required)


def _check_ids(state: ServiceState, call: OperationCall) -> None:
    """Refuse ids this account does not have; nothing is charged for that."""
    body = call.body
    for field, known in (
        ("style_id", STYLES),
        ("brand_kit_id", BRAND_KITS),
        ("brand_glossary_id", BRAND_GLOSSARIES),
    ):
        _check_known(body, field, known, 400, "invalid_parameter")
    _check_known(body, "avatar_id", LOOKS, 404, "avatar_not_found")
    _check_known(body, "voice_id", VOICES, 404, "voice_not_found")
    for asset_id in _asset_ids(body):
        asset = state.assets.get(asset_id)
        if asset is None:
            raise Refusal(404, "asset_not_found", f"There is no asset {asset_id!r}.", param="files")
        status = asset.status(call.now)
        if status == "failed":
            raise Refusal(400, "asset_not_available", f"The asset {asset_id!r} has failed.", param="files")
        if status != "completed":
            raise Refusal(409, "resource_not_ready", f"The asset {asset_id!r} is {status}.", param="files")


def _check_known(body: JsonObject, field: str, known: dict[str, JsonObject], status: int, code: str) -> None:
    value = body.get(field)
    if value is not None and value not in known:
        message = f"There is no {field} {value!r} here. Known: {', '.join(known)}."
        raise Refusal(status, code, message, param=field)


def _asset_ids(body: JsonObject) -> list[str]:
    return [str(item["asset_id"]) for item in _files(body) if item["type"] == "asset_id"]


def _files(body: JsonObject) -> list[JsonObject]:
    return [item for item in map(as_object, as_list(body.get("files")) or []) if item is not None]


def _check_credit(state: ServiceState, now: float) -> None:
    if state.balance(now) < LEAST_BALANCE:
        raise Refusal(402, "insufficient_credit", "Not enough credit.")


def _check_burst(state: ServiceState, now: float) -> None:
    recent = state.recent_creates
    while recent and recent[0] <= now - BURST_SECONDS:
        recent.popleft()
    if state.moods.burst is not None and len(recent) >= state.moods.burst:
        message = "Too many requests: reduce the RATE of creates."
        raise Refusal(429, "rate_limit_exceeded", message, headers={"retry-after": "1"})


def _check_room(state: ServiceState, now: float) -> None:
    if state.in_progress(now) >= state.settings.max_jobs:
        message = f"Too many jobs in progress: {state.settings.max_jobs} at once."
        raise Refusal(429, "rate_limit_exceeded", message, headers={"retry-after": "2"})


def _new_session(state: ServiceState, call: OperationCall) -> SimulatedSession:
    prompt, mode = str(call.body["prompt"]), str(call.body.get("mode", "generate"))
    scenario = _scenario(state, call, prompt, mode)
    state.recent_creates.append(call.now)
    session = SimulatedSession(
        session_id=state.mint("sess"),
        mode=mode,
        prompt=prompt,
        created_at=call.now,
        scenario=scenario,
        promised_video_id=state.mint("vid") if scenario.video_at == "create" else None,
        callback_id=_optional(call.body.get("callback_id")),
        callback_url=_optional(call.body.get("callback_url")),
    )
    state.add_session(session)
    steps = scenario.opening_run(proceed=call.body.get("auto_proceed") is True)
    _start(state, call, session, prompt, steps)
    return session


def _scenario(state: ServiceState, call: OperationCall, prompt: str, mode: str) -> Scenario:
    """Return the life of a new session, as the service's moods have it."""
    moods = state.moods
    scenario = state.rotation.pick(prompt, mode)
    is_long = moods.fails_above is not None and len(prompt) > moods.fails_above
    if is_long or state.draw(moods.failure_rate):
        scenario = Scenario.silent_failure()
    elif not _is_ready(call.body.get("avatar_id")) and scenario.can_fail(at="generating"):
        scenario = scenario.fails(at="generating", with_reason=False)
    if moods.video_at is not None:
        scenario = scenario.with_video_at(moods.video_at)
    if moods.congestion:
        scenario = scenario.with_more_thinking(moods.congestion * state.in_progress(call.now))
    return scenario.at_speed(state.settings.speed)


def _is_ready(avatar_id: object) -> bool:
    look = LOOKS.get(avatar_id) if isinstance(avatar_id, str) else None
    return look is None or (look["status"] == "completed" and look["preview_image_url"] is not None)


def _take_message(
    state: ServiceState, call: OperationCall, session: SimulatedSession, status: str
) -> HttpResponse:
    message = str(call.body.get("message", ""))
    steps = session.scenario.run_for(status, message, proceed=call.body.get("auto_proceed") is True)
    run = _start(state, call, session, message, steps)
    key = call.request.headers.get("idempotency-key")
    record = MessageRecord(
        session_id=session.session_id,
        text=message,
        idempotency_key=key,
        sent_at=call.now,
        fields=call.body,
    )
    state.ledger.messages.append(record)
    return data_response({"session_id": session.session_id, "run_id": run.run_id, "title": session.title})


def _start(
    state: ServiceState, call: OperationCall, session: SimulatedSession, text: str, steps: tuple[Step, ...]
) -> Run:
    run = Run(
        run_id=state.mint("run"),
        number=len(session.runs),
        text=text,
        began_at=call.now,
        steps=steps,
        attached=_attach(state, call, session),
    )
    state.start_run(session, run)
    ledger = state.ledger
    ledger.max_in_progress = max(ledger.max_in_progress, state.in_progress(call.now))
    return run


def _attach(state: ServiceState, call: OperationCall, session: SimulatedSession) -> tuple[str, ...]:
    ids: list[str] = []
    for number, item in enumerate(_files(call.body)):
        resource_id = state.mint("res")
        url = _attachment_url(state, item, resource_id)
        session.uploads.append(
            Attachment(
                resource_id=resource_id, created_at=call.now, source="user_uploaded", number=number, url=url
            )
        )
        ids.append(resource_id)
    return tuple(ids)


def _attachment_url(state: ServiceState, item: JsonObject, resource_id: str) -> str:
    if item["type"] == "url":
        return str(item["url"])
    name = f"assets/{item['asset_id']}" if item["type"] == "asset_id" else f"{resource_id}.png"
    return f"{state.storage.url}{PREFIX}{name}"


def _record_create(state: ServiceState, call: OperationCall, session: SimulatedSession) -> None:
    key = call.request.headers.get("idempotency-key")
    record = CreateRecord(
        session_id=session.session_id,
        prompt=session.prompt,
        idempotency_key=key,
        created_at=call.now,
        fields=call.body,
    )
    state.ledger.creates.append(record)


def _refuse_if_hidden(session: SimulatedSession, now: float) -> None:
    faults = session.faults
    if faults.early_404s > 0:
        faults.early_404s -= 1
        raise not_found("Session")
    if faults.gone_with_video and session.video_id(now) is not None:
        raise not_found("Session")


def _use_stale(session: SimulatedSession) -> StaleReads | None:
    stale = session.faults.stale
    if stale is None or stale.polls <= 0:
        return None
    stale.polls -= 1
    return stale


def _status_at_create(status: str) -> str:
    return status if status in {"thinking", "generating", "completed", "failed"} else "thinking"


def _created_at(session: SimulatedSession) -> int:
    return int(session.created_at + session.faults.created_at_offset)


def _show_row(session: SimulatedSession, now: float) -> JsonObject | None:
    if now < session.created_at + session.faults.listed_after:
        return None
    return {"session_id": session.session_id, "title": session.title, "created_at": _created_at(session)}


def _show_message(message: SimulatedMessage) -> JsonObject:
    return {
        "role": message.role,
        "content": message.content,
        "type": message.kind,
        "created_at": int(message.at),
        "resource_ids": list(message.resource_ids) or None,
    }


def _show_resource(state: ServiceState, found: Attachment) -> JsonObject:
    stem = f"{state.storage.url}{PREFIX}{found.resource_id}"
    return {
        "resource_id": found.resource_id,
        "resource_type": "image",
        "source_type": found.source,
        "url": found.url or f"{stem}.png",
        "thumbnail_url": f"{stem}.png",
        "preview_url": f"{stem}.svg",
        "created_at": int(found.created_at),
        "metadata": {"number": found.number},
    }


def _optional(value: object) -> str | None:
    return value if isinstance(value, str) else None
