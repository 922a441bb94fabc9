"""The video operations, one by one and in bulk."""

from __future__ import annotations

from .._http import JsonObject, Response, data_response, invalid, not_found, page_response
from .._storage.media import DURATION_SECONDS, PREFIX
from .state import Call, ServiceState, page
from .timeline import Session, view_video

MAX_IDS = 100


def show_video(world: ServiceState, session: Session, video_id: str, now: float) -> JsonObject:
    """Return a video as the service shows it."""
    view = view_video(session, video_id, now)
    done = view.status == "completed"
    base = world.settings.base_url
    return {
        "id": video_id,
        "status": view.status,
        "title": view.title,
        "created_at": int(view.created_at),
        "completed_at": None if view.completed_at is None else int(view.completed_at),
        "video_url": _link(world, f"{video_id}.mp4", now) if view.has_url else None,
        "thumbnail_url": f"{world.storage.url}{PREFIX}{video_id}.png" if done else None,
        "gif_url": None,
        "captioned_video_url": None,
        "subtitle_url": _link(world, f"{video_id}.srt", now) if done and world.storage.captions else None,
        "duration": DURATION_SECONDS if done else None,
        "folder_id": None,
        "output_language": None,
        "failure_code": "generation_failed" if view.failure else None,
        "failure_message": view.failure,
        "video_page_url": f"{base}/_simulator/page/{video_id}" if done else None,
    }


def _link(world: ServiceState, name: str, now: float) -> str:
    return world.storage.link(f"{PREFIX}{name}", now + world.settings.link_ttl)


def read(world: ServiceState, call: Call) -> Response:
    """Read one video."""
    video_id = call.params["video_id"]
    session = _owner(world, video_id, call.now)
    world.ledger.video_polls[video_id] += 1
    return data_response(show_video(world, session, video_id, call.now))


def listing(world: ServiceState, call: Call) -> Response:
    """List the account's videos, newest first."""
    title = call.request.query.get("title", "").casefold()
    folder = call.request.query.get("folder_id")

    def show(video_id: str) -> JsonObject | None:
        session = world.videos.get(video_id)
        if session is None or folder or title not in session.title.casefold():
            return None
        if video_id not in session.video_ids(call.now):
            return None
        return show_video(world, session, video_id, call.now)

    return page(call, world.video_order, show, default=10)


def delete(world: ServiceState, call: Call) -> Response:
    """Delete one video for good."""
    video_id = call.params["video_id"]
    _owner(world, video_id, call.now)
    del world.videos[video_id]
    return data_response({"id": video_id, "deleted": True})


def statuses(world: ServiceState, call: Call) -> Response:
    """Answer for up to 100 ids at once; an unknown id is an entry, not an error."""
    query = call.request.query
    video_ids, batch_ids = _split(query.get("video_ids")), _split(query.get("batch_ids"))
    if not video_ids and not batch_ids:
        raise invalid("video_ids", "Give 'video_ids' or 'batch_ids'.")
    if len(video_ids) + len(batch_ids) > MAX_IDS:
        raise invalid("video_ids", f"At most {MAX_IDS} ids, not {len(video_ids) + len(batch_ids)}.")
    world.ledger.bulk_requests += 1
    entries = [_status(world, video_id, call.now) for video_id in video_ids]
    return page_response(entries + [_entry("not_found", batch_id=batch_id) for batch_id in batch_ids])


def _owner(world: ServiceState, video_id: str, now: float) -> Session:
    session = world.videos.get(video_id)
    if session is None or video_id not in session.video_ids(now):
        raise not_found("Video", "video_not_found")
    return session


def _status(world: ServiceState, video_id: str, now: float) -> JsonObject:
    session = world.videos.get(video_id)
    if session is None or video_id not in session.video_ids(now):
        return _entry("not_found", video_id=video_id)
    view = view_video(session, video_id, now)
    error: JsonObject | None = None
    if view.failure:
        error = {"code": "generation_failed", "message": view.failure}
    return _entry(view.status, video_id=video_id, error=error)


def _entry(
    status: str, *, video_id: str | None = None, batch_id: str | None = None, error: JsonObject | None = None
) -> JsonObject:
    return {"video_id": video_id, "status": status, "batch_id": batch_id, "item_index": None, "error": error}


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]
