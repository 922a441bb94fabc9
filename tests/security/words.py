"""The secrets of these tests, and services that know them."""

from __future__ import annotations

import json
from collections.abc import Callable

from heygen_async import HeyGen, RetryPolicy, Timeouts
from peers import http

KEY = "sk_V2_one_of_a_kind"
SIGNATURE = "one-of-a-kind-signature"
QUICK = Timeouts(connect=0.2, read=0.05, write=0.05, transfer=0.05)
ONCE = RetryPolicy(max_attempts=1, settle="raise")


def with_key(url: str, retry: RetryPolicy = ONCE) -> HeyGen:
    """A client with an API key."""
    return HeyGen(KEY, base_url=url, timeouts=QUICK, retry=retry)


def with_token(url: str, retry: RetryPolicy = ONCE) -> HeyGen:
    """A client with an access token."""
    return HeyGen(access_token=KEY, base_url=url, timeouts=QUICK, retry=retry)


def with_renewal(url: str, retry: RetryPolicy = ONCE) -> HeyGen:
    """A client that asks for its access token."""
    return HeyGen(access_token=lambda: KEY, base_url=url, timeouts=QUICK, retry=retry)


CLIENTS: dict[str, Callable[..., HeyGen]] = {"key": with_key, "token": with_token, "callable": with_renewal}


def video(url: str) -> bytes:
    """The answer of a service whose video is at a signed address of a storage host."""
    link = f"{url}/v.mp4?X-Amz-Signature={SIGNATURE}"
    return http(json.dumps({"data": {"id": "v", "status": "completed", "video_url": link}}).encode())
