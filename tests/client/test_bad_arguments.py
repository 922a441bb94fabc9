"""Every argument of every public function is tried with what it may not be: the error is ours and names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pytest

from bad_arguments import problems, public_methods
from heygen_async import (
    Approve,
    Cadence,
    HeyGen,
    Job,
    Rate,
    Resource,
    RetryPolicy,
    Session,
    Timeouts,
    Video,
    cadence,
    webhooks,
)

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from flows import Line


def each_second(_: object) -> float:
    """A schedule."""
    return 1.0


def approve(*_: object) -> Approve:
    """A reviewer."""
    return Approve()


GOOD: Final[dict[str, object]] = {
    "body": b"{}",
    "given": each_second,
    "headers": {},
    "interval": each_second,
    "jobs": ["A tour"],
    "message": "Warmer, please",
    "method": "GET",
    "path": "/v3/voices",
    "per_second": 1.0,
    "prompt": "A tour",
    "reviewer": approve,
    "seconds": 1.0,
    "secret": "whsec",
    "secrets": "whsec",
    "source": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "steps": [(1.0, 1)],
    "target": "film.mp4",
    "then": 1.0,
    "url": "https://example.com/hook",
}
FREE: Final[dict[str, Callable[..., object]]] = {
    "Cadence": Cadence,
    "Cadence.adaptive": Cadence.adaptive,
    "Cadence.constant": Cadence.constant,
    "Cadence.exponential": Cadence.exponential,
    "Cadence.stepped": Cadence.stepped,
    "HeyGen": HeyGen,
    "Job": Job,
    "Rate": Rate,
    "RetryPolicy": RetryPolicy,
    "SeenEvents": webhooks.SeenEvents,
    "Timeouts": Timeouts,
    "bounded": cadence.bounded,
    "parse_unverified": webhooks.parse_unverified,
    "sign": webhooks.sign,
    "verify": webhooks.verify,
}


def methods() -> Iterator[str]:
    """Every method of the client, its groups, and what they return."""
    heygen = HeyGen("test-key")
    yield from public_methods(HeyGen, "heygen")
    for name, group in vars(heygen).items():
        if not name.startswith("_"):
            yield from public_methods(group.__class__, f"heygen.{name}")
    yield from public_methods(type(heygen.webhooks.endpoints), "heygen.webhooks.endpoints")
    yield from public_methods(Session, "session")
    yield "video.download"
    yield "video.download_captions"
    yield "resource.download"


@pytest.mark.parametrize("name", FREE)
async def test_functions_and_settings_refuse_bad_arguments(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function or a setting says in our own error which argument is not what it should be."""
    monkeypatch.setenv("HEYGEN_API_KEY", "test-key")
    assert [] == await problems(FREE[name], GOOD)


@pytest.mark.parametrize("path", sorted(set(methods())))
async def test_methods_refuse_bad_arguments(
    path: str, heygen: HeyGen, line: Line, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A method says in our own error which argument is not what it should be, before anything is sent."""
    monkeypatch.chdir(tmp_path)
    session = await heygen.sessions.create("A tour of our bakery")
    owners: dict[str, object] = {"heygen": heygen, "session": session}
    first, *rest = path.split(".")
    if first in {"video", "resource"}:
        await session.wait()
        owners["resource"] = (await session.resources())[0]
        await session.approve()
        owners["video"] = await session.video()
    function: Any = owners[first]
    for word in rest:
        function = getattr(function, word)

    assert isinstance(owners.get("video"), Video | None)
    assert isinstance(owners.get("resource"), Resource | None)
    assert [] == await problems(function, GOOD, line)
