"""
What a user sets: credentials, the address, limits in seconds.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, fields
from typing import Literal
from urllib.parse import urlsplit

from .errors import ConfigError
from .errors._arguments import check_choice, check_count, check_positive

BASE_URL = "https://api.heygen.com"
MAX_BODY_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """
    How long to wait, in seconds.

    Attributes:
        connect: For a connection, name lookup and TLS included.
        read: For the whole answer to a read.
        write: For the whole answer to a create, a send or a stop; also how long a cancelled one is waited for.
        transfer: Without a byte, in an upload or download; there is no limit on the whole.
        watch: The default deadline of `watch`, `wait`, `video` and `converse`; None for none.
        settle: How long a state from before your `send` is kept from who watches; after that it is shown, marked as
            `is_stale`.
        stale: How long a pause may show after it was answered before who waits for the next one gets
            `SessionStalled`.
        outage: How long the service may fail without a break before a watcher gets `StateUnknown`.
    """

    connect: float = 10.0
    read: float = 30.0
    write: float = 120.0
    transfer: float = 60.0
    watch: float | None = 3600.0
    settle: float = 30.0
    stale: float = 600.0
    outage: float = 300.0

    def __post_init__(self) -> None:
        limits = [item.name for item in fields(self) if item.name != "watch" or self.watch is not None]
        check_positive(**{f"timeouts.{name}": getattr(self, name) for name in limits})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """
    When to try again, and what to do when nobody knows whether a write happened.

    Attributes:
        max_attempts: Exchanges for one call, the first included; 1 never tries again.
        max_elapsed: Seconds from the first exchange after which no new one is started.
        max_retry_after: The longest pace the service may ask for, in seconds; above it the error is raised at once
            with its `retry_after`.
        base: The first wait, in seconds, doubled each time and jittered.
        longest: No wait of our own is longer, in seconds.
        settle: `adopt`: after a create or send that may have happened, look for it and take it over, or send it
            again with the same key when it is not there. `raise`: raise `OutcomeUnknown` at once. Adopting cannot
            tell your session from one that another process of the same account created with the very same prompt
            within the last minutes (the clocks may differ by five); give such prompts something of their own, or
            choose `raise`.
        settle_time: How long to look for it before it counts as not there, in seconds.
        trust_keys: Whether this service is known to honour `Idempotency-Key` on create and send: a write in doubt is
            then sent again at once with its key, and nothing is read. Where it does not, that pays twice.
    """

    max_attempts: int = 6
    max_elapsed: float = 300.0
    max_retry_after: float = 120.0
    base: float = 0.5
    longest: float = 30.0
    settle: Literal["adopt", "raise"] = "adopt"
    settle_time: float = 10.0
    trust_keys: bool = False

    def __post_init__(self) -> None:
        check_count(**{"retry.max_attempts": self.max_attempts})
        check_choice(("adopt", "raise"), **{"retry.settle": self.settle})
        seconds = ("max_elapsed", "max_retry_after", "base", "longest", "settle_time")
        check_positive(**{f"retry.{name}": getattr(self, name) for name in seconds})


def base_url(given: str | None) -> str:
    """
    Return the service's address without a slash at the end.

    Raises:
        ConfigError: It is not https, nor plain http to this machine; or it has a user, a path, a query or a fragment.
    """
    url = given or os.environ.get("HEYGEN_API_BASE", "").strip() or BASE_URL
    problem = _address_problem(url)
    if problem:
        raise ConfigError(f"base_url {problem}.", hint=f"Use an https address such as {BASE_URL}.")
    return url.rstrip("/")


def _address_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        name = parts.hostname
        _ = parts.port
    except (ValueError, TypeError, AttributeError):  # the last two for what is no text
        return "is not an address"
    if not name or not url.isprintable() or " " in url:
        return "is not an address"
    if parts.username is not None or "?" in url or "#" in url:
        return "must not carry a user, a query or a fragment"
    if parts.path.strip("/"):
        return "must not have a path: the client adds /v3 itself"
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(name)):
        return None
    return "must be https (plain http only to this machine): the key would travel in the open"


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
