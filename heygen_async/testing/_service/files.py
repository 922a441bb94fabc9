"""What the storage origin answers: files, byte ranges of them, and uploads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .._http import HttpRequest, HttpResponse, Refusal, not_found
from .._storage.media import PREFIX, picture, serve, video_bytes
from .assets import UPLOAD_PREFIX, store

if TYPE_CHECKING:
    from .state import ServiceState

CREDENTIALS = ("x-api-key", "authorization")


def is_file(path: str) -> bool:
    """Return whether a path is one of the storage origin."""
    return path.startswith((PREFIX, UPLOAD_PREFIX))


def answer(state: ServiceState, request: HttpRequest, now: float) -> HttpResponse:
    """Serve a file or take an upload; neither asks for a key, and none should be sent."""
    if any(name in request.headers for name in CREDENTIALS):
        state.ledger.key_leaks.append(f"{request.method} {request.path}")
    if request.path.startswith(UPLOAD_PREFIX):
        if request.method != "PUT":
            raise Refusal(405, "method_not_allowed", "PUT the bytes here.", headers={"allow": "PUT"})
        return store(state, request, now)
    if request.method not in {"GET", "HEAD"}:
        raise Refusal(405, "method_not_allowed", "GET or HEAD.", headers={"allow": "GET, HEAD"})
    content, kind = _content(state, request, now)
    return _serve(state, request, content, kind)


def _content(state: ServiceState, request: HttpRequest, now: float) -> tuple[bytes, str]:
    name, storage = request.path.removeprefix(PREFIX), state.storage
    if name.endswith(".mp4"):
        storage.check(request, now)
        return video_bytes() if storage.video is None else storage.video, "video/mp4"
    if name.endswith(".srt"):
        storage.check(request, now)
        return storage.captions or b"", "application/x-subrip"
    if name.startswith("assets/"):
        asset = state.assets.get(name.removeprefix("assets/"))
        if asset is None or asset.content is None:
            raise not_found("File")
        return asset.content, asset.mime_type
    return picture(name)


def _serve(state: ServiceState, request: HttpRequest, content: bytes, kind: str) -> HttpResponse:
    storage = state.storage
    if not storage.ranges:
        headers = {name: value for name, value in request.headers.items() if name != "range"}
        request = replace(request, headers=headers)
    response = serve(request, content, kind)
    headers = dict(response.headers)
    if storage.validator in {"date", "none"}:
        headers.pop("etag", None)
    if storage.validator in {"weak", "none"}:
        headers.pop("last-modified", None)
    if storage.validator == "weak" and "etag" in headers:
        headers["etag"] = f"W/{headers['etag']}"
    return replace(response, headers=headers)
