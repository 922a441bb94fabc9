"""
The calls that move files: what is sent for an upload and what its answers mean (contract.md, Uploads).
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from ..models import Asset, AssetState
from ..models._base import Int
from .calls import Call, Kind, bulk_call, change_call, choose_key, read_call
from .responses import ANYTHING, Decoder, Envelope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..models._assets import Body

# Whether "32 MB" means 32,000,000 or 33,554,432, and with or without the wrapping, is not said: this is below all.
MULTIPART_BYTES = 31_900_000

_ASSETS = "/v3/assets"
_ASSET_ROUTE = "/v3/assets/{asset_id}"


class Uploaded(Struct, frozen=True, kw_only=True):
    """The answer to a finished upload."""

    asset_id: str
    url: str
    mime_type: str = ""
    size_bytes: Int = 0
    status: str | None = None

    def to_asset(self, name: str) -> Asset:
        """Return it as the asset it is."""
        told = structs.asdict(self)  # named alike but for the id
        return Asset(id=told.pop("asset_id"), name=name, **told)


class UploadSlot(Struct, frozen=True, kw_only=True):
    """Where the service lets the bytes of a large file be put; the address is a credential."""

    asset_id: str
    upload_url: str
    upload_headers: dict[str, str]
    expires_in_seconds: float
    max_bytes: Int

    def __repr__(self) -> str:
        return f"UploadSlot(asset_id={self.asset_id!r})"


_UPLOADED = Decoder(Envelope[Uploaded])
_SLOT = Decoder(Envelope[UploadSlot])
_ASSET = Decoder(Envelope[Asset])
_STATUSES = Decoder(Envelope[tuple[AssetState, ...]])


def upload(body: Body, content_type: str) -> Call[Uploaded]:
    """Send a small file whole; the key makes a repetition harmless."""
    key = choose_key(None)
    return Call("upload", Kind.REPEATABLE, "POST", _ASSETS, _ASSETS, _UPLOADED, body, key, content_type)


def wrapping(name: str, media_type: str) -> tuple[str, bytes, bytes]:
    """Return the content type of a multipart body, and the bytes before and after the file in it (RFC 7578)."""
    boundary = uuid.uuid4().hex
    # As browsers write it (HTML standard, multipart/form-data): only these three would end the name.
    for character, written in (("\r", "%0D"), ("\n", "%0A"), ('"', "%22")):
        name = name.replace(character, written)
    head = (
        f"--{boundary}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {media_type}\r\n\r\n"
    )
    return f"multipart/form-data; boundary={boundary}", head.encode(), f"\r\n--{boundary}--\r\n".encode()


def begin(name: str, media_type: str, size: int, sha256: str) -> Call[UploadSlot]:
    """Ask for a place for a large file; each call is a new one, since a replayed answer is an expired address."""
    asked = {"filename": name, "content_type": media_type, "size_bytes": size, "checksum_sha256": sha256}
    return change_call("begin_upload", "POST", f"{_ASSETS}/direct-uploads", _SLOT, body=asked)


def complete(asset_id: str, sha256: str) -> Call[Uploaded]:
    """Say that the bytes are there; asking twice is the same as asking once."""
    route, body = f"{_ASSET_ROUTE}/complete", {"checksum_sha256": sha256}
    return change_call("complete_upload", "POST", route, _UPLOADED, body=body, asset_id=asset_id)


def read(asset_id: str) -> Call[Asset]:
    """Read what is known of one asset."""
    return read_call("asset", _ASSET_ROUTE, _ASSET, asset_id=asset_id)


def statuses(asset_ids: Sequence[str]) -> Call[tuple[AssetState, ...]]:
    """Read the statuses of up to 100 assets at once."""
    return bulk_call("asset_statuses", f"{_ASSETS}/statuses", _STATUSES, "asset_ids", asset_ids)


def delete(asset_id: str) -> Call[object]:
    """Delete one asset."""
    return change_call("delete_asset", "DELETE", _ASSET_ROUTE, ANYTHING, asset_id=asset_id)
