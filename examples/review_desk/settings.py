"""What the person who runs the desk decides, from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

LOCAL_HOSTS = ("localhost", "127.0.0.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    The desk's own settings; the client reads its own (`HEYGEN_API_KEY`, `HEYGEN_API_BASE`).

    Attributes:
        database: The file that outlives a restart; None to forget everything at the end.
        hosts: The names under which browsers reach the desk; a request for any other is refused.
        webhook_secrets: Of the registered webhook endpoint, the newest first; without one, deliveries are hints.
        media: Where pictures and videos may come from, as Content-Security-Policy sources.
        user_header: The request header in which a sign-in before the desk says who it is, such as `x-forwarded-user`;
            None where people give their names themselves.
        is_simulated: Whether the agent is a simulated one, which costs nothing.
    """

    database: str | None = None
    hosts: tuple[str, ...] = LOCAL_HOSTS
    webhook_secrets: tuple[str, ...] = ()
    media: str = "https:"
    user_header: str | None = None
    is_simulated: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read `DESK_…` and `HEYGEN_WEBHOOK_SECRET`; hosts and secrets may be lists with commas."""
        # A simulator on this machine serves its files from ports of its own, without TLS.
        is_simulated = environment.get("HEYGEN_API_BASE", "").startswith("http://")
        return cls(
            database=environment.get("DESK_DATABASE", "review_desk.sqlite3"),
            hosts=(*LOCAL_HOSTS, *_words(environment.get("DESK_HOSTS", ""))),
            webhook_secrets=_words(environment.get("HEYGEN_WEBHOOK_SECRET", "")),
            media="http://127.0.0.1:*" if is_simulated else "https:",
            user_header=environment.get("DESK_USER_HEADER"),
            is_simulated=is_simulated,
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
