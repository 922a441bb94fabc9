"""From the bytes of an answer to a typed state: what the decoder costs."""

from __future__ import annotations

import dataclasses
import json
import timeit
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from heygen_async._api import sessions as session_api

from . import _answers, _generated
from ._measure import Row, rounds

if TYPE_CHECKING:
    from collections.abc import Callable

    Decode = Callable[[bytes], object]

OURS = "heygen_async (msgspec structs)"


def run(*, quick: bool) -> Row:
    """Measure both sizes."""
    missing = _generated.make()
    names = [name for name in _MAKERS if missing.get(_GENERATED.get(name, "")) is None]
    rows: list[Row] = []
    for size, (messages, characters) in _answers.SIZES.items():
        body = _answers.session(messages, characters)
        timed = {name: partial(_timed, name, body) for name in names}
        measured = rounds(timed, 2 if quick else 5)
        ours = measured[OURS]["us"]
        rows += [
            {"size": size, "decoder": n, **row, "ratio": row["us"] / ours} for n, row in measured.items()
        ]
    return {"rows": rows}


def _timed(name: str, body: bytes) -> Row:
    decode = _MAKERS[name]()
    timer = timeit.Timer(lambda: decode(body))
    once = timer.timeit(50) / 50
    number = max(10, int(0.03 / once))
    return {"us": timer.timeit(number) / number * 1e6}


def _decode(body: bytes) -> object:
    return session_api.SESSION.decode(body)  # looked up each time: it is another from the first answer on


def _stainless() -> Decode:
    from openai._models import BaseModel, construct_type

    from ._pydantic import annotations

    model: Any = type("SessionEnvelope", (BaseModel,), {"__annotations__": annotations(BaseModel)})
    return lambda body: construct_type(type_=model, value=json.loads(body))


def _pydantic() -> Decode:
    from ._pydantic import SessionEnvelope

    return SessionEnvelope.model_validate_json


def _python_client() -> Decode:
    from generated_python_client.models import GetSessionEnvelope  # type: ignore[import-not-found]

    return lambda body: GetSessionEnvelope.from_dict(json.loads(body))


def _asyncio() -> Decode:
    from generated_asyncio.models import GetSessionEnvelope  # type: ignore[import-not-found]

    return lambda body: GetSessionEnvelope.from_dict(json.loads(body))


@dataclasses.dataclass(slots=True)
class _Message:
    role: str
    content: str
    type: str
    created_at: int | None = None
    resource_ids: list[str] | None = None


@dataclasses.dataclass(slots=True)
class _Session:
    session_id: str
    status: str
    created_at: int
    progress: int
    title: str | None
    video_id: str | None
    messages: list[Any]


_AttrsMessage = attrs.make_class("_AttrsMessage", [field.name for field in dataclasses.fields(_Message)])
_AttrsSession = attrs.make_class("_AttrsSession", [field.name for field in dataclasses.fields(_Session)])


def _built(session: Callable[..., object], message: Callable[..., object], data: dict[str, Any]) -> object:
    return session(**{**data, "messages": [message(**one) for one in data["messages"]]})


_MAKERS: dict[str, Callable[[], Decode]] = {  # each is made where it is measured
    "same bytes as last time: their hash": lambda: lambda body: hash(bytes(bytearray(body))),  # just received
    OURS: lambda: _decode,
    "json, no types": lambda: json.loads,
    "json + dataclasses": lambda: lambda body: _built(_Session, _Message, json.loads(body)["data"]),
    "json + attrs": lambda: lambda body: _built(_AttrsSession, _AttrsMessage, json.loads(body)["data"]),
    "msgspec, untyped": lambda: msgspec.json.decode,
    "pydantic model_validate_json": _pydantic,
    "openai SDK construct": _stainless,
    "openapi-python-client (attrs)": _python_client,
    "openapi-generator (pydantic)": _asyncio,
}
_GENERATED = {
    "openapi-python-client (attrs)": _generated.PYTHON_CLIENT,
    "openapi-generator (pydantic)": _generated.ASYNCIO,
}
