"""The names of the operations the simulator answers; a test holds them equal to the routes."""

from __future__ import annotations

from typing import Final

FILES: Final = frozenset({"media", "upload"})
"""What the storage origin answers."""

WRITES: Final = frozenset(
    {
        "asset_upload",
        "complete",
        "create",
        "direct_upload",
        "endpoint_create",
        "rotate",
        "send",
        "stop",
    }
)
"""The operations for which a client sends an `Idempotency-Key`."""

OPERATIONS: Final[frozenset[str]] = (
    FILES
    | WRITES
    | {
        "account",
        "asset",
        "asset_delete",
        "asset_statuses",
        "avatars",
        "brand_glossaries",
        "brand_kits",
        "endpoint_delete",
        "endpoint_update",
        "endpoints",
        "event_types",
        "events",
        "get",
        "group",
        "list",
        "look",
        "looks",
        "resource",
        "statuses",
        "styles",
        "video",
        "video_delete",
        "video_list",
        "videos",
        "voice",
        "voices",
    }
)
