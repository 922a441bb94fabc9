"""
Files as values: what is given to the agent, what was uploaded, and how far a transfer is.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Protocol

from msgspec import field

from ._base import Int, Value, moment


class AssetUrl(Value, frozen=True, kw_only=True, tag_field="type", tag="url"):
    """A file behind a public https address."""

    url: str


class AssetId(Value, frozen=True, kw_only=True, tag_field="type", tag="asset_id"):
    """A file uploaded before."""

    asset_id: str


class AssetBase64(Value, frozen=True, kw_only=True, tag_field="type", tag="base64"):
    """A small file sent inline; `data` is base64 text."""

    media_type: str
    data: str

    def __repr__(self) -> str:
        return f"AssetBase64(media_type={self.media_type!r}, data=<{len(str(self.data))} characters>)"


class Asset(Value, frozen=True, kw_only=True):
    """
    A file at the service; give it to `files=`.

    An upload tells `url`, `mime_type`, `size_bytes`; a later read tells `type`, `owner`, `space_id` and the rest.

    Attributes:
        id: The service's id.
        name: The file's name.
        type: The kind of file in the service's words, such as `image`.
        mime_type: Such as `image/png`.
        status: What the service said of a large file's processing, such as `processing`; None for small ones.
    """

    id: str
    name: str | None = None
    type: str | None = None
    mime_type: str | None = None
    size_bytes: Int | None = None
    status: str | None = None
    url: str | None = None
    owner: str | None = None
    space_id: str | None = None
    folder_id: str | None = None
    uploaded_at: Int | None = None

    @property
    def uploaded(self) -> datetime | None:
        """When it was uploaded."""
        return moment(self.uploaded_at)


class AssetState(Value, frozen=True, kw_only=True):
    """
    One row of `heygen.assets.statuses`; an id the service does not know has status `not_found`.

    Attributes:
        status: In the service's words, such as `processing`, `completed` or `failed`.
        error: What the service says of a failure.
    """

    asset_id: str | None = field(name="video_id", default=None)  # so the service calls it here
    status: str
    error: dict[str, object] | None = None


class Transfer(Value, frozen=True, kw_only=True):
    """
    How far an upload or a download is.

    Attributes:
        done_bytes: Bytes sent, or bytes in the file, those of an earlier run included.
        total_bytes: The size of the file, None while it is not known.
        elapsed: Seconds since this call began to transfer.
    """

    done_bytes: int
    total_bytes: int | None
    elapsed: float


class Body(Protocol):
    """Bytes to send that are not all in memory: each iteration begins at the beginning."""

    @property
    def length(self) -> int: ...

    def __aiter__(self) -> AsyncIterator[bytes | memoryview]: ...


File = AssetUrl | AssetId | AssetBase64 | Asset | os.PathLike[str] | str
OnProgress = Callable[[Transfer], Awaitable[None] | None]
