"""What the real service does beyond its contract, as switches of the simulator."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ..errors._arguments import check_choice, check_count, check_number, given
from ._arguments import check_seconds

Billing = Literal["wallet", "subscription", "usage_based"]


@dataclass(slots=True, kw_only=True)
class Moods:
    """
    How the service behaves where its documents leave it open; `simulator.moods`, changed at any time.

    Attributes:
        billing: What kind of account it is.
        balance: The credit at the beginning; below 0.5 a create is refused.
        price: What each second of a completed video takes from the credit.
        burst: Creates within one second that are accepted, beside the cap on jobs in progress; None for any number.
        congestion: Seconds that each session in progress adds to the thinking of a new one.
        failure_rate: Share of sessions that fail without a word, 0 to 1; the seed decides which.
        fails_above: Characters of a prompt beyond which every session fails so; None for never.
        video_at: When sessions learn their `video_id`, in place of what their scenario says; None for that.
        asset_seconds: Seconds a direct upload stays `processing`; infinity for ever.
        assets_fail: Whether direct uploads fail after that.
        deleted_videos: Whether a deleted video is `missing` (404), or shown with the status `deleted`.
        message_optional: Whether a send goes without `message`, where it has files.
        sends_date: Whether answers carry a Date header.
    """

    billing: Billing = "wallet"
    balance: float = 12.5
    price: float = 0.0
    burst: int | None = None
    congestion: float = 0.0
    failure_rate: float = 0.0
    fails_above: int | None = None
    video_at: Literal["create", "generating", "never"] | None = None
    asset_seconds: float = 2.0
    assets_fail: bool = False
    deleted_videos: Literal["missing", "status"] = "missing"
    message_optional: bool = False
    sends_date: bool = True

    def __post_init__(self) -> None:
        check_choice(("wallet", "subscription", "usage_based"), billing=self.billing)
        check_number(-math.inf, math.inf, balance=self.balance)
        check_number(0, math.inf, price=self.price)
        check_count(0, **given(burst=self.burst, fails_above=self.fails_above))
        check_seconds(congestion=self.congestion, asset_seconds=self.asset_seconds)
        check_number(0, math.nextafter(1, 2), failure_rate=self.failure_rate)
        check_choice((None, "create", "generating", "never"), video_at=self.video_at)
        check_choice(("missing", "status"), deleted_videos=self.deleted_videos)
