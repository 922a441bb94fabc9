"""Uploads: through the API, or to storage by a presigned link and a completing call."""

from __future__ import annotations

import hashlib
import re

from .._http import HttpRequest, HttpResponse, JsonObject, Refusal, data_response, invalid, not_found
from .._storage.media import PREFIX
from . import validation
from .state import OperationCall, ServiceState, StoredAsset, status_entry, status_page
from .validation import MAX_FILE_BYTES

UPLOAD_PREFIX = "/_simulator/uploads/"
CHECKSUM_HEADER = "X-Storage-Checksum"

_DIRECT: validation.Rules = {
    "filename": validation.text(1, 255),
    "content_type": validation.text(1, 255),
    "size_bytes": validation.size,
    "checksum_sha256": validation.nullable(validation.text(64, 64)),
}
_COMPLETE: validation.Rules = {"checksum_sha256": validation.nullable(validation.text(64, 64))}
_MAGIC = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"RIFF", "audio/wav"),
    (b"%PDF", "application/pdf"),
)


def upload(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Take one multipart file."""
    name, content = _multipart(call.request)
    if len(content) > MAX_FILE_BYTES:
        raise Refusal(413, "payload_too_large", "The file is larger than 32 MB.", param="file")
    asset = StoredAsset(
        asset_id=state.mint("asset"),
        name=name,
        mime_type=_detect(content),
        size_bytes=len(content),
        uploaded_at=call.now,
        content=content,
        complete=True,
    )
    state.assets[asset.asset_id] = asset
    return data_response(_upload_fields(state, asset))


def begin_direct(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Give a slot in storage for one file of a known size."""
    validation.check(call.body, _DIRECT, required=("filename", "content_type", "size_bytes"))
    size = int(str(call.body["size_bytes"]))
    if size > state.storage.max_upload_bytes:
        most = state.storage.max_upload_bytes
        raise Refusal(413, "payload_too_large", f"At most {most} bytes.", param="size_bytes")
    asset = StoredAsset(
        asset_id=state.mint("asset"),
        name=str(call.body["filename"]),
        mime_type=str(call.body["content_type"]),
        size_bytes=size,
        uploaded_at=call.now,
        content=None,
        complete=False,
        checksum=_checksum(call.body),
    )
    state.assets[asset.asset_id] = asset
    return data_response(_slot(state, asset, call.now))


def complete(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Check what storage holds, and make the asset usable; again and again gives the same."""
    asset = _asset(state, call.params["asset_id"])
    validation.check(call.body, _COMPLETE, required=())
    if asset.content is None:
        raise Refusal(409, "resource_not_ready", "The bytes have not been uploaded yet.")
    wanted = _checksum(call.body) or asset.checksum
    if wanted is not None and wanted.lower() != hashlib.sha256(asset.content).hexdigest():
        raise invalid("checksum_sha256", "The stored bytes have another checksum.")
    if not asset.complete:
        asset.complete = True
        asset.ready_at = call.now + state.moods.asset_seconds / state.settings.speed
        asset.failure = "The file could not be processed." if state.moods.assets_fail else None
    return data_response({**_upload_fields(state, asset), "status": asset.status(call.now)})


def store(state: ServiceState, request: HttpRequest, now: float) -> HttpResponse:
    """Take the raw bytes of a direct upload, as object storage does."""
    state.storage.check(request, now)
    asset = state.assets.get(request.path.removeprefix(UPLOAD_PREFIX))
    if asset is None:
        raise not_found("Upload")
    content = request.body or b""
    if request.headers.get("content-type") != asset.mime_type:
        raise Refusal(403, "signature_mismatch", "The Content-Type is not the signed one.")
    if request.headers.get(CHECKSUM_HEADER.lower(), "") != (asset.checksum or ""):
        raise Refusal(403, "signature_mismatch", f"The header {CHECKSUM_HEADER} is not the signed one.")
    if len(content) != asset.size_bytes:
        raise Refusal(400, "size_mismatch", f"{asset.size_bytes} bytes were announced, {len(content)} came.")
    asset.content = content
    return HttpResponse(200, {"etag": f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'}, b"")


def read(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Describe one asset."""
    asset = _asset(state, call.params["asset_id"])
    return data_response(
        {
            "id": asset.asset_id,
            "name": asset.name,
            "type": asset.mime_type.partition("/")[0],
            "owner": "someone",
            "space_id": "space_1",
            "uploaded_at": int(asset.uploaded_at),
            "folder_id": None,
            "url": _url(state, asset) if asset.complete else None,
        }
    )


def statuses(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Answer for up to 100 assets at once; an unknown id is an entry, not an error."""

    def show(asset_id: str) -> JsonObject:
        asset = state.assets.get(asset_id)
        if asset is None:
            return status_entry("not_found", video_id=asset_id)
        status = asset.status(call.now)
        error: JsonObject | None = None
        if status == "failed":
            error = {"code": "asset_not_available", "message": asset.failure}
        return status_entry(status, video_id=asset_id, error=error)

    return status_page(call, "asset_ids", show)


def delete(state: ServiceState, call: OperationCall) -> HttpResponse:
    """Delete one asset for good."""
    asset = _asset(state, call.params["asset_id"])
    del state.assets[asset.asset_id]
    return data_response({"id": asset.asset_id})


def _asset(state: ServiceState, asset_id: str) -> StoredAsset:
    try:
        return state.assets[asset_id]
    except KeyError:
        raise not_found("Asset", "asset_not_found") from None


def _upload_fields(state: ServiceState, asset: StoredAsset) -> JsonObject:
    return {
        "asset_id": asset.asset_id,
        "url": _url(state, asset),
        "mime_type": asset.mime_type,
        "size_bytes": asset.size_bytes,
    }


def _slot(state: ServiceState, asset: StoredAsset, now: float) -> JsonObject:
    storage, path = state.storage, f"{UPLOAD_PREFIX}{asset.asset_id}"
    return {
        "asset_id": asset.asset_id,
        "upload_url": storage.link(path, now + storage.upload_seconds),
        "upload_headers": {"Content-Type": asset.mime_type, CHECKSUM_HEADER: asset.checksum or ""},
        "expires_in_seconds": int(storage.upload_seconds),
        "max_bytes": storage.max_upload_bytes,
        "status": "pending_upload",
    }


def _url(state: ServiceState, asset: StoredAsset) -> str:
    return f"{state.storage.url}{PREFIX}assets/{asset.asset_id}"


def _checksum(body: JsonObject) -> str | None:
    value = body.get("checksum_sha256")
    return value if isinstance(value, str) else None


def _multipart(request: HttpRequest) -> tuple[str, bytes]:
    """Return name and bytes of the part called `file`."""
    found = re.search(r'boundary="?([^";]+)"?', request.headers.get("content-type", ""))
    if found is None:
        raise invalid("file", "The body must be multipart/form-data.")
    for part in (b"\r\n" + (request.body or b"")).split(b"\r\n--" + found.group(1).encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        text = head.decode("utf-8", "replace")
        if re.search(r'[; ]name="?file"?(;|\s|$)', text):
            name = re.search(r'filename="([^"]*)"', text)
            return (name.group(1) if name else "file"), content
    raise invalid("file", "There is no part named 'file'.")


def _detect(content: bytes) -> str:
    """Return the type by the first bytes; the name and the announced type count for nothing."""
    for magic, mime_type in _MAGIC:
        if content.startswith(magic):
            return mime_type
    if content[4:8] == b"ftyp":
        return "video/mp4"
    if b" --> " in content[:200]:
        return "application/x-subrip"
    raise invalid("file", "This type of file is not supported.")
