"""The secrets of these tests, and services that know them."""

from __future__ import annotations

import json
from collections.abc import Callable

from heygen_async import HeyGen, RetryPolicy, Timeouts
from peers import http

KEY = "sk_V2_one_of_a_kind"
SIGNATURE = "one-of-a-kind-signature"
QUICK = Timeouts(connect=2.0, read=0.5, write=0.5, transfer=0.5)
ONCE = RetryPolicy(max_attempts=1, settle="raise")


def with_key(url: str, retry: RetryPolicy = ONCE, limits: Timeouts = QUICK) -> HeyGen:
    """A client with an API key."""
    return HeyGen(KEY, base_url=url, timeouts=limits, retry=retry)


def with_token(url: str, retry: RetryPolicy = ONCE, limits: Timeouts = QUICK) -> HeyGen:
    """A client with an access token."""
    return HeyGen(access_token=KEY, base_url=url, timeouts=limits, retry=retry)


def with_renewal(url: str, retry: RetryPolicy = ONCE, limits: Timeouts = QUICK) -> HeyGen:
    """A client that asks for its access token."""
    return HeyGen(access_token=lambda: KEY, base_url=url, timeouts=limits, retry=retry)


CLIENTS: dict[str, Callable[..., HeyGen]] = {"key": with_key, "token": with_token, "callable": with_renewal}


def slot(url: str) -> bytes:
    """The answer of a service that lets a large file be put at a signed address of a storage host."""
    link = f"{url}/put?X-Amz-Signature={SIGNATURE}"
    told: dict[str, object] = {
        "asset_id": "a",
        "upload_url": link,
        "upload_headers": {},
        "expires_in_seconds": 60,
        "max_bytes": 10**9,
    }
    return http(json.dumps({"data": told}).encode())


def video(url: str) -> bytes:
    """The answer of a service whose video is at a signed address of a storage host."""
    link = f"{url}/v.mp4?X-Amz-Signature={SIGNATURE}"
    return http(json.dumps({"data": {"id": "v", "status": "completed", "video_url": link}}).encode())
