"""Every argument of every public function is tried with what it may not be: the error is ours and names it."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from heygen_async import (
    Approve,
    Batch,
    Cadence,
    ConfigError,
    HeyGen,
    HeyGenError,
    InvalidArgument,
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

ODD: Final = {"None": None, "5": 5, "'5'": "5", "object()": object()}
# What a parameter takes, by the words of its annotation; a flag is read by its truth, a word of the service's own
# (Literal) may be sent as it is.
TAKES: Final = {
    "None": {"None", "object", "bool"},
    "5": {"int", "float", "object", "bool"},
    "'5'": {"str", "object", "bool", "Literal", "Ownership", "AccessToken", "Uploadable"},
    "object()": {"object", "bool"},
}


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
    "schedule": cadence.schedule,
    "sign": webhooks.sign,
    "verify": webhooks.verify,
}


def public_methods(kind: type[object], path: str) -> Iterator[str]:
    """The methods of a class that take anything, as paths from what a test has."""
    for name, method in inspect.getmembers(kind, inspect.isroutine):
        if not name.startswith("_") and len(inspect.signature(method).parameters) > 1:
            yield f"{path}.{name}"


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


def takes(annotation: str, odd: str) -> bool:
    """Whether a parameter with such an annotation takes one of the odd values."""
    outside = re.sub(r"\[[^\[\]]*(\[[^\]]*\][^\[\]]*)*\]", "", annotation)
    return bool(TAKES[odd] & {word.strip() for word in outside.split("|")})


def is_named(error: Exception, name: str) -> bool:
    """Whether an error is ours and says which argument it is about."""
    if isinstance(error, InvalidArgument):
        return name == error.argument.rpartition(".")[2].partition("[")[0]
    return isinstance(error, ConfigError) and name in str(error)


async def settle(result: Any) -> None:
    """Do what a caller would do with a result, as far as its first item."""
    if inspect.isawaitable(result):
        await result
    elif isinstance(result, Batch):
        async with result:
            pass
    elif isinstance(result, AsyncIterator):
        await anext(cast("AsyncIterator[object]", result), None)


async def problems(function: Callable[..., object], line: Line | None = None) -> list[str]:
    """What goes wrong when each parameter in turn is what it may not be."""
    parameters = inspect.signature(function).parameters
    needed = {name for name, parameter in parameters.items() if parameter.default is parameter.empty}
    good = {name: GOOD.get(name, ["id_1"] if name.endswith("ids") else "id_1") for name in needed}
    found: list[str] = []
    for name, parameter in parameters.items():
        for odd, value in ODD.items():
            sent = len(line.sent) if line else 0
            error: Exception | None = None
            try:
                await settle(function(**{**good, name: value}))
            except Exception as raised:  # noqa: BLE001 - whatever it is, is judged
                error = raised
            is_taken = takes(str(parameter.annotation), odd)
            is_ours = error is None or isinstance(error, HeyGenError)
            has_sent = line is not None and len(line.sent) > sent
            if not (is_ours if is_taken else error and is_named(error, name) and not has_sent):
                found.append(f"{name}={odd}: {error!r}{' after I/O' if has_sent else ''}")
    return found


@pytest.mark.parametrize("name", FREE)
async def test_functions_and_settings_refuse_bad_arguments(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function or a setting says in our own error which argument is not what it should be."""
    monkeypatch.setenv("HEYGEN_API_KEY", "test-key")
    assert [] == await problems(FREE[name])


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
    assert [] == await problems(function, line)
