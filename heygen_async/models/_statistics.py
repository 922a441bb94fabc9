"""What a client has done so far."""

from __future__ import annotations

from ._base import Value


class Statistics(Value, frozen=True, kw_only=True):
    """
    What a client has done so far; a snapshot that does not change any more.

    Attributes:
        requests: Exchanges with the API, retries and polls included.
        retries: Exchanges that repeated an earlier one.
        polls: Reads of one session or video made for watchers.
        bulk_polls: Reads of many videos at once made for watchers.
        rate_limited: Answers with 429.
        bytes_received: Bytes of answers, uncompressed.
        watchers: Watchers alive now.
        watched: Sessions they watch.
        due: Sessions whose poll is due and in line.
        in_flight: Polls under way.
        lateness_p50: Seconds between due and sent of the newest 1,000 polls, the median.
        lateness_p99: The same, of the slowest of a hundred.
        shared_reads: Reads by other processes that served watchers here.
        is_backplane_away: Whether the other processes cannot be reached, so that this one polls for itself; None
            without a backplane.
    """

    requests: int = 0
    retries: int = 0
    polls: int = 0
    bulk_polls: int = 0
    rate_limited: int = 0
    bytes_received: int = 0
    watchers: int = 0
    watched: int = 0
    due: int = 0
    in_flight: int = 0
    lateness_p50: float = 0.0
    lateness_p99: float = 0.0
    shared_reads: int = 0
    is_backplane_away: bool | None = None
