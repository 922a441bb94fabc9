"""The service's answers the benchmarks are fed with."""

from __future__ import annotations

import json

SIZES = {"small": (2, 160), "large": (40, 330)}
"""Messages and characters of each: 0.6 KB while it thinks, 16 KB when it has talked a lot."""


def session(messages: int, characters: int, *, progress: int = 40, status: str = "generating") -> bytes:
    """Return the answer to a poll of a session."""
    told = [
        {
            "role": "model" if number % 2 else "user",
            "content": (f"Message {number}: " + "words of the script, " * 20)[:characters],
            "type": "text",
            "created_at": 1_767_225_600 - number,
            "resource_ids": None,
        }
        for number in range(messages)
    ]
    data = {
        "session_id": "sess_1",
        "status": status,
        "progress": progress,
        "title": "Product demo",
        "video_id": None,
        "created_at": 1_767_225_600,
        "messages": told,
    }
    return json.dumps({"data": data}).encode()


def changing(size: str) -> list[bytes]:
    """Return answers that differ from one poll to the next: the usual case of a session that renders."""
    return [session(*SIZES[size], progress=progress) for progress in range(10, 99)]


def unchanging(size: str) -> list[bytes]:
    """Return the one answer of a session in which nothing moves."""
    return [session(*SIZES[size])]
