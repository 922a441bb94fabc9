"""The Video Agent operations: create, list, read, send, stop, and what hangs on a session."""

from __future__ import annotations

from .._http import (
    JsonObject,
    Refusal,
    Response,
    as_list,
    as_object,
    data_response,
    invalid,
    not_found,
    page_response,
)
from .._scenario import ACTIVE, Step
from .._storage.media import PREFIX
from .catalog import BRAND_KITS, LOOKS, STYLES, VOICES
from .ledger import CreateRecord, MessageRecord
from .state import Call, ServiceState, page
from .timeline import Attachment, Message, Run, Session, Stale, newest_first
from .validation import CREATE, GUIDE_ONLY, SEND, Rules, check
from .videos import show_video


def create(world: ServiceState, call: Call) -> Response:
    """Start a session."""
    _check(world, call.body, CREATE, "prompt")
    if call.body.get("callback_id") is not None and call.body.get("callback_url") is None:
        raise invalid("callback_id", "'callback_id' needs 'callback_url'.")
    _check_ids(world, call.body)
    _check_room(world, call.now)
    session = _new_session(world, call)
    _record_create(world, call, session)
    return data_response(
        {
            "session_id": session.session_id,
            "status": _status_at_create(session.status(call.now)),
            "video_id": session.video_id(call.now),
            "created_at": _created_at(session),
        }
    )


def send(world: ServiceState, call: Call) -> Response:
    """Take a message: an answer, a revision, or an approval."""
    session = world.session(call.params["session_id"])
    _check(world, call.body, SEND, "message")
    if session.mode != "chat":
        raise invalid("session_id", "Only sessions created with mode 'chat' take messages.")
    status = session.status(call.now)
    if status in ACTIVE:
        raise Refusal(409, "resource_not_ready", "The agent is still working; wait for it to pause.")
    if status == "failed":
        raise Refusal(409, "conflict", "The session has failed and takes no more messages.")
    _check_ids(world, call.body)
    _check_room(world, call.now)
    return _take_message(world, call, session, status)


def listing(world: ServiceState, call: Call) -> Response:
    """List sessions, newest first."""
    return page(call, world.session_order, _row)


def read(world: ServiceState, call: Call) -> Response:
    """Read one session."""
    session = world.session(call.params["session_id"])
    world.ledger.polls[session.session_id] += 1
    _refuse_if_hidden(session, call.now)
    stale = _stale(session)
    now = call.now
    messages = session.messages(now)
    if stale:
        messages = [message for message in messages if message.role == "user" or message.at < stale.since]
    return data_response(
        {
            "session_id": session.session_id,
            "status": stale.status if stale else session.status(now),
            "progress": stale.progress if stale else session.progress(now),
            "title": session.title,
            "video_id": stale.video_id if stale else session.video_id(now),
            "created_at": _created_at(session),
            "messages": [_show_message(message) for message in newest_first(messages)],
        }
    )


def stop(world: ServiceState, call: Call) -> Response:
    """Ask a session to end at its next checkpoint."""
    session = world.session(call.params["session_id"])
    session.stop(call.now)
    world.track(session, call.now)
    world.expect(session)
    world.ledger.stops.append(session.session_id)
    return data_response({"session_id": session.session_id})


def resource(world: ServiceState, call: Call) -> Response:
    """Read one resource a message refers to."""
    session = world.session(call.params["session_id"])
    found = session.attachment(call.params["resource_id"], call.now)
    if found is None:
        raise not_found("Resource", "resource_not_found")
    return data_response(_show_resource(world, found))


def videos(world: ServiceState, call: Call) -> Response:
    """List the videos of one session, newest first."""
    session = world.session(call.params["session_id"])
    ids = [video_id for video_id in reversed(session.video_ids(call.now)) if video_id in world.videos]
    return page_response([show_video(world, session, video_id, call.now) for video_id in ids])


def _check(world: ServiceState, body: JsonObject, rules: Rules, field: str) -> None:
    allowed = {**rules, **GUIDE_ONLY} if world.settings.contract == "guide" else rules
    check(body, allowed, required=(field,))


def _check_ids(world: ServiceState, body: JsonObject) -> None:
    """Refuse ids this account does not have; nothing is charged for that."""
    for field, known in (("style_id", STYLES), ("brand_kit_id", BRAND_KITS)):
        _check_known(body, field, known, 400, "invalid_parameter")
    _check_known(body, "avatar_id", LOOKS, 404, "avatar_not_found")
    _check_known(body, "voice_id", VOICES, 404, "voice_not_found")
    for asset_id in _asset_ids(body):
        asset = world.assets.get(asset_id)
        if asset is None:
            raise Refusal(404, "asset_not_found", f"There is no asset {asset_id!r}.", param="files")
        if not asset.complete:
            raise Refusal(
                409, "resource_not_ready", f"The upload of {asset_id!r} is not complete.", param="files"
            )


