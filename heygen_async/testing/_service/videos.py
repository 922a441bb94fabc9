"""The video operations, one by one and in bulk."""

from __future__ import annotations

from .._http import HttpResponse, JsonObject, data_response, not_found
from .._storage.media import PREFIX
from .state import OperationCall, ServiceState, page, status_entry, status_page
from .timeline import SimulatedSession, view_video


def show_video(state: ServiceState, session: SimulatedSession, video_id: str, now: float) -> JsonObject:
    """Return a video as the service shows it."""
    view = view_video(session, video_id, now)
    done = view.status == "completed"
    base = state.settings.base_url
    shown: JsonObject = {
        "id": video_id,
        "status": view.status,
        "title": view.title,
        "created_at": int(view.created_at),
        "completed_at": None if view.completed_at is None else int(view.completed_at),
        "video_url": _link(state, f"{video_id}.mp4", now) if view.has_url else None,
        "thumbnail_url": f"{state.storage.url}{PREFIX}{video_id}.png" if done else None,
        "gif_url": None,
        "captioned_video_url": None,
        "subtitle_url": _link(state, f"{video_id}.srt", now) if done and state.storage.captions else None,
        "duration": session.scenario.video_seconds if done else None,
        "folder_id": None,
        "output_language": None,
        "failure_code": session.scenario.failure_code if view.failure else None,
        "failure_message": view.failure,
        "video_page_url": f"{base}/_simulator/page/{video_id}" if done else None,
    }
    if view.status == "failed" and session.scenario.omits_failure:
        del shown["failure_code"], shown["failure_message"]
    return shown


def _link(state: ServiceState, name: str, now: float) -> str:
    return state.storage.link(f"{PREFIX}{name}", now + state.settings.link_ttl)


def read(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Read one video."""
    video_id = call.params["video_id"]
    state.ledger.video_polls[video_id] += 1
    if _is_shown_as_deleted(state, video_id):
        return data_response({"id": video_id, "status": "deleted"})
    session = _owner(state, video_id, call.now)
    return data_response(show_video(state, session, video_id, call.now))


def listing(state: ServiceState, call: OperationCall) -> HttpResponse:
    """List the account's videos, newest first."""
    title = call.request.query.get("title", "").casefold()
    folder = call.request.query.get("folder_id")

    def show(video_id: str) -> JsonObject | None:
        session = state.videos.get(video_id)
        if session is None or folder or title not in session.title.casefold():
            return None
        if video_id not in session.video_ids(call.now):
            return None
        return show_video(state, session, video_id, call.now)

    return page(call, state.video_order, show, default=10)


def delete(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Delete one video for good."""
    video_id = call.params["video_id"]
    _owner(state, video_id, call.now)
    del state.videos[video_id]
    state.deleted_videos.add(video_id)
    return data_response({"id": video_id, "deleted": True})


def statuses(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Answer for up to 100 ids at once; an unknown id is an entry, not an error."""
    state.ledger.bulk_requests += 1
    return status_page(call, "video_ids", lambda video_id: _status(state, video_id, call.now))


def _is_shown_as_deleted(state: ServiceState, video_id: str) -> bool:
    return state.moods.deleted_videos == "status" and video_id in state.deleted_videos


def _owner(state: ServiceState, video_id: str, now: float) -> SimulatedSession:
    session = state.videos.get(video_id)
    if session is None or video_id not in session.video_ids(now):
        raise not_found("Video", "video_not_found")
    return session


def _status(state: ServiceState, video_id: str, now: float) -> JsonObject:
    if _is_shown_as_deleted(state, video_id):
        return status_entry("deleted", video_id=video_id)
    session = state.videos.get(video_id)
    if session is None or video_id not in session.video_ids(now):
        return status_entry("not_found", video_id=video_id)
    view = view_video(session, video_id, now)
    error: JsonObject | None = None
    if view.failure:
        error = {"code": session.scenario.failure_code, "message": view.failure}
    return status_entry(view.status, video_id=video_id, error=error)
