"""What the real service does beyond its contract, as switches of the simulator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Moods:
    """
    How the service behaves where its documents leave it open; `simulator.moods`, changed at any time.

    Attributes:
        asset_seconds: Seconds a direct upload stays `processing`; infinity for ever.
        assets_fail: Whether direct uploads fail after that.
        message_optional: Whether a send goes without `message`, where it has files.
        sends_date: Whether answers carry a Date header.
    """

    asset_seconds: float = 2.0
    assets_fail: bool = False
    message_optional: bool = False
    sends_date: bool = True