def _check_known(body: JsonObject, field: str, known: dict[str, JsonObject], status: int, code: str) -> None:
    value = body.get(field)
    if value is not None and value not in known:
        message = f"There is no {field} {value!r} here. Known: {', '.join(known)}."
        raise Refusal(status, code, message, param=field)


def _asset_ids(body: JsonObject) -> list[str]:
    return [str(item["asset_id"]) for item in _files(body) if item["type"] == "asset_id"]


def _files(body: JsonObject) -> list[JsonObject]:
    return [item for item in map(as_object, as_list(body.get("files")) or []) if item is not None]


def _check_room(world: ServiceState, now: float) -> None:
    if world.in_progress(now) >= world.settings.max_jobs:
        message = f"Too many jobs in progress: {world.settings.max_jobs} at once."
        raise Refusal(429, "rate_limit_exceeded", message, headers={"retry-after": "2"})


def _new_session(world: ServiceState, call: Call) -> Session:
    prompt, mode = str(call.body["prompt"]), str(call.body.get("mode", "generate"))
    scenario = world.rotation.pick(prompt, mode).at_speed(world.settings.speed)
    session = Session(
        session_id=world.mint("sess"),
        mode=mode,
        prompt=prompt,
        created_at=call.now,
        scenario=scenario,
        promised_video_id=world.mint("vid") if scenario.video_at == "create" else None,
        callback_id=_optional(call.body.get("callback_id")),
        callback_url=_optional(call.body.get("callback_url")),
    )
    world.add_session(session)
    steps = scenario.opening_run(proceed=call.body.get("auto_proceed") is True)
    _start(world, call, session, prompt, steps)
    return session


def _take_message(world: ServiceState, call: Call, session: Session, status: str) -> Response:
    message = str(call.body["message"])
    steps = session.scenario.run_for(status, message, proceed=call.body.get("auto_proceed") is True)
    run = _start(world, call, session, message, steps)
    key = call.request.headers.get("idempotency-key")
    record = MessageRecord(session_id=session.session_id, text=message, idempotency_key=key, sent_at=call.now)
    world.ledger.messages.append(record)
    return data_response({"session_id": session.session_id, "run_id": run.run_id, "title": session.title})


def _start(world: ServiceState, call: Call, session: Session, text: str, steps: tuple[Step, ...]) -> Run:
    run = Run(
        run_id=world.mint("run"),
        number=len(session.runs),
        text=text,
        began_at=call.now,
        steps=steps,
        attached=_attach(world, call, session),
    )
    world.start_run(session, run)
    ledger = world.ledger
    ledger.max_in_progress = max(ledger.max_in_progress, world.in_progress(call.now))
    return run


def _attach(world: ServiceState, call: Call, session: Session) -> tuple[str, ...]:
    ids: list[str] = []
    for number, item in enumerate(_files(call.body)):
        resource_id = world.mint("res")
        url = _attached_url(world, item, resource_id)
        session.uploads.append(
            Attachment(
                resource_id=resource_id, created_at=call.now, source="user_uploaded", number=number, url=url
            )
        )
        ids.append(resource_id)
    return tuple(ids)


def _attached_url(world: ServiceState, item: JsonObject, resource_id: str) -> str:
    if item["type"] == "url":
        return str(item["url"])
    name = f"assets/{item['asset_id']}" if item["type"] == "asset_id" else f"{resource_id}.png"
    return f"{world.storage.url}{PREFIX}{name}"


def _record_create(world: ServiceState, call: Call, session: Session) -> None:
    key = call.request.headers.get("idempotency-key")
    record = CreateRecord(
        session_id=session.session_id, prompt=session.prompt, idempotency_key=key, created_at=call.now
    )
    world.ledger.creates.append(record)


def _refuse_if_hidden(session: Session, now: float) -> None:
    quirks = session.quirks
    if quirks.early_404s > 0:
        quirks.early_404s -= 1
        raise not_found("Session")
    if quirks.gone_with_video and session.video_id(now) is not None:
        raise not_found("Session")


def _stale(session: Session) -> Stale | None:
    stale = session.quirks.stale
    if stale is None or stale.polls <= 0:
        return None
    stale.polls -= 1
    return stale


def _status_at_create(status: str) -> str:
    return status if status in {"thinking", "generating", "completed", "failed"} else "thinking"


def _created_at(session: Session) -> int:
    return int(session.created_at + session.quirks.created_at_offset)


def _row(session: Session) -> JsonObject:
    return {"session_id": session.session_id, "title": session.title, "created_at": _created_at(session)}


def _show_message(message: Message) -> JsonObject:
    return {
        "role": message.role,
        "content": message.content,
        "type": message.kind,
        "created_at": int(message.at),
        "resource_ids": list(message.resource_ids) or None,
    }


def _show_resource(world: ServiceState, found: Attachment) -> JsonObject:
    stem = f"{world.storage.url}{PREFIX}{found.resource_id}"
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
