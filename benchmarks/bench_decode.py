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

OURS = "heygen_async (msgspec structs)"


def run(*, quick: bool) -> Row:
    """Measure both sizes."""
    rows: list[Row] = []
    for size, (messages, characters) in _answers.SIZES.items():
        body = _answers.session(messages, characters)
        timed = {name: partial(_timed, decode, body) for name, decode in _decoders(body).items()}
        measured = rounds(timed, 2 if quick else 7)
        ours = measured[OURS]["us"]
        rows += [
            {"size": size, "decoder": n, **row, "ratio": row["us"] / ours} for n, row in measured.items()
        ]
    return {"rows": rows}


def _decode(body: bytes) -> object:
    return session_api.SESSION.decode(body)  # looked up each time: it is another from the first answer on


def _timed(decode: Callable[[bytes], object], body: bytes) -> Row:
    timer = timeit.Timer(lambda: decode(body))
    once = timer.timeit(20) / 20
    number = max(10, int(0.03 / once))
    return {"us": timer.timeit(number) / number * 1e6}


def _decoders(body: bytes) -> dict[str, Callable[[bytes], object]]:
    from openai._models import BaseModel, construct_type

    from ._pydantic import SessionEnvelope, annotations

    stainless: Any = type("SessionEnvelope", (BaseModel,), {"__annotations__": annotations(BaseModel)})
    found: dict[str, Callable[[bytes], object]] = {
        "same bytes as last time: their hash": lambda body: hash(
            bytes(bytearray(body))
        ),  # of bytes just received
        OURS: _decode,
        "json, no types": json.loads,
        "json + dataclasses": lambda body: _built(_Session, _Message, json.loads(body)["data"]),
        "json + attrs": lambda body: _built(_AttrsSession, _AttrsMessage, json.loads(body)["data"]),
        "msgspec, untyped": msgspec.json.decode,
        "pydantic model_validate_json": SessionEnvelope.model_validate_json,
        "openai SDK construct": lambda body: construct_type(type_=stainless, value=json.loads(body)),
    }
    missing = _generated.make()
    if missing[_generated.PYTHON_CLIENT] is None:
        from generated_python_client.models import GetSessionEnvelope as Attrs  # type: ignore[import-not-found]

        found["openapi-python-client (attrs)"] = lambda body: Attrs.from_dict(json.loads(body))
    if missing[_generated.ASYNCIO] is None:
        from generated_asyncio.models import GetSessionEnvelope as Model  # type: ignore[import-not-found]

        found["openapi-generator (pydantic)"] = lambda body: Model.from_dict(json.loads(body))
    return found


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
